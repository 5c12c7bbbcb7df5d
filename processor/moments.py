"""A moment as a person writes it, behind `--since` of a command or in `since=` of an address."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from processor.errors import Usage
from processor.options import seconds

_AGO = re.compile(r"(\d[\d.]* *[a-z]+)(?: +ago)?")  # a number alone might be a year
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d.*")


def moment(option: str, text: str, now: datetime, *, ends: bool = False) -> datetime:
    """`2h` (ago), `2026-03-01` (its beginning, or with `ends` its end), or an RFC 3339 time; without a zone it is UTC.

    Raises Usage, which names the option.
    """
    text = text.strip()
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(seconds=seconds(ago[1]))
        if _DAY.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=ends)
        if _TIME.fullmatch(text):
            when = datetime.fromisoformat(text.upper())
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    raise Usage(f"{option}: {text!r} is no time such as 2h (ago), 2026-03-01 or 2026-03-01T12:00:00Z")
