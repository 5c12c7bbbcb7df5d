"""Pages of events, jobs, deliveries and notifications: the shortest list with the answer is walked, and filtered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from typing import TypeVar

from processor.looking import cursor as cursors
from processor.looking.filters import (
    DELIVERY_STATES,
    NOTIFICATION_STATES,
    DeliveryFilter,
    EventFilter,
    JobFilter,
    NotificationFilter,
)
from processor.looking.rows import delivery_rows, job_rows, notification_rows
from processor.looking.shapes import DeliveryRow, JobRow, NotificationRow, Page
from processor.model import JSON
from processor.pipeline.card import words
from processor.replaying import entry_of
from processor.store import index as lists
from processor.store import keys
from processor.store.index import Listed, Place
from processor.wiring import App

AT_ONCE = 100  # candidates that are looked up together
MOST_LOOKED_THROUGH = 1000  # candidates of one page: what fits little gives a short page

T = TypeVar("T")
Timed = EventFilter | JobFilter | DeliveryFilter | NotificationFilter


def paged(
    candidates: Iterator[Listed], limit: int, look_up: Callable[[Sequence[Listed]], Sequence[tuple[Listed, T | None]]]
) -> Page[T]:
    """The first `limit` of the candidates of which something is left when they are looked up."""
    items: list[T] = []
    looked = 0
    while some := list(islice(candidates, AT_ONCE)):
        for one, item in look_up(some):
            looked += 1
            if item is not None:
                items.append(item)
            if len(items) == limit or looked == MOST_LOOKED_THROUGH:
                more = one is not some[-1] or next(candidates, None) is not None
                return Page(tuple(items), cursors.dump(one.place) if more else None)
    return Page(tuple(items))


def _within(found: Iterable[Listed], chosen: Timed, after: Place | None) -> list[Listed]:
    """Those of the time that is meant, behind the place `after`, newest first."""
    fitting = [
        one
        for one in found
        if (after is None or one.place < after)
        and (chosen.since is None or one.score >= chosen.since * 1000)
        and (chosen.until is None or one.score < chosen.until * 1000)
    ]
    return sorted(fitting, key=lambda one: one.place, reverse=True)


# --- events ----------------------------------------------------------------------------------------------------------


def events(app: App, chosen: EventFilter, limit: int, after: Place | None) -> Page[JSON]:
    """See Looking.events."""

    def look_up(some: Sequence[Listed]) -> list[tuple[Listed, JSON | None]]:
        documents = app.journal.documents([one.member for one in some])
        fitting = [document if document and _fits(document, chosen) else None for document in documents]
        return list(zip(some, fitting, strict=True))

    return paged(_event_candidates(app, chosen, after), limit, look_up)


def _event_candidates(app: App, chosen: EventFilter, after: Place | None) -> Iterator[Listed]:
    if chosen.job is not None:
        found = _of_job(app, chosen, after)
        return iter(found if chosen.sink is None and chosen.outcome is None else _standing_so(app, found, chosen))
    if chosen.sink is not None or chosen.outcome is not None:
        names = _standing(app, "d:", chosen.sink, chosen.outcome, DELIVERY_STATES)
        return _once(app.index.newest(names, after=after, since=chosen.since, until=chosen.until))
    names = [
        lists.events(source, kind)
        for source, kind in app.index.names("evs")
        if (chosen.source is None or source in _places(chosen.source))
        and (chosen.type is None or fnmatchcase(kind, chosen.type))
    ]
    return app.index.newest(names, after=after, since=chosen.since, until=chosen.until)


def _fits(document: JSON, chosen: EventFilter | DeliveryFilter) -> bool:
    entry = entry_of(document)
    return (
        (chosen.source is None or entry.source in _places(chosen.source))
        and (chosen.type is None or fnmatchcase(entry.type, chosen.type))
        and (chosen.job is None or entry.job_id == chosen.job)
    )


def _places(source: str) -> tuple[str, str]:
    """What the events of a source name: itself, and in alarms of ours its place."""
    return source, f"sources/{source}"


def _of_job(app: App, chosen: EventFilter | DeliveryFilter, after: Place | None) -> list[Listed]:
    """The events of a job, newest first: a job has few."""
    job_id = chosen.job or ""
    sources = [chosen.source] if chosen.source is not None else sources_known(app)
    found = [
        Listed(line["id"], float(line["t"]) + number / 1000, source)
        for source in sources
        for number, line in enumerate(app.index.story(source, job_id))
        if line["k"] == "event"
    ]
    return _within(found, chosen, after)


def _standing_so(app: App, found: Sequence[Listed], chosen: EventFilter) -> list[Listed]:
    """Those events with a delivery that stands as it is asked for."""
    ids = [one.member for one in found]
    wanted = {one.member for one in _deliveries_of(app, ids, DeliveryFilter(sink=chosen.sink, state=chosen.outcome))}
    return [one for one in found if one.member in wanted]


def _once(candidates: Iterable[Listed]) -> Iterator[Listed]:
    """An event that several sinks have is one, as far as one page goes."""
    seen = set()
    for one in candidates:
        if one.member not in seen:
            seen.add(one.member)
            yield one


def sources_known(app: App) -> list[str]:
    """The sources that are configured, and those that there were."""
    with_jobs = {source for source, _ in app.index.names("jobs")}
    told_of = {keys.source_of(resource) for resource, _ in app.index.names("st") if resource.startswith("r:")}
    return sorted({*app.settings.sources, *with_jobs, *told_of})


def _standing(app: App, kind: str, name: str | None, state: str | None, states: Sequence[str]) -> list[str]:
    """The lists of what stands how at the sources (`r:`) or sinks (`d:`)."""
    wanted = [state] if state else states
    return [
        lists.standing(resource, at)
        for resource, at in app.index.names("st")
        if resource.startswith(kind) and (name is None or resource == kind + name) and at in wanted
    ]


# --- jobs ------------------------------------------------------------------------------------------------------------


def jobs(app: App, chosen: JobFilter, limit: int, after: Place | None) -> Page[JobRow]:
    """See Looking.jobs."""
    names = [
        lists.jobs(source, state)
        for source, state in app.index.names("jobs")
        if (chosen.source is None or source == chosen.source) and (chosen.state is None or state == chosen.state)
    ]
    if chosen.text is not None and (sought := list(words(chosen.text))):
        found = app.index.places(sorted(app.index.jobs_by(sought)), names)
        candidates = iter(_within(found, chosen, after))
    else:
        candidates = app.index.newest(names, after=after, since=chosen.since, until=chosen.until)

    def look_up(some: Sequence[Listed]) -> list[tuple[Listed, JobRow | None]]:
        rows = {(row.source, row.id): row for row in job_rows(app.index, some)}
        return [(one, rows.get(lists.job_of(one.member))) for one in some]

    return paged(candidates, limit, look_up)


# --- deliveries and notifications ------------------------------------------------------------------------------------


def deliveries(app: App, chosen: DeliveryFilter, limit: int, after: Place | None) -> Page[DeliveryRow]:
    """See Looking.deliveries."""

    def look_up(some: Sequence[Listed]) -> list[tuple[Listed, DeliveryRow | None]]:
        wanted = [(one.member, sink_of(one)) for one in some]
        documents = app.journal.documents([event_id for event_id, _ in wanted])
        rows = {(row.event_id, row.sink): row for row in delivery_rows(app, wanted, documents)}
        return [
            (one, rows.get(pair) if _wanted(document, chosen) else None)
            for one, pair, document in zip(some, wanted, documents, strict=True)
        ]

    return paged(_delivery_candidates(app, chosen, after), limit, look_up)


def _wanted(document: JSON | None, chosen: DeliveryFilter) -> bool:
    """A delivery whose event is gone fits what asks nothing of the event."""
    if document is None:
        return chosen.source is None and chosen.job is None and chosen.type is None
    return _fits(document, chosen)


def sink_of(one: Listed) -> str:
    """The sink in whose list something is."""
    return one.name.removeprefix("st:d:").rpartition("|")[0]


def _delivery_candidates(app: App, chosen: DeliveryFilter, after: Place | None) -> Iterator[Listed]:
    if chosen.event is None and chosen.job is None:
        names = _standing(app, "d:", chosen.sink, chosen.state, DELIVERY_STATES)
        return app.index.newest(names, after=after, since=chosen.since, until=chosen.until)
    of_job = DeliveryFilter(source=chosen.source, job=chosen.job)
    ids = [chosen.event] if chosen.event is not None else [one.member for one in _of_job(app, of_job, None)]
    return iter(_within(_deliveries_of(app, ids, chosen), chosen, after))


def _deliveries_of(app: App, ids: Sequence[str], chosen: DeliveryFilter) -> list[Listed]:
    """The deliveries of these events at the sink and in the state that are meant."""
    pairs = [
        (keys.delivering(sink), event_id)
        for event_id, stands in zip(ids, app.index.deliveries(ids), strict=True)
        for sink in stands
        if chosen.sink is None or sink == chosen.sink
    ]
    return [
        Listed(event_id, at, lists.standing(resource, state))
        for (resource, event_id), (state, at) in zip(pairs, app.index.times(pairs), strict=True)
        if state and (chosen.state is None or state == chosen.state)
    ]


def notifications(app: App, chosen: NotificationFilter, limit: int, after: Place | None) -> Page[NotificationRow]:
    """See Looking.notifications."""
    names = _standing(app, "r:", chosen.source, chosen.state, NOTIFICATION_STATES)
    if chosen.job is None:
        candidates = app.index.newest(names, after=after, since=chosen.since, until=chosen.until)
    else:
        candidates = iter(_within(_about_job(app, chosen.source, chosen.job, names), chosen, after))

    def look_up(some: Sequence[Listed]) -> list[tuple[Listed, NotificationRow | None]]:
        rows = {row.id: row for row in notification_rows(app, [one.member for one in some])}
        return [(one, rows.get(one.member)) for one in some]

    return paged(candidates, limit, look_up)


def _about_job(app: App, source: str | None, job_id: str, names: Sequence[str]) -> Iterator[Listed]:
    for name in [source] if source is not None else sources_known(app):
        ids, resource = notifications_of(app, name, job_id), keys.refreshing(name)
        for notification_id, (state, at) in zip(ids, app.index.times([(resource, i) for i in ids]), strict=True):
            if state and (standing := lists.standing(resource, state)) in names:
                yield Listed(notification_id, at, standing)


def notifications_of(app: App, source: str, job_id: str) -> list[str]:
    """The notifications of a job that are kept, oldest first: those that ended, then those that wait."""
    ended = [i for line in app.index.story(source, job_id) for i in line.get("n") or ()]
    return list(dict.fromkeys([*ended, *app.index.waiting_in(keys.refresh_lane(source, job_id))]))
