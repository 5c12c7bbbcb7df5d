"""A document made to fit where a sink limits its size: images go first."""

from __future__ import annotations

from collections.abc import Mapping

from processor.errors import Refused
from processor.model import JSON
from processor.text import json_line


def fitted(event: Mapping[str, JSON], limit: int) -> bytes:
    """The document as JSON, in ASCII, of at most `limit` bytes.

    Where it is larger, the models' lists of images are emptied (`image_count` stays) and the extension attribute
    `truncated` is true. Raises Refused when that is not enough. The event itself is left as it is.
    """
    body = json_line(event).encode()
    if len(body) <= limit:
        return body
    body = json_line({**event, "truncated": True, "data": _lighter(event.get("data"))}).encode()
    if len(body) > limit:
        raise Refused(f"the document has {len(body)} bytes without its images; {limit} is the most that is taken")
    return body


def _lighter(data: JSON) -> JSON:
    """What happened, with neither the job's models nor the model concerned having images. Any part may be missing."""
    if not isinstance(data, Mapping):
        return data
    lighter, job = dict(data), data.get("job")
    if isinstance(job, Mapping) and isinstance(job.get("models"), list):
        lighter["job"] = {**job, "models": [_bare(model) for model in job["models"]]}
    if "model" in data:
        lighter["model"] = _bare(data["model"])
    return lighter


def _bare(model: JSON) -> JSON:
    return {**model, "images": []} if isinstance(model, Mapping) and isinstance(model.get("images"), list) else model
