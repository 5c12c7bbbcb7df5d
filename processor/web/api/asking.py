"""The GETs of the API: each hands a question to processor.looking."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from processor.errors import Malformed
from processor.looking import Looking, Page
from processor.model import document
from processor.settings import Settings
from processor.settings.faults import nearest
from processor.web.api import asked, shapes, standing
from processor.web.api.asked import Listing
from processor.web.api.described import Routes
from processor.web.problems import problem

NO_EVENT = "no event with this id is kept; events are kept for retention.events"
NO_JOB = "no job with this id is known of this source"
NO_DELIVERY = "no delivery with this id is kept; an id is EVENT_ID:SINK"
NO_NOTIFICATION = "no notification with this id is kept"


def lists(looking: Looking, settings: Settings) -> Routes:
    """Events, jobs, deliveries and notifications, page by page, and what is searched for."""
    routes = Routes("lists", "What there is, newest first, page by page.")
    sinks = [f"sinks/{name}" for name in settings.sinks]

    def checked(page: Page[Any], listing: Listing, *, alarms: bool = False) -> Page[Any]:
        """A page with nothing in it, of a source or a sink that there is none of, is a slip of the pen.

        What is no longer configured is found as long as something of it is kept.
        """
        if not page.items and page.next is None and listing.cursor is None:
            _known("source", listing.chosen, [*settings.sources, *(sinks if alarms else ())])
            _known("sink", listing.chosen, settings.sinks)
        return page

    @routes.lists("/events", asked.Events, shapes.page_of(shapes.CloudEvent))
    def events(wanted: Listing) -> Page[Any]:
        """Events, newest first"""
        page = looking.events(wanted.chosen, limit=wanted.limit, cursor=wanted.cursor)
        return checked(page, wanted, alarms=True)

    @routes.lists("/jobs", asked.Jobs, shapes.page_of(shapes.JobRow))
    def jobs(wanted: Listing) -> Page[Any]:
        """Jobs, by when they came into their state, newest first"""
        return checked(looking.jobs(wanted.chosen, limit=wanted.limit, cursor=wanted.cursor), wanted)

    @routes.lists("/deliveries", asked.Deliveries, shapes.page_of(shapes.DeliveryRow))
    def deliveries(wanted: Listing) -> Page[Any]:
        """Deliveries, by when they came into their state, newest first"""
        page = looking.deliveries(wanted.chosen, limit=wanted.limit, cursor=wanted.cursor)
        return checked(page, wanted, alarms=True)

    @routes.lists("/notifications", asked.Notifications, shapes.page_of(shapes.NotificationRow))
    def notifications(wanted: Listing) -> Page[Any]:
        """Notifications, by when they came into their state, newest first"""
        return checked(looking.notifications(wanted.chosen, limit=wanted.limit, cursor=wanted.cursor), wanted)

    @routes.lists("/search", asked.Search, shapes.page_of(shapes.Hit))
    def search(wanted: dict[str, str]) -> Page[Any]:
        """What is meant by an id, a name or an address: at most 50, the likeliest first"""
        return Page(tuple(looking.search(wanted["q"])))

    return routes


def _known(name: str, chosen: Any, there_are: Iterable[str]) -> None:
    given = getattr(chosen, name, None)
    if given is not None and given not in there_are:
        raise Malformed(f"{name}: there is none of this name, and nothing of it is kept{nearest(given, there_are)}")


def single(looking: Looking) -> Routes:
    """One event, job, delivery or notification, and how it all stands."""
    routes = Routes("one", "All that is known of one thing.")

    @routes.shows("/events/<event_id>", shapes.CloudEvent)
    def event(event_id: str) -> Any:
        """An event"""
        return looking.event(event_id) or problem(404, NO_EVENT)

    @routes.shows("/events/<event_id>/explain", shapes.Explained)
    def explain(event_id: str) -> Any:
        """Which sinks an event goes to by the configuration of today, and why not the others"""
        found = looking.event(event_id)
        return problem(404, NO_EVENT) if found is None else {"event_id": event_id, "sinks": looking.explain(found)}

    @routes.shows("/jobs/<source>/<anything:job_id>", shapes.JobStory)
    def job(source: str, job_id: str) -> Any:
        """A job: its last snapshot, and its timeline, oldest first

        The id may hold any character, quoted as in any address.
        """
        return looking.job(source, job_id) or problem(404, NO_JOB)

    @routes.shows("/deliveries/<delivery_id>", shapes.Delivery)
    def delivery(delivery_id: str) -> Any:
        """A delivery, and the attempts at it"""
        return _with_attempts(looking.delivery(delivery_id)) or problem(404, NO_DELIVERY)

    @routes.shows("/notifications/<notification_id>", shapes.Notification)
    def notification(notification_id: str) -> Any:
        """A notification, and the attempts to look into it"""
        return _with_attempts(looking.notification(notification_id)) or problem(404, NO_NOTIFICATION)

    @routes.shows("/overview", standing.Overview)
    def overview() -> Any:
        """How it stands now"""
        return looking.overview()

    return routes


def _with_attempts(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    row, attempts = found
    return {**document(row), "attempts_made": attempts}
