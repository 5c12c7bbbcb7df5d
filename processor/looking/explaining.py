"""Why a sink is told of an event, or not: by the rules of today, and what became of it then."""

from __future__ import annotations

from collections.abc import Mapping

from processor.looking.rows import delivery_rows
from processor.looking.shapes import Routed
from processor.model import JSON
from processor.pipeline.route import route
from processor.wiring import App

GONE = "this sink is not configured any more"


def explain(app: App, event: Mapping[str, JSON]) -> list[Routed]:
    """See Looking.explain."""
    event_id = str(event["id"])
    had = [(event_id, sink) for sink in app.journal.deliveries(event_id)]
    states = {row.sink: row.state for row in delivery_rows(app, had, [event] * len(had))}
    found = [
        Routed(sink=verdict.sink, wanted=verdict.wanted, reason=verdict.reason, state=states.get(verdict.sink))
        for verdict in route(event, app.rules)
    ]
    gone = sorted(states.keys() - app.settings.sinks.keys())
    return found + [Routed(sink=sink, wanted=False, reason=GONE, state=states[sink]) for sink in gone]
