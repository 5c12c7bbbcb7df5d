"""What people have done again: one delivery, one notification, one event everywhere, or all the dead that fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from processor.errors import Usage
from processor.looking.filters import DeliveryFilter
from processor.replaying import Delivery, Outcome, Replay, Selection
from processor.store import keys
from processor.wiring import App


def retry_delivery(app: App, delivery_id: str) -> str | None:
    """See Doing.retry_delivery."""
    event_id, _, sink = delivery_id.rpartition(":")
    stand = app.journal.deliveries(event_id).get(sink) if event_id else None
    if stand is None:
        return None
    if sink not in app.targets:
        raise Usage(f"the sink {sink} is not configured any more")
    became = _again(app, Selection(events=frozenset([event_id]), sinks=frozenset([sink])), anyway=True)
    return became.get(sink, "gone")


def retry_notification(app: App, notification_id: str) -> str | None:
    """See Doing.retry_notification."""
    kept = app.journal.notification(notification_id)
    lane = kept.get("L")
    if lane is None:
        return None
    source = keys.source_of(lane)
    if source not in app.sources:
        raise Usage(f"the source {source} is not configured any more")
    if app.lanes.revive(lane, notification_id):
        return "again"
    return "done" if kept.get("state") == "done" else "waits"


def replay_event(app: App, event_id: str) -> Mapping[str, str] | None:
    """See Doing.replay_event."""
    if app.journal.documents([event_id])[0] is None:
        return None
    return _again(app, Selection(events=frozenset([event_id])))


def _again(app: App, selection: Selection, *, anyway: bool = False) -> dict[str, str]:
    """Have the selected event delivered again; what became of it by sink. `anyway`: also where it is not routed today,
    since a person named the sink."""
    replay = Replay(app, selection)
    became: dict[str, str] = {}
    for page in replay.pages():
        if anyway:
            page = [[_wanted(one) for one in deliveries] for deliveries in page]
        for one in (one for deliveries in page for one in deliveries):
            became[one.sink] = str(one.outcome)
        for _ in replay.put_back(page):
            pass
    return became


def _wanted(one: Delivery) -> Delivery:
    again = one.outcome is Outcome.UNWANTED
    return Delivery(one.entry, one.sink, Outcome.AGAIN, one.was) if again else one


def count_dead(app: App, chosen: DeliveryFilter) -> int:
    """See Doing.count_dead."""
    return sum(len(page) for page in _dead(app, chosen, _replay(app, chosen)))


def retry_dead(app: App, chosen: DeliveryFilter) -> int:
    """See Doing.retry_dead."""
    replay, done = _replay(app, chosen), 0
    for page in _dead(app, chosen, replay):
        done += sum(count["again"] for count in replay.put_back(page))
    return done


def _replay(app: App, chosen: DeliveryFilter) -> Replay:
    return Replay(
        app,
        Selection(
            events=frozenset([chosen.event]) if chosen.event is not None else frozenset(),
            since=chosen.since,
            until=chosen.until,
            sinks=frozenset([chosen.sink] if chosen.sink is not None else app.targets),
            dead=True,
        ),
    )


def _dead(app: App, chosen: DeliveryFilter, replay: Replay) -> Iterator[list[Sequence[Delivery]]]:
    """What would be made again, a page at a time; each delivery in a list of its own, as Replay gives events."""
    for page in replay.pages():
        yield [
            [one]
            for deliveries in page
            for one in deliveries
            if one.outcome is Outcome.AGAIN
            and (chosen.source is None or one.entry.source in (chosen.source, f"sources/{chosen.source}"))
            and (chosen.job is None or one.entry.job_id == chosen.job)
            and (chosen.type is None or fnmatchcase(one.entry.type, chosen.type))
        ]
