"""What goes into the lanes and comes out of them: resources, notifications on their way, claims, what was found."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from processor import tracing
from processor.model import JSON, Event
from processor.ports import Occasion


class Window(NamedTuple):
    """`most` in every `length`, and how they are spread: GCRA's interval and tolerance. Times are milliseconds."""

    interval: float
    tolerance: float
    most: int
    length: float


@dataclass(frozen=True, slots=True)
class Resource:
    """A source that is asked, or a sink that is told.

    `name` is its R in Redis, `cap` how many of its lanes may be in hand at once, `windows` its rate limits, `batch` how
    many items a claim takes (0 = all that wait; of a sink's: at most, of those that may be told together). `budget`
    names whose windows they are, when several resources share them. `share` are the windows of what we ask for
    ourselves (lists, looking again), a part of the whole. `joins`: when what waits in the lane of everything is due
    once something else of the sink is, which then joins it; "" for a sink that asks whether it may tell (Lanes.admit).
    """

    name: str
    cap: int
    windows: tuple[Window, ...] = ()
    batch: int = 0
    budget: str = ""
    share: tuple[Window, ...] = ()
    joins: Literal["", "now", "then"] = ""

    @property
    def gate(self) -> str:
        return self.budget or self.name


@dataclass(frozen=True, slots=True)
class Item:
    """What waits: a notification (`detail`: at, event, api, claim, trace), or an event (`detail`: state, due,
    together, born, trace) with its `body`, JSON."""

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

    @property
    def trace(self) -> str:
        """The trace context that this work goes on in: that of its first item, or one of its own."""
        if not self.items:
            return tracing.begun_by(f"{self.lane} {self.fence}")
        first = self.items[0]
        return tracing.parse(str(first.detail.get("trace", ""))) or tracing.begun_by(first.id)


@dataclass(slots=True)
class Next:
    """What the end of a claim may bring along in the same call: another lane of `resource`, for the task `hand`.

    `wanted` is asked at the end. `drawn` is what came, as Lanes.claim returns it; nothing when none was asked for, or
    when the end did not go through at once.
    """

    resource: Resource
    hand: str
    wanted: Callable[[], bool]
    drawn: tuple[()] | tuple[Claim | float | None] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt that failed: a word, what was said, how long it took. `trips`: the far end itself was not well."""

    reason: str
    said: str
    ms: float
    trips: bool = False

    def dump(self) -> str:
        return json.dumps({"reason": self.reason, "said": self.said, "ms": self.ms})


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


class Look(NamedTuple):
    """How asking for a job went: the state it showed, in our word and in the provider's, how long it took, and why
    nothing was made of it."""

    state: str = ""
    provider_state: str = ""
    ms: float = 0
    note: str = ""

    def dump(self) -> dict[str, JSON]:
        return {k: v for k, v in zip(("st", "ps", "ms", "note"), self, strict=True) if v}


@dataclass(frozen=True, slots=True)
class Found:
    """What one refresh found: new facts, the document for people (None = leave the stored one), events and their rows.
    `poll` is in how many seconds the job is to be looked at again, None for not at all. `told`: a webhook has told
    of the job now, or something was repaired that no webhook had told, or neither. `card` is as in pipeline.card, ""
    leaves the one there is; `look` says how the asking went, for the job's page."""

    source: str
    job_id: str
    facts: str
    document: str | None
    ended: bool = False
    events: Sequence[Event] = ()
    rows: Sequence[Row] = ()
    poll: float | None = None
    told: Literal["", "told", "repaired"] = ""
    card: str = ""
    look: Look = field(default_factory=lambda: Look())


@dataclass(frozen=True, slots=True)
class Hint:
    """A notification on its way in: `seen` is the digest of its key. `genuine`: the provider itself told us; `trace` is
    the request's `traceparent`, "" when it had none."""

    seen: str
    lane: str
    event: str
    api: str
    claim: str
    genuine: bool = False
    trace: str = ""
    id: str = field(default_factory=lambda: "ntf_" + secrets.token_hex(12))


@dataclass(frozen=True, slots=True)
class Stocked:
    """A job to be known from now on, and told nobody: what the first pass of reconciliation saw. `card` is as in
    pipeline.card."""

    source: str
    job_id: str
    facts: str
    document: str
    ended: bool
    card: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What one page of a source's list asks for: `cursor` replaces `was`, the text that was read ("" = none)."""

    was: str
    cursor: str
    hints: Sequence[Hint] = ()
    stock: Sequence[Stocked] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    outcome: str  # new, duplicate or revived
    id: str


def windows(rates: Sequence[tuple[int, float]]) -> tuple[Window, ...]:
    """(count, seconds) as windows whose burst + rate x length never exceeds the count.

    A full token bucket would let twice the count through in one window. The burst is 4 % of the count; for small
    counts there is none. What goes beyond this for a provider's windows is in lua/prelude.lua (pace, wait_for_room).
    """
    out = []
    for count, seconds in rates:
        burst = max(1, count // 25)
        interval = seconds * 1000 / (count - burst if count >= 25 else count)
        out.append(Window(interval, (burst - 1) * interval, count, seconds * 1000))
    return tuple(out)
