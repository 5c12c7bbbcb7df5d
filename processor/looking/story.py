"""One job's story: what told of it, what asking showed, what was made of it, who was told and who was not, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from processor.looking.lists import notifications_of
from processor.looking.rows import attempts, delivery_rows, notification_rows, stamp
from processor.looking.shapes import Attempt, DeliveryRow, JobStory, Moment, NotificationRow
from processor.model import JSON
from processor.pipeline.reconcile import Teller
from processor.store import keys
from processor.text import NAME, VALUE, clean, headline
from processor.wiring import App

_SAID_BY: Mapping[str, str] = {
    Teller.RECONCILIATION: "found in the provider's list",
    Teller.ANNOUNCE: "asked for by a person",
    Teller.WATCH: "watched by a person",
}


def job_story(app: App, source: str, job_id: str) -> JobStory | None:
    """See Looking.job."""
    if not app.index.known([(source, job_id)])[0]:
        return None
    lines = app.index.story(source, job_id)
    notifications = notification_rows(app, notifications_of(app, source, job_id))
    moments = [
        *_looks(lines),
        *_received(app, source, notifications),
        *_events(app, [line["id"] for line in lines if line["k"] == "event"], lines),
    ]
    listed = app.index.since(source, job_id)
    (lane,) = app.index.lanes([keys.refresh_lane(source, job_id)])
    return JobStory(
        source=source,
        id=job_id,
        snapshot=app.journal.snapshot(source, job_id),
        timeline=tuple(sorted(moments, key=lambda one: (one.at, _ORDER[one.kind]))),
        since=stamp(listed[1] * 1000) if listed else None,
        next_look=stamp(lane.poll or lane.due or 0) if lane.poll or lane.due else None,
    )


# What comes first of what has one and the same time.
_KINDS = ("received", "not_fetched", "fetched", "found", "not_told", "told", "dead", "waits")
_ORDER = {kind: i for i, kind in enumerate(_KINDS)}


def _looks(lines: Sequence[Mapping[str, JSON]]) -> Iterator[Moment]:
    for line in lines:
        if line["k"] != "look":
            continue
        state, word = line.get("st"), line.get("ps")
        shown = f"fetched: {state}" if state else "fetched"
        if word and word != state:
            shown += f" ({clean(word, NAME)})"
        note = line.get("note")
        yield Moment(
            at=stamp(line["t"]),
            kind="fetched",
            text=clean(f"{shown}; {note}" if note else shown, VALUE),
            state=state,
            provider_state=word,
            ms=line.get("ms"),
            said=note,
        )


def _received(app: App, source: str, notifications: Sequence[NotificationRow]) -> Iterator[Moment]:
    tried = app.index.attempts([(keys.refreshing(source), one.id) for one in notifications])
    for one, rows in zip(notifications, tried, strict=True):
        about = one.event or "notification"
        by = _SAID_BY.get(about, f"received and verified: {clean(about, NAME)}")
        again = f", and {one.duplicates} more alike" if one.duplicates else ""
        yield Moment(at=one.received_at or one.at, kind="received", text=by + again, notification_id=one.id)
        for number, attempt in enumerate(attempts(rows), 1):
            if not attempt.ok:
                text = clean(f"not fetched: {attempt.said or attempt.outcome}", VALUE)
                yield Moment(kind="not_fetched", text=text, notification_id=one.id, **_how(attempt, number))
        if one.state == "dead":
            text = clean(f"given up: {one.last_error or 'it can never be looked into'}", VALUE)
            yield Moment(at=one.at, kind="dead", text=text, notification_id=one.id, said=one.last_error)
        elif one.next_at:
            yield Moment(at=one.next_at, kind="waits", text="is to be fetched", notification_id=one.id)


def _how(attempt: Attempt, number: int) -> dict[str, JSON]:
    return {"at": attempt.at, "attempt": number, "outcome": attempt.outcome, "said": attempt.said, "ms": attempt.ms}


def _events(app: App, ids: Sequence[str], lines: Sequence[Mapping[str, JSON]]) -> Iterator[Moment]:
    found_at = {line["id"]: (line["t"], line["type"]) for line in lines if line["k"] == "event"}
    documents = dict(zip(ids, app.journal.documents(ids), strict=True))
    for event_id, document in documents.items():
        at, kind = found_at[event_id]
        text = headline(document) if document else f"{kind} (its document is no longer kept)"
        yield Moment(at=stamp(at), kind="found", text=text, event_id=event_id, type=kind)
    pairs = [(i, sink) for i, stands in zip(ids, app.index.deliveries(ids), strict=True) for sink in stands]
    rows = delivery_rows(app, pairs, [documents[i] for i, _ in pairs])
    tried = app.index.attempts([(keys.delivering(row.sink), row.event_id) for row in rows])
    for row, kept in zip(rows, tried, strict=True):
        yield from _told(row, attempts(kept))


def _told(row: DeliveryRow, tried: Sequence[Attempt]) -> Iterator[Moment]:
    about: dict[str, JSON] = {"event_id": row.event_id, "sink": row.sink, "type": row.type}
    for number, attempt in enumerate(tried, 1):
        if not attempt.ok:
            text = clean(f"{row.sink} was not told: {attempt.said or attempt.outcome}", VALUE)
            yield Moment(kind="not_told", text=text, **about, **_how(attempt, number))
    if row.state == "delivered":
        said = f"{row.sink} was told" + (f" ({clean(row.reference, NAME)})" if row.reference else "")
        how: dict[str, JSON] = {"attempt": row.attempts or None, "outcome": "ok", "said": row.reference, "ms": row.ms}
        yield Moment(at=row.at, kind="told", text=said, **about, **how)
    elif row.state == "dead":
        text = clean(f"{row.sink} will not be told: {row.last_error or 'given up'}", VALUE)
        yield Moment(at=row.at, kind="dead", text=text, **about, said=row.last_error, attempt=row.attempts or None)
    else:
        yield Moment(at=row.next_at or row.at, kind="waits", text=f"{row.sink} is to be told", **about)
