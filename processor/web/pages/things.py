"""The pages of one thing: a job, an event, a delivery, a notification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, abort

from processor.looking import MOST, DeliveryFilter, Looking
from processor.looking.shapes import Attempt, DeliveryRow, Routed
from processor.model import JSON
from processor.telling import tell
from processor.text import NAME, clean
from processor.web.pages import job as jobs
from processor.web.pages import timeline
from processor.web.pages.documents import LEFT_OUT, pretty, without_customer
from processor.web.pages.drawing import Canvas
from processor.web.pages.lists import line_of, said_before


@dataclass(frozen=True, slots=True)
class AtSink:
    """An event at a sink: what the configuration of today says (None when the document is gone), what became of it."""

    sink: str
    routed: Routed | None
    delivery: DeliveryRow | None
    attempts: Sequence[Attempt]


def add(routes: Blueprint, canvas: Canvas, looking: Looking) -> None:
    @routes.get("/jobs/<source>/<anything:job_id>")
    def job(source: str, job_id: str) -> Response:
        story = looking.job(source, job_id)
        if story is None:
            abort(
                404, f"Nothing is known of a job {_name(job_id)} of {_name(source)}. Is the id right, and the source?"
            )
        told, older_events = jobs.told(looking, story)
        lines, older = timeline.lines(story.timeline)
        return canvas.draw(
            "job.html",
            story=story,
            sheet=jobs.sheet(story),
            told=jobs.at_once(told),
            words={one.event_id: one.line for one in told},
            older_events=older_events,
            lines=lines,
            older=older,
            said=said_before(),
        )

    @routes.get("/events/<event_id>")
    def event(event_id: str) -> Response:
        document = looking.event(event_id)
        rows = looking.deliveries(DeliveryFilter(event=event_id), limit=MOST).items
        if document is None and not rows:
            abort(404, f"No event {_name(event_id)} is kept: there was none, or retention.events has passed.")
        return canvas.draw(
            "event.html",
            event_id=event_id,
            line=line_of(document) if document else None,
            telling=tell(without_customer(document)) if document else None,
            at_sinks=_at_sinks(looking, document, rows),
            document=pretty(without_customer(document, LEFT_OUT)) if document else "",
            said=said_before(),
        )

    @routes.get("/deliveries/<delivery_id>")
    def delivery(delivery_id: str) -> Response:
        found = looking.delivery(delivery_id)
        if found is None:
            abort(404, f"Nothing is known of a delivery {_name(delivery_id)}. Its id is EVENT_ID:SINK.")
        row, attempts = found
        document = looking.event(row.event_id)
        line = line_of(document) if document else None
        return canvas.draw("delivery.html", row=row, attempts=attempts, line=line, said=said_before())

    @routes.get("/notifications/<notification_id>")
    def notification(notification_id: str) -> Response:
        found = looking.notification(notification_id)
        if found is None:
            abort(404, f"Nothing is known of a notification {_name(notification_id)}.")
        row, attempts = found
        return canvas.draw("notification.html", row=row, attempts=attempts, said=said_before())


def _at_sinks(looking: Looking, document: JSON | None, rows: Sequence[DeliveryRow]) -> list[AtSink]:
    """Every sink that is configured, and every one that had the event; those that had it first."""
    routed = {one.sink: one for one in looking.explain(document)} if document else {}
    deliveries = {row.sink: row for row in rows}
    sinks = sorted({*routed, *deliveries}, key=lambda sink: (sink not in deliveries, sink))
    return [_at_sink(looking, sink, routed.get(sink), deliveries.get(sink)) for sink in sinks]


def _at_sink(looking: Looking, sink: str, routed: Routed | None, row: DeliveryRow | None) -> AtSink:
    found = looking.delivery(row.id) if row else None
    return AtSink(sink, routed, row, found[1] if found else ())


def _name(text: str) -> str:
    return f"“{clean(text, NAME)}”"
