"""Tells once of each word of a provider's that we do not know: ops.contract_drift."""

from __future__ import annotations

from processor.model import EventType
from processor.pipeline.alarms import alarm
from processor.wiring import App
from workers import alarming


def tell_of_drift(app: App) -> None:
    """Called every few seconds. Telling twice is harmless: the same word makes the same event."""
    for source in app.settings.sources:
        for met in app.drift.untold(source):
            event = alarm(
                EventType.OPS_CONTRACT_DRIFT,
                f"sources/{source}",
                state="raised",
                since=met.since,
                now=app.tools.clock(),
                count=met.times,
                detail=f"not known: {met.word}",
                thing=met.word,
            )
            alarming.tell(app, event)
            app.drift.told(source, met.word)
