"""A document made to fit where a sink limits its size: images go first."""

from __future__ import annotations

from collections.abc import Mapping

from processor.errors import Refused
from processor.model import JSON
from processor.text import json_line


def fitted(event: Mapping[str, JSON], limit: int) -> bytes:
    """The document as JSON of at most `limit` bytes.

    Where it is larger, the lists of images are emptied (`image_count` stays) and the extension attribute `truncated`
    is true. Raises Refused when that is not enough.
    """
    body = json_line(event).encode()
    if len(body) <= limit:
        return body
    body = json_line({**event, "truncated": True, "data": _without_images(event.get("data"))}).encode()
    if len(body) > limit:
        raise Refused(f"the document has {len(body)} bytes without its images; {limit} is the most that is taken")
    return body


def _without_images(value: JSON) -> JSON:
    if isinstance(value, Mapping):
        return {name: [] if name == "images" else _without_images(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_images(inner) for inner in value]
    return value
