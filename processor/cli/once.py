"""Sinks for the one call of a command: with our Redis where there is one, and without where they need none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from processor import registry
from processor.cli.redis_url import configured_or_running
from processor.errors import ProcessorError, Unavailable, Usage
from processor.http import HttpClient
from processor.ports import Sink, StoredToken, Tools
from processor.settings import Settings
from processor.wiring import App, now


class OneCall:
    """A ports.Memory that ends with the call: what a test sends is no part of what real jobs are told."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def recall(self, sink: str, key: str) -> str | None:
        return self._known.get((sink, key))

    def remember(self, sink: str, key: str, value: str, *, seconds: float) -> None:
        self._known[sink, key] = value


@dataclass(frozen=True)
class NoTokens:
    """The ports.TokenStore of whoever has no Redis: whatever is asked of it raises Unavailable."""

    why: str

    def get(self, source: str) -> StoredToken | None:
        raise Unavailable(self.why)

    def put(self, source: str, token: StoredToken, *, expected: StoredToken | None) -> bool:
        raise Unavailable(self.why)

    def lock(self, source: str, *, seconds: float) -> AbstractContextManager[bool]:
        raise Unavailable(self.why)


class Once:
    """Makes sinks. Nothing is connected yet: a Redis that does not answer concerns only the sinks that use it."""

    def __init__(self, settings: Settings, data_dir: str) -> None:
        self._sinks = settings.sinks
        self._no_redis = ""
        try:
            tools = App(settings, configured_or_running(settings, data_dir), patient=False).tools
        except ProcessorError as e:
            self._no_redis = e.message
            tools = Tools(HttpClient(), NoTokens(e.message), now, OneCall(), public_url=settings.server.public_url)
        self._tools = replace(tools, memory=OneCall())

    def sink(self, name: str) -> Sink:
        """The sink of that name. Raises Usage, or Unavailable when it needs a Redis and there is none."""
        found = self._sinks[name]
        try:
            return registry.sink(found.type).from_config(name, found.options, self._tools)
        except Usage as e:
            if self._no_redis:
                raise Unavailable(f"{e.message}; {self._no_redis}") from None
            raise


@contextmanager
def quiet() -> Iterator[None]:
    """No library logs meanwhile: what it has to say comes as an error, and in our words that hold no address."""
    before = logging.root.handlers
    logging.root.handlers = [logging.NullHandler()]  # not switched off: a sink may read what its library logs
    try:
        yield
    finally:
        logging.root.handlers = before
