"""Lanes: the truth about what is to be refreshed and delivered, in which order, by whom, and when again.

A lane is what waits for one job at one source, or for one job at one sink. A worker claims a lane, acts, and finishes
with exactly one of commit, done, retry, dead. Every one of them is a script that checks the fence the claim got, so two
workers that believe they hold one lane do no harm: the later write of the earlier holder is stale and changes nothing.
"""

from __future__ import annotations

import json
import math
import secrets
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from processor import tracing
from processor.errors import Unavailable
from processor.model import JSON, Event
from processor.ports import Occasion
from processor.store import keys
from processor.store.scripts import Scripts
from processor.store.work import Accepted, Claim, Found, Hint, Item, Next, Page, Resource, Row, Tried

TOGETHER = 1000  # events that come in one message at most
BURIED = 500  # items that die in one script
OUTAGE = 60.0  # seconds that the end of a claim waits for a Redis that is away
AWAY = 0.3  # … asking so often
LEASE = 15.0  # seconds that a killed worker's lane waits; renewed by the worker's keeper
HAND_LEASE = 5.0  # seconds that an RQ task may wait in its queue before another may be sent for the same work
FACTS_TTL = 366 * 86400  # what ids depend on
OPEN_DOC_TTL = 366 * 86400  # the snapshot of a job that has not ended


class Again(NamedTuple):
    """An event that is due once more at a sink; `delay` and `together` are as in Row."""

    sink: str
    event_id: str
    source: str
    job_id: str
    delay: float = 0.0
    together: Occasion | None = None


