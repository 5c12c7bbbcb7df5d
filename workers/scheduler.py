"""Periodic duties, each done by one process at a time. Nothing that the promises need lives only here."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import structlog

from processor import observe, reconciling
from processor.errors import RateLimited, Retryable, Unavailable
from processor.model import EventType
from processor.pipeline.alarms import alarm
from processor.ports import HoldsGrant, Lists
from processor.store.index import sweep
from processor.store.pulse import EVERY
from processor.wiring import App
from workers import alarming, watching
from workers.drifting import tell_of_drift
from workers.orphans import bury_orphans
from workers.watchdog import watch_webhooks

log = structlog.get_logger(__name__)

LOOK = 1.0  # seconds between looks at what is due
TURN = 10.0  # seconds that the lists of one source are read before the next source's turn comes
READING = 25.0  # … and that nobody else reads them, from each page on
LATER = 30.0  # … or, when that failed, until it is tried again
GRACE = 300.0  # seconds within which a webhook may still tell what reconciliation found first


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to be done every so many seconds by whoever takes its lock first. Doing it twice is harmless."""

    name: str
    every: float
    do: Callable[[App], None]


def retention(app: App) -> None:
    """Forget what journal, lists and the dead have older than `retention.events`; the rest expires by itself."""
    gone = app.journal.trim(older_than=app.settings.retention.events)
    sweep(app.scripts, app.scripts.client, older_than=app.settings.retention.events)
    if gone:
        log.info("retention", journal_entries=gone)


def reconcile(app: App) -> None:
    """Read on in the lists of each source whose time has come, a few pages each; and tell what was repaired."""
    for name, source in app.settings.sources.items():
        provider = app.providers[name]
        if not source.reconcile or not isinstance(provider, Lists) or not reconciling.due(app, name):
            continue
        if not app.journal.take_duty(f"reconcile:{name}", READING):
            continue
        try:
            _read_on(app, name, provider)
        except Retryable as e:
            later = e.retry_after or LATER
            if isinstance(e, RateLimited):
                app.lanes.pause(app.sources[name], later, shared=True)
            app.journal.put_off_duty(f"reconcile:{name}", later)
            log.warning("a list could not be read", source=name, reason=e.reason, detail=e.message, again_in=later)
        else:
            app.journal.leave_duty(f"reconcile:{name}")


def _read_on(app: App, source: str, provider: Lists) -> None:
    ends = time.monotonic() + TURN
    while time.monotonic() < ends:
        app.journal.put_off_duty(f"reconcile:{source}", READING)  # whoever is killed here holds nobody up for long
        step = reconciling.step(app, source, provider)
        if step.over or step.wait:
            return


def repaired(app: App) -> None:
    """Tell how many jobs of each source had ended that no webhook told of, nor has since: once a pass, whoever read."""
    marks = app.watched.marks()
    for source, provider in app.providers.items():
        passes, mark = reconciling.over(app, source) if isinstance(provider, Lists) else 0, f"repaired {source}"
        if passes and marks.get(mark) != passes and (found := _untold(app, source)):
            _tell_repaired(app, source, found)
            app.watched.put(mark, passes)


def _untold(app: App, source: str) -> list[str]:
    return app.journal.untold(source, older_than=min(app.settings.sources[source].reconcile or GRACE, GRACE))


def _tell_repaired(app: App, source: str, found: list[str]) -> None:
    now = app.tools.clock()
    some = ", ".join(unquote(job.partition("/")[2]) for job in found[:5])
    detail = f"no webhook told of the end of: {some}" + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    place = f"sources/{source}"
    event = alarm(EventType.OPS_REPAIRED, place, state="raised", since=now, now=now, count=len(found), detail=detail)
    alarming.tell(app, event, told=found, of=source)


def grants(app: App) -> None:
    """Tell when a person has to connect a source anew, and when that was done."""
    for name, provider in app.providers.items():
        place, thing = f"sources/{name}", "grant"
        lost = isinstance(provider, HoldsGrant) and provider.reconnect_needed()
        trouble = app.journal.troubled(name) or ("the provider refuses our grant" if lost else None)
        if trouble:
            alarming.begin(
                app, EventType.OPS_SUBSCRIPTION_BROKEN, place, detail=f"reconnect needed: {trouble}", thing=thing
            )
        else:
            alarming.end(app, EventType.OPS_SUBSCRIPTION_BROKEN, place, thing=thing)


def pulse(app: App) -> None:
    """Note what all counters came to, for the charts."""
    app.pulse.write(app.journal.counters())


DUTIES = (
    Duty("grants", 5.0, grants),
    Duty("retention", 600.0, retention),
    Duty("orphans", 600.0, bury_orphans),
    Duty("reconcile", 1.0, reconcile),
    Duty("drift", 5.0, tell_of_drift),
    Duty("webhooks", 5.0, watch_webhooks),
    Duty("repaired", 5.0, repaired),
    Duty("silence", 10.0, watching.silence),
    Duty("rejections", 5.0, watching.rejections),
    Duty("stuck", 30.0, watching.stuck),
    Duty("failing", 5.0, watching.failing),
    Duty("forgotten", 30.0, watching.forgotten),
    Duty("pulse", EVERY, pulse),
)


def turn(app: App, duties: Sequence[Duty] = DUTIES) -> list[Duty]:
    """Do what is due and nobody else is doing; returns what was taken up. A duty that fails is tried again after its
    period."""
    taken = []
    for duty in duties:
        if not app.journal.take_duty(duty.name, duty.every):
            continue
        taken.append(duty)
        try:
            duty.do(app)
        except Unavailable:
            raise
        except Exception as e:
            log.exception("a duty failed", duty=duty.name)
            observe.report(e)
    return taken


def run(app: App) -> None:
    """Do the duties until SIGTERM or SIGINT."""
    stopping = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopping.set())
    rests: dict[str, float] = {}  # until when nobody need ask for a duty that was done here
    while not stopping.wait(LOOK):
        now = time.monotonic()
        try:
            taken = turn(app, [duty for duty in DUTIES if rests.get(duty.name, now) <= now])
            rests.update((duty.name, now + duty.every) for duty in taken)
        except Unavailable as e:
            log.warning("Redis is away; trying on", reason=e.message)
    log.info("stopped")
