"""The pulse: what all counters came to, noted twice a minute for a day, so that the dashboard can draw how it went.

A sample is one JSON object of running totals, in this order and under these names:

accepted   notifications that were stored, those that revived a dead one included
rejected   requests that were refused, at whatever source
events     events found; our own alarms (`ops.*`) do not count
delivered  deliveries that a sink took
failed     deliveries that have to be tried again, or died: one for each attempt
le:BUCKET  deliveries by how long they took from the notification on, summed over the sinks; BUCKET is the text of
           BUCKETS, each delivery counts in the one bucket that it falls into, one that has none yet is 0

What happened between two samples is the difference of their totals. One that is smaller than its predecessor's was
counted anew, by a Redis that came back empty: then the total itself is what happened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import redis

from processor.store import keys
from processor.store.scripts import ours

EVERY = 30.0  # seconds between samples
KEPT = 2880  # samples: a day
BUCKETS: Final = ("0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "300", "900", "3600", "+Inf")
"""Upper ends in seconds, as they are spelled in the counters `late:d:SINK:le:BUCKET` too."""


class Pulse:
    """The samples that are kept. Everything raises Unavailable when Redis cannot do it now."""

    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client

    def write(self, counters: Mapping[str, int]) -> None:
        """Note what `Journal.counters()` shows now."""
        with ours():
            self._client.xadd(
                keys.key("pulse"), {"totals": json.dumps(totals(counters))}, maxlen=KEPT, approximate=True
            )

    def read(self, newest: int) -> list[tuple[float, Mapping[str, int]]]:
        """The newest so many samples, oldest first: when each was taken, in epoch seconds, and its totals."""
        with ours():
            rows = self._client.xrevrange(keys.key("pulse"), count=newest)
        return [(_seconds(row_id), json.loads(row.get("totals") or row[b"totals"])) for row_id, row in reversed(rows)]


def totals(counters: Mapping[str, int]) -> dict[str, int]:
    """The counters of all sources and sinks as one sample."""
    found = dict.fromkeys(("accepted", "rejected", "events", "delivered", "failed"), 0)
    found |= {f"le:{bucket}": 0 for bucket in BUCKETS}
    for field, times in counters.items():
        if name := _total_of(field):
            found[name] += times
    return found


def _total_of(field: str) -> str | None:
    """Which total a counter is part of; None: of none."""
    match field.split(":"):
        case ["notifications", "r", _, "new" | "revived"]:
            return "accepted"
        case ["rejections", _, _]:
            return "rejected"
        case ["events", kind] if not kind.startswith("ops."):
            return "events"
        case ["deliveries", "d", _, "delivered"]:
            return "delivered"
        case ["retries" | "dead", "d", _]:
            return "failed"
        case ["late", "d", _, "le", bucket] if bucket in BUCKETS:
            return f"le:{bucket}"
    return None


def _seconds(row_id: str | bytes) -> float:
    text = row_id.decode() if isinstance(row_id, bytes) else row_id
    return int(text.partition("-")[0]) / 1000
