"""Values and words: the Reading fields, times and rates of a configuration, `where`, and messages to people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from functools import cache
from typing import Any

import jmespath
from fuzzing.mutating import LIMIT, Chance, any_bytes, as_bytes, odd, odd_value, odd_version
from fuzzing.target import Target
from marshmallow import ValidationError, fields

from processor.errors import Unreadable
from processor.http import http_date, retry_after
from processor.model import EventType
from processor.options import DailyField, Duration, Expression, HoursField, RateField, SecretField, Size, Url
from processor.pipeline.deliver import without
from processor.pipeline.gather import Manner, plan
from processor.pipeline.route import Rule, route
from processor.ports import Answer, Occasion
from processor.reading import Anything, Document, Id, Moment, Number, Object, Text, read
from processor.sinks.email.message import compose
from processor.sinks.slack.blocks import message
from processor.store.work import windows
from processor.telling import tell, tell_together
from processor.testing.builders import an_alarm, an_event

# --- reading ---------------------------------------------------------------------------------------------------------


class _Part(Document):
    id = Id(required=True)
    text = Text(load_default=None)


class _Whole(Document):
    id = Id(required=True)
    other = Id(load_default=None)
    text = Text(load_default=None)
    moment = Moment(load_default=None)
    number = Number(load_default=None)
    anything = Anything(load_default=None)
    object = Object(load_default=None)
    part = fields.Nested(_Part, load_default=None)
    parts = fields.List(fields.Nested(_Part), load_default=None)


_WHOLE = _Whole()
_SAMPLE = {
    "id": 7,
    "other": "x",
    "text": "a text",
    "moment": "2025-03-18T00:02:58.411Z",
    "number": "1.5",
    "anything": {"a": [1, {"b": None}]},
    "object": {"a": "b"},
    "part": {"id": "p"},
    "parts": [{"id": 1}, {"id": 2, "text": "t"}],
    "retry-after": "120",
    "date": "Tue, 18 Mar 2025 00:02:58 GMT",
}


def _document(chance: Chance) -> bytes:
    if chance.randrange(40) == 0:
        return any_bytes(chance)
    return as_bytes(chance, odd(chance, json.loads(json.dumps(_SAMPLE))))


def _read(raw: bytes) -> None:
    said = Answer(200, {}, raw).json()
    if isinstance(said, dict):
        for name in ("retry-after", "date", "text", "moment"):
            text = said.get(name)
            if isinstance(text, str):
                http_date(text)
                wait = retry_after({"retry-after": text})
                assert wait is None or 0 <= wait <= 3600
    found = read(_WHOLE, said)
    moment = found.pop("moment")
    assert moment is None or moment.utcoffset() == timedelta(0)
    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()


# --- times, rates, sizes ---------------------------------------------------------------------------------------------

_ZONES = (
    "UTC",
    "Europe/Berlin",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/St_Johns",
    "Asia/Kolkata",
)
_SAID = {
    "daily": ("08:00 {zone}", "23:59 {zone}", "2:30 {zone}"),
    "hours": ("22:00-07:00 {zone}", "0:00–23:59 {zone}", "02:30 - 02:31 {zone}"),
    "duration": ("90s", "15m", "2h", "7d", "0", "1.5h", "250ms"),
    "rate": ("120/1m", "1/s", "7200/1h", "10 / 2.5 s", "5/250ms"),
    "size": ("1MiB", "512KiB", "1000", "2.5 MB"),
    "url": ("https://jobs.example.com/a/", "http://127.0.0.1:8080"),
    "secret": ("s3cret",),
}
_FIELDS: dict[str, fields.Field[Any]] = {
    "daily": DailyField(),
    "hours": HoursField(),
    "duration": Duration(),
    "rate": RateField(),
    "size": Size(),
    "url": Url(),
    "secret": SecretField(),
}


@dataclass
class Said:
    kind: str
    value: Any
    now: datetime


def _said(chance: Chance) -> Said:
    kind = chance.choice(list(_SAID))
    value: Any = chance.choice(_SAID[kind]).format(zone=chance.choice(_ZONES))
    if chance.randrange(4):
        value = odd_version(chance, value)
    elif chance.randrange(2):
        value = odd_value(chance)
    now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        seconds=chance.randrange(2**33), microseconds=chance.randrange(10**6)
    )
    return Said(kind, value, now)


def _mean(said: Said) -> None:
    meant = _FIELDS[said.kind].deserialize(said.value)
    if said.kind in ("daily", "hours"):
        manner = Manner(digest=meant) if said.kind == "daily" else Manner(quiet_hours=meant)
        due = plan(manner, said.now)
        assert 0 <= due.delay < 3 * 86400
    elif said.kind == "rate":
        json.dumps(windows([(meant.count, meant.seconds)]), allow_nan=False)
    elif said.kind == "duration":
        timedelta(seconds=meant)
        int(meant * 1000)


# --- where -----------------------------------------------------------------------------------------------------------

_WHERE = (
    "data.job.state == 'failed'",
    "data.job.customer.email != null && contains(data.job.name, 'House')",
    "length(data.job.models[?state=='failed'].id) > `1`",
    "data.cost_estimate.amount > `1000`",
    "sort_by(data.job.models, &updated_at)[0].name",
    "max(data.job.models[*].image_count) || data.model.image_count",
    "starts_with(data.job.id, '15') && !ends_with(type, 'ed')",
    "to_number(data.job.id) >= to_number('7')",
    'data.job.models[*].artifacts | [0]."measurements.pdf"',
    "join(', ', keys(data)) && values(data.job)",
    "ceil(to_number(data.job.name)) == floor(data.job.progress)",
    "map(&id, data.job.models)[::-1]",
    "merge(data.job, data.model).name",
    "not_null(data.ops.detail, data.job.name)",
)
_FUNCTIONS = sorted(jmespath.functions.Functions.FUNCTION_TABLE)
_LEAVES = ("data", "type", "data.job", "data.job.name", "data.job.models", "data.job.models[*].state", "@", "null", "*")
_LITERALS = ("`1`", "`0.5`", "'x'", '`"é"`', "`null`", "`[]`", "`{}`", "`true`", "'inf'", "'nan'", "`1e999`", "''")
_OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "&&", "||", "|", ".")


def _expression(chance: Chance, depth: int) -> str:
    way = chance.randrange(8) if depth else chance.randrange(2)
    if way == 0:
        return chance.choice(_LEAVES)
    if way == 1:
        return chance.choice(_LITERALS)
    inner = [_expression(chance, depth - 1) for _ in range(chance.choice((1, 2, 2, 3)))]
    if way < 5:
        reference = "&" if chance.randrange(4) == 0 else ""
        return f"{chance.choice(_FUNCTIONS)}({f', {reference}'.join(inner)})"
    if way == 5:
        return f"{inner[0]} {chance.choice(_OPERATORS)} {inner[-1]}"
    if way == 6:
        return (
            f"{inner[0]}[{chance.choice(('0', '-1', '*', '::2', '::0', '?@', '9' * 25, ']', '1:', f'?{inner[-1]}'))}]"
        )
    return chance.choice(
        (f"!{inner[0]}", f"({inner[0]})", f"[{', '.join(inner)}]", f"{{a: {inner[0]}}}", f"{inner[0]}[]")
    )


@dataclass
class Filtered:
    where: Any
    event: dict[str, Any]


def _filtered(chance: Chance) -> Filtered:
    where: Any = chance.choice(_WHERE) if chance.randrange(2) else _expression(chance, 3)
    if chance.randrange(4) == 0:
        where = odd_version(chance, where)
    elif chance.randrange(200) == 0:
        where = chance.choice((where * 300, "(" * 5000, "a" + "[0]" * 3000, "!" * 3000 + "a", odd_value(chance)))
    if isinstance(where, str):  # no file holds half a character
        where = where.encode(errors="replace").decode()
    return Filtered(where, _event(chance))


def _event(chance: Chance) -> dict[str, Any]:
    """One with odd data; the envelope is ours."""
    kind = chance.choice(list(EventType))
    event = _fresh(kind)
    event["data"] = odd(chance, event["data"])
    return event


def _fresh(kind: EventType) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(_as_text(kind))
    return event


@cache
def _as_text(kind: EventType) -> str:
    return json.dumps(an_alarm(kind, count=3, detail="d") if kind.startswith("ops.") else an_event(kind))


def _route(it: Filtered) -> None:
    where = _EXPRESSION.deserialize(it.where)
    [verdict] = route(it.event, [Rule("s", events=("*",), where=where)])
    verdict.reason.encode()


_EXPRESSION = Expression()


# --- messages --------------------------------------------------------------------------------------------------------

_OMIT = ("data.job.customer", "data.job.models.*.url", "data.model", "data.job.models.*", "data.job.address.city")
_ME = Address("Ops", "ops", "example.com")


@dataclass
class Told:
    events: list[Any]
    occasion: Occasion
    omit: tuple[str, ...]


def _told(chance: Chance) -> Told:
    events = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        event = _event(chance)
        if chance.randrange(3) == 0:
            event = odd(chance, event)
        events.append(event if isinstance(event, dict) else {"id": event})
    return Told(events, chance.choice(list(Occasion)), tuple(chance.sample(_OMIT, chance.choice((0, 0, 1, 2)))))


def _tell(told: Told) -> None:
    """In words, as Slack's blocks, as a mail: everything can be written."""
    seen = [without(event, told.omit) for event in told.events]
    telling = tell(seen[0]) if len(seen) == 1 else tell_together(seen, told.occasion)
    json.dumps(message(telling), ensure_ascii=False).encode()
    compose(telling, sink="s", sender=_ME, recipients=[_ME], now=datetime(2025, 3, 18, tzinfo=UTC))


TARGETS = (
    Target("reading", _document, _read, (Unreadable,)),
    Target("times, rates, sizes", _said, _mean, (ValidationError,), longest=10 * LIMIT),
    Target("where", _filtered, _route, (ValidationError,), longest=10 * LIMIT),  # a person's own words
    Target("messages", _told, _tell),
)