class Lanes:
    """The lanes in Redis. `keep` and `dedup` are the retention of events and of seen-keys in seconds, `by` is who
    claims here.

    Every call raises Unavailable when Redis cannot do it now; the end of a claim only after `patience` seconds, since
    what was done and is not written down is done once more.
    """

    def __init__(
        self,
        scripts: Scripts,
        *,
        keep: float = 30 * 86400,
        dedup: float = 7 * 86400,
        patience: float = 0.0,
        by: str = "",
    ) -> None:
        self._run = scripts
        self._patience = patience
        self._by = by
        self._keep = math.ceil(keep)
        self._dedup = math.ceil(dedup)

    # --- in ------------------------------------------------------------------------------------------------------

    def accept(
        self, resource: Resource, hints: Sequence[Hint], *, hand: str
    ) -> tuple[list[Accepted], list[tuple[str, str]]]:
        """Store notifications and arm their lanes. Also returns the (resource name, hand) of each task to be sent."""
        hired, *pairs = self._run.durably(
            "accept",
            {
                "R": resource.name,
                "hints": [_row_of(hint) for hint in hints],
                "dedup": self._dedup,
                "keep": self._keep,
                "cap": resource.cap,
                "budget": resource.gate,
                "windows": resource.windows,
                "hand": hand,
                "lease": HAND_LEASE * 1000,
                "heard": any(hint.genuine for hint in hints),
            },
        )
        accepted = [Accepted(o, i) for o, i in zip(pairs[::2], pairs[1::2], strict=True)]
        return accepted, [(resource.name, f"{hand}:{i}") for i in range(1, hired + 1)]

    def stock(self, resource: Resource, page: Page, *, after: float) -> bool:
        """Write what one page of a list showed, and where its reading stands. False when another has read on meanwhile.

        Open jobs that were taken stock of are looked at within `after` seconds.
        """
        arguments = {
            "R": resource.name,
            "was": page.was,
            "cursor": page.cursor,
            "hints": [_row_of(hint) for hint in page.hints],
            "stock": [
                {
                    "job": keys.job_key(s.source, s.job_id),
                    "L": keys.refresh_lane(s.source, s.job_id),
                    "ended": s.ended,
                    "card": s.card,
                }
                for s in page.stock
            ],
            "after": after * 1000,
            "dedup": self._dedup,
            "keep": self._keep,
            "doc_ttl": OPEN_DOC_TTL,
            "facts_ttl": FACTS_TTL,
        }
        blobs = [blob for s in page.stock for blob in (s.facts, zlib.compress(s.document.encode(), 1))]
        return bool(self._run("stock", arguments, *blobs))

    def spend(self, resource: Resource) -> float:
        """Pay for a call of our own asking. 0: it may go; else in how many seconds to ask again."""
        arguments = {"R": resource.name, "budget": resource.gate, "windows": resource.windows, "share": resource.share}
        return float(self._run("spend", arguments)) / 1000

    def announce(
        self,
        event: Event,
        rows: Sequence[Row],
        *,
        sinks: Mapping[str, Resource],
        hand: str,
        alarm: tuple[str, str] | None = None,
        told: Sequence[str] = (),
        of: str = "",
    ) -> list[str] | None:
        """Store an event of our own and arm its deliveries, once. Returns the names of the sinks that a task is to be
        sent for, None when it was announced before.

        `alarm` is what it begins, as (name, text), or ends, as (name, ""); one that has begun does not begin again.
        `told` are the jobs of the source `of` that it tells of, as in `untold`.
        """
        targets = {row.sink: sinks[row.sink] for row in rows}
        arguments = {
            "id": event.id,
            "type": event.type,
            "source": event.source,
            "job": event.job_id,
            "rows": [_delivery(row, targets[row.sink]) for row in rows],
            "keep": self._keep,
            "caps": {r.name: r.cap for r in targets.values()},
            "hands": {r.name: hand for r in targets.values()},
            "lease": HAND_LEASE * 1000,
            "told": list(told),
            "of": of,
        }
        if alarm:
            arguments["alarm"] = list(alarm)
        written, *hired = self._run("announce", arguments, json.dumps(event.cloudevent(), ensure_ascii=False))
        by_name = {r.name: sink for sink, r in targets.items()}
        return [by_name[name] for name in hired] if written else None

    def revive(self, lane: str, item: str) -> bool:
        """Put a dead item back at the end of its lane. False when it is not dead."""
        return bool(self._run("revive", {"R": lane.partition("|")[0], "L": lane, "item": item, "keep": self._keep}))

    def replay(
        self,
        rows: Sequence[Again],
        *,
        sinks: Mapping[str, Resource],
        hand: str,
        hold: float,
        only_dead: bool = False,
    ) -> tuple[list[str], list[str]]:
        """Deliver events once more, each behind what waits in its lane. Returns what became of each row, and the names
        of the sinks that a task is to be sent for.

        A row becomes "again"; "waits" when it does so already; "gone" when the event's document is no longer kept;
        "alive" when `only_dead` were meant. What was dead is dead no more. The documents stay for `hold` seconds at
        least: nothing goes while it is tried.
        """
        targets = {row.sink: sinks[row.sink] for row in rows}
        arguments = {
            "call": secrets.token_hex(8),
            "rows": [[targets[r.sink].name, *_lanes_of(r), r.event_id, r.delay * 1000, r.together or ""] for r in rows],
            "dead": only_dead,
            "hold": int(hold),
            "caps": {r.name: r.cap for r in targets.values()},
            "hands": {r.name: hand for r in targets.values()},
            "lease": HAND_LEASE * 1000,
        }
        answer = self._run("replay", arguments)
        by_name = {r.name: sink for sink, r in targets.items()}
        return list(answer[: len(rows)]), [by_name[name] for name in answer[len(rows) :]]

    # --- in hand ---------------------------------------------------------------------------------------------------

    def claim(self, resource: Resource, *, hand: str = "") -> Claim | float | None:
        """Take a lane that is due. A number is the seconds until the budget allows one; None: nothing to do now, and
        the place of the task `hand` is free again, as after `leave`."""
        return _claimed(resource, self._run("claim", self._asking(resource, hand)))

    def commit(
        self, claim: Claim, found: Found, *, sinks: Mapping[str, Resource], hand: str, then: Next | None = None
    ) -> list[str] | None:
        """Write what a refresh found and let go. Returns the names of the sinks that a task named `hand` is to be sent
        for, or None when the claim is stale: nothing was written."""
        targets = {row.sink: sinks[row.sink] for row in found.rows}
        job = keys.job_key(found.source, found.job_id)
        arguments = self._mine(claim) | {
            "poll": 0 if found.poll is None else max(1, found.poll * 1000),
            "job": job,
            "found": found.told,
            "keep": self._keep,
            "doc_ttl": self._keep if found.ended else OPEN_DOC_TTL,
            "facts_ttl": FACTS_TTL,
            "card": found.card,
            "look": found.look.dump(),
            "events": [_line(event) for event in found.events],
            "rows": [_delivery(row, targets[row.sink]) for row in found.rows],
            "caps": {r.name: r.cap for r in targets.values()},
            "hands": {r.name: hand for r in targets.values()},
            "lease": HAND_LEASE * 1000,
        }
        document = b"" if found.document is None else zlib.compress(found.document.encode(), 1)
        bodies = [json.dumps(e.cloudevent(), ensure_ascii=False) for e in found.events]
        written, *hired = self._end("commit", arguments, found.facts, document, *bodies, then=then)
        by_name = {r.name: sink for sink, r in targets.items()}
        return [by_name[name] for name in hired] if written else None

    def done(self, claim: Claim, reference: str | None = None, *, ms: float = 0, then: Next | None = None) -> bool:
        """The far end took the items, in `ms` milliseconds. False when the claim is stale."""
        arguments = self._mine(claim) | {"ref": reference or "", "ms": ms, "keep": self._keep}
        return bool(self._end("done", arguments, then=then))

    def retry(
        self,
        claim: Claim,
        delay: float,
        error: str = "",
        *,
        counts: bool = True,
        pause: float = 0,
        shared: bool = False,
        tried: Tried | None = None,
    ) -> bool:
        """Let go and come back after `delay` seconds.

        `pause` seconds hold everybody off this source or sink, and with `shared` off all that draw on its budget.
        `tried` is the attempt that failed, if there was one.
        """
        gate = claim.resource.gate if shared else claim.resource.name
        arguments = {
            "delay": delay * 1000,
            "err": error,
            "counts": counts,
            "pause": pause * 1000,
            "gate": gate,
            "tried": tried.dump() if tried else "",
            "trips": bool(tried and tried.trips),
            "keep": self._keep,
        }
        return bool(self._end("retry", self._mine(claim) | arguments))

    def hold(self, claim: Claim, delay: float, together: Occasion) -> bool:
        """Nobody may be told for `delay` seconds: what waits in the lane is due then, and may be told together."""
        arguments = {"delay": delay * 1000, "together": together, "most": TOGETHER}
        return bool(self._end("hold", self._mine(claim) | arguments))

    def admit(self, claim: Claim, sink: str, limit: tuple[int, float]) -> str:
        """Whether a message may go under the storm limit (count, seconds): "go"; "joined" when its items now wait for
        one summary; "held" when this is the summary and its time has not come; "stale"."""
        count, seconds = limit
        arguments = {
            "limit": count,
            "window": math.ceil(seconds * 1000),
            "all": keys.everything_lane(sink),
            "together": Occasion.STORM,
            "keep": self._keep,
            "budget": claim.resource.gate,
            "windows": claim.resource.windows,
        }
        return str(self._end("admit", self._mine(claim) | arguments))

    def hand_back(self, claim: Claim) -> bool:
        """Let go untouched: somebody else may have it at once."""
        return self.retry(claim, 0, counts=False)

    def dead(self, claim: Claim, reason: str, detail: str, *, tried: Tried | None = None) -> bool:
        """The items cannot succeed: they are kept as dead, with `reason` (a word) and `detail` (a sentence)."""
        why = json.dumps({"reason": reason, "detail": detail, "attempts": claim.attempts + 1})
        arguments = {
            "why": why,
            "detail": detail,
            "keep": self._keep,
            "tried": tried.dump() if tried else "",
            "answered": bool(tried and not tried.trips),
        }
        return bool(self._end("dead", self._mine(claim) | arguments))

    def bury(self, resource: str, *, older_than: float, reason: str, detail: str) -> int:
        """What waits for an R that nobody claims from, and has been due for so many seconds, is dead; how many items.

        `reason` and `detail` are as for `dead`. Lanes in hand are left alone.
        """
        arguments = {"R": resource, "age": older_than * 1000, "reason": reason, "detail": detail, "keep": self._keep}
        every = 0
        while died := int(self._run("bury", arguments | {"most": BURIED, "so_far": every})):
            every += died
        return every

    def keep(self, claims: Sequence[Claim], hands: Sequence[tuple[str, str]]) -> set[str]:
        """Renew the leases of lanes and of (resource name, hand) in hand; returns the lanes that are no longer ours."""
        lanes = [[c.resource.name, c.lane, c.fence] for c in claims]
        arguments = {"lanes": lanes, "hands": list(hands), "lease": LEASE * 1000, "by": self._by}
        return set(self._run("keep", arguments))

    def abandon(self, by: str, resources: Sequence[Resource]) -> int:
        """Let go of all that a worker had in hand which is gone without a word; how many lanes that were.

        Whoever claims one next counts it as lost, as when its lease has run out.
        """
        return int(self._run("abandon", {"by": by, "resources": [resource.name for resource in resources]}))

    # --- hands -----------------------------------------------------------------------------------------------------

    def tick(self, resources: Sequence[Resource], *, hand: str) -> list[tuple[str, str]]:
        """Whatever is due, has an expired lease or is to be polled: (resource name, hand) of each task to be sent."""
        flat = self._run(
            "tick",
            {
                "resources": [[r.name, r.cap, r.gate, r.windows] for r in resources],
                "hand": hand,
                "lease": HAND_LEASE * 1000,
            },
        )
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return [(name, f"{hand}:{name}:{i}") for name, n in pairs for i in range(1, n + 1)]

    def leave(self, resource: Resource, hand: str, *, final: bool = False) -> bool:
        """A task found nothing more. False when something came due in between and it should stay."""
        arguments = {
            "R": resource.name,
            "budget": resource.gate,
            "hand": hand,
            "cap": resource.cap,
            "windows": resource.windows,
            "final": final,
        }
        return not self._run("leave", arguments)

    def charge(self, resource: Resource, calls: int) -> None:
        """Pay for calls beyond the one that the claim paid for; the budget goes into debt rather than waiting."""
        if calls > 0 and resource.windows:
            arguments = {"gate": resource.gate, "windows": resource.windows, "charge": calls, "pause": 0}
            self._run("gate", {"R": resource.name, **arguments})

    def pause(self, resource: Resource, seconds: float, *, shared: bool = False) -> None:
        """Nobody claims anything of this resource for so long; with `shared`, of any that draws on its budget."""
        gate = resource.gate if shared else resource.name
        self._run("gate", {"R": resource.name, "gate": gate, "charge": 0, "pause": seconds * 1000})

    def resume(self, resource: Resource) -> None:
        """End a pause of this resource; one of its budget goes on."""
        self._run("resume", {"gate": resource.name})

    def _end(self, name: str, arguments: dict[str, Any], *blobs: str | bytes, then: Next | None = None) -> Any:
        """`then` is asked for once: should the answer be lost, the lane that came with it waits for its lease."""
        ends = time.monotonic() + self._patience
        if then and then.wanted():
            with suppress(Unavailable):
                asking = arguments | {"next": self._asking(then.resource, then.hand)}
                return _onward(self._run(name, asking, *blobs), then)
        while True:
            try:
                return self._run(name, arguments, *blobs)
            except Unavailable:
                if time.monotonic() >= ends:
                    raise
                time.sleep(AWAY)

    def _asking(self, resource: Resource, hand: str) -> dict[str, Any]:
        return {
            "R": resource.name,
            "budget": resource.gate,
            "cap": resource.cap,
            "batch": resource.batch,
            "lease": LEASE * 1000,
            "windows": resource.windows,
            "share": resource.share,
            "joins": resource.joins,
            "by": self._by,
        } | ({"hand": hand} if hand else {})

    @staticmethod
    def _mine(claim: Claim) -> dict[str, Any]:
        return {
            "R": claim.resource.name,
            "L": claim.lane,
            "fence": claim.fence,
            "n": len(claim.items),
            "attempts": claim.attempts + 1,
        }


