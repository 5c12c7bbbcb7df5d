"""Where a page ended, as a text that the next page is asked with."""

from __future__ import annotations

import base64
import binascii
import math

from processor.errors import Malformed
from processor.store.index import Place


def dump(place: Place) -> str:
    """A place as text that survives in an address."""
    text = f"{place.score!r} {place.name} {place.member}".encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def load(text: str | None) -> Place | None:
    """The place, None for no text. Raises Malformed for what `dump` did not write."""
    if not text:
        return None
    try:
        told = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        score, name, member = told.split(" ", 2)
        place = Place(float(score), member, name)
    except (binascii.Error, ValueError):
        place = None
    if place is None or not math.isfinite(place.score):
        raise Malformed("cursor: this is not the `next` of a page")
    return place
