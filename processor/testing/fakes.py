"""Stand-ins at the edges: a far end that answers by script, a token store in memory, a clock that stands still."""

from __future__ import annotations

import json as jsonlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from processor.model import JSON
from processor.ports import Answer, StoredToken, Tools


def answer(status: int = 200, json: JSON = None, *, body: bytes | None = None, **headers: str) -> Answer:
    """An Answer; `retry_after="5"` is its Retry-After header."""
    raw = body if body is not None else jsonlib.dumps(json).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as FakeHttp got it."""

    method: str
    url: str
    headers: Mapping[str, str]
    json: JSON | None
    form: Mapping[str, str] | None
    body: bytes | None
    timeout: float | None


Scripted = Answer | Exception | Callable[[Sent], Answer]


class FakeHttp:
    """A ports.Http that gives `script` in order; what is callable makes its answer from the request.

    `always` answers whatever comes after the script; without it that is a failed test. `sent` keeps the requests.
    """

    def __init__(self, *script: Scripted, always: Scripted | None = None) -> None:
        self.sent: list[Sent] = []
        self._script = list(script)
        self._always = always
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: JSON | None = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Answer:
        sent = Sent(method, url, dict(headers or {}), json, form, body, timeout)
        with self._lock:
            self.sent.append(sent)
            scripted = self._script.pop(0) if self._script else self._always
        if scripted is None:
            raise AssertionError(f"an unexpected request: {method} {url}")
        if isinstance(scripted, Exception):
            raise scripted
        return scripted if isinstance(scripted, Answer) else scripted(sent)


class MemoryTokenStore:
    """A ports.TokenStore for the threads of one process. `patience` is how long `lock` waits at most."""

    def __init__(self, *, patience: float = 30.0) -> None:
        self._tokens: dict[str, StoredToken] = {}
        self._writing = threading.Lock()
        self._refreshing: dict[str, threading.Lock] = {}
        self._patience = patience

    def get(self, source: str) -> StoredToken | None:
        return self._tokens.get(source)

    def put(self, source: str, token: StoredToken, *, expected: StoredToken | None) -> bool:
        with self._writing:
            if self._tokens.get(source) != expected:
                return False
            self._tokens[source] = token
            return True

    @contextmanager
    def lock(self, source: str, *, seconds: float) -> Iterator[bool]:
        with self._writing:
            lock = self._refreshing.setdefault(source, threading.Lock())
        held = lock.acquire(timeout=min(seconds, self._patience))
        try:
            yield held
        finally:
            if held:
                lock.release()


class StandingClock:
    """A ports.Clock that moves only when told to."""

    def __init__(self, now: datetime = datetime(2025, 3, 18, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class ShortMemory:
    """A ports.Memory that forgets nothing while the test lasts."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], str] = {}

    def recall(self, sink: str, key: str) -> str | None:
        return self.known.get((sink, key))

    def remember(self, sink: str, key: str, value: str, *, seconds: float) -> None:
        self.known[sink, key] = value


def some_tools(**changes: Any) -> Tools:
    """What a plugin may use, all of it faked unless said otherwise."""
    fakes = Tools(http=FakeHttp(), tokens=MemoryTokenStore(), clock=StandingClock(), memory=ShortMemory())
    return replace(fakes, **changes)
