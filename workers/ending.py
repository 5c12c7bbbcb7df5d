"""How a lane that could not be finished ends: again later, or dead and visible."""

from __future__ import annotations

import time

import structlog

from processor import observe
from processor.errors import (
    Busy,
    NotYet,
    Permanent,
    ProcessorError,
    RateLimited,
    ReconnectNeeded,
    Retryable,
    Shut,
    Unreachable,
)
from processor.model import JSON
from processor.options import RetryPolicy
from processor.store import keys
from processor.store.work import Claim, Tried
from processor.wiring import App
from workers import retry

log = structlog.get_logger(__name__)

_TRIPS = (Unreachable, Busy, Shut)  # the far end itself, not what it was asked for


def poisonous(app: App, claim: Claim, about: dict[str, JSON]) -> bool:
    """Whether an item killed its workers: then it is dead now, before it kills another."""
    if claim.lost < retry.LOST:
        return False
    app.lanes.dead(claim, "Poison", f"{claim.lost} workers died or stalled with it")
    log.error("dead", **about, outcome="dead", reason="Poison")
    return True


def settle(
    app: App, claim: Claim, error: Exception, *, policy: RetryPolicy, about: dict[str, JSON], began: float
) -> None:
    """End `claim` as `error` asks for. Raises Unavailable; the lane's lease ends it then."""
    if not isinstance(error, ProcessorError):
        log.exception("unexpected", **about)
        observe.report(error, **{name: about[name] for name in ("source", "sink") if name in about})
    verdict = retry.after(error, attempts=claim.attempts, age=_age(claim, began), policy=policy)
    if isinstance(verdict, retry.Dead) and not claim.items and not isinstance(error, (Permanent, NotYet)):
        verdict = retry.Again(retry.LONGEST)  # nobody waits for this look, so there is nothing to give up
    reason, said = retry.words(error)
    delivering = claim.resource.name.startswith(keys.delivering(""))  # at a provider a 429 is our own haste
    tried = Tried(reason, said, ms(began), trips=isinstance(error, _TRIPS))
    if isinstance(verdict, retry.Dead):
        app.lanes.dead(claim, verdict.reason, verdict.detail, tried=tried)
        if isinstance(error, Retryable) and error.retry_after:  # the others are asked to wait all the same
            app.lanes.pause(
                claim.resource, min(retry.LONGEST, error.retry_after), shared=isinstance(error, RateLimited)
            )
        log.error("dead", **about, outcome="dead", reason=reason, detail=verdict.detail, ms=ms(began))
        return
    if isinstance(error, ReconnectNeeded):
        app.journal.trouble(keys.source_of(claim.lane), said, 2 * retry.RECONNECT_PAUSE)
    app.lanes.retry(
        claim,
        verdict.delay,
        said,
        counts=verdict.counts or (delivering and not isinstance(error, ReconnectNeeded)),
        pause=verdict.pause or 0,
        shared=isinstance(error, RateLimited),
        tried=tried,
    )
    later = round(verdict.delay, 1)
    log.warning("again later", **about, outcome="again", reason=reason, detail=said, seconds=later, ms=ms(began))


def _age(claim: Claim, began: float) -> float:
    """Seconds since the youngest of the items was due: an old one does not take a new one with it. By the clock of
    Redis, which wrote down when that was: a worker whose own is wrong gives nothing up too soon."""
    ages = [float(item.detail["age"]) / 1000 for item in claim.items]
    return min(ages) + time.monotonic() - began if ages else 0.0


def ms(began: float) -> float:
    """Milliseconds since `began`, a reading of the monotonic clock."""
    return round((time.monotonic() - began) * 1000, 1)
