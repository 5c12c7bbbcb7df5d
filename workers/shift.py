"""One worker process at work: its threads draw lanes, act on them, and pass on or give up their tasks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from processor.errors import Unavailable
from processor.queue import SPELL
from processor.store.lanes import LEASE
from processor.store.work import Claim, Resource
from processor.wiring import App
from workers.delivering import deliver
from workers.refreshing import refresh

log = structlog.get_logger(__name__)

HOLD = 180.0  # seconds after which a lane in hand is no longer kept: its holder must be stuck
TURN = 1.0  # seconds that a task draws lanes at least, even if another waits for its thread
AWAY = 0.3  # between looks whether a Redis that is away is back
DOZE = 1.0  # a task waits so long for its budget before it makes room
NEXT = 0.25  # … and so long to be the one that waits


@dataclass
class Shift:
    """What the threads of one worker process share."""

    app: App
    stopping: threading.Event = field(default_factory=threading.Event)
    wanted: threading.Event = field(default_factory=threading.Event)  # a task waits for a thread
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _claims: dict[str, tuple[Claim, float]] = field(default_factory=dict)
    _hands: set[tuple[str, str]] = field(default_factory=set)
    _waiting: dict[str, threading.Lock] = field(default_factory=dict)

    # --- tasks -------------------------------------------------------------------------------------------------------

    def refresh(self, source: str, hand: str) -> None:
        resource = self.app.sources.get(source)
        if resource is None:
            log.warning("a task for a source that is not configured here", source=source)
            return
        self._draw(resource, hand, lambda claim: refresh(self.app, source, claim))

    def deliver(self, sink: str, hand: str) -> None:
        resource = self.app.targets.get(sink)
        if resource is None:
            log.warning("a task for a sink that is not configured here", sink=sink)
            return
        self._draw(resource, hand, lambda claim: deliver(self.app, sink, claim))

    def in_hand(self) -> tuple[list[Claim], list[tuple[str, str]]]:
        """The lanes to be kept (those whose holders are stuck are not) and the tasks, as (resource name, hand)."""
        with self._lock:
            fresh = [claim for claim, since in self._claims.values() if time.monotonic() - since < HOLD]
            return fresh, list(self._hands)

    def _draw(self, resource: Resource, hand: str, act: Callable[[Claim], None]) -> None:
        """Claim, act, finish, until nothing is due or the spell is over; then pass the task on rather than stop: it
        goes to the end of RQ's queue, behind those that wait."""
        began = time.monotonic()
        with self._at_work(resource.name, hand):
            while True:
                try:
                    self._draw_on(began, resource, hand, act)
                    return
                except Unavailable as e:  # soon back, mostly; a task whose lease is over has lost its place to another
                    if self.stopping.wait(AWAY) or time.monotonic() - began > SPELL + LEASE:
                        log.warning("Redis is away; the tick sends another task", reason=e.message)
                        return

    def _draw_on(self, began: float, resource: Resource, hand: str, act: Callable[[Claim], None]) -> None:
        lanes = self.app.lanes
        while not self.stopping.is_set():
            if self._others_turn(time.monotonic() - began):
                self.app.tasks.send([(resource.name, hand)])
                return
            claim = lanes.claim(resource)
            if isinstance(claim, Claim):
                with self._holding(claim):
                    self._do(claim, act)
            elif not self._doze(resource.name, claim) and lanes.leave(resource, hand):
                return
        lanes.leave(resource, hand, final=True)

    def _do(self, claim: Claim, act: Callable[[Claim], None]) -> None:
        try:
            act(claim)
        except Unavailable:  # in the middle: whoever claims it next begins anew, and need not wait for the lease
            self.app.lanes.hand_back(claim)

    def _others_turn(self, drawn: float) -> bool:
        """Whether a task that has drawn lanes for so many seconds is to make room; for one that waits only one does."""
        if drawn <= TURN:
            return False
        with self._lock:
            if not self.wanted.is_set():
                return drawn > SPELL
            self.wanted.clear()
            return True

    def _doze(self, name: str, wait: float | None) -> bool:
        """Wait for the budget if it is not long; one thread of this process at a time for each source or sink.

        Who comes next keeps itself ready for a moment, since the one that waits goes to work when its wait is over:
        were all others gone by then, nobody would ask until the next tick.
        """
        if wait is None or wait > DOZE:
            return False
        over = time.monotonic() + wait
        with self._lock:
            place = self._waiting.setdefault(name, threading.Lock())
        if not place.acquire(timeout=NEXT):
            return False
        try:
            self.stopping.wait(max(0.0, over - time.monotonic()))
        finally:
            place.release()
        return True

    @contextmanager
    def _at_work(self, name: str, hand: str) -> Iterator[None]:
        with self._lock:
            self._hands.add((name, hand))
        try:
            yield
        finally:
            with self._lock:
                self._hands.discard((name, hand))

    @contextmanager
    def _holding(self, claim: Claim) -> Iterator[None]:
        with self._lock:
            self._claims[claim.lane] = claim, time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._claims.pop(claim.lane, None)
