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
    """Makes calls of `act` with all items that have gathered while `at_once` calls before were under way.

    There is no timer and no thread: who comes while fewer are under way makes a call at once with the one item, and of
    those who come meanwhile one makes the next. `act` returns a result for each item.
    """

    def __init__(self, act: Callable[[Sequence[T]], Sequence[R]], at_once: int = 1) -> None:
        self._act = act
        self._lock = threading.Lock()
        self._waiting: list[_Place[T, R]] = []
        self._free = at_once

    def __call__(self, item: T) -> R:
        """What `act` returned for `item`; raises what it raised.

        Whoever waits behind a call that fails fails with it, so that nobody waits for a dead far end twice.
        """
        mine: _Place[T, R] = _Place(item)
        with self._lock:
            now = self._free > 0
            if now:
                self._free -= 1
            else:
                self._waiting.append(mine)
        if not now:
            mine.wake.acquire()
        if not mine.results and not mine.error:
            self._call(mine)
        if mine.error:
            raise mine.error
        return mine.results[0]

    def _call(self, mine: _Place[T, R]) -> None:
        """Called by the thread whose turn it is: act for it and all that wait, wake them, and pass the turn on."""
        with self._lock:
            others, self._waiting = self._waiting, []
        error: BaseException | None = None
        try:
            batch = [mine, *others]
            for place, result in zip(batch, self._act([place.item for place in batch]), strict=True):
                place.results.append(result)
        except BaseException as e:  # noqa: BLE001  # each of the threads raises it
            error = mine.error = e
        with self._lock:
            if error:
                others, self._waiting = others + self._waiting, []
            heir = self._waiting.pop(0) if self._waiting else None
            if heir is None:
                self._free += 1
        for place in others:
            place.error = error
            place.wake.release()
        if heir:
            heir.wake.release()
