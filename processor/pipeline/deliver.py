"""Events to one sink: what this sink may see of them, and the handing over."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from processor.errors import Refused
from processor.model import JSON
from processor.ports import Gathers, Occasion, Sink


def deliver(sink: Sink, bodies: Sequence[str], *, omit: Sequence[str], occasion: Occasion | None = None) -> str | None:
    """Hand stored documents to the sink: one alone, several in one message if `occasion` and the sink allow it.

    Returns the far end's reference, raises what `Sink.deliver` raises. Documents that are gone (older than
    `retention.events`) are left out; when all are, that is Refused.
    """
    events = [without(json.loads(body), omit) for body in bodies if body]
    if not events:
        raise Refused("the event's document is no longer kept (retention.events)")
    if len(events) == 1:
        return sink.deliver(events[0])
    if occasion is None or not isinstance(sink, Gathers):
        raise ValueError("this sink is told one event at a time")  # nobody plans otherwise: a bug
    return sink.deliver_together(events, occasion)


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
