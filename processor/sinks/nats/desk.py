"""An event loop in a thread of its own, with the one connection that all other threads share."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from processor.errors import Busy
from processor.sinks.nats.answers import Over
from processor.sinks.nats.line import GOODBYE, Line

_GRACE = 2.0  # seconds more until we wait no longer for our own thread
_CLOSED = "the sink was closed"

_Opening = asyncio.Task[Line]


class Desk:
    """What is asked of it is done on its connection, which it opens with `connect` where there is none."""

    def __init__(self, name: str, connect: Callable[[], Coroutine[Any, Any, Line]]) -> None:
        self._connect = connect
        self._opening: _Opening | None = None
        self._ending = False
        self._loop = asyncio.new_event_loop()
        # What a task ends with that nobody waits for any more is no news.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        logging.getLogger("asyncio").addFilter(_is_news)
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def run(self, act: Callable[[Line], Awaitable[str]], seconds: float) -> str:
        """What `act` returns or raises; TimeoutError after so many seconds, Busy when this is closed meanwhile."""
        work = self._within(seconds, act)
        try:
            done = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # of a loop that is closed
            work.close()
            raise Busy(_CLOSED) from None
        try:
            return done.result(seconds + _GRACE)
        except CancelledError:
            raise Busy(_CLOSED) from None

    def close(self) -> None:
        """Give up what is on its way, leave the server and end the thread."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(GOODBYE + _GRACE)

    async def _within(self, seconds: float, act: Callable[[Line], Awaitable[str]]) -> str:
        """With the kept connection; with a new one if that ends meanwhile."""
        async with asyncio.timeout(seconds):
            line, kept = await self._line()
            try:
                return await act(line)
            except Over:
                if not kept or line.is_open:
                    raise
            line, _ = await self._line()
            return await act(line)

    async def _line(self) -> tuple[Line, bool]:
        """The connection, and whether it was there before. Those who come while it is opened wait for that."""
        if self._ending:
            raise Busy(_CLOSED)
        opening = self._opening
        if (line := _opened(opening)) and line.is_open:
            return line, True
        if not opening or opening.done():
            opening = self._opening = asyncio.ensure_future(self._reopen(line))
        return await asyncio.shield(opening), False

    async def _reopen(self, old: Line | None) -> Line:
        if old:
            await old.close()
        return await self._connect()

    def _serve(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        self._ending = True
        if line := _opened(self._opening):
            await line.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=GOODBYE)


def _opened(opening: _Opening | None) -> Line | None:
    """The connection, if one came of it."""
    if opening and opening.done() and not opening.cancelled() and not opening.exception():
        return opening.result()
    return None


def _is_news(record: logging.LogRecord) -> bool:
    """Not so what asyncio has to say, at each end of a connection with TLS, of the way in which the client made it."""
    return not str(record.msg).startswith("returning true from eof_received()")
