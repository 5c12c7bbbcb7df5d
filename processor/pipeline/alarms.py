"""Our own alarms as events: what is wrong with a source or a sink, when it began, and when it was over. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

from processor.model import Event, EventType, timestamp

_USUAL = ("provider", "source", "job", "model", "cost_estimate", "failure", "previous_state")


def alarm(
    kind: EventType,
    place: str,
    *,
    state: Literal["raised", "over"],
    since: datetime,
    now: datetime,
    count: int | None = None,
    detail: str | None = None,
    thing: str = "",
) -> Event:
    """An alarm about `place`: `sources/NAME` or `sinks/NAME`.

    Its id depends on what it is about (`thing` tells several of one kind apart), since when, and its state: whoever
    raises it twice raises one.
    """
    began = timestamp(since)
    identity = "\0".join([kind, place, thing, began, state])
    return Event(
        id="evt_" + hashlib.sha256(identity.encode()).hexdigest()[:32],
        type=kind,
        source=place,
        job_id="",
        subject=place,
        time=now,
        data={
            **dict.fromkeys(_USUAL),
            "ops": {
                "state": state,
                "since": began,
                "until": timestamp(now) if state == "over" else None,
                "count": count,
                "detail": detail,
            },
        },
    )
