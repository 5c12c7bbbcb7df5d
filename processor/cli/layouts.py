"""What of events, jobs, deliveries, notifications and a job's timeline is shown, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from processor.cli.many import many
from processor.cli.showing import Column, Layout
from processor.looking.shapes import DeliveryRow, Hit, JobRow, Moment, NotificationRow
from processor.model import JSON
from processor.text import headline, moment


def about(source: str | None, job_id: str | None) -> str:
    """SOURCE/ID, as commands take it."""
    return f"{source}/{job_id}" if source and job_id else source or ""


def _event_about(event: Mapping[str, JSON]) -> str:
    return str(event.get("partitionkey") or "")  # of an alarm it is sources/NAME or sinks/NAME


def _short(timestamp: str | None) -> str:
    """A time in a column whose title says that it is UTC."""
    return moment(timestamp).removesuffix(" UTC") if timestamp else ""


def _tries(row: DeliveryRow | NotificationRow) -> str:
    return many(row.attempts, "try", "tries") if row.attempts else ""


def _said(row: DeliveryRow | NotificationRow) -> str:
    """What was said last, and when it goes on."""
    again = f"again at {moment(row.next_at)}" if row.next_at and row.attempts else ""
    return "; ".join(part for part in (row.last_error or "", again) if part)


def _row(row: Any) -> dict[str, JSON]:
    return asdict(row)


EVENTS: Layout[Mapping[str, JSON]] = Layout(
    columns=(
        Column("Time (UTC)", lambda e: _short(e["time"])),
        Column("Event", lambda e: str(e["id"])),
        Column("What", headline, folds=True),
    ),
    plain=lambda e: (e["time"], e["id"], e["type"], _event_about(e), headline(e)),
    document=lambda e: e,
)

JOBS: Layout[JobRow] = Layout(
    columns=(
        Column("Since (UTC)", lambda j: _short(j.since)),
        Column("Job", lambda j: about(j.source, j.id)),
        Column("State", lambda j: j.state),
        Column("External id", lambda j: j.external_id or ""),
        Column("Name", lambda j: j.name or "", folds=True),
        Column("Address", lambda j: j.address or "", folds=True),
    ),
    plain=lambda j: (j.since, about(j.source, j.id), j.state, j.kind, j.external_id, j.name, j.address),
    document=_row,
)

DELIVERIES: Layout[DeliveryRow] = Layout(
    columns=(
        Column("At (UTC)", lambda d: _short(d.at)),
        Column("Delivery", lambda d: d.id),
        Column("State", lambda d: d.state),
        Column("Tries", _tries),
        Column("Event", lambda d: d.type or ""),
        Column("About", lambda d: about(d.source, d.job_id)),
        Column("Said", _said, folds=True),
    ),
    plain=lambda d: (
        *(d.at, d.id, d.state, str(d.attempts), d.next_at, d.type),
        *(about(d.source, d.job_id), d.last_error or d.reference),
    ),
    document=_row,
)

NOTIFICATIONS: Layout[NotificationRow] = Layout(
    columns=(
        Column("At (UTC)", lambda n: _short(n.at)),
        Column("Notification", lambda n: n.id),
        Column("State", lambda n: n.state),
        Column("Tries", _tries),
        Column("About", lambda n: about(n.source, n.job_id)),
        Column("Said", _said, folds=True),
    ),
    plain=lambda n: (
        *(n.at, n.id, n.state, str(n.attempts), n.next_at, about(n.source, n.job_id)),
        *(n.event, n.last_error),
    ),
    document=_row,
)

HITS: Layout[Hit] = Layout(
    columns=(
        Column("Job", lambda h: about(h.source, h.id)),
        Column("Name", lambda h: h.title, folds=True),
        Column("Where", lambda h: h.detail, folds=True),
    ),
    plain=lambda h: (about(h.source, h.id), h.title, h.detail),
    document=_row,
)

_STYLES = {"not_fetched": "yellow", "not_told": "yellow", "dead": "red", "told": "green", "waits": "dim"}


def _took(one: Moment) -> str:
    if one.ms is None:
        return ""
    return f"{one.ms:,.0f} ms" if one.ms < 10_000 else f"{one.ms / 1000:,.1f} s"


def _concerned(one: Moment) -> str:
    """The id by which a person goes on: of a delivery, an event or a notification."""
    if one.event_id and one.sink:
        return f"{one.event_id}:{one.sink}"
    return one.event_id or one.notification_id or ""


TIMELINE: Layout[Moment] = Layout(
    columns=(
        Column("Time (UTC)", lambda m: _short(m.at)),
        Column("What", lambda m: m.text, folds=True, style=lambda m: _STYLES.get(m.kind, "")),
        Column("Took", _took),
        Column("Id", _concerned, style=lambda m: "dim"),
    ),
    plain=lambda m: (m.at, m.kind, _concerned(m), "" if m.ms is None else f"{m.ms:g} ms", m.text),
    document=_row,
)
