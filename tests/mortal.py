"""A process that gets an access token and dies on the way, where it is told to: for the tests of what a kill leaves.

`python mortal.py REDIS_URL TOKEN_URL REFRESH_TOKEN LOCK_SECONDS [STEP]` prints the token, or what is wrong.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from processor import oauth
from processor.connect import connect
from processor.errors import ProcessorError
from processor.http import HttpClient
from processor.model import Secret
from processor.ports import Answer, StoredToken, Tools
from processor.store.memory import RedisMemory
from processor.store.tokens import RedisTokens
from processor.wiring import now

SOURCE = "hover-main"
CLIENT, SECRET = "client", "app-secret"
BEFORE_READING = "holding the lock, before the stored token was read"
BEFORE_EXCHANGE = "holding the lock, before the exchange"
AFTER_EXCHANGE = "after the exchange, before the new token was stored"
AFTER_STORING = "after the new token was stored, before it was used"


def started(redis_url: str, token_url: str, refresh: str, lock: float, step: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, __file__, redis_url, token_url, refresh, str(lock), *([step] if step else [])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


# --- in the process ---------------------------------------------------------------------------------------------------


class Fate:
    """Dies at one step, by the signal that leaves no time for anything."""

    def __init__(self, step: str) -> None:
        self._step = step

    def at(self, step: str) -> None:
        if step == self._step:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalHttp:
    def __init__(self, fate: Fate) -> None:
        self._fate, self._inner = fate, HttpClient()

    def request(self, method: str, url: str, **arguments: Any) -> Answer:
        self._fate.at(BEFORE_EXCHANGE)
        answer = self._inner.request(method, url, **arguments)
        self._fate.at(AFTER_EXCHANGE)
        return answer


class MortalTokens:
    def __init__(self, fate: Fate, inner: RedisTokens) -> None:
        self._fate, self._inner = fate, inner

    def get(self, source: str) -> StoredToken | None:
        return self._inner.get(source)

    def put(self, source: str, token: StoredToken, *, expected: StoredToken | None) -> bool:
        taken = self._inner.put(source, token, expected=expected)
        self._fate.at(AFTER_STORING)
        return taken

    @contextmanager
    def lock(self, source: str, *, seconds: float) -> Iterator[bool]:
        with self._inner.lock(source, seconds=seconds) as held:
            self._fate.at(BEFORE_READING)
            yield held


def main(redis_url: str, token_url: str, refresh: str, lock: str, step: str = "") -> None:
    oauth._LOCK = float(lock)
    fate, client = Fate(step), connect(redis_url, patient=True)
    tokens = MortalTokens(fate, RedisTokens(client))
    tools = Tools(http=MortalHttp(fate), tokens=tokens, clock=now, memory=RedisMemory(client))
    grant = oauth.RotatingRefreshToken(CLIENT, Secret(SECRET), Secret(refresh))
    try:
        print(oauth.OAuth(SOURCE, token_url, grant, tools).token())  # noqa: T201  # whoever started it reads this
    except ProcessorError as e:
        print(f"{e.reason}: {e.message}")  # noqa: T201  # likewise


if __name__ == "__main__":
    main(*sys.argv[1:])
