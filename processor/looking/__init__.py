"""What people ask of jobwire, answered once for the API, the pages and the commands: lists, one job's story, search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from processor.looking import cursor as cursors
from processor.looking import doing, lists, rows
from processor.looking.explaining import explain
from processor.looking.filters import DeliveryFilter, EventFilter, JobFilter, NotificationFilter
from processor.looking.overview import overview
from processor.looking.search import search
from processor.looking.shapes import (
    Attempt,
    DeliveryRow,
    Hit,
    JobRow,
    JobStory,
    NotificationRow,
    Overview,
    Page,
    Routed,
)
from processor.looking.story import job_story
from processor.model import JSON
from processor.store import keys
from processor.wiring import App

__all__ = ["LIMIT", "MOST", "DeliveryFilter", "EventFilter", "JobFilter", "Looking", "NotificationFilter", "Page"]

LIMIT = 50  # items of a page, unless asked for another number
MOST = 500


class Looking:
    """Answers questions, writes nothing. Everything raises Unavailable when Redis cannot answer now.

    A `cursor` is the `next` of the page before; one that is none raises Malformed. No answer scans all there is: a
    question that fits little gives short pages.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    def events(self, chosen: EventFilter, *, limit: int = LIMIT, cursor: str | None = None) -> Page[JSON]:
        """Documents of events (CloudEvents), newest first."""
        return lists.events(self._app, chosen, _bounded(limit), cursors.load(cursor))

    def event(self, event_id: str) -> JSON | None:
        """The document of one event, None when none is kept."""
        return self._app.journal.documents([event_id])[0]

    def jobs(self, chosen: JobFilter, *, limit: int = LIMIT, cursor: str | None = None) -> Page[JobRow]:
        """Jobs, by when they came into their state, newest first."""
        return lists.jobs(self._app, chosen, _bounded(limit), cursors.load(cursor))

    def job(self, source: str, job_id: str) -> JobStory | None:
        """All that is known of a job, None when nothing is."""
        return job_story(self._app, source, job_id)

    def deliveries(self, chosen: DeliveryFilter, *, limit: int = LIMIT, cursor: str | None = None) -> Page[DeliveryRow]:
        """Deliveries, by when they came into their state, newest first."""
        return lists.deliveries(self._app, chosen, _bounded(limit), cursors.load(cursor))

    def delivery(self, delivery_id: str) -> tuple[DeliveryRow, Sequence[Attempt]] | None:
        """One delivery (`EVENT_ID:SINK`) and what is kept of the attempts at it, oldest first."""
        event_id, _, sink = delivery_id.rpartition(":")
        if not (event_id and (found := rows.delivery_rows(self._app, [(event_id, sink)]))):
            return None
        return found[0], rows.attempts(self._app.journal.attempts(keys.delivering(sink), event_id))

    def notifications(
        self, chosen: NotificationFilter, *, limit: int = LIMIT, cursor: str | None = None
    ) -> Page[NotificationRow]:
        """Notifications, by when they came into their state, newest first."""
        return lists.notifications(self._app, chosen, _bounded(limit), cursors.load(cursor))

    def notification(self, notification_id: str) -> tuple[NotificationRow, Sequence[Attempt]] | None:
        """One notification and what is kept of the attempts to look into it, oldest first."""
        found = rows.notification_rows(self._app, [notification_id])
        if not found:
            return None
        kept = self._app.journal.attempts(keys.refreshing(found[0].source), notification_id)
        return found[0], rows.attempts(kept)

    def explain(self, event: Mapping[str, JSON]) -> Sequence[Routed]:
        """Of every configured sink, and every one that had the event: whether it is told, and why (not)."""
        return explain(self._app, event)

    def search(self, text: str) -> Sequence[Hit]:
        """What a person may mean by a job's id, external id, name or address, by the id of an event, a notification or
        a delivery: at most 50 hits, the likeliest first."""
        return search(self._app, text)

    def overview(self) -> Overview:
        """How it stands now."""
        return overview(self._app)


class Doing:
    """Has things done again, singly or many at once. Everything raises Unavailable when Redis cannot do it now."""

    def __init__(self, app: App) -> None:
        self._app = app

    def retry_delivery(self, delivery_id: str) -> str | None:
        """Have a delivery made again: "again"; "waits" when it does so already; "gone" when the event's document is no
        longer kept; None when there is no such delivery. Raises Usage when its sink is not configured any more."""
        return doing.retry_delivery(self._app, delivery_id)

    def retry_notification(self, notification_id: str) -> str | None:
        """Have a notification looked into again: "again"; "waits"; "done" when it needs no retry; None when there is
        none. Raises Usage when its source is not configured any more."""
        return doing.retry_notification(self._app, notification_id)

    def replay_event(self, event_id: str) -> Mapping[str, str] | None:
        """Deliver an event again to every sink that today's configuration routes it to: what became of it by sink, as
        in retry_delivery, or "unwanted". None when there is no such event."""
        return doing.replay_event(self._app, event_id)

    def count_dead(self, chosen: DeliveryFilter) -> int:
        """How many dead deliveries `retry_dead` would have made again; its `state` is not looked at."""
        return doing.count_dead(self._app, chosen)

    def retry_dead(self, chosen: DeliveryFilter) -> int:
        """Have all dead deliveries that fit made again; how many were."""
        return doing.retry_dead(self._app, chosen)


def _bounded(limit: int) -> int:
    return max(1, min(limit, MOST))
