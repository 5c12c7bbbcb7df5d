"""`jobwire check --online`: all that has to answer is asked, and what does not is told with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial

import click

from processor import subscribing
from processor.cli.asking import Doubtful, Finding, Question
from processor.cli.many import many
from processor.cli.once import Once, quiet
from processor.cli.one_source import OneSource
from processor.cli.redis_state import redis_state
from processor.cli.redis_url import configured_or_running
from processor.connect import connect
from processor.errors import ProcessorError, Unavailable
from processor.looking import Looking
from processor.ports import CanBeTried, Subscribes
from processor.settings import Settings
from processor.store.orphans import Orphan, orphans
from processor.text import moment
from processor.wiring import App

SINK_SECONDS = 15.0
# A token that is being exchanged gets lost with whoever goes too soon: OAuth waits 30 s for its lock at most, then 15 s
# for the answer, then for Redis.
TOKEN_SECONDS = 60.0
WEBHOOK_SECONDS = 30.0
SCHEDULER_SEEN = 90.0  # seconds; it takes a sample every half minute


def ask_everybody(settings: Settings, data_dir: str) -> bool:
    """Ask everybody at once and tell in the configuration's order, each in a line; whether there is no fault."""
    with quiet():
        once = Once(settings, data_dir)
        sinks = [Question(f"sink {name}", partial(_try_sink, once, name), SINK_SECONDS) for name in settings.sinks]
        app, well = _redis(settings, data_dir)
        if app:
            well = all([_told(_at_work(app)), *_sources(app), well])
        else:
            for name in settings.sources:
                click.echo(f"source {name}: its token is not tried, since it would be kept in Redis")
        answered = [question.told() for question in sinks]  # every one, also after a fault
        return app is not None and _told(_standing(app)) and well and all(answered)


def _told(findings: Iterable[Finding]) -> bool:
    """Print what is found, also that Redis goes away meanwhile; whether there is no fault."""
    well = True
    try:
        for finding in findings:
            click.echo(str(finding))
            well = well and finding.level != "FAULT"
    except Unavailable as e:
        click.echo(str(Finding("FAULT", "redis", e.message)))
        return False
    return well


# --- our own parts ---------------------------------------------------------------------------------------------------


def _redis(settings: Settings, data_dir: str) -> tuple[App | None, bool]:
    """Tell how Redis is. The application on it, None when it does not answer; and whether it has no fault."""
    try:
        url = configured_or_running(settings, data_dir)
        found = list(redis_state(connect(url, patient=False), wait_replicas=settings.redis.wait_replicas))
    except Unavailable as e:
        what_to_do = "see that it runs, and that [redis].url or REDIS_URL leads to it"
        found = [Finding("FAULT", "redis", f"{e.message}: {what_to_do}")]
        return None, _told(found)
    except ProcessorError as e:
        return None, _told([Finding("FAULT", "redis", e.message)])
    return App(settings, url), _told(found)


def _at_work(app: App) -> Iterator[Finding]:
    """Whether anybody does the work."""
    if seen := app.journal.workers():
        yield Finding("", "workers", f"{seen} seen within the last minute")
    else:
        said = "none seen: nothing is looked at or delivered until `jobwire worker` or `jobwire up` runs"
        yield Finding("warning", "workers", said)
    samples = app.pulse.read(1)
    ago = app.tools.clock().timestamp() - samples[-1][0] if samples else None
    if ago is not None and ago < SCHEDULER_SEEN:
        yield Finding("", "scheduler", f"seen {max(0.0, ago):.0f} s ago")
    else:
        said = "none seen: no lists are read, no alarms raised, nothing old forgotten until `jobwire scheduler` runs"
        yield Finding("warning", "scheduler", said)


def _standing(app: App) -> Iterator[Finding]:
    """What is not as it should be already, and not for want of an answer now."""
    found = Looking(app).overview()
    for source in found.sources:
        if source.dead:
            what_to_do = f"jobwire notifications --dead --source {source.name}"
            yield Finding("warning", f"source {source.name}", f"{_dead(source.dead, 'notification')}: {what_to_do}")
    for sink in found.sinks:
        if sink.failing_since:
            said = f"takes nothing since {moment(sink.failing_since)}: jobwire deliveries --sink {sink.name}"
            yield Finding("warning", f"sink {sink.name}", said)
        if sink.dead:
            what_to_do = f"jobwire deliveries --dead --sink {sink.name}; jobwire replay --dead --sink {sink.name}"
            yield Finding("warning", f"sink {sink.name}", f"{_dead(sink.dead, 'delivery', 'deliveries')}: {what_to_do}")
    for orphan in orphans(app.index, app.known):
        yield Finding("warning", f"{'sink' if orphan.is_sink else 'source'} {orphan.name}", _waits(orphan))
    for alarm in found.alarms:
        said = f"{alarm.place} since {moment(alarm.since)}: {alarm.detail}"
        yield Finding("warning", alarm.type, said)


def _waits(orphan: Orphan) -> str:
    what = many(orphan.waiting, "delivery", "deliveries") if orphan.is_sink else many(orphan.waiting, "notification")
    age = "a day" if orphan.is_sink else "a week"
    return (
        f"{orphan.missing}, and {what} {'waits' if orphan.waiting == 1 else 'wait'} for it: put it back within "
        f"{age} of that, or it is dead, to be replayed when it is back"
    )


def _dead(count: int, one: str, more: str = "") -> str:
    return f"{many(count, one, more)} dead"


# --- the far ends ----------------------------------------------------------------------------------------------------


def _sources(app: App) -> list[bool]:
    """Tell of each source's token, and then of our webhooks at those that gave one."""
    named = app.settings.sources
    tokens = [Question(f"source {name}", partial(_try_source, app, name), TOKEN_SECONDS) for name in named]
    given = [question.told() for question in tokens]
    webhooks = [
        Question(f"webhooks {name}", partial(_try_webhooks, app, name, url), WEBHOOK_SECONDS)
        for name, well in zip(named, given, strict=True)
        if well and (url := subscribing.address(app, name)) and isinstance(app.providers[name], Subscribes)
    ]
    return given + [question.told() for question in webhooks]


def _try_source(app: App, name: str) -> str:
    provider = app.providers[name]
    if not isinstance(provider, CanBeTried):
        return "cannot be asked"
    before = app.tools.tokens.get(name)
    found = provider.try_out()
    when = "obtained now" if app.tools.tokens.get(name) != before else "obtained earlier and still good"
    return f"{found}, {when}"


def _try_webhooks(app: App, source: str, url: str) -> str:
    """What of our webhooks keeps the provider from telling us everything. One that is well is enough."""
    try:
        with OneSource(app, source).asking():
            all_there = subscribing.subscriber(app, source).subscriptions(http=subscribing.Paying(app, source))
    except ProcessorError as e:
        raise Doubtful(f"cannot be looked at: {e.message}") from None
    ours = [one for one in all_there if subscribing.is_at(one, url)]
    if wrong := subscribing.wrong(ours, source, url):
        mends = "; the scheduler mends that, or tells that it cannot" if ours else ""
        raise ProcessorError(f"{wrong}{mends}")
    return f"{url} is registered"


def _try_sink(once: Once, name: str) -> str:
    with closing(once.sink(name)) as sink:
        if isinstance(sink, CanBeTried):
            return sink.try_out()
        return f"cannot be asked without sending: jobwire send-test {name}"