def _onward(answer: Any, then: Next) -> Any:
    """What the end itself answered; one that is stale brings nothing along."""
    if not (isinstance(answer, list) and isinstance(answer[-1], list)):
        return answer
    then.drawn = (_claimed(then.resource, answer[1]),)
    return answer[0]


def _claimed(resource: Resource, answer: list[Any]) -> Claim | float | None:
    wait, *rest = answer
    if not rest:
        return None if wait < 0 else wait / 1000
    lane, fence, attempts, lost, error, facts, *items = rest
    triples = zip(items[::3], items[1::3], items[2::3], strict=True)
    return Claim(
        resource=resource,
        lane=lane,
        fence=fence,
        attempts=int(attempts),
        lost=int(lost),
        error=error,
        facts=facts,
        items=tuple(Item(i, json.loads(d), b) for i, d, b in triples),
    )


def _line(event: Event) -> dict[str, str]:
    """The event in the journal, and the job (`of`) whose story it belongs to."""
    of = keys.job_key(event.source, event.job_id)
    return {"id": event.id, "type": event.type, "source": event.source, "job": event.job_id, "of": of}


def _row_of(hint: Hint) -> list[str]:
    trace = hint.trace or tracing.begun_by(hint.id)
    return [hint.seen, hint.id, hint.lane, hint.event, hint.api, hint.claim, trace]


def _delivery(row: Row, sink: Resource) -> list[JSON]:
    of_job = keys.delivery_lane(row.sink, row.event.source, row.event.job_id)
    lane = keys.everything_lane(row.sink) if row.together is Occasion.DIGEST else of_job
    return [sink.name, lane, row.event.id, math.ceil(row.delay * 1000), str(row.together or ""), of_job]


def _lanes_of(row: Again) -> tuple[str, str]:
    """The lane of an event that is due once more, and the other one, in which it may have died."""
    both = keys.delivery_lane(row.sink, row.source, row.job_id), keys.everything_lane(row.sink)
    return (both[1], both[0]) if row.together is Occasion.DIGEST else both
