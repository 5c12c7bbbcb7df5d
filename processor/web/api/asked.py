"""What the API is asked: parameters of an address, read into the filters of processor.looking."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, ClassVar, NoReturn

from flask import Request
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema
from webargs.flaskparser import FlaskParser

from processor.errors import Malformed, Usage
from processor.looking import LIMIT, MOST
from processor.looking import cursor as cursors
from processor.looking.filters import (
    DELIVERY_STATES,
    NOTIFICATION_STATES,
    DeliveryFilter,
    EventFilter,
    JobFilter,
    NotificationFilter,
)
from processor.model import EventType, State
from processor.moments import moment
from processor.settings.faults import nearest
from processor.store.index import Place
from processor.text import VALUE, clean

LONGEST = 200  # characters of a parameter: no name, id or search of a person's is longer
LONGEST_CURSOR = 4000

Filter = EventFilter | JobFilter | DeliveryFilter | NotificationFilter


@dataclass(frozen=True, slots=True)
class Listing:
    """A page that is asked for."""

    chosen: Any
    limit: int
    cursor: str | None


class Reading(FlaskParser):
    """webargs, with nothing ignored: what is no parameter, and what is given twice, is a fault."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {"query": RAISE}  # noqa: RUF012  # as it is declared there

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        twice = [name for name, values in req.args.lists() if len(values) > 1]
        if twice:
            raise ValidationError({name: ["is given more than once"] for name in twice})
        return super().load_querystring(req, schema)

    def handle_error(self, error: ValidationError, req: Request, schema: Schema, **kwargs: Any) -> NoReturn:
        raise Malformed(clean("; ".join(_faults(error.messages_dict, schema)), VALUE)) from None


def _faults(messages: Mapping[str, Any], schema: Schema) -> Iterable[str]:
    for name, reasons in messages.get("query", messages).items():
        if reasons == ["Unknown field."]:
            yield f"{clean(name, 50)}: is no parameter here{nearest(name, schema.fields)}"
        else:
            yield f"{clean(name, 50)}: {reasons[0]}"


# --- parameters ------------------------------------------------------------------------------------------------------


def _text(description: str, example: str, format_: str | None = None, **more: Any) -> fields.String:
    longest = more.pop("longest", LONGEST)
    length = validate.Length(1, longest, error=f"must have 1 to {longest} characters")
    return fields.String(validate=length, metadata=_described(description, example, format_), **more)


def _described(description: str, example: str, format_: str | None = None) -> dict[str, Any]:
    """`format_` is a word for what is more than any text."""
    return {"description": description, "examples": [example], **({"format": format_} if format_ else {})}


def _one_of(description: str, words: Iterable[str]) -> fields.String:
    there_are = [str(word) for word in words]
    known = validate.OneOf(there_are, error=f"{{input!r}} is none; there are: {', '.join(there_are)}")
    return fields.String(validate=known, metadata=_described(description, there_are[-1]))


class Count(fields.Integer):
    """How many, in digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", str(value)) or not 1 <= int(value) <= MOST:
            raise ValidationError(f"must be a number from 1 to {MOST}")
        return int(value)


class Glob(fields.String):
    """Types of events, as in `model.*`."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if len(value) > LONGEST or not any(fnmatchcase(kind, value) for kind in EventType):
            raise ValidationError(f"{value[:LONGEST]!r} matches no event type{nearest(value[:LONGEST], EventType)}")
        return str(value)


class Time(fields.String):
    """A moment, as epoch seconds. With `ends`, a date is the end of that day."""

    def __init__(self, *, ends: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._ends = ends

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        try:
            return moment("", value[:LONGEST], datetime.now(UTC), ends=self._ends).timestamp()
        except Usage as e:
            raise ValidationError(e.message.removeprefix(": ")) from None


_CURSOR = cursors.dump(Place(1742169778411.0, "evt_5d0cb1e0a8f14b6cb1d0d2a3", "evs:hover-main|model.failed"))
_TIMES = "An age such as `2h`, a date, or an RFC 3339 time; without a zone it is UTC."


def _source(more: str = "") -> fields.String:
    return _text(f"Of this source.{more}", "hover-main", "source")


def _sink(description: str) -> fields.String:
    return _text(description, "ops", "sink")


def _job() -> fields.String:
    return _text("About the job with this id.", "15084303")


def _types(description: str, example: str) -> Glob:
    return Glob(metadata=_described(description, example, "glob"))


class Nothing(Schema):
    """No parameter at all."""


class Wanted(Schema):
    """The parameters of every list; subclasses say what is filtered by."""

    makes: ClassVar[type[Filter]]

    limit = Count(load_default=LIMIT, metadata={"description": "At most so many.", "minimum": 1, "maximum": MOST})
    cursor = _text("The `next` of the page before.", _CURSOR, "cursor", longest=LONGEST_CURSOR)
    since = Time(metadata=_described(f"From then on. {_TIMES}", "2h", "age-or-time"))
    until = Time(
        ends=True, metadata=_described(f"Before then; a date is that whole day. {_TIMES}", "1h", "age-or-time")
    )

    @validates_schema
    def _in_order(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if "since" in data and "until" in data and data["since"] >= data["until"]:
            raise ValidationError("must lie before until", "since")

    @post_load
    def _listing(self, data: dict[str, Any], **kwargs: Any) -> Listing:
        limit, cursor = data.pop("limit"), data.pop("cursor", None)
        return Listing(self.makes(**data), limit, cursor)


class Events(Wanted):
    makes = EventFilter

    source = _source(" `sources/NAME` and `sinks/NAME` are alarms of ours.")
    job = _job()
    type = _types("Of these types: a glob.", "model.*")
    sink = _sink("That this sink was to be told.")
    outcome = _one_of("With a delivery that stands so.", DELIVERY_STATES)


class Jobs(Wanted):
    makes = JobFilter

    source = _source()
    state = _one_of("In this state.", State)
    text = _text("With words of name, external id, address or id that begin so.", "main st")


class Deliveries(Wanted):
    makes = DeliveryFilter

    sink = _sink("To this sink.")
    state = _one_of("That stand so.", DELIVERY_STATES)
    event = _text("Of the event with this id.", "evt_5d0cb1e0a8f14b6cb1d0d2a3")
    source = _source()
    job = _job()
    type = _types("Of events of these types: a glob.", "*.failed")


class Notifications(Wanted):
    makes = NotificationFilter

    source = _source()
    job = _job()
    state = _one_of("That stand so.", NOTIFICATION_STATES)


class Search(Schema):
    q = _text(
        "A job's id, external id, name or address; the id of an event, a notification or a delivery.",
        "15084303",
        required=True,
        error_messages={"required": "is missing: what is searched for"},
    )
