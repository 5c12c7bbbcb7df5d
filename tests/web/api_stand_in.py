"""What the API's tests ask instead of a store: one of everything, and a note of what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask
from web.stand_in import StandIn

from processor.errors import Malformed, Unavailable, Usage
from processor.looking.filters import DeliveryFilter, EventFilter, JobFilter, NotificationFilter
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
from processor.model import JSON, Secret
from processor.web import create_app

TOKEN = "token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
AT = "2026-03-01T12:00:00.250Z"
EVENT: dict[str, JSON] = {
    "specversion": "1.0",
    "id": "evt_1",
    "source": "/sources/plain",
    "type": "model.failed",
    "subject": "jobs/15084303/models/15081686",
    "time": AT,
    "datacontenttype": "application/json",
    "partitionkey": "plain/15084303",
    "data": {"job": {"name": '<script>alert("1")</script>\u202e'}, "model": None},
    "truncated": True,
}
JOB = JobRow(source="plain", id="15084303", state="failed", since=AT, name="Main House")
DELIVERY = DeliveryRow(
    id="evt_1:log", event_id="evt_1", sink="log", state="dead", attempts=2, at=AT, last_error="503", type="model.failed"
)
NOTIFICATION = NotificationRow(id="ntf_1", source="plain", job_id="15084303", state="dead", attempts=5, at=AT)
ATTEMPTS = (
    Attempt(at=AT, ok=False, outcome="Busy", said="503", ms=12.5),
    Attempt(at=AT, ok=False, outcome="Refused", said="410", ms=3),
)
STORY = JobStory(
    source="plain",
    id="15084303",
    snapshot={"name": "Main House", "models": []},
    timeline=(
        Moment(at=AT, kind="received", text="received", notification_id="ntf_1"),
        Moment(at=AT, kind="told", text="told", event_id="evt_1", sink="log", attempt=1, ms=8.1),
    ),
    since=AT,
)
OVERVIEW = Overview(
    at=AT,
    workers=1,
    jobs={"failed": 1},
    failed_today=(JOB,),
    failed_today_count=1,
    sources=(
        SourceHealth(name="plain", provider="x", ok=True, detail="", heard_at=None, running=0, waiting=0, dead=1),
    ),
    sinks=(SinkHealth(name="log", type="file", ok=False, detail="", waiting=0, retrying=0, dead=1, delivered=0),),
    alarms=(Standing(type="ops.sink_failing", place="sinks/log", since=AT, detail="takes nothing"),),
    rates=Rates(seconds=60, at=(AT,), accepted=(1,), rejected=(0,), p50_ms=(None,), p95_ms=(2.5,)),
    warnings=("no worker is running",),
)
HITS = (
    Hit(kind="job", title="Main House", detail="failed", path="/jobs/plain/15084303", source="plain", id="15084303"),
)


@dataclass
class Looking:
    """Finds one of everything, or `nothing`, or `everything`. `fails` is what questions raise. Cursors are c1, c2 …"""

    asked: list[Any] = field(default_factory=list)
    nothing: bool = False
    everything: bool = False
    fails: Exception | None = None

    def events(self, chosen: EventFilter, *, limit: int, cursor: str | None = None) -> Page[JSON]:
        return self._page(EVENT, chosen, limit, cursor)

    def jobs(self, chosen: JobFilter, *, limit: int, cursor: str | None = None) -> Page[JobRow]:
        return self._page(JOB, chosen, limit, cursor)

    def deliveries(self, chosen: DeliveryFilter, *, limit: int, cursor: str | None = None) -> Page[DeliveryRow]:
        return self._page(DELIVERY, chosen, limit, cursor)

    def notifications(
        self, chosen: NotificationFilter, *, limit: int, cursor: str | None = None
    ) -> Page[NotificationRow]:
        return self._page(NOTIFICATION, chosen, limit, cursor)

    def event(self, event_id: str) -> JSON | None:
        return self._one(EVENT, event_id, "evt_1")

    def job(self, source: str, job_id: str) -> JobStory | None:
        return self._one(STORY, (source, job_id), ("plain", "15084303"))

    def delivery(self, delivery_id: str) -> tuple[DeliveryRow, Sequence[Attempt]] | None:
        return self._one((DELIVERY, ATTEMPTS), delivery_id, "evt_1:log")

    def notification(self, notification_id: str) -> tuple[NotificationRow, Sequence[Attempt]] | None:
        return self._one((NOTIFICATION, ATTEMPTS), notification_id, "ntf_1")

    def explain(self, event: Mapping[str, JSON]) -> Sequence[Routed]:
        return self._one([Routed(sink="log", wanted=True, reason="all", state="dead")], event["id"], "evt_1")

    def search(self, text: str) -> Sequence[Hit]:
        return self._one(HITS, text, text)

    def overview(self) -> Overview:
        return self._one(OVERVIEW, None, None)

    def _page(self, item: Any, chosen: Any, limit: int, cursor: str | None) -> Page[Any]:
        self._ask((chosen, limit, cursor))
        if cursor and not cursor.removeprefix("c").isdecimal():
            raise Malformed("cursor: this is not the `next` of a page")
        return Page(()) if self.nothing else Page((item,), None if cursor else "c1")

    def _one(self, found: Any, named: Any, there: Any) -> Any:
        self._ask(named)
        return found if self.everything or (named == there and not self.nothing) else None

    def _ask(self, what: Any) -> None:
        self.asked.append(what)
        if self.fails:
            raise self.fails


@dataclass
class Doing:
    """Does nothing and says `outcome`."""

    outcome: str | None = "again"
    asked: list[str] = field(default_factory=list)
    fails: Exception | None = None
    everything: bool = False

    def retry_delivery(self, delivery_id: str) -> str | None:
        return self._do(delivery_id, "evt_1:log")

    def retry_notification(self, notification_id: str) -> str | None:
        return self._do(notification_id, "ntf_1")

    def replay_event(self, event_id: str) -> Mapping[str, str] | None:
        done = self._do(event_id, "evt_1")
        return None if done is None else {"log": done}

    def _do(self, named: str, there: str) -> str | None:
        self.asked.append(named)
        if self.fails:
            raise self.fails
        return self.outcome if self.everything or named == there else None


DOWN = Unavailable("redis://:hush@inside:6379 is not there")
GONE = Usage("the sink log is not configured any more")


def app(
    looking: Any = None,
    doing: Any = None,
    *,
    token: str | None = TOKEN,
    sources: Sequence[str] = ("plain", "other"),
    sinks: Sequence[str] = ("log",),
) -> Flask:
    """The application with an API, and with sources and sinks of these names."""
    core = StandIn()
    server = replace(core.settings.server, admin_token=Secret(token) if token else None)
    named: dict[str, Any] = {"sources": dict.fromkeys(sources), "sinks": dict.fromkeys(sinks)}
    core.settings = replace(core.settings, server=server, **named)
    return create_app(core, looking=looking or Looking(), doing=doing or Doing())
