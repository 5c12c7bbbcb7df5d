"""A believable morning at a jobwire with two providers and four sinks, as the pages would find it in Redis.

For what needs many states at once and the same ones every time: pages in every state, accessibility, the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import quote

from flask import Flask
from web.stand_in import StandIn

from processor.errors import Malformed, Usage
from processor.looking import DeliveryFilter, EventFilter, JobFilter, NotificationFilter
from processor.looking.shapes import (
    Attempt,
    DeliveryRow,
    Hit,
    JobRow,
    JobStory,
    Moment,
    NotificationRow,
    Overview,
    Page,
    Rates,
    Routed,
    SinkHealth,
    SourceHealth,
    Standing,
)
from processor.model import (
    JSON,
    Customer,
    EventType,
    Job,
    Message,
    ModelState,
    Secret,
    State,
    document,
    timestamp,
)
from processor.testing.builders import a_job, a_model, an_event
from processor.text import headline
from processor.web import create_app

NOW = datetime(2025, 3, 17, 16, 12, 40, tzinfo=UTC)
TOKEN = "token-of-the-tests"
SOURCES, SINKS = (
    {"hover-main": "hover", "itwin": "bentley"},
    {
        "crm": "webhook",
        "ops": "slack",
        "office": "email",
        "warehouse": "kafka",
    },
)
SAID = "503 Service Unavailable: upstream connect error"


def ago(minutes: float) -> str:
    return timestamp((NOW - timedelta(minutes=minutes)).replace(microsecond=0) + timedelta(milliseconds=411))


# --- the job that failed ---------------------------------------------------------------------------------------------

FAILED = a_job(
    name="Meadow Drive, main house",
    state=State.FAILED,
    provider_state="failed",
    url="https://hover.to/jobs/15084303",
    organization_id="418829",
    customer=Customer(name="Dana Whitfield", email="dana.whitfield@example.com", phone="+1 805 555 0142"),
    created_at=NOW - timedelta(days=2, hours=3),
    updated_at=NOW - timedelta(minutes=31),
    models=(
        a_model(id="15081686", name="Garage", failure_reason="Lack of exterior shots", updated_at=None),
        a_model(
            id="15081683",
            name="Main house",
            failure_reason="The rear of the house is not in any photo: at least two of its corners are needed",
            updated_at=None,
        ),
        a_model(
            id="15081690",
            name="Guest house",
            state=ModelState.SUCCEEDED,
            provider_state="complete",
            failure_reason=None,
            url="https://hover.to/design-studio/15084303/model/15081690",
            url_status="ready",
            artifacts={
                "measurements.pdf": "https://hover.to/api/v2/models/15081690/artifacts/measurements.pdf",
                "cad_exports.dwg": "https://hover.to/api/v2/models/15081690/artifacts/cad.dwg",
            },
            updated_at=None,
        ),
    ),
)


def _told(kind: EventType, job: Job, at: str, **more: Any) -> dict[str, JSON]:
    event = an_event(kind, job=job, **more)
    return {**event, "time": at, "id": f"{event['id'][:20]}{job.id[-4:]}"}


_GARAGE, _HOUSE, _GUEST = FAILED.models
_EVENTS = [
    _told(EventType.JOB_CREATED, replace(FAILED, state=State.CREATED, models=()), ago(2 * 1440 + 179)),
    _told(
        EventType.JOB_STATE_CHANGED,
        replace(FAILED, state=State.PROCESSING, models=()),
        ago(1440 + 12),
        previous_state="created",
    ),
    _told(EventType.MODEL_SUCCEEDED, FAILED, ago(64), model=_GUEST),
    _told(EventType.MODEL_FAILED, FAILED, ago(31.4), model=_GARAGE),
    _told(EventType.MODEL_FAILED, FAILED, ago(31.3), model=_HOUSE),
    _told(EventType.JOB_FAILED, FAILED, ago(31), failure=Message(message="Lack of exterior shots")),
]
_ID = {number: event["id"] for number, event in enumerate(_EVENTS)}


def _attempts(first: float) -> tuple[Attempt, ...]:
    """Six tries in vain at the CRM, ever further apart."""
    waits = (0, 0.1, 0.6, 2.9, 9.5, 22)
    return tuple(Attempt(at=ago(first - w), ok=False, outcome="Busy", said=SAID, ms=180 + 11.3 * w) for w in waits)


def _timeline() -> tuple[Moment, ...]:
    def received(at: float, word: str, number: int) -> Moment:
        return Moment(
            at=ago(at), kind="received", text=f"received and verified: {word}", notification_id=f"ntf_9f3ab1{number}"
        )

    def fetched(at: float, state: str, word: str, ms: float) -> Moment:
        return Moment(
            at=ago(at), kind="fetched", text=f"fetched: {state} ({word})", state=state, provider_state=word, ms=ms
        )

    def found(at: float, number: int) -> Moment:
        event = _EVENTS[number]
        return Moment(at=ago(at), kind="found", text=headline(event), event_id=event["id"], type=event["type"])

    def told(at: float, sink: str, number: int, ms: float, said: str | None = None) -> Moment:
        text = f"{sink} was told" + (f" ({said})" if said else "")
        return Moment(
            at=ago(at),
            kind="told",
            text=text,
            sink=sink,
            event_id=_ID[number],
            type=_EVENTS[number]["type"],
            attempt=1,
            outcome="ok",
            said=said,
            ms=ms,
        )

    vain = [
        Moment(
            at=one.at,
            kind="not_told",
            text=f"crm was not told: {SAID}",
            sink="crm",
            event_id=_ID[5],
            type="job.failed",
            attempt=number,
            outcome=one.outcome,
            said=one.said,
            ms=one.ms,
        )
        for number, one in enumerate(_attempts(30.9), 1)
    ]
    died = Moment(
        at=ago(4), kind="dead", text=f"crm will not be told: {SAID}", sink="crm", event_id=_ID[5], said=SAID, attempt=6
    )
    waits = [
        Moment(at=ago(-948), kind="waits", text="office is to be told", sink="office", event_id=_ID[n])
        for n in (3, 4, 5)
    ]
    moments = [
        received(2 * 1440 + 180, "job-created-v2", 1),
        fetched(2 * 1440 + 179.99, "created", "uploading", 311),
        found(2 * 1440 + 179.98, 0),
        told(2 * 1440 + 179.97, "crm", 0, 92),
        received(1440 + 12.1, "job-state-changed-v2", 2),
        fetched(1440 + 12.09, "processing", "working", 288),
        found(1440 + 12.08, 1),
        told(1440 + 12.07, "crm", 1, 74),
        received(64.1, "model-state-changed", 3),
        fetched(64.09, "processing", "working", 402),
        found(64.08, 2),
        told(64.07, "crm", 2, 88),
        received(31.5, "model-state-changed", 4),
        Moment(
            at=ago(31.49),
            kind="not_fetched",
            text="not fetched: 502 Bad Gateway",
            notification_id="ntf_9f3ab14",
            attempt=1,
            outcome="Busy",
            said="502 Bad Gateway",
            ms=1204,
        ),
        fetched(31.2, "failed", "failed", 377),
        found(31.19, 3),
        found(31.18, 4),
        found(31.17, 5),
        told(31.16, "ops", 3, 203, "1742225681.4419"),
        told(31.15, "crm", 3, 130),
        told(31.14, "crm", 4, 97),
        told(31.13, "ops", 4, 188, "1742225681.4419"),
        told(31.12, "ops", 5, 196, "1742225681.4419"),
        *vain,
        died,
        *waits,
    ]
    return tuple(sorted(moments, key=lambda moment: moment.at))


STORY = JobStory(
    source="hover-main",
    id=FAILED.id,
    snapshot=document(FAILED),
    timeline=_timeline(),
    since=ago(31.2),
    next_look=None,
)

# --- the others ------------------------------------------------------------------------------------------------------

_OTHERS: list[tuple[str, str, str, str, float, str | None, str | None]] = [
    (
        "hover-main",
        "15091127",
        "processing",
        "Rosewood Court 18",
        3.4,
        "PO-20771",
        "18 Rosewood Court, Boise, ID 83702",
    ),
    ("itwin", "cc3d35cc-416a-4262-9714-b359da70b419", "processing", "Harbour bridge, pier 4", 11, None, None),
    ("hover-main", "15091090", "succeeded", "Alder Street duplex", 17, "PO-20768", "204 Alder Street, Salem, OR 97301"),
    (
        "hover-main",
        "15084303",
        "failed",
        FAILED.name or "",
        31.2,
        "8675309",
        "4312 Meadow Drive, Santa Maria, CA 93455",
    ),
    ("hover-main", "15090866", "waiting", "Kestrel Lane roof", 48, "PO-20759", "77 Kestrel Lane, Reno, NV 89503"),
    ("itwin", "2e8b5984-15b1-45d5-8175-572583d8c3c8", "failed", "Quarry north face, March", 92, "Q-2025-03", None),
    ("hover-main", "15090712", "succeeded", "Whitfield barn", 133, "PO-20744", "9 Farm Road, Ojai, CA 93023"),
    (
        "hover-main",
        "15090655",
        "cancelled",
        "Birch Avenue 1200",
        171,
        "PO-20741",
        "1200 Birch Avenue, Eugene, OR 97401",
    ),
    ("itwin", "7d1f0c52-7b8e-4e0e-8a53-3a4f9be0a1c7", "succeeded", "Depot, second flight", 240, "DEP-7", None),
    ("hover-main", "15090418", "created", "Juniper Way 3", 295, "PO-20733", "3 Juniper Way, Bend, OR 97701"),
    ("hover-main", "15090377", "succeeded", "Old mill", 412, None, "1 Mill Street, Ashland, OR 97520"),
]


def _row(other: tuple[str, str, str, str, float, str | None, str | None]) -> JobRow:
    source, job_id, state, name, at, external_id, address = other
    kind = "Reconstruction" if source == "itwin" else None
    return JobRow(
        source=source,
        id=job_id,
        state=state,
        since=ago(at),
        name=name,
        external_id=external_id,
        address=address,
        kind=kind,
    )


JOBS = [_row(other) for other in _OTHERS]
_QUARRY = a_job(
    id=JOBS[5].id, source="itwin", provider="bentley", name=JOBS[5].name, state=State.FAILED, models=(), address=None
)
_MILL = a_job(id="15091090", name="Alder Street duplex", models=(), state=State.SUCCEEDED)
EVENTS = [
    _told(EventType.JOB_SUCCEEDED, _MILL, ago(17)),
    *_EVENTS[:1:-1],
    _told(
        EventType.JOB_FAILED,
        _QUARRY,
        ago(92),
        failure=Message("NotEnoughPhotos", "Not enough photos", "Only 11 of 312 photos could be oriented."),
    ),
    *_EVENTS[1::-1],
]

_QUARRY_ID = EVENTS[5]["id"]


def _delivery(number: int, sink: str, state: str, at: float, attempts: int = 1, **more: Any) -> DeliveryRow:
    event = _EVENTS[number] if number >= 0 else EVENTS[5]
    source, _, job_id = event["partitionkey"].partition("/")
    about = {"type": event["type"], "source": source, "job_id": job_id}
    return DeliveryRow(
        id=f"{event['id']}:{sink}",
        event_id=event["id"],
        sink=sink,
        state=state,
        attempts=attempts,
        at=ago(at),
        **about | more,
    )


DELIVERIES = [
    _delivery(-1, "crm", "retrying", 0.4, 4, last_error=SAID, next_at=ago(-1.2)),
    _delivery(5, "crm", "dead", 4, 6, last_error=SAID, ms=429.0),
    _delivery(5, "ops", "delivered", 31.12, reference="1742225681.4419", ms=196.0),
    _delivery(4, "ops", "delivered", 31.13, reference="1742225681.4419", ms=188.0),
    _delivery(4, "crm", "delivered", 31.14, ms=97.0),
    _delivery(3, "crm", "delivered", 31.15, ms=130.0),
    _delivery(3, "ops", "delivered", 31.16, reference="1742225681.4419", ms=203.0),
    *[_delivery(n, "office", "pending", 31.2 - n / 200, 0, next_at=ago(-948)) for n in (5, 4)],
    _delivery(3, "office", "pending", 31.19, 0, next_at=ago(-948)),
    _delivery(2, "crm", "delivered", 64.07, ms=88.0),
    _delivery(-1, "warehouse", "dead", 90, 1, last_error="MSG_SIZE_TOO_LARGE: 1.4 MB, the topic takes 1 MB", ms=31.0),
    _delivery(1, "crm", "delivered", 1452.07, ms=74.0),
    _delivery(0, "crm", "delivered", 3059.97, ms=92.0),
]
NOTIFICATIONS = [
    NotificationRow(
        id=f"ntf_{id_}",
        source=source,
        job_id=job_id,
        state=state,
        attempts=attempts,
        at=ago(at),
        received_at=ago(at),
        event=event,
        last_error=error,
        duplicates=duplicates,
    )
    for id_, source, job_id, state, attempts, at, event, error, duplicates in [
        ("9f3ab21", "hover-main", "15091127", "pending", 0, 0.1, "job-state-changed-v2", None, 0),
        ("9f3ab14", "hover-main", "15084303", "done", 2, 31.5, "model-state-changed", None, 1),
        ("9f3ab13", "hover-main", "15084303", "done", 1, 64.1, "model-state-changed", None, 0),
        ("9f3ab17", "itwin", JOBS[5].id, "done", 1, 92.2, "realityModeling.jobCompleted.v2", None, 0),
        (
            "9f3ab05",
            "itwin",
            "5b1f3c1e-9d7a-4b7c-8f0e-111213141516",
            "dead",
            1,
            211,
            "realityConversion.jobCompleted.v1",
            "403: the service application may not read this iTwin",
            2,
        ),
    ]
]
_STEPS = 30
_ACCEPTED = [3, 5, 4, 6, 9, 7, 5, 4, 6, 8, 11, 14, 12, 9, 7, 6, 5, 7, 9, 13, 17, 15, 11, 8, 7, 6, 8, 10, 9, 7]
_FAILED = [0] * 18 + [1, 3, 6, 9, 11, 8, 6, 5, 5, 4, 4, 3]
_P50: list[float | None] = [
    *[420, 380, 410, 450, 600, 520, 430, 400, None, 460, 520, 610, 580, 500, 470],
    *[430, 440, 520, 640, 700, 810, 760, 690, 640, 600, 560, 540, 520, 510, 490],
]
OVERVIEW = Overview(
    at=timestamp(NOW),
    workers=2,
    jobs={"created": 4, "waiting": 9, "processing": 23, "succeeded": 1284, "failed": 37, "cancelled": 12},
    failed_today=tuple(row for row in JOBS if row.state == "failed"),
    failed_today_count=2,
    sources=(
        SourceHealth(
            name="hover-main", provider="hover", ok=True, detail="ok", heard_at=ago(0.1), running=31, waiting=1, dead=0
        ),
        SourceHealth(
            name="itwin", provider="bentley", ok=True, detail="ok", heard_at=ago(92.2), running=5, waiting=0, dead=1
        ),
    ),
    sinks=(
        SinkHealth(
            name="crm",
            type="webhook",
            ok=False,
            detail="takes nothing",
            waiting=14,
            retrying=3,
            dead=1,
            delivered=4821,
            failing_since=ago(31),
        ),
        SinkHealth(name="ops", type="slack", ok=True, detail="ok", waiting=0, retrying=0, dead=0, delivered=612),
        SinkHealth(name="office", type="email", ok=True, detail="ok", waiting=26, retrying=0, dead=0, delivered=88),
        SinkHealth(
            name="warehouse", type="kafka", ok=True, detail="ok", waiting=0, retrying=0, dead=1, delivered=10314
        ),
    ),
    alarms=(Standing(type="ops.sink_failing", place="sinks/crm", since=ago(21), detail=SAID),),
    rates=Rates(
        seconds=120,
        at=tuple(ago(2 * (_STEPS - 1 - n)) for n in range(_STEPS)),
        accepted=tuple(_ACCEPTED),
        rejected=tuple(1 if n in (11, 12) else 0 for n in range(_STEPS)),
        events=tuple(n // 2 for n in _ACCEPTED),
        delivered=tuple(max(0, n - f) for n, f in zip(_ACCEPTED, _FAILED, strict=True)),
        failed=tuple(_FAILED),
        p50_ms=tuple(_P50),
        p95_ms=tuple(None if n is None else n * 2.6 + 90 * f for n, f in zip(_P50, _FAILED, strict=True)),
    ),
)
_WHY = {
    "crm": (True, "events and sources match"),
    "ops": (True, "events and sources match"),
    "office": (True, "events and sources match"),
    "warehouse": (False, "type {type} matches none of events = ['job.succeeded', 'model.succeeded']"),
}


@dataclass
class Looking:
    """Finds what is above. `fails` is raised by every question, `empty` is a jobwire that nothing has come to."""

    fails: Exception | None = None
    empty: bool = False
    jobs_: list[JobRow] = field(default_factory=lambda: list(JOBS))
    events_: list[dict[str, JSON]] = field(default_factory=lambda: list(EVENTS))
    deliveries_: list[DeliveryRow] = field(default_factory=lambda: list(DELIVERIES))
    notifications_: list[NotificationRow] = field(default_factory=lambda: list(NOTIFICATIONS))
    story: JobStory = STORY
    overview_: Overview = OVERVIEW
    asked: list[Any] = field(default_factory=list)

    def events(self, chosen: EventFilter, *, limit: int = 50, cursor: str | None = None) -> Page[JSON]:
        return self._page(self.events_, chosen, limit, cursor, lambda e: chosen.type in (None, e["type"]))

    def jobs(self, chosen: JobFilter, *, limit: int = 50, cursor: str | None = None) -> Page[JobRow]:
        fits = lambda row: chosen.state in (None, row.state) and chosen.source in (None, row.source)  # noqa: E731
        return self._page(self.jobs_, chosen, limit, cursor, fits)

    def deliveries(self, chosen: DeliveryFilter, *, limit: int = 50, cursor: str | None = None) -> Page[DeliveryRow]:
        def fits(row: DeliveryRow) -> bool:
            asked = [
                (chosen.sink, row.sink),
                (chosen.state, row.state),
                (chosen.event, row.event_id),
                (chosen.job, row.job_id),
                (chosen.source, row.source),
            ]
            return all(wanted in (None, is_) for wanted, is_ in asked)

        return self._page(self.deliveries_, chosen, limit, cursor, fits)

    def notifications(
        self, chosen: NotificationFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[NotificationRow]:
        fits = lambda row: chosen.state in (None, row.state) and chosen.source in (None, row.source)  # noqa: E731
        return self._page(self.notifications_, chosen, limit, cursor, fits)

    def event(self, event_id: str) -> JSON | None:
        return self._one(self.events_, lambda event: event["id"] == event_id)

    def job(self, source: str, job_id: str) -> JobStory | None:
        return self._one([self.story], lambda story: (story.source, story.id) == (source, job_id))

    def delivery(self, delivery_id: str) -> tuple[DeliveryRow, Sequence[Attempt]] | None:
        row = self._one(self.deliveries_, lambda row: row.id == delivery_id)
        return row and (row, _attempts(30.9)[-row.attempts :] if row.state in ("dead", "retrying") else ())

    def notification(self, notification_id: str) -> tuple[NotificationRow, Sequence[Attempt]] | None:
        row = self._one(self.notifications_, lambda row: row.id == notification_id)
        said = row and row.last_error
        return row and (row, (Attempt(at=row.at, ok=False, outcome="Forbidden", said=said, ms=212),) if said else ())

    def explain(self, event: Mapping[str, JSON]) -> Sequence[Routed]:
        self._ask(event["id"])
        states = {row.sink: row.state for row in self.deliveries_ if row.event_id == event["id"]}
        people = event["type"].endswith("failed")
        found = []
        for sink, (wanted, reason) in _WHY.items():
            if sink in ("ops", "office") and not people:
                wanted, reason = False, f"type {event['type']} matches none of events = ['*.failed']"
            said = reason.replace("{type}", event["type"])
            found.append(Routed(sink=sink, wanted=wanted, reason=said, state=states.get(sink)))
        return found

    def search(self, text: str) -> Sequence[Hit]:
        self._ask(text)
        jobs = [] if self.empty else self.jobs_
        return [
            Hit(
                kind="job",
                title=f"{row.name} ({row.id})",
                detail=f"{row.source}, {row.state}; {row.external_id or row.address}",
                path=f"/jobs/{quote(row.source, safe='')}/{quote(row.id, safe='')}",
            )
            for row in jobs
            if any(text.lower() in str(said).lower() for said in (row.id, row.external_id, row.name, row.address))
        ]

    def overview(self) -> Overview:
        self._ask("overview")
        if self.empty:
            return Overview(
                at=timestamp(NOW),
                workers=1,
                jobs={},
                failed_today=(),
                failed_today_count=0,
                sources=(),
                sinks=(),
                alarms=(),
                rates=Rates(seconds=120),
            )
        return self.overview_

    def _page(self, rows: Sequence[Any], chosen: Any, limit: int, cursor: str | None, fits: Any) -> Page[Any]:
        self._ask(chosen)
        if cursor is not None and not (cursor.isdecimal() and len(cursor) < 9):
            raise Malformed("cursor: this is not the `next` of a page")
        begin = int(cursor or 0)
        found = [] if self.empty else [row for row in rows if fits(row)]
        return Page(tuple(found[begin : begin + limit]), str(begin + limit) if len(found) > begin + limit else None)

    def _one(self, rows: Sequence[Any], is_it: Any) -> Any:
        self._ask("one")
        return None if self.empty else next(filter(is_it, rows), None)

    def _ask(self, what: Any) -> None:
        self.asked.append(what)
        if self.fails:
            raise self.fails


@dataclass
class Doing:
    """Makes deliveries and notifications of `looking` pending; a sink that is gone cannot be told."""

    looking: Looking
    done: list[str] = field(default_factory=list)
    gone: frozenset[str] = frozenset()

    def retry_delivery(self, delivery_id: str) -> str | None:
        if self.looking.fails:
            raise self.looking.fails
        if delivery_id.rpartition(":")[2] in self.gone:
            raise Usage("the sink is not configured any more")
        return self._again(self.looking.deliveries_, delivery_id)

    def retry_notification(self, notification_id: str) -> str | None:
        if self.looking.fails:
            raise self.looking.fails
        return self._again(self.looking.notifications_, notification_id)

    def replay_event(self, event_id: str) -> Mapping[str, str] | None:
        if self.looking.event(event_id) is None:
            return None
        self.done.append(event_id)
        return {"crm": "again", "ops": "again", "office": "waits", "warehouse": "unwanted"}

    def count_dead(self, chosen: DeliveryFilter) -> int:
        return len(self.looking.deliveries(replace(chosen, state="dead")).items)

    def retry_dead(self, chosen: DeliveryFilter) -> int:
        dead = self.looking.deliveries(replace(chosen, state="dead")).items
        return sum(self._again(self.looking.deliveries_, row.id) == "again" for row in dead)

    def _again(self, rows: list[Any], wanted: str) -> str | None:
        for number, row in enumerate(rows):
            if row.id == wanted:
                self.done.append(wanted)
                rows[number] = replace(row, state="pending", attempts=0, last_error=None)
                return "waits" if row.state in ("pending", "retrying") else "again"
        return None


class Turn:
    """Whatever it is at the moment: an application is built once, which takes its time, and asks another each time."""

    now: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)


@cache
def _built(token: str | None, public_url: str | None) -> tuple[Flask, Turn, Turn]:
    looking, doing = Turn(), Turn()
    return fresh(looking, doing, token=token, public_url=public_url), looking, doing


def fresh(looking: Any, doing: Any, *, token: str | None = TOKEN, public_url: str | None = None) -> Flask:
    """An application with these sources and sinks, to which nobody has come yet."""
    core = StandIn()
    server = replace(core.settings.server, admin_token=Secret(token) if token else None, public_url=public_url)
    core.settings = replace(core.settings, server=server, sources=dict.fromkeys(SOURCES), sinks=dict.fromkeys(SINKS))
    return create_app(core, looking=looking, doing=doing)


def app(
    looking: Looking | None = None,
    doing: Doing | None = None,
    *,
    token: str | None = None,
    public_url: str | None = None,
) -> Flask:
    """The same, one for all tests; it finds what is given now."""
    built, looks, does = _built(token, public_url)
    looks.now = looking or Looking()
    does.now = doing or Doing(looks.now)
    return built


def everywhere() -> list[str]:
    """The address of every page, in every state that it has here."""
    event, dead, notification = _EVENTS[5]["id"], DELIVERIES[1].id, NOTIFICATIONS[-1].id
    return [
        "/",
        "/search",
        "/search?q=2",
        "/search?q=nobody",
        "/jobs",
        "/jobs?state=failed&since=24h",
        "/jobs?state=x",
        "/jobs/hover-main/15084303",
        "/jobs/hover-main/0",
        "/events",
        f"/events/{event}",
        "/deliveries",
        f"/deliveries/{quote(dead)}",
        "/notifications",
        f"/notifications/{notification}",
        "/dead",
        "/dead?again=2&waits=1",
        "/dead/retry",
        "/dead/retry?kind=notifications",
    ]
