"""The POSTs of the API: each has something done again by processor.looking."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Response

from processor.errors import Usage
from processor.looking import Doing
from processor.web.api import shapes
from processor.web.api.asking import NO_DELIVERY, NO_EVENT, NO_NOTIFICATION
from processor.web.api.described import Routes
from processor.web.problems import problem

log = structlog.get_logger(__name__)

GONE = "the event of this delivery is no longer kept: there is nothing left to deliver"
DONE = "this notification was looked into, there is nothing to do again"


def routes(doing: Doing) -> Routes:
    """Deliver again, look again."""
    routes = Routes("again", "Have it done again. A receiver that knows an event's id ignores it.")
    routes.register_error_handler(Usage, _cannot)

    @routes.does("/deliveries/<delivery_id>/retry", shapes.Again)
    def retry_delivery(delivery_id: str) -> Any:
        """Make a delivery again"""
        outcome = doing.retry_delivery(delivery_id)
        log.info("delivery again", delivery=delivery_id[:300], outcome=outcome or "unknown")
        if outcome is None:
            return problem(404, NO_DELIVERY)
        return problem(409, GONE) if outcome == "gone" else {"outcome": outcome}

    @routes.does("/notifications/<notification_id>/retry", shapes.Again)
    def retry_notification(notification_id: str) -> Any:
        """Look into a notification again"""
        outcome = doing.retry_notification(notification_id)
        log.info("notification again", notification=notification_id[:300], outcome=outcome or "unknown")
        if outcome is None:
            return problem(404, NO_NOTIFICATION)
        return problem(409, DONE) if outcome == "done" else {"outcome": outcome}

    @routes.does("/events/<event_id>/replay", shapes.Replayed)
    def replay(event_id: str) -> Any:
        """Deliver an event again to every sink that it is routed to by the configuration of today"""
        outcomes = doing.replay_event(event_id)
        log.info("event again", id=event_id[:300], outcomes=dict(outcomes or {}))
        return problem(404, NO_EVENT) if outcomes is None else {"sinks": outcomes}

    return routes


def _cannot(error: Usage) -> Response:
    return problem(409, error.message)
