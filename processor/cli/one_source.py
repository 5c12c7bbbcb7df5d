"""One configured source for the one call of a command: found by its name, asked with a little patience."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog

from processor.cli.redis_url import configured_or_running
from processor.errors import NotYet, ProcessorError, RateLimited, ReconnectNeeded, Retryable, Shut, Usage
from processor.ports import Provider
from processor.settings.faults import nearest
from processor.store.work import Resource
from processor.wiring import App, read_settings

TRIES = 4  # of a call that may go better the next time
FIRST, LONGEST = 2.0, 120.0  # seconds; a provider that wants more is asked again by whoever runs the command anew

_T = TypeVar("_T")


@dataclass(frozen=True)
class OneSource:
    """A source of the configuration, and the application around it."""

    app: App
    name: str

    @property
    def provider(self) -> Provider:
        return self.app.providers[self.name]

    @property
    def resource(self) -> Resource:
        return self.app.sources[self.name]

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around a call to the provider that is made once: a 429 holds all others off too, and says for how long."""
        try:
            yield
        except RateLimited as e:
            self._pause(e)
            when = f"in {e.retry_after:g} s" if e.retry_after else "later"
            raise ProcessorError(f"{e.message}: too many requests, try again {when}") from None

    def patiently(self, ask: Callable[[], _T], told: Callable[[str], None]) -> _T:
        """What `ask` returns, asked again a few times when its error says that it may go better; `told` hears of that.

        Raises its last error, and at once what no waiting mends.
        """
        for attempt in range(TRIES):
            try:
                return ask()
            except (NotYet, Shut, ReconnectNeeded):
                raise
            except Retryable as e:
                if isinstance(e, RateLimited):
                    self._pause(e)
                wait = e.retry_after or FIRST * 2**attempt
                if attempt + 1 == TRIES or wait > LONGEST:
                    raise
                told(f"{e.message}; again in {wait:g} s")
                time.sleep(wait)
        raise AssertionError("unreachable")

    def _pause(self, error: RateLimited) -> None:
        if error.retry_after:
            self.app.lanes.pause(self.resource, error.retry_after, shared=True)


def one_source(config: str | None, data_dir: str, name: str) -> OneSource:
    """The source of that name. Raises ConfigError, Usage for a name that is none, ProcessorError without a Redis."""
    settings = read_settings(config, os.environ)
    if name not in settings.sources:
        raise Usage(f"{name!r} is no source{nearest(name, settings.sources)}")
    return OneSource(App(settings, configured_or_running(settings, data_dir)), name)


@contextmanager
def unlogged() -> Iterator[None]:
    """No log lines meanwhile: the command itself says what matters. JOBWIRE_DEBUG=1 lets them through."""
    if os.environ.get("JOBWIRE_DEBUG") == "1":
        yield
        return
    before, configured, level = structlog.get_config(), structlog.is_configured(), logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        logging.disable(level)
        if configured:
            structlog.configure(**before)
        else:
            structlog.reset_defaults()


def _drop(logger: object, method: str, line: object) -> str:
    raise structlog.DropEvent


def said(error: ProcessorError) -> str:
    """An error in a line of a command's own."""
    return " ".join(error.message.split())
