"""What waits for a source or sink that nobody knows any more does not wait for ever: it dies, and is visible."""

from __future__ import annotations

import structlog

from processor.settings.reading import SINK_MAX_AGE, SOURCE_MAX_AGE
from processor.store.orphans import orphans
from processor.wiring import App

log = structlog.get_logger(__name__)

REASON = "Orphaned"


def bury_orphans(app: App) -> None:
    """Called every few minutes. Whoever was taken out by mistake, or renamed, has as long as the usual `retry` lasts:
    a day for a sink, a week for a source. What is dead can be replayed when it is back."""
    for orphan in orphans(app.index, app.known):
        age = SINK_MAX_AGE if orphan.is_sink else SOURCE_MAX_AGE
        if died := app.lanes.bury(orphan.resource, older_than=age, reason=REASON, detail=orphan.missing):
            log.error(
                "dead", resource=orphan.resource, count=died, outcome="dead", reason=REASON, detail=orphan.missing
            )
