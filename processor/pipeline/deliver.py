"""One event to one sink: what this sink may see of it, and the handing over."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from processor.errors import Refused
from processor.model import JSON
from processor.ports import Sink


def deliver(sink: Sink, body: str, *, omit: Sequence[str]) -> str | None:
    """Hand the stored document `body` to the sink. Returns the far end's reference, raises what `Sink.deliver` raises.

    An event whose document is gone (older than `retention.events`) is Refused.
    """
    if not body:
        raise Refused("the event's document is no longer kept (retention.events)")
    return sink.deliver(without(json.loads(body), omit))


def without(event: Mapping[str, JSON], omit: Sequence[str]) -> Mapping[str, JSON]:
    """The event with the dotted paths replaced by null; `*` in a path stands for every element of a list.

    A path that this event does not have changes nothing: keys are never added.
    """
    if not omit:
        return event
    event = copy.deepcopy(dict(event))
    for path in omit:
        _blank(event, path.split("."))
    return event


def _blank(value: Any, path: Sequence[str]) -> None:
    head, rest = path[0], path[1:]
    if isinstance(value, list):
        if head == "*":
            for i, element in enumerate(value):
                if rest:
                    _blank(element, rest)
                else:
                    value[i] = None
        return
    if not isinstance(value, dict) or head not in value:
        return
    if rest:
        _blank(value[head], rest)
    else:
        value[head] = None
