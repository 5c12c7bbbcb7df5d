"""Watches over our webhooks at the providers: mends what it can, and tells people what it cannot."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

import structlog

from processor import subscribing
from processor.errors import Permanent, RateLimited, Retryable
from processor.model import EventType, timestamp
from processor.pipeline.alarms import alarm
from processor.ports import Greets, Subscribes, Subscription
from processor.store.registrations import Broken
from processor.wiring import App
from workers import alarming

log = structlog.get_logger(__name__)

EVERY = 300.0  # seconds between looks at one source's webhooks
AGAIN = 30.0  # … and until the second look at what was wrong at the first
MEND = 3600.0  # … and until mending is tried once more
LATER = 60.0  # … or, when the provider could not be asked, until it is asked again
LOCKED_OUT = 3600.0  # … or when it does not let us see them at all
KIND, THING = EventType.OPS_SUBSCRIPTION_BROKEN, "webhook"


def watch_webhooks(app: App) -> None:
    """Look at the webhooks of every source whose turn it is. Providers that cannot be asked are no alarm."""
    for source, provider in app.providers.items():
        url = subscribing.address(app, source)
        if url is None or not isinstance(provider, Subscribes):
            continue
        if not app.journal.take_duty(_duty(source), EVERY):
            continue
        if wait := app.lanes.spend(app.sources[source]):
            app.journal.put_off_duty(_duty(source), wait)
            continue
        try:
            _look(app, source, provider, url)
        except (Retryable, Permanent) as e:
            _later(app, source, e)


def _look(app: App, source: str, provider: Subscribes, url: str) -> None:
    http = subscribing.Paying(app, source, paid=1)
    ours = [one for one in provider.subscriptions(http=http) if subscribing.is_at(one, url)]
    for webhook_id in subscribing.keep_secrets(app, source, ours):
        log.info("the secret of a webhook of ours is kept again", source=source, webhook=webhook_id)
    wrong, known = subscribing.wrong(ours, source, url), app.registrations.broken(source)
    if not wrong:
        if known:
            alarming.end(app, KIND, f"sources/{source}", thing=THING)
            app.registrations.note(source, None)
            log.info("our webhook is well again", source=source)
        return
    now = app.tools.clock()
    again = known is not None and _same(wrong, known.seen)
    found = replace(known or Broken(), seen=wrong)
    if known and (again or not known.told) and not _same(wrong, known.told):
        found = _tell(app, source, found, now)
    mend = now.timestamp() - found.mended >= (MEND if again else EVERY)
    app.registrations.note(source, replace(found, mended=now.timestamp()) if mend else found)
    if mend:
        app.journal.put_off_duty(_duty(source), AGAIN)
        _mend(app, source, provider, ours)


def _tell(app: App, source: str, found: Broken, now: datetime) -> Broken:
    """Raise the alarm; when something else is wrong by now, once more under the time it began. What to write down."""
    place, times = f"sources/{source}", found.times + 1
    since = datetime.fromisoformat(found.since) if found.since else now
    if times == 1:
        alarming.begin(app, KIND, place, detail=found.seen, thing=THING, since=since)
    else:
        thing = f"{THING} {times}"
        event = alarm(KIND, place, state="raised", since=since, now=now, detail=found.seen, thing=thing)
        alarming.tell(app, event)
    return replace(found, told=found.seen, times=times, since=timestamp(since))


def _mend(app: App, source: str, provider: Subscribes, ours: list[Subscription]) -> None:
    """What comes of it is seen by the next look."""
    # what mends a webhook may be another verification code; one that a person waits for is not cut short
    code = isinstance(provider, Greets) and bool(ours) and not app.registrations.awaits_code(source)
    if code:
        app.registrations.begin(source, seconds=int(2 * AGAIN))
    mended = [_mended(app, source, provider, one) for one in ours]
    if code and not any(mended):
        app.registrations.end(source)


def _mended(app: App, source: str, provider: Subscribes, one: Subscription) -> bool:
    about = {"source": source, "webhook": one.id, "trouble": one.trouble}
    try:
        done = provider.mend(one, http=subscribing.Paying(app, source))
    except RateLimited:
        raise
    except (Retryable, Permanent) as e:
        log.warning("a webhook could not be mended", **about, reason=e.reason, detail=e.message)
        return False
    log.info("a webhook was mended" if done else "a webhook is in trouble", **about)
    return done


def _same(one: str, other: str) -> bool:
    """Whether two texts say the same but for their numbers: times, counts, the ids of requests."""
    return bool(other) and re.sub(r"\d+", "#", one) == re.sub(r"\d+", "#", other)


def _later(app: App, source: str, error: Retryable | Permanent) -> None:
    later = LOCKED_OUT if isinstance(error, Permanent) else error.retry_after or LATER
    if isinstance(error, RateLimited):
        app.lanes.pause(app.sources[source], later, shared=True)
    app.journal.put_off_duty(_duty(source), later)
    log.warning(
        "our webhooks could not be looked at", source=source, reason=error.reason, detail=error.message, again_in=later
    )


def _duty(source: str) -> str:
    return f"webhooks:{source}"
