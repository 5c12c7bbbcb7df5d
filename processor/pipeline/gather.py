"""When people are told, and what they are told together. Pure: a sink's manner and the time in, a plan out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from processor.hours import Daily, Hours
from processor.ports import Occasion

LONGEST_WAIT = 3 * 86400.0  # seconds: until a digest, and from then until quiet hours are over


@dataclass(frozen=True, slots=True)
class Manner:
    """How a sink for people wants to be told. `group` is in seconds, `storm_limit` a count and its seconds."""

    group: float | None = None
    storm_limit: tuple[int, float] | None = None
    digest: Daily | None = None
    quiet_hours: Hours | None = None

    @property
    def gathers(self) -> bool:
        """Whether several events may ever come in one message."""
        return self != Manner()


@dataclass(frozen=True, slots=True)
class Plan:
    """In how many seconds an event is due, and what it may be told together with: nothing (None), what else happened
    to its job, or, as a digest, everything."""

    delay: float = 0.0
    together: Occasion | None = None


def plan(manner: Manner, now: datetime) -> Plan:
    """When an event that was found `now` is due."""
    if manner.digest:
        due = manner.digest.after(now)
        return Plan((quiet_until(manner, due) or due).timestamp() - now.timestamp(), Occasion.DIGEST)
    ends = quiet_until(manner, now)
    if ends:
        return Plan(ends.timestamp() - now.timestamp(), Occasion.GROUP)
    if manner.group:
        return Plan(manner.group, Occasion.GROUP)
    return Plan()


def quiet_until(manner: Manner, now: datetime) -> datetime | None:
    """The end of the quiet hours that it is `now`; None when people may be told.

    Asked again before every message: a retry, too, must not wake anybody.
    """
    return manner.quiet_hours.end_of(now) if manner.quiet_hours else None
