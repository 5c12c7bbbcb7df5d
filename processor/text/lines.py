"""Strangers' values as lines that disturb nothing: neither a terminal, nor a header, nor whoever reads them."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime

from processor.model import JSON

HEADLINE = 300  # characters; a reason of a provider's can be a page
VALUE = 500
NAME = 80  # so that a long name hides neither the id nor the reason
_LOOKED_AT = 20  # times as many characters as are shown: a text of a megabyte costs no more than its beginning

_JOINERS = "\u200c\u200d"  # of the invisible characters, the two that some scripts and emoji cannot be written without


def clean(text: object, limit: int) -> str:
    """A text as one line of at most `limit` characters, without anything that moves the cursor or turns the line."""
    whole = str(text)
    begins = whole[: limit * _LOOKED_AT]
    harmless = begins if begins.isprintable() else "".join(map(_harmless, begins))
    line = " ".join(harmless.split()).strip(" " + _JOINERS)
    return line if len(line) <= limit and begins == whole else line[: limit - 1].rstrip() + "…"


def moment(timestamp: JSON) -> str:
    """A time of a document for people: "2025-03-17 00:02:58 UTC". What is no time comes out as it is."""
    when = instant(timestamp)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC" if when else clean(plain(timestamp), VALUE)


def instant(timestamp: JSON) -> datetime | None:
    """A time of a document, in UTC; None for what is no time."""
    try:
        when = datetime.fromisoformat(plain(timestamp))
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def json_line(event: Mapping[str, JSON]) -> str:
    """The whole document as one line of JSON, in ASCII: nothing in it can disturb a terminal or fail to be written."""
    return json.dumps(event, separators=(",", ":"))


def at(value: JSON, *path: str) -> JSON:
    """What is there in a document; None where the path leads nowhere."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def each(value: JSON) -> list[Mapping[str, JSON]]:
    """The objects of a list in a document; none where it is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def plain(value: JSON) -> str:
    """Any value of a document as text, not yet clean; nothing for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _harmless(character: str) -> str:
    category = unicodedata.category(character)
    if character.isspace():
        return " "
    if category == "Cs":  # half of a character, as JSON's \ud800 gives it: cannot be written anywhere
        return "\N{REPLACEMENT CHARACTER}"
    return "" if category in ("Cc", "Cf") and character not in _JOINERS else character
