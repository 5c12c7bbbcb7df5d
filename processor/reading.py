"""Reads JSON from outside tolerantly: missing is null, an empty text is null, nonsense is refused with its path."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from processor.errors import Malformed, Unreadable, UnsupportedType
from processor.model import JSON, Request

_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json")
_DEEPEST = 20  # no document of ours nests deeper; a text of brackets must not exhaust the stack later on


def webhook_object(request: Request) -> dict[str, JSON]:
    """The JSON object that a webhook carries. Raises UnsupportedType and Malformed."""
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if not _JSON_TYPE.fullmatch(media_type):
        raise UnsupportedType("the Content-Type must be application/json")
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if not isinstance(document, dict):
        raise Malformed("the body must be a JSON object")
    return document


class Document(Schema):
    """A JSON object of a provider. Keys that are not named are left alone."""

    class Meta:
        unknown = EXCLUDE


def read(schema: Schema, document: JSON, at: str = "") -> dict[str, Any]:
    """What `schema` makes of `document`. Raises Unreadable with the path of the first thing that is wrong.

    `at` is the path of `document` where it is itself a part.
    """
    try:
        read: dict[str, Any] = schema.load(document)
    except ValidationError as e:
        raise unreadable(*_first_fault(e.messages, at)) from None
    return read


def unreadable(path: str, reason: str) -> Unreadable:
    return Unreadable(f"the document cannot be read: {path}: {reason}" if path else f"the document {reason}")


def _first_fault(messages: Any, at: str) -> tuple[str, str]:
    path = [at] if at else []
    while isinstance(messages, Mapping):
        key, messages = next(iter(messages.items()))
        if key != "_schema":  # marshmallow's name for the object itself
            path.append(str(key))
    reason = str(messages[0] if isinstance(messages, list) else messages)
    return ".".join(path), _REASONS.get(reason, reason)


_REASONS = {  # marshmallow's words -> ours
    "Missing data for required field.": "is missing",
    "Field may not be null.": "must not be null",
    "Invalid input type.": "must be an object",
    "Not a valid list.": "must be a list",
}


class Text(fields.Field[str | None]):
    """A text; the empty one is null."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str | None:
        if not isinstance(value, str):
            raise ValidationError("must be a text")
        return _encodable(value) or None


class Id(fields.Field[str | None]):
    """A number or a text, as text; the empty one is null, and refused where the id is required."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str | None:
        if value == "" and not self.required:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, str)) or value == "":
            raise ValidationError("must be an id: a number or a text that is not empty")
        return _encodable(str(value))


class Moment(fields.Field[datetime | None]):
    """An ISO 8601 time, in UTC afterwards. One without a zone is taken as UTC, in which both providers' samples are."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> datetime | None:
        if value == "":
            return None
        try:
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            raise ValidationError("must be a time as ISO 8601 writes it") from None


class Number(fields.Field[float | None]):
    """A finite number; one written as a text counts, and the empty text is null."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float | None:
        if value == "":
            return None
        try:
            number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise ValidationError("must be a number")
        return number


class Anything(fields.Field[Any]):
    """JSON that is passed on as it came, as long as it can be: finite numbers, no bottomless nesting."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        _check(value, _DEEPEST)
        return value


class Object(Anything):
    """A JSON object that is passed on as it came."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError("must be an object")
        return super()._deserialize(value, attr, data, **kwargs)


def _encodable(text: str) -> str:
    """JSON can spell half a surrogate pair, which no store or sink could encode: a question mark stands in for it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _check(value: JSON, depth: int) -> None:
    if not depth:
        raise ValidationError(f"must not nest deeper than {_DEEPEST} levels")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValidationError("must hold finite numbers only")
    if isinstance(value, str) and value != _encodable(value):
        raise ValidationError("must hold whole characters only")
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
