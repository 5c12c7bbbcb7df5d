"""The alarms of `[alarms]`: each looks at how it stands by Redis' clock, and begins or ends what follows from that."""

from __future__ import annotations

from datetime import UTC, datetime

from processor.model import EventType, State, timestamp
from processor.store import keys
from processor.store.index import Listed, job_of, jobs
from processor.store.rejections import WRONG_SIGNATURE
from processor.wiring import App
from workers import alarming

RUNNING = (State.WAITING, State.PROCESSING)
AT_ONCE = 100  # jobs of a source of which one turn tells; the next tells of more
LOOKED_AT = 20  # lanes of a sink that are asked for what went wrong
_SILENCE, _REJECTIONS = "silence", "rejections"  # marks: since when it is watched; how many there were before


def silence(app: App) -> None:
    """A source of which nothing genuine is heard. One that was never heard of counts from when it is watched."""
    limit = app.settings.alarms.source_silent
    if limit is None:
        return
    now, heard = app.scripts.ms(), app.index.heard()
    for source in app.settings.sources:
        watched = app.watched.mark(f"{_SILENCE} {source}", now) / 1000
        since = heard.get(source, watched)
        ago = span(now / 1000 - since)
        said = f"the last notification came {ago} ago" if source in heard else f"no notification has come in {ago}"
        if now / 1000 - since >= limit:
            alarming.begin(app, EventType.OPS_SOURCE_SILENT, _at(source), detail=said, since=moment(since))
        else:
            alarming.end(app, EventType.OPS_SOURCE_SILENT, _at(source), detail=said)


def rejections(app: App) -> None:
    """A source for which so many requests come with wrong signatures."""
    limit = app.settings.alarms.rejections
    if limit is None:
        return
    totals, marks = app.journal.counters(), app.watched.marks()
    for source in app.settings.sources:
        wrong, total = app.rejections.wrong(source), totals.get(f"rejections:{source}:{WRONG_SIGNATURE}", 0)
        place, mark = _at(source), f"{_REJECTIONS} {source}"
        said = f"{wrong} in {span(limit.seconds)}"
        if wrong >= limit.count:
            app.watched.mark(mark, total - wrong)
            alarming.begin(app, EventType.OPS_REJECTIONS, place, detail=said, count=wrong)
        elif mark in marks:
            every = total - marks[mark]
            alarming.end(app, EventType.OPS_REJECTIONS, place, detail=f"{every} in all", count=every)
            app.watched.forget(mark)


def stuck(app: App) -> None:
    """Jobs that have been in one running state for so long, each with an alarm of its own."""
    limit = app.settings.alarms.job_stuck
    if limit is None:
        return
    before = app.scripts.ms() / 1000 - limit
    standing = _standing(app, EventType.OPS_JOB_STUCK)
    for source in app.settings.sources:
        found = {job_of(one.member)[1]: one for one in app.index.newest(_running(source), until=before)}
        told = standing.get(_at(source), set())
        begun = [one for job, one in reversed(found.items()) if job not in told]
        _begin_stuck(app, _at(source), begun[:AT_ONCE])
        _end_stuck(app, source, sorted(told - found.keys())[:AT_ONCE])


def _running(source: str) -> list[str]:
    return [jobs(source, state) for state in RUNNING]


def _begin_stuck(app: App, place: str, found: list[Listed]) -> None:
    for one, card in zip(found, app.index.cards([one.member for one in found]), strict=True):
        job, state, since = job_of(one.member)[1], one.name.rpartition("|")[2], moment(one.score / 1000)
        detail = f"{_called(job, card)} has been {state} since {timestamp(since)}"
        alarming.begin(app, EventType.OPS_JOB_STUCK, place, detail=detail, thing=job, since=since)


def _end_stuck(app: App, source: str, told: list[str]) -> None:
    cards = app.index.cards([keys.job_key(source, job) for job in told])
    for job, card in zip(told, cards, strict=True):
        detail = f"{_called(job, card)} is {card['state'] if card else 'forgotten'} now"
        alarming.end(app, EventType.OPS_JOB_STUCK, _at(source), thing=job, detail=detail)


def _called(job: str, card: object) -> str:
    name = card.get("name") if isinstance(card, dict) else None
    return f"{name} ({job})" if name else job


def failing(app: App) -> None:
    """A sink at which nothing but failures of the far end itself has come to pass for so long."""
    limit = app.settings.alarms.sink_failing
    if limit is None:
        return
    now, sinks = app.scripts.ms(), list(app.settings.sinks)
    gates = app.index.gates([keys.delivering(sink) for sink in sinks])
    for sink, gate in zip(sinks, gates, strict=True):
        place, since = f"sinks/{sink}", gate.get("failing")
        if since is not None and now - since >= limit * 1000:
            fails = int(gate.get("fails", 0))
            words = app.watched.last_words(keys.delivering(sink), lanes=LOOKED_AT)
            detail = f"{fails} failures in a row" + (f": {words}" if words else "")
            alarming.begin(
                app, EventType.OPS_SINK_FAILING, place, detail=detail, count=fails, since=moment(since / 1000)
            )
        else:
            alarming.end(app, EventType.OPS_SINK_FAILING, place)


def forgotten(app: App) -> None:
    """An alarm is over when nobody watches any more: it, or what it is about, is gone from the configuration."""
    settings = app.settings
    watched = {
        EventType.OPS_SOURCE_SILENT: settings.alarms.source_silent,
        EventType.OPS_REJECTIONS: settings.alarms.rejections,
        EventType.OPS_JOB_STUCK: settings.alarms.job_stuck,
        EventType.OPS_SINK_FAILING: settings.alarms.sink_failing,
    }
    places = {*map(_at, settings.sources), *(f"sinks/{name}" for name in settings.sinks)}
    for name in app.journal.alarms():
        kind, place, thing = _parts(name)
        if kind is None or (place in places and watched.get(kind, True) is not None):
            continue
        alarming.end(app, kind, place, thing=thing, detail="it is not watched any more")
        if kind is EventType.OPS_SUBSCRIPTION_BROKEN:
            app.registrations.note(place.partition("/")[2], None)
    for mark in app.watched.marks():
        what, _, source = mark.partition(" ")
        limits = {_SILENCE: settings.alarms.source_silent, _REJECTIONS: settings.alarms.rejections}
        if source not in settings.sources or limits.get(what, True) is None:
            app.watched.forget(mark)


def _at(source: str) -> str:
    return f"sources/{source}"


def _standing(app: App, kind: EventType) -> dict[str, set[str]]:
    """What alarms of one kind are about, by place."""
    found: dict[str, set[str]] = {}
    for name in app.journal.alarms():
        its_kind, place, thing = _parts(name)
        if its_kind is kind:
            found.setdefault(place, set()).add(thing)
    return found


def _parts(name: str) -> tuple[EventType | None, str, str]:
    """Kind, place and thing of an alarm; no kind for one of another version's."""
    kind, _, rest = name.partition(" ")
    place, _, thing = rest.partition(" ")
    return next((known for known in EventType if known == kind), None), place, thing


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def span(seconds: float) -> str:
    """A length of time for people, in the largest unit of which there are two: "48 hours", "5 minutes"."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{round(seconds / length)} {unit}"
    return f"{round(seconds)} seconds"
