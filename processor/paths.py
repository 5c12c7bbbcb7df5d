"""Which dotted paths an event can have, read off the vocabulary."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from processor.model import CostEstimate, Event, EventType, Job, Message, Model

_DATA: dict[str, Any] = {
    "provider": str,
    "source": str,
    "job": Job,
    "model": Model,
    "cost_estimate": CostEstimate,
    "failure": Message,
    "previous_state": str,
    "ops": None,
}


def wrong_step(path: str) -> str | None:
    """What is wrong with a path such as `data.job.models.*.url`, as a sentence; None when an event can have it.

    What a provider names itself (artifacts, the basis of an estimate) can have any key.
    """
    example = Event("", EventType.JOB_CREATED, "", "", "", datetime.fromtimestamp(0, UTC), {})
    at: Any = {name: _DATA if name == "data" else str for name in example.cloudevent()}
    for step in path.split("."):
        if at is None:
            return None
        known = _keys(at)
        if step not in known:
            near = get_close_matches(step, known, n=1)
            return f"no {step!r} there" + (f"; did you mean {near[0]!r}?" if near else "")
        at = known[step]
    return None


def _keys(kind: Any) -> dict[str, Any]:
    """The steps that lead on from a kind of value; what a step leads to is None where anything can follow."""
    if isinstance(kind, dict):
        return kind
    return _fields(kind) if isinstance(kind, type) and dataclasses.is_dataclass(kind) else {}


@cache  # there are a few, and reading their hints takes longer than everything else
def _fields(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: _kind(hints[field.name]) for field in dataclasses.fields(kind)}


def _kind(hint: Any) -> Any:
    """`Address | None` is an Address, a tuple of Models a step `*` to one, and a Mapping can have any keys."""
    inner = [a for a in get_args(hint) if a is not type(None)]
    if get_origin(hint) is tuple:
        return {"*": inner[0]}
    if any(get_origin(h) is Mapping for h in (hint, *inner)):
        return None
    return inner[0] if inner else hint
