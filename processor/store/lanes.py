"""Lanes: the truth about what is to be refreshed and delivered, in which order, by whom, and when again.

A lane is what waits for one job at one source, or for one job at one sink. A worker claims a lane, acts, and finishes
with exactly one of commit, done, retry, dead. Every one of them is a script that checks the fence the claim got, so two
workers that believe they hold one lane do no harm: the later write of the earlier holder is stale and changes nothing.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from processor.model import JSON, Event
from processor.ports import Occasion
from processor.store import keys
from processor.store.scripts import Scripts

TOGETHER = 1000  # events that come in one message at most
LEASE = 15.0  # seconds that a killed worker's lane waits; renewed by the worker's keeper
HAND_LEASE = 5.0  # seconds that an RQ task may wait in its queue before another may be sent for the same work
FACTS_TTL = 366 * 86400  # what ids depend on
OPEN_DOC_TTL = 366 * 86400  # the snapshot of a job that has not ended


@dataclass(frozen=True, slots=True)
class Resource:
    """A source that is asked, or a sink that is told.

    `name` is its R in Redis, `cap` how many of its lanes may be in hand at once, `windows` its rate windows as
    (interval, tolerance) in milliseconds, `batch` how many items a claim takes (0 = all that wait; of a sink's: at
    most, of those that may be told together). `budget` names whose windows they are, when several resources share them.
    """

    name: str
    cap: int
    windows: tuple[tuple[float, float], ...] = ()
    batch: int = 0
    budget: str = ""

    @property
    def gate(self) -> str:
        return self.budget or self.name


@dataclass(frozen=True, slots=True)
class Item:
    """What waits: a notification (`detail`: at, event, api, claim), or an event (`detail`: state, due, together) with
    its `body`, JSON."""

    id: str
    detail: Mapping[str, JSON]
    body: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A lane in hand. `lost` counts the workers that died or stalled with it since it was last released."""

    resource: Resource
    lane: str
    fence: str
    attempts: int
    lost: int
    error: str
    facts: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """An event that is due at a sink after `delay` seconds.

    `together` says that it may come in one message with what else happened to its job or, as a digest, with
    everything.
    """

    sink: str
    event: Event
    delay: float = 0.0
    together: Occasion | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What one refresh found: new facts, the document for people (None = leave the stored one), events and their rows.
    `poll` is in how many seconds the job is to be looked at again, None for not at all."""

    source: str
    job_id: str
    facts: str
    document: str | None
    ended: bool = False
    events: Sequence[Event] = ()
    rows: Sequence[Row] = ()
    poll: float | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """A notification on its way in: `seen` is the digest of its key."""

    seen: str
    lane: str
    event: str
    api: str
    claim: str
    id: str = field(default_factory=lambda: "ntf_" + secrets.token_hex(12))


@dataclass(frozen=True, slots=True)
class Accepted:
    outcome: str  # new, duplicate or revived
    id: str


def windows(rates: Sequence[tuple[int, float]]) -> tuple[tuple[float, float], ...]:
    """(count, seconds) as GCRA's (interval, tolerance) in ms, so that burst + rate x window never exceeds the count.

    A full token bucket would let twice the count through in one window. The burst is 4 % of the count; for small
    counts there is none.
    """
    out = []
    for count, seconds in rates:
        burst = max(1, count // 25)
        interval = seconds * 1000 / (count - burst if count >= 25 else count)
        out.append((interval, (burst - 1) * interval))
    return tuple(out)


def _lane(row: Row) -> str:
    if row.together is Occasion.DIGEST:
        return keys.everything_lane(row.sink)
    return keys.delivery_lane(row.sink, row.event.source, row.event.job_id)


class Lanes:
    """The lanes in Redis. `keep` and `dedup` are the retention of events and of seen-keys in seconds.

    Every call raises Unavailable when Redis cannot do it now.
    """

    def __init__(self, scripts: Scripts, *, keep: float = 30 * 86400, dedup: float = 7 * 86400) -> None:
        self._run = scripts
        self._keep = int(keep)
        self._dedup = int(dedup)

    # --- in ------------------------------------------------------------------------------------------------------

    def accept(
        self, resource: Resource, hints: Sequence[Hint], *, hand: str
    ) -> tuple[list[Accepted], list[tuple[str, str]]]:
        """Store notifications and arm their lanes. Also returns the (resource name, hand) of each task to be sent."""
        rows = [
            {"seen": h.seen, "id": h.id, "L": h.lane, "event": h.event, "api": h.api, "claim": h.claim} for h in hints
        ]
        hired, *pairs = self._run.durably(
            "accept",
            {
                "R": resource.name,
                "hints": rows,
                "dedup": self._dedup,
                "keep": self._keep,
                "cap": resource.cap,
                "budget": resource.gate,
                "windows": resource.windows,
                "hand": hand,
                "lease": HAND_LEASE * 1000,
            },
        )
        accepted = [Accepted(o, i) for o, i in zip(pairs[::2], pairs[1::2], strict=True)]
        return accepted, [(resource.name, f"{hand}:{i}") for i in range(1, hired + 1)]

    def revive(self, lane: str, item: str) -> bool:
        """Put a dead item back at the end of its lane. False when it is not dead."""
        return bool(self._run("revive", {"R": lane.partition("|")[0], "L": lane, "item": item, "keep": self._keep}))

    # --- in hand ---------------------------------------------------------------------------------------------------

    def claim(self, resource: Resource) -> Claim | float | None:
        """Take a lane that is due. A number is the seconds until the budget allows one; None: nothing to do now."""
        wait, *rest = self._run(
            "claim",
            {
                "R": resource.name,
                "budget": resource.gate,
                "cap": resource.cap,
                "batch": resource.batch,
                "lease": LEASE * 1000,
                "windows": resource.windows,
            },
        )
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

    def commit(self, claim: Claim, found: Found, *, sinks: Mapping[str, Resource], hand: str) -> list[str] | None:
        """Write what a refresh found and let go. Returns the names of the sinks that a task named `hand` is to be sent
        for, or None when the claim is stale: nothing was written."""
        targets = {row.sink: sinks[row.sink] for row in found.rows}
        job = keys.job_key(found.source, found.job_id)
        arguments = self._mine(claim) | {
            "poll": 0 if found.poll is None else max(1, found.poll * 1000),
            "job": job,
            "keep": self._keep,
            "doc_ttl": self._keep if found.ended else OPEN_DOC_TTL,
            "facts_ttl": FACTS_TTL,
            "events": [{"id": e.id, "type": e.type, "source": e.source, "job": e.job_id} for e in found.events],
            "rows": [
                [targets[r.sink].name, _lane(r), r.event.id, r.delay * 1000, str(r.together or "")] for r in found.rows
            ],
            "caps": {r.name: r.cap for r in targets.values()},
            "hands": {r.name: hand for r in targets.values()},
            "lease": HAND_LEASE * 1000,
        }
        document = b"" if found.document is None else zlib.compress(found.document.encode(), 1)
        bodies = [json.dumps(e.cloudevent(), ensure_ascii=False) for e in found.events]
        written, *hired = self._run("commit", arguments, found.facts, document, *bodies)
        by_name = {r.name: sink for sink, r in targets.items()}
        return [by_name[name] for name in hired] if written else None

    def done(self, claim: Claim, reference: str | None = None) -> bool:
        """The far end took the items. False when the claim is stale."""
        return bool(self._run("done", self._mine(claim) | {"ref": reference or "", "keep": self._keep}))

    def retry(
        self,
        claim: Claim,
        delay: float,
        error: str = "",
        *,
        counts: bool = True,
        pause: float = 0,
        shared: bool = False,
    ) -> bool:
        """Let go and come back after `delay` seconds.

        `pause` seconds hold everybody off this source or sink, and with `shared` off all that draw on its budget.
        """
        gate = claim.resource.gate if shared else claim.resource.name
        arguments = {"delay": delay * 1000, "err": error, "counts": counts, "pause": pause * 1000, "gate": gate}
        return bool(self._run("retry", self._mine(claim) | arguments))

    def hold(self, claim: Claim, delay: float, together: Occasion) -> bool:
        """Nobody may be told for `delay` seconds: what waits in the lane is due then, and may be told together."""
        arguments = {"delay": delay * 1000, "together": together, "most": TOGETHER}
        return bool(self._run("hold", self._mine(claim) | arguments))

    def admit(self, claim: Claim, sink: str, limit: tuple[int, float]) -> str:
        """Whether a message may go under the storm limit (count, seconds): "go"; "joined" when its items now wait for
        one summary; "held" when this is the summary and its time has not come; "stale"."""
        count, seconds = limit
        arguments = {
            "limit": count,
            "window": seconds * 1000,
            "all": keys.everything_lane(sink),
            "together": Occasion.STORM,
            "keep": self._keep,
            "budget": claim.resource.gate,
            "windows": claim.resource.windows,
        }
        return str(self._run("admit", self._mine(claim) | arguments))

    def hand_back(self, claim: Claim) -> bool:
        """Let go untouched: somebody else may have it at once."""
        return self.retry(claim, 0, counts=False)

    def dead(self, claim: Claim, reason: str, detail: str) -> bool:
        """The items cannot succeed: they are kept as dead, with `reason` (a word) and `detail` (a sentence)."""
        why = json.dumps({"reason": reason, "detail": detail, "attempts": claim.attempts + 1})
        return bool(self._run("dead", self._mine(claim) | {"why": why, "detail": detail, "keep": self._keep}))

    def keep(self, claims: Sequence[Claim], hands: Sequence[tuple[str, str]]) -> set[str]:
        """Renew the leases of lanes and of (resource name, hand) in hand; returns the lanes that are no longer ours."""
        lanes = [[c.resource.name, c.lane, c.fence] for c in claims]
        return set(self._run("keep", {"lanes": lanes, "hands": list(hands), "lease": LEASE * 1000}))

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
            self._run("gate", {"gate": resource.gate, "windows": resource.windows, "charge": calls, "pause": 0})

    def pause(self, resource: Resource, seconds: float) -> None:
        """Nobody claims anything of this resource for so long."""
        self._run("gate", {"gate": resource.name, "charge": 0, "pause": seconds * 1000})

    def resume(self, resource: Resource) -> None:
        """End a pause of this resource; one of its budget goes on."""
        self._run("resume", {"gate": resource.name})

    @staticmethod
    def _mine(claim: Claim) -> dict[str, Any]:
        return {
            "R": claim.resource.name,
            "L": claim.lane,
            "fence": claim.fence,
            "n": len(claim.items),
            "attempts": claim.attempts + 1,
        }
