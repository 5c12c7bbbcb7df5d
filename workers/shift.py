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
from processor.store.work import Claim, Resource
from processor.wiring import App
from workers.delivering import deliver
from workers.refreshing import refresh

log = structlog.get_logger(__name__)

HOLD = 180.0  # seconds after which a lane in hand is no longer kept: its holder must be stuck
DOZE = 1.0  # a task waits so long for its budget before it makes room
NEXT = 0.25  # … and so long to be the one that waits


@dataclass
class Shift:
    """What the threads of one worker process share."""

    app: App
    stopping: threading.Event = field(default_factory=threading.Event)
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
        """Claim, act, finish, until nothing is due or the spell is over; then pass the task on rather than stop."""
        ends = time.monotonic() + SPELL
        lanes = self.app.lanes
        with self._at_work(resource.name, hand):
            try:
                while not self.stopping.is_set():
                    if time.monotonic() > ends:
                        self.app.send([(resource.name, hand)])
                        return
                    claim = lanes.claim(resource)
                    if isinstance(claim, Claim):
                        with self._holding(claim):
                            act(claim)
                    elif not self._doze(resource.name, claim) and lanes.leave(resource, hand):
                        return
                lanes.leave(resource, hand, final=True)
            except Unavailable as e:
                log.warning("Redis is away; what was in hand goes on when its lease ends", reason=e.message)

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
