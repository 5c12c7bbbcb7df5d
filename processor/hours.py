"""Times of day in a place: when a daily message is due, and when somebody is not to be disturbed.

Both are wall-clock times of a time zone. A time that the clocks skip in spring counts as if they had not been changed
yet (02:30 is 03:30), one that they show twice in autumn counts once, the first time: so a digest comes once a day,
every day.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAILY = re.compile(r"(\d{1,2}):(\d{2})\s+(\S+)")
_HOURS = re.compile(r"(\d{1,2}:\d{2})\s*[-–]\s*(\d{1,2}:\d{2})\s+(\S+)")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Daily:
    """A time of every day."""

    at: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Daily:
        """ "08:00 Europe/Berlin". Raises ValueError."""
        match = _DAILY.fullmatch(text.strip())
        if not match:
            raise ValueError('must be a time and a time zone, such as "08:00 Europe/Berlin"')
        return cls(_time(match[1], match[2]), _zone(match[3]))

    def after(self, now: datetime) -> datetime:
        """The next such moment after `now`, in UTC."""
        today = now.astimezone(self.zone).date()
        moments = (self.on(today + days * _DAY) for days in (-1, 0, 1, 2))
        return next(moment for moment in moments if moment > now)

    def on(self, day: date) -> datetime:
        """The moment on that day, in UTC."""
        return datetime.combine(day, self.at, self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Hours:
    """From one time of day to another, maybe over midnight; the end is not in it."""

    start: Daily
    end: Daily

    @classmethod
    def parse(cls, text: str) -> Hours:
        """ "22:00-07:00 Europe/Berlin". Raises ValueError."""
        match = _HOURS.fullmatch(text.strip())
        if not match:
            raise ValueError('must be two times and a time zone, such as "22:00-07:00 Europe/Berlin"')
        start, end = (Daily.parse(f"{at} {match[3]}") for at in (match[1], match[2]))
        if start.at == end.at:
            raise ValueError("must begin and end at different times")
        return cls(start, end)

    def end_of(self, now: datetime) -> datetime | None:
        """When the hours that `now` is in are over, in UTC; None when it is in none."""
        today = now.astimezone(self.start.zone).date()
        for day in (today - _DAY, today):
            begins = self.start.on(day)
            ends = self.end.on(day if self.end.at > self.start.at else day + _DAY)
            if begins <= now < ends:
                return ends
        return None


def _time(hour: str, minute: str) -> time:
    try:
        return time(int(hour), int(minute))
    except ValueError:
        raise ValueError("must be a time from 00:00 to 23:59") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # ZoneInfoNotFoundError is a LookupError
        raise ValueError(f"knows no time zone {name!r}; it must be one such as Europe/Berlin or UTC") from None
