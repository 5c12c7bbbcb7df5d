"""One worker process at work: its threads draw lanes, act on them, and pass on or give up their tasks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property

import structlog

from processor import observe
from processor.errors import Unavailable
from processor.queue import SPELL
from processor.store.lanes import LEASE
from processor.store.work import Claim, Next, Resource
from processor.wiring import App
from workers.delivering import deliver
from workers.refreshing import refresh

log = structlog.get_logger(__name__)

HOLD = 180.0  # seconds after which a lane in hand is no longer kept: its holder must be stuck
TURN = 1.0  # seconds that a task draws lanes at least, even if another waits for its thread
AWAY = 0.3  # between looks whether a Redis that is away is back
DOZE = 1.0  # a task waits so long for its budget before it makes room
NEXT = 0.25  # … and so long to be the one that waits


_Act = Callable[[Claim, Next], None]


class _Ask(Enum):
    ANEW = auto()


@dataclass
class Shift:
    """What the threads of one worker process share."""

    app: App
    stopping: threading.Event = field(default_factory=threading.Event)
    wanted: threading.Event = field(default_factory=threading.Event)  # a task waits for a thread
    spare: Callable[[str, str], bool] = lambda resource, hand: False  # sets a free thread to a task, if there is one
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _claims: dict[str, tuple[Claim, float]] = field(default_factory=dict)
    _hands: set[tuple[str, str]] = field(default_factory=set)
    _offers: dict[str, list[str]] = field(default_factory=dict)
    _waiting: dict[str, threading.Lock] = field(default_factory=dict)

    # --- tasks -------------------------------------------------------------------------------------------------------

    def refresh(self, source: str, hand: str) -> None:
        resource = self.app.sources.get(source)
        if resource is None:
            log.warning("a task for a source that is not configured here", source=source)
            return
        self._draw(resource, hand, lambda claim, then: refresh(self.app, source, claim, then=then, send=self.send))

    def deliver(self, sink: str, hand: str) -> None:
        resource = self.app.targets.get(sink)
        if resource is None:
            log.warning("a task for a sink that is not configured here", sink=sink)
            return
        self._draw(resource, hand, lambda claim, then: deliver(self.app, sink, claim, then=then))

    def take(self, resource: str, hand: str) -> None:
        """A task that RQ knows nothing of: a thread of this process had nothing to do."""
        try:
            kind, _, name = resource.partition(":")
            (self.refresh if kind == "r" else self.deliver)(name, hand)
        except Exception as e:
            log.exception("unexpected", resource=resource)
            observe.report(e)

    def send(self, hands: Sequence[tuple[str, str]]) -> None:
        """Set hands to work: threads of this process that have nothing to do, for the others RQ tasks."""
        self.app.send([hand for hand in hands if not (self.spare(*hand) or self._offered(*hand))])

    def in_hand(self) -> tuple[list[Claim], list[tuple[str, str]]]:
        """The lanes to be kept (those whose holders are stuck are not) and the tasks, as (resource name, hand)."""
        with self._lock:
            fresh = [claim for claim, since in self._claims.values() if time.monotonic() - since < HOLD]
            return fresh, list(self._hands)

    def _draw(self, resource: Resource, hand: str, act: _Act) -> None:
        """Claim, act, finish, until nothing is due or the spell is over; then pass the task on rather than stop: it
        goes to the end of RQ's queue, behind those that wait."""
        offered: str | None = hand
        with self._lock:
            self._hands.add((resource.name, hand))
        while offered:
            hand = offered
            try:
                self._draw_in_spite(resource, hand, act)
            finally:
                offered = self._left(resource.name, hand)

    def _draw_in_spite(self, resource: Resource, hand: str, act: _Act) -> None:
        """A Redis that is away is soon back, mostly; a task whose lease is over has lost its place to another."""
        began = time.monotonic()
        while True:
            try:
                self._draw_on(began, resource, hand, act)
                return
            except Unavailable as e:
                if self.stopping.wait(AWAY) or time.monotonic() - began > SPELL + LEASE:
                    log.warning("Redis is away; the tick sends another task", reason=e.message)
                    return

    def _draw_on(self, began: float, resource: Resource, hand: str, act: _Act) -> None:
        lanes = self.app.lanes
        while not self.stopping.is_set():
            if self._others_turn(time.monotonic() - began):
                self.app.tasks.send([(resource.name, hand)])
                return
            claim: Claim | float | _Ask | None = lanes.claim(resource, hand=hand)
            while isinstance(claim, Claim):
                claim = self._do(claim, act, Next(resource, hand, lambda: self._goes_on(began)))
            if claim is None:
                return
            if isinstance(claim, float) and not self._doze(resource.name, claim) and lanes.leave(resource, hand):
                return
        lanes.leave(resource, hand, final=True)

    def _do(self, claim: Claim, act: _Act, then: Next) -> Claim | float | _Ask | None:
        """Returns what came with the end of the claim, as Lanes.claim does."""
        with self._holding(claim):
            try:
                act(claim, then)
            except Unavailable:  # in the middle: whoever claims it next begins anew, and need not wait for the lease
                self.app.lanes.hand_back(claim)
        return then.drawn[0] if then.drawn else _Ask.ANEW

    def _goes_on(self, began: float) -> bool:
        return not (self.stopping.is_set() or self._to_make_room(time.monotonic() - began))

    def _others_turn(self, drawn: float) -> bool:
        """Whether a task that has drawn lanes for so many seconds is to make room; for one that waits only one does."""
        with self._lock:
            if not self._to_make_room(drawn):
                return False
            self.wanted.clear()
            return True

    def _to_make_room(self, drawn: float) -> bool:
        return drawn > (TURN if self.wanted.is_set() else SPELL)

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

    def _offered(self, name: str, hand: str) -> bool:
        """Whether one of our threads is about to leave this resource and takes the hand that was just given out: that
        was so because fewer are at work than may be, and yet so many of ours seem to be."""
        with self._lock:
            if sum(at == name for at, _ in self._hands) < self._caps[name]:
                return False
            self._offers.setdefault(name, []).append(hand)
            return True

    def _left(self, name: str, hand: str) -> str | None:
        """A task is over. Returns the hand that its thread takes next, if there is one."""
        with self._lock:
            self._hands.discard((name, hand))
            offers = self._offers.get(name)
            if not offers or self.stopping.is_set():
                return None
            self._hands.add((name, offers[-1]))
            return offers.pop()

    @cached_property
    def _caps(self) -> Mapping[str, int]:
        return {resource.name: resource.cap for resource in (*self.app.sources.values(), *self.app.targets.values())}

    @contextmanager
    def _holding(self, claim: Claim) -> Iterator[None]:
        with self._lock:
            self._claims[claim.lane] = claim, time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._claims.pop(claim.lane, None)
