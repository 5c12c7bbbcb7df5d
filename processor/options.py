"""What every source and every sink may be told, as marshmallow schemas, and the fields they are made of.

A plugin's `Options` schema subclasses `SourceOptions` or `SinkOptions` and adds its own keys. Unknown keys are faults.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jmespath
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from processor.hours import Daily, Hours
from processor.model import Secret

_CENTURY = 36500 * 86400.0  # seconds; what is longer is a slip, and more than some clock on the way can count
_MOST = 10**9  # things of a rate
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"": 1, "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMgG]?[iI]?[bB]?)")
_RATE = re.compile(r"(\d{1,10})\s*/\s*(\d+(?:\.\d+)?)?\s*(ms|s|m|h|d)")


def seconds(text: str | float) -> float:
    """90, "90", "90s", "15m", "2h", "7d" as seconds. Raises ValueError."""
    match = _DURATION.fullmatch(str(text).strip())
    if not match:
        raise ValueError('must be a duration: seconds as a number, or a text such as "90s", "15m", "2h", "7d"')
    if (found := float(match[1]) * _UNITS[match[2] or "s"]) > _CENTURY:
        raise ValueError("must be at most 36500d")
    return found


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` things in every `seconds`."""

    count: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """ "120/1m", "1/s". Raises ValueError."""
        match = _RATE.fullmatch(text.strip())
        count, length = (int(match[1]), float(match[2] or 1) * _UNITS[match[3]]) if match else (0, 0.0)
        if not (1 <= count <= _MOST and _UNITS["ms"] <= length <= _CENTURY):
            raise ValueError('must be a rate such as "120/1m" or "1/s"')
        return cls(count, length)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long something is tried again: `max_age` seconds, at most `max_attempts` times if that is given."""

    max_age: float
    max_attempts: int | None = None


class Duration(fields.Field[float]):
    """Seconds."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValidationError('must be a duration: a number of seconds or a text such as "15m"')
        try:
            return seconds(value)
        except ValueError as e:
            raise ValidationError(str(e)) from None


class Size(fields.Field[int]):
    """Bytes."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        match = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip())
        factor = _SIZES.get(match[2].upper()) if match else None
        if not match or factor is None or len(match[1]) > 15:  # a size longer than that is infinite to float()
            raise ValidationError('must be a size: bytes as a number, or a text such as "512KiB", "1MiB"')
        return int(float(match[1]) * factor)


class RateField(fields.Field[Rate]):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Rate:
        try:
            return Rate.parse(str(value))
        except ValueError as e:
            raise ValidationError(str(e)) from None


class DailyField(fields.Field[Daily]):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Daily:
        try:
            return Daily.parse(str(value))
        except ValueError as e:
            raise ValidationError(str(e)) from None


class HoursField(fields.Field[Hours]):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Hours:
        try:
            return Hours.parse(str(value))
        except ValueError as e:
            raise ValidationError(str(e)) from None


class SecretField(fields.Field[Secret]):
    """A text that must not be seen. The empty text is a fault: it is what an unset variable looks like."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        if not isinstance(value, str) or not value.strip():
            raise ValidationError("must be a text that is not empty")
        return Secret(value)


class Url(fields.Field[str]):
    """An absolute http(s) address without a trailing slash."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", value):
            raise ValidationError("must be an address that begins with https:// or http://")
        return value.rstrip("/")


class Expression(fields.Field[str]):
    """A JMESPath expression."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        try:
            _check_functions(jmespath.compile(str(value)).parsed)
        except jmespath.exceptions.JMESPathError as e:
            raise ValidationError(f"is not a JMESPath expression: {str(e).split(', for expression')[0]}") from None
        except (RecursionError, ValueError):  # a thousand brackets; an index of a thousand digits
            raise ValidationError("is not a JMESPath expression: it nests too deep, or counts too far") from None
        return str(value)


def _check_functions(node: Any) -> None:
    """Raise ValidationError for a function that there is none of: jmespath would say so at the first event only."""
    if node.get("type") == "function_expression" and node["value"] not in jmespath.functions.Functions.FUNCTION_TABLE:
        known = ", ".join(sorted(jmespath.functions.Functions.FUNCTION_TABLE))
        raise ValidationError(f"uses {node['value']}, which is no function; there are: {known}")
    for child in node.get("children", ()):
        if isinstance(child, Mapping):
            _check_functions(child)


class RetryOptions(Schema):
    class Meta:
        unknown = RAISE

    max_age = Duration()
    max_attempts = fields.Integer(validate=validate.Range(min=1))


class SourceOptions(Schema):
    """The keys of every `[sources.*]`. Providers override `rate_limits` and `reconcile` with their own defaults."""

    class Meta:
        unknown = RAISE

    @classmethod
    def advice(cls, options: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """What `check` warns about in options that can be used: pairs of key and reason."""
        return ()

    secret_from_registration = False  # True: registering the webhook may bring the first secret, so none is no fault

    provider = fields.String(required=True)
    webhook_secrets = fields.List(SecretField(), load_default=list)
    rate_limits = fields.List(RateField(), load_default=list)
    retry = fields.Nested(RetryOptions, load_default=dict)
    reconcile = Duration(load_default=900.0)


class SinkOptions(Schema):
    """The keys of every `[sinks.*]`."""

    class Meta:
        unknown = RAISE

    type = fields.String(required=True)
    events = fields.List(fields.String(), load_default=None, allow_none=True)
    sources = fields.List(fields.String(), load_default=None, allow_none=True)
    where = Expression(load_default=None)
    retry = fields.Nested(RetryOptions, load_default=dict)
    rate = RateField(load_default=None)
    omit = fields.List(fields.String(), load_default=list)


class PeopleOptions(SinkOptions):
    """The keys of every sink that people read; such a sink `Gathers`."""

    group = Duration(load_default=None)
    storm_limit = RateField(load_default=None)
    digest = DailyField(load_default=None)
    quiet_hours = HoursField(load_default=None)
