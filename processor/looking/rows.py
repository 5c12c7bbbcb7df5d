"""What Redis holds of deliveries, notifications and jobs, as rows for people: many at a time, in a few round trips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from processor.looking.shapes import Attempt, DeliveryRow, JobRow, NotificationRow
from processor.model import JSON, timestamp
from processor.replaying import entry_of
from processor.store import keys
from processor.store.index import Index, Lane, Listed, job_of
from processor.wiring import App

_WAITING = ("pending", "retrying")


def stamp(ms: float) -> str:
    """Milliseconds since the epoch as RFC 3339 text."""
    return timestamp(datetime.fromtimestamp(round(ms) / 1000, UTC))


def job_rows(index: Index, listed: Sequence[Listed]) -> list[JobRow]:
    """Jobs as they are listed; one whose card is gone meanwhile is left out."""
    rows = []
    for one, card in zip(listed, index.cards([one.member for one in listed]), strict=True):
        if card:
            source, job_id = job_of(one.member)
            shown = {name: card.get(name) for name in ("name", "external_id", "kind", "address")}
            rows.append(JobRow(source=source, id=job_id, state=card["state"], since=stamp(one.score), **shown))
    return rows


def delivery_rows(
    app: App, wanted: Sequence[tuple[str, str]], documents: Sequence[JSON | None] | None = None
) -> list[DeliveryRow]:
    """The deliveries of (event id, sink), in this order; one that nothing is known of is left out."""
    if documents is None:
        documents = app.journal.documents([event_id for event_id, _ in wanted])
    kept = app.index.deliveries([event_id for event_id, _ in wanted])
    stands = [row.get(sink) for row, (_, sink) in zip(kept, wanted, strict=True)]
    places = [_lane_of(*one, sink) for one, (_, sink) in zip(zip(documents, stands, strict=True), wanted, strict=True)]
    waiting = list(dict.fromkeys(place for place in places if place))
    lanes = dict(zip(waiting, app.index.lanes(waiting), strict=True))
    since = app.index.times([(keys.delivering(sink), event_id) for event_id, sink in wanted])
    return [
        _delivery(pair, document, stand, lanes.get(place or ""), at)
        for pair, document, stand, place, at in zip(wanted, documents, stands, places, since, strict=True)
        if stand
    ]


def _lane_of(document: JSON | None, stand: Mapping[str, JSON] | None, sink: str) -> str | None:
    """The lane that a delivery waits in, None when it waits in none."""
    if not stand or stand["state"] not in _WAITING or document is None:
        return None
    if stand.get("together") in ("digest", "storm"):
        return keys.everything_lane(sink)
    entry = entry_of(document)
    return keys.delivery_lane(sink, entry.source, entry.job_id)


def _delivery(
    pair: tuple[str, str],
    document: JSON | None,
    stand: Mapping[str, JSON],
    lane: Lane | None,
    at: tuple[str, float],
) -> DeliveryRow:
    """`lane` is the one that it waits in; attempts and their error are those of its head."""
    event_id, sink = pair
    entry = entry_of(document) if document else None
    state, since = at if at[0] else (stand["state"], stand.get("at") or stand.get("due") or 0)
    if state in _WAITING:
        mine = lane if lane and lane.head == event_id else None
        attempts, error, due = (mine.attempts, mine.error, mine.due) if mine else (0, "", stand.get("due"))
    else:
        attempts, error, due = int(stand.get("attempts") or 0), stand.get("detail") or "", None
    return DeliveryRow(
        id=f"{event_id}:{sink}",
        event_id=event_id,
        sink=sink,
        state=state,
        attempts=attempts,
        at=stamp(since),
        next_at=stamp(due) if due else None,
        last_error=error or None,
        reference=stand.get("ref") or None,
        ms=stand.get("ms") if state == "delivered" else None,
        type=entry.type if entry else None,
        source=entry.source if entry else None,
        job_id=(entry.job_id or None) if entry else None,
    )


def notification_rows(app: App, ids: Sequence[str]) -> list[NotificationRow]:
    """Notifications in this order; one that nothing is known of is left out."""
    kept = [(i, n) for i, n in zip(ids, app.index.notifications(ids), strict=True) if n.get("L")]
    waiting = list(dict.fromkeys(n["L"] for _, n in kept if n.get("state") == "pending"))
    lanes = dict(zip(waiting, app.index.lanes(waiting), strict=True))
    since = app.index.times([(n["L"].partition("|")[0], i) for i, n in kept])
    return [
        _notification(i, n, lanes.get(n["L"]) if n.get("state") == "pending" else None, at)
        for (i, n), at in zip(kept, since, strict=True)
    ]


def _notification(
    notification_id: str, kept: Mapping[str, str], lane: Lane | None, at: tuple[str, float]
) -> NotificationRow:
    state = at[0] or kept.get("state", "pending")
    received = float(kept.get("at") or 0)
    return NotificationRow(
        id=notification_id,
        source=keys.source_of(kept["L"]),
        job_id=keys.job_of(kept["L"]),
        state=state,
        attempts=lane.attempts if lane else int(kept.get("att") or 0),
        at=stamp(at[1] if at[0] else received),
        received_at=stamp(received),
        event=kept.get("event") or None,
        next_at=stamp(lane.due) if lane and lane.due else None,
        last_error=(lane.error if lane else kept.get("detail")) or None,
        duplicates=int(kept.get("dup") or 0),
    )


def attempts(rows: Sequence[Mapping[str, JSON]]) -> list[Attempt]:
    """What is kept of attempts, as Journal.attempts gives them."""
    return [
        Attempt(
            at=stamp(row["at"]),
            ok=bool(row.get("ok")),
            outcome="ok" if row.get("ok") else str(row.get("reason") or ""),
            said=str(row.get("said") or ""),
            ms=float(row.get("ms") or 0),
        )
        for row in rows
    ]
