"""One delivery lane in hand: hand over its head, and write down how that went."""

from __future__ import annotations

import time

import structlog

from processor.model import JSON
from processor.pipeline import deliver as pipeline
from processor.store.lanes import Claim
from processor.wiring import App
from workers.ending import ms, poisonous, settle

log = structlog.get_logger(__name__)


def deliver(app: App, sink: str, claim: Claim) -> None:
    """Deliver the lane's first event, and end the claim. Raises Unavailable; the lease ends it then."""
    if not claim.items:  # everything that waited here was taken back
        app.lanes.done(claim)
        return
    began, [item] = time.monotonic(), claim.items
    about: dict[str, JSON] = {"sink": sink, "event_id": item.id, "attempt": claim.attempts + 1}
    configured = app.settings.sinks[sink]
    if poisonous(app, claim, about):
        return
    try:
        reference = pipeline.deliver(app.sinks[sink], item.body, omit=configured.omit)
    except Exception as e:  # noqa: BLE001  # whatever it was, it is settled: again later, or dead and visible
        settle(app, claim, e, policy=configured.retry, about=about, began=began)
        return
    if app.lanes.done(claim, reference):
        log.info("delivered", **about, reference=reference, ms=ms(began))
    else:
        log.warning("delivered too late: another had it too", **about, ms=ms(began))
