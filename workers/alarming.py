"""Tells alarms of our own: once when they begin, once when they are over; routed and planned like any event."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import structlog

from processor.model import Event, EventType, timestamp
from processor.pipeline.alarms import alarm
from processor.pipeline.gather import plan
from processor.pipeline.route import route
from processor.queue import new_hand
from processor.store.work import Row
from processor.wiring import App

log = structlog.get_logger(__name__)


def begin(
    app: App,
    kind: EventType,
    place: str,
    *,
    detail: str,
    count: int | None = None,
    thing: str = "",
    since: datetime | None = None,
) -> bool:
    """Raise an alarm about `place` (`sources/NAME` or `sinks/NAME`) unless it stands already; whether it was raised.

    `thing` tells several of one kind at one place apart; `since` is when what it is about began, if that was not now.
    What has been over and begins again, with the same `since`, is another event. Raises Unavailable.
    """
    now = app.tools.clock()
    began, raised = since or now, timestamp(now)
    event = alarm(
        kind, place, state="raised", since=began, now=now, count=count, detail=detail, thing=f"{thing} {raised}"
    )
    state = json.dumps({"since": timestamp(began), "detail": detail, "raised": raised})
    return tell(app, event, standing=(_name(kind, place, thing), state))


def end(
    app: App,
    kind: EventType,
    place: str,
    *,
    thing: str = "",
    count: int | None = None,
    detail: str | None = None,
) -> bool:
    """Say that an alarm is over, if it stands; whether it did. `detail` is what is said of its end, else what was said
    when it began. Raises Unavailable."""
    name = _name(kind, place, thing)
    stands = app.journal.alarm(name)
    if stands is None:
        return False
    event = alarm(
        kind,
        place,
        state="over",
        since=datetime.fromisoformat(stands["since"]),
        now=app.tools.clock(),
        count=count,
        detail=stands["detail"] if detail is None else detail,
        thing=f"{thing} {stands['raised']}",
    )
    return tell(app, event, standing=(name, ""))


def tell(
    app: App, event: Event, *, standing: tuple[str, str] | None = None, told: Sequence[str] = (), of: str = ""
) -> bool:
    """Store an event of our own and arm its deliveries, unless it was told before; whether it was told now.

    `standing`, `told` and `of`: see Lanes.announce. Raises Unavailable.
    """
    wanted = [verdict.sink for verdict in route(event.cloudevent(), app.rules) if verdict.wanted]
    rows, hand = [row(app, sink, event) for sink in wanted], new_hand()
    hired = app.lanes.announce(event, rows, sinks=app.targets, hand=hand, alarm=standing, told=told, of=of)
    if hired is None:
        return False
    app.send([(app.targets[sink].name, hand) for sink in hired])
    log.warning("alarm", type=event.type, place=event.source, **event.data["ops"])
    return True


def row(app: App, sink: str, event: Event) -> Row:
    """When this sink is to be told of the event, and what with."""
    when = plan(app.settings.sinks[sink].manner, app.tools.clock())
    return Row(sink, event, when.delay, when.together)


def _name(kind: EventType, place: str, thing: str) -> str:
    return f"{kind} {place} {thing}".rstrip()
