"""What people are shown of what jobwire did, as frozen data; times are RFC 3339 text in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from processor.model import JSON

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list, newest first. `next` is the cursor of what follows, None at the end; a page may be short, or
    empty, and not be the last: then so much was looked through, and little of it fitted."""

    items: tuple[T, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job in a list. `since` is when it was first seen in its state."""

    source: str
    id: str
    state: str
    since: str
    name: str | None = None
    external_id: str | None = None
    kind: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One event on its way to one sink. `id` is `EVENT_ID:SINK`; `state` is pending, retrying, delivered or dead; `at`
    is when it came into it; `next_at` is when it is due, None in hand or at an end; `reference` is the sink's own; `ms`
    is how long the attempt took that it was delivered with."""

    id: str
    event_id: str
    sink: str
    state: str
    attempts: int
    at: str
    next_at: str | None = None
    last_error: str | None = None
    reference: str | None = None
    ms: float | None = None
    type: str | None = None
    source: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRow:
    """Something that told us to look. `state` is pending, retrying, done or dead; `event` is the provider's own word,
    or ours for who else made us look; `duplicates` counts how often it came again."""

    id: str
    source: str
    job_id: str
    state: str
    attempts: int
    at: str
    received_at: str | None = None
    event: str | None = None
    next_at: str | None = None
    last_error: str | None = None
    duplicates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt: what came of it ("ok", or a word such as `Busy`), what was said, and how long it took."""

    at: str
    ok: bool
    outcome: str
    said: str
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A line of a job's timeline. `kind` is received, fetched, found, not_fetched, told, not_told, waits, dead, or
    reads_on (somebody will look at the job again); `text` is a harmless line for people; the rest as far as it applies.

    received   a genuine notification was stored             notification_id, ms None
    fetched    the job was asked for and answered            state, provider_state, ms
    not_fetched  an attempt to ask failed                    outcome, said, ms, attempt
    found      the comparison gave an event                  event_id, type
    told       a sink took an event                          event_id, sink, attempt, reference (said), ms
    not_told   an attempt to tell a sink failed              event_id, sink, attempt, outcome, said, ms
    waits      a delivery or a notification is still due     event_id, sink | notification_id; at = when it is due
    dead       a delivery or a notification cannot succeed   event_id, sink | notification_id, said
    """

    at: str
    kind: str
    text: str
    notification_id: str | None = None
    event_id: str | None = None
    type: str | None = None
    sink: str | None = None
    attempt: int | None = None
    outcome: str | None = None
    said: str | None = None
    ms: float | None = None
    state: str | None = None
    provider_state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStory:
    """All that is known of a job: the last snapshot (None when none is kept), and what happened, oldest first.
    `since` is when it was first seen in its state; `next_look` when it is looked at again without being told."""

    source: str
    id: str
    snapshot: Mapping[str, JSON] | None
    timeline: tuple[Moment, ...]
    since: str | None = None
    next_look: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Whether a sink gets an event by the configuration of today, and why (not). `state` is that of the delivery there
    was, None when there was none."""

    sink: str
    wanted: bool
    reason: str
    state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something that was searched for: `kind` is job, event, notification or delivery; `path` is its page."""

    kind: str
    title: str
    detail: str
    path: str
    source: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """`running` counts the jobs that have not ended; `waiting` the notifications that are still to be looked into."""

    name: str
    provider: str
    ok: bool
    detail: str
    heard_at: str | None
    running: int
    waiting: int
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkHealth:
    """`paused_until` is set while nobody may be told, `failing_since` while it takes nothing."""

    name: str
    type: str
    ok: bool
    detail: str
    waiting: int
    retrying: int
    dead: int
    delivered: int
    paused_until: str | None = None
    failing_since: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An alarm of ours that stands. `place` is `sources/NAME` or `sinks/NAME`."""

    type: str
    place: str
    since: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How much happened, oldest first: each list has one number for each of `at`, the ends of equal steps of `seconds`.
    `p50_ms` and `p95_ms` are from being told to having told, None where nothing was."""

    seconds: int
    at: tuple[str, ...] = ()
    accepted: tuple[int, ...] = ()
    rejected: tuple[int, ...] = ()
    events: tuple[int, ...] = ()
    delivered: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    p50_ms: tuple[float | None, ...] = ()
    p95_ms: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How it stands: `jobs` counts by state; `failed_today` are the jobs that failed since midnight UTC, newest first,
    at most ten of `failed_today_count`."""

    at: str
    workers: int
    jobs: Mapping[str, int]
    failed_today: tuple[JobRow, ...]
    failed_today_count: int
    sources: tuple[SourceHealth, ...]
    sinks: tuple[SinkHealth, ...]
    alarms: tuple[Standing, ...]
    rates: Rates
    warnings: tuple[str, ...] = field(default=())
