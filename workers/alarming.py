"""Tells an alarm of our own: routed and planned like any event, stored once, and handed to the sinks' lanes."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from processor.model import Event
from processor.pipeline.gather import plan
from processor.pipeline.route import route
from processor.queue import new_hand
from processor.store.work import Row
from processor.wiring import App

log = structlog.get_logger(__name__)


def tell(app: App, event: Event, *, told: Sequence[str] = (), of: str = "") -> None:
    """Store the alarm and arm its deliveries, unless it was told before. `told` and `of`: see Lanes.announce.

    Raises Unavailable.
    """
    wanted = [verdict.sink for verdict in route(event.cloudevent(), app.rules) if verdict.wanted]
    hand = new_hand()
    hired = app.lanes.announce(
        event, [row(app, sink, event) for sink in wanted], sinks=app.targets, hand=hand, told=told, of=of
    )
    app.send([(app.targets[sink].name, hand) for sink in hired])
    ops = event.data["ops"]
    log.warning(
        "alarm", type=event.type, place=event.source, state=ops["state"], count=ops["count"], detail=ops["detail"]
    )


def row(app: App, sink: str, event: Event) -> Row:
    """When this sink is to be told of the event, and what with."""
    when = plan(app.settings.sinks[sink].manner, app.tools.clock())
    return Row(sink, event, when.delay, when.together)
