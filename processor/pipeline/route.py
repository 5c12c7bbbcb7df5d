"""An event and the sinks' rules in, sink names with reasons out. Pure; also answers `why not?`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import jmespath

from processor.model import JSON

OPS = "ops."


@dataclass(frozen=True, slots=True)
class Rule:
    """What one sink wants: globs over types (None = everything but ops.*), sources (None = all), a JMESPath `where`."""

    sink: str
    events: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a sink gets an event, and why (not), in words."""

    sink: str
    wanted: bool
    reason: str
    doubtful: bool = False  # `where` could not be applied to this event


def route(event: Mapping[str, JSON], rules: Sequence[Rule]) -> list[Verdict]:
    """One verdict per rule for a CloudEvents document."""
    return [_judge(event, rule) for rule in rules]


def _judge(event: Mapping[str, JSON], rule: Rule) -> Verdict:
    kind = event["type"]
    if rule.events is None:
        if kind.startswith(OPS):
            return Verdict(rule.sink, False, "alarms go only to sinks whose `events` name them")
    elif not any(fnmatchcase(kind, glob) for glob in rule.events):
        return Verdict(rule.sink, False, f"type {kind} matches none of events = {list(rule.events)}")
    about, name = event["source"].removeprefix("/").split("/", 1)
    if rule.sources is not None and about == "sources" and name not in rule.sources:
        return Verdict(rule.sink, False, f"source {name} is not among sources = {list(rule.sources)}")
    if rule.where is not None:
        return _where(event, rule.sink, rule.where)
    return Verdict(rule.sink, True, "events and sources match")


def _where(event: Mapping[str, JSON], sink: str, where: str) -> Verdict:
    """An expression that cannot be applied to this event delivers: losing an event is worse than one too many."""
    try:
        result: Any = jmespath.search(where, event)
    except Exception as e:  # noqa: BLE001  # its functions raise whatever Python does: TypeError, OverflowError, …
        return Verdict(sink, True, f"where cannot be applied here ({type(e).__name__}), so it does not hold back", True)
    if jmespath_true(result):
        return Verdict(sink, True, "events, sources and where match")
    return Verdict(sink, False, f"where is not true: {where}")


def jmespath_true(value: Any) -> bool:
    """Truth as JMESPath defines it: false, null, and empty strings, lists and objects are false; 0 is true."""
    return not (value is None or value is False or value == "" or value == [] or value == {})
