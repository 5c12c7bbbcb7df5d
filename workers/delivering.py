"""One delivery lane in hand: hand over its head, and write down how that went."""

from __future__ import annotations

import time

import structlog

from processor import tracing
from processor.model import JSON
from processor.pipeline import deliver as pipeline
from processor.pipeline.gather import quiet_until
from processor.ports import Occasion
from processor.store import keys
from processor.store.work import Claim, Next
from processor.wiring import App
from workers.ending import ms, poisonous, settle

log = structlog.get_logger(__name__)


def deliver(app: App, sink: str, claim: Claim, *, then: Next | None = None) -> None:
    """Deliver what was claimed, the lane's first event or several as one message, and end the claim; `then` may come
    along with its end.

    Raises Unavailable; the lease ends the claim then.
    """
    if not claim.items:  # everything that waited here was taken back
        app.lanes.done(claim)
        return
    began, ids = time.monotonic(), [item.id for item in claim.items]
    about: dict[str, JSON] = {"sink": sink, "event_id": ids[0], "attempt": claim.attempts + 1}
    if job := keys.job_of(claim.lane):
        about["source"], about["job"] = keys.source_of(claim.lane), job
    if len(ids) > 1:
        about["together"] = ids
    about["trace"] = tracing.trace_of(claim.trace)
    configured = app.settings.sinks[sink]
    if poisonous(app, claim, about) or _not_now(app, sink, claim, about):
        return
    try:
        bodies = [item.body for item in claim.items]
        with tracing.going_on(claim.trace):
            reference = pipeline.deliver(app.sinks[sink], bodies, omit=configured.omit, occasion=_occasion(claim))
    except Exception as e:  # noqa: BLE001  # whatever it was, it is settled: again later, or dead and visible
        settle(app, claim, e, policy=configured.retry, about=about, began=began)
        return
    if app.lanes.done(claim, reference, ms=ms(began), then=then):
        log.info("delivered", **about, outcome="ok", reference=reference, ms=ms(began))
    else:
        log.warning("delivered too late: another had it too", **about, outcome="stale", ms=ms(began))


def _not_now(app: App, sink: str, claim: Claim, about: dict[str, JSON]) -> bool:
    """Whether people are not to be told now, by their quiet hours or their storm limit; then the claim is ended."""
    manner, now = app.settings.sinks[sink].manner, app.tools.clock()
    if ends := quiet_until(manner, now):
        app.lanes.hold(claim, ends.timestamp() - now.timestamp(), Occasion.GROUP)
        log.info("held until quiet hours are over", **about, outcome="held")
        return True
    if manner.storm_limit is None or _occasion(claim) is Occasion.DIGEST:
        return False
    verdict = app.lanes.admit(claim, sink, manner.storm_limit)
    if verdict == "go":
        return False
    log.info("storm limit: waits for one summary", **about, outcome=verdict)
    return True


def _occasion(claim: Claim) -> Occasion | None:
    """Why the items come together, if they do: as the first of them was planned."""
    together = claim.items[0].detail.get("together")
    return Occasion(together) if together else None
