"""One worker process at work: it draws lanes, acts on them, and settles how each ended."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from processor import observe
from processor.errors import NotYet, Permanent, ProcessorError, RateLimited, ReconnectNeeded, Unavailable
from processor.model import JSON, document
from processor.options import RetryPolicy
from processor.pipeline.deliver import deliver
from processor.pipeline.facts import Facts
from processor.pipeline.refresh import Hinted, Refreshed, refresh
from processor.pipeline.route import route
from processor.ports import Answer, Greets, Http
from processor.queue import SPELL, new_hand
from processor.store import keys
from processor.store.lanes import Claim, Found, Resource, Row
from processor.wiring import CONFIRM, App, from_environment
from workers import retry

log = structlog.get_logger(__name__)

HOLD = 180.0  # seconds after which a lane in hand is no longer kept: its holder must be stuck
DOZE = 1.0  # a task waits so long for its budget before it makes room


@dataclass
class Shift:
    """What the threads of one worker process share."""

    app: App
    stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _claims: dict[str, tuple[Claim, float]] = field(default_factory=dict)
    _hands: set[tuple[str, str]] = field(default_factory=set)
    _dozing: set[str] = field(default_factory=set)

    @classmethod
    def from_environment(cls) -> Shift:
        """A shift for a process of its own, with its keeper running."""
        from workers.keeper import Keeper  # the keeper looks after shifts, so it is above them

        shift = cls(from_environment(os.environ))
        Keeper(shift).start()
        return shift

    # --- tasks -------------------------------------------------------------------------------------------------------

    def refresh(self, source: str, hand: str) -> None:
        resource = self.app.sources.get(source)
        if resource is None:
            log.warning("a task for a source that is not configured here", source=source)
            return
        self._draw(resource, hand, lambda claim: self._refresh(source, claim))

    def deliver(self, sink: str, hand: str) -> None:
        resource = self.app.targets.get(sink)
        if resource is None:
            log.warning("a task for a sink that is not configured here", sink=sink)
            return
        self._draw(resource, hand, lambda claim: self._deliver(sink, claim))

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
        """Wait for the budget if it is not long; one thread of this process does so for each source or sink."""
        if wait is None or wait > DOZE:
            return False
        with self._lock:
            if name in self._dozing:
                return False
            self._dozing.add(name)
        try:
            self.stopping.wait(wait)
        finally:
            with self._lock:
                self._dozing.discard(name)
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

    # --- refreshing --------------------------------------------------------------------------------------------------

    def _refresh(self, source: str, claim: Claim) -> None:
        began, job_id = time.monotonic(), keys.job_of(claim.lane)
        about = {"source": source, "job": job_id, "notifications": [i.id for i in claim.items], "attempt": _nth(claim)}
        policy = self.app.settings.sources[source].retry
        if self._poisonous(claim, about):
            return
        try:
            if claim.items and claim.items[-1].detail["event"] == CONFIRM:
                self._confirm(source, claim)
                log.info("confirmed", **about, ms=_ms(began))
                return
            found = self._look(source, job_id, claim)
        except Unavailable:
            raise
        except Exception as e:  # noqa: BLE001  # whatever it was, it is settled: again later, or dead and visible
            self._settle(claim, e, policy, about, began)
            return
        self._commit(source, job_id, claim, found, about, began)

    def _look(self, source: str, job_id: str, claim: Claim) -> Refreshed:
        http = _Counting(self.app.http)
        hints = [Hinted(str(i.detail["api"]), str(i.detail["claim"])) for i in claim.items]
        try:
            return refresh(
                self.app.providers[source],
                http,
                job_id=job_id,
                facts=Facts.load(claim.facts),
                hints=hints,
                clock=self.app.tools.clock,
            )
        finally:
            self.app.lanes.charge(claim.resource, http.calls - 1)

    def _commit(
        self, source: str, job_id: str, claim: Claim, found: Refreshed, about: dict[str, JSON], began: float
    ) -> None:
        verdicts = [(event, verdict) for event in found.events for verdict in route(event.cloudevent(), self.app.rules)]
        for event, verdict in verdicts:
            if verdict.doubtful:
                log.warning("delivered in doubt", event_id=event.id, sink=verdict.sink, reason=verdict.reason)
        rows = [Row(verdict.sink, event) for event, verdict in verdicts if verdict.wanted]
        written = Found(
            source=source,
            job_id=job_id,
            facts=found.facts.dump(),
            document=json.dumps(document(found.job)) if found.job else None,
            ended=bool(found.job and found.job.state.ended),
            events=found.events,
            rows=rows,
            poll=found.poll,
        )
        hand = new_hand()
        hired = self.app.lanes.commit(claim, written, sinks=self.app.targets, hand=hand)
        if hired is None:
            log.warning("refreshed too late: another has the job", **about, ms=_ms(began))
            return
        self.app.send([(self.app.targets[sink].name, hand) for sink in hired])
        state = found.job.state if found.job else None
        log.info("refreshed", **about, state=state, events=[e.id for e in found.events], note=found.note, ms=_ms(began))

    def _confirm(self, source: str, claim: Claim) -> None:
        provider = self.app.providers[source]
        if isinstance(provider, Greets):
            provider.confirm(str(claim.items[-1].detail["api"]), http=self.app.http)
        self.app.registrations.end(source)
        self.app.lanes.done(claim)

    # --- delivering --------------------------------------------------------------------------------------------------

    def _deliver(self, sink: str, claim: Claim) -> None:
        if not claim.items:  # everything that waited here was taken back
            self.app.lanes.done(claim)
            return
        began, [item] = time.monotonic(), claim.items
        about = {"sink": sink, "event_id": item.id, "attempt": _nth(claim)}
        configured = self.app.settings.sinks[sink]
        if self._poisonous(claim, about):
            return
        try:
            reference = deliver(self.app.sinks[sink], item.body, omit=configured.omit)
        except Exception as e:  # noqa: BLE001  # whatever it was, it is settled: again later, or dead and visible
            self._settle(claim, e, configured.retry, about, began)
            return
        if self.app.lanes.done(claim, reference):
            log.info("delivered", **about, reference=reference, ms=_ms(began))
        else:
            log.warning("delivered too late: another had it too", **about, ms=_ms(began))

    # --- how it ended ------------------------------------------------------------------------------------------------

    def _poisonous(self, claim: Claim, about: dict[str, JSON]) -> bool:
        """An item that killed its workers is dead before it kills another."""
        if claim.lost <= retry.LOST:
            return False
        self.app.lanes.dead(claim, "Poison", f"{claim.lost} workers died or stalled with it")
        log.error("dead", **about, reason="Poison")
        return True

    def _settle(
        self, claim: Claim, error: Exception, policy: RetryPolicy, about: dict[str, JSON], began: float
    ) -> None:
        since = [i.detail.get("due") or i.detail.get("at") for i in claim.items]
        age = self.app.tools.clock().timestamp() - min(float(s) for s in since if s) / 1000 if any(since) else 0.0
        verdict = retry.after(error, attempts=claim.attempts, age=age, policy=policy)
        if isinstance(verdict, retry.Dead) and not claim.items and not isinstance(error, (Permanent, NotYet)):
            verdict = retry.Again(retry.LONGEST)  # nobody waits for this look, so there is nothing to give up
        said = error.message if isinstance(error, ProcessorError) else f"unexpected {type(error).__name__}"
        reason = error.reason if isinstance(error, ProcessorError) else "Bug"
        if not isinstance(error, ProcessorError):
            log.exception("unexpected", **about)
            observe.report(error)
        if isinstance(verdict, retry.Dead):
            self.app.lanes.dead(claim, verdict.reason, verdict.detail)
            log.error("dead", **about, reason=verdict.reason, detail=verdict.detail, ms=_ms(began))
            return
        if isinstance(error, ReconnectNeeded):
            self.app.journal.trouble(keys.source_of(claim.lane), said, 2 * retry.RECONNECT_PAUSE)
        self.app.lanes.retry(
            claim,
            verdict.delay,
            said,
            counts=verdict.counts,
            pause=verdict.pause or 0,
            shared=isinstance(error, RateLimited),
        )
        log.warning("again later", **about, reason=reason, detail=said, seconds=round(verdict.delay, 1), ms=_ms(began))


class _Counting:
    """Http that counts, so that every call is paid for."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.calls = 0

    def request(self, method: str, url: str, **arguments: JSON) -> Answer:
        self.calls += 1
        return self._http.request(method, url, **arguments)


def _nth(claim: Claim) -> int:
    return claim.attempts + 1


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
