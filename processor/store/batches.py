"""Group commit: what several threads want at one moment is done in one call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Place(Generic[T, R]):
    """One thread's item in the queue. `wake` is let go when the outcome is there, or when it is this thread's turn."""

    __slots__ = ("error", "item", "results", "wake")

    def __init__(self, item: T) -> None:
        self.item = item
        self.results: list[R] = []  # one, once it is there
        self.error: BaseException | None = None
        self.wake = threading.Lock()
        self.wake.acquire()


class Batches(Generic[T, R]):
    """Makes one call at a time, of `act` with all items that have gathered while the call before was under way.

    There is no timer and no thread: who comes while nothing is under way makes the call at once with the one item, and
    of those who come meanwhile one makes the next. `act` returns a result for each item.
    """

    def __init__(self, act: Callable[[Sequence[T]], Sequence[R]]) -> None:
        self._act = act
        self._lock = threading.Lock()
        self._waiting: list[_Place[T, R]] = []
        self._busy = False

    def __call__(self, item: T) -> R:
        """What `act` returned for `item`; raises what it raised.

        Whoever waits behind a call that fails fails with it, so that nobody waits for a dead far end twice.
        """
        mine: _Place[T, R] = _Place(item)
        with self._lock:
            self._waiting.append(mine)
            first, self._busy = not self._busy, True
        if not first:
            mine.wake.acquire()
        if not mine.results and not mine.error:
            self._call()
        if mine.error:
            raise mine.error
        return mine.results[0]

    def _call(self) -> None:
        """Called by the thread whose turn it is: act for all that wait, wake them, and pass the turn on."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        error: BaseException | None = None
        try:
            for place, result in zip(batch, self._act([place.item for place in batch]), strict=True):
                place.results.append(result)
        except BaseException as e:  # noqa: BLE001  # each of the threads raises it
            error = e
        with self._lock:
            if error:
                batch, self._waiting = batch + self._waiting, []
            heir = self._waiting[0] if self._waiting else None
            self._busy = heir is not None
        for place in batch:
            place.error = error
            place.wake.release()
        if heir:
            heir.wake.release()
