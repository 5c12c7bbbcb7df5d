"""What a list is asked for, as it stands in an address: read into a filter, or answered with what would be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from processor.errors import Usage
from processor.looking import DeliveryFilter, EventFilter, JobFilter, NotificationFilter
from processor.looking.filters import DELIVERY_STATES, NOTIFICATION_STATES
from processor.model import EventType, State
from processor.moments import moment
from processor.settings import Settings
from processor.text import NAME, clean

LONGEST = 300  # characters of a value

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form above a list. `choices` are what can be asked for; with `typed` they are only proposed.
    `value` is what was asked for, `fault` a sentence about what is wrong with it; both may be empty."""

    name: str
    label: str
    choices: tuple[str, ...] = ()
    typed: bool = False
    hint: str = ""
    value: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Asked(Generic[F]):
    """A form as it was filled in. `chosen` is None when something of it is wrong."""

    fields: tuple[Field, ...]
    chosen: F | None

    @property
    def given(self) -> dict[str, str]:
        """What was asked for, by the names of the fields."""
        return {one.name: one.value for one in self.fields if one.value}

    @property
    def faults(self) -> tuple[str, ...]:
        """Sentences."""
        return tuple(one.fault for one in self.fields if one.fault)

    def found_nothing(self) -> Asked[F]:
        """The same after nothing was found: then a source or a sink that is not configured is a slip of the pen. What
        is configured no longer is found as long as something of it is kept."""
        judged = tuple(
            replace(one, fault=_must_be_one_of(one)) if one.name in _NAMES and _is_unknown(one) else one
            for one in self.fields
        )
        return Asked(judged, None if any(one.fault for one in judged) else self.chosen)


@dataclass(frozen=True)
class Asking:
    """Reads addresses by what is configured."""

    settings: Settings
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def jobs(self, given: Mapping[str, str]) -> Asked[JobFilter]:
        text = Field("text", "Name, address or id", hint="beginnings of words")
        state = Field("state", "State", tuple(str(state) for state in State))
        return self._read(given, JobFilter, [text, state, self._source(), *_TIMES])

    def events(self, given: Mapping[str, str]) -> Asked[EventFilter]:
        outcome = Field("outcome", "Delivery", DELIVERY_STATES)
        return self._read(given, EventFilter, [_TYPE, self._source(), self._sink(), outcome, _JOB, *_TIMES])

    def deliveries(self, given: Mapping[str, str]) -> Asked[DeliveryFilter]:
        state, event = Field("state", "State", DELIVERY_STATES), Field("event", "Event id")
        return self._read(given, DeliveryFilter, [state, self._sink(), _TYPE, self._source(), _JOB, event, *_TIMES])

    def notifications(self, given: Mapping[str, str]) -> Asked[NotificationFilter]:
        state = Field("state", "State", NOTIFICATION_STATES)
        return self._read(given, NotificationFilter, [state, self._source(), _JOB, *_TIMES])

    def dead(self, given: Mapping[str, str]) -> Asked[DeliveryFilter]:
        return self._read(given, DeliveryFilter, [self._sink(), _TYPE, self._source(), _JOB, *_TIMES], state="dead")

    def _source(self) -> Field:
        return Field("source", "Source", tuple(self.settings.sources))

    def _sink(self) -> Field:
        return Field("sink", "Sink", tuple(self.settings.sinks))

    def _read(
        self, given: Mapping[str, str], make: Callable[..., F], fields: Sequence[Field], **fixed: str
    ) -> Asked[F]:
        now, filled, values = self.clock(), [], dict[str, Any](fixed)
        for one in fields:
            value = given.get(one.name, "").strip()
            meant, fault = _judge(one, value, now) if value else (None, "")
            values[one.name] = meant
            filled.append(replace(one, value=clean(value, LONGEST), fault=fault))
        if values["since"] is not None and values["until"] is not None and values["since"] >= values["until"]:
            filled = [replace(one, fault=_ORDER) if one.name == "since" else one for one in filled]
        return Asked(tuple(filled), None if any(one.fault for one in filled) else make(**values))


_NAMES = ("source", "sink")
_TYPE = Field("type", "Type", tuple(str(kind) for kind in EventType), typed=True, hint="job.*")
_JOB = Field("job", "Job id")
_AGES = ("1h", "24h", "7d")
_TIMES = (
    Field("since", "Since", _AGES, typed=True, hint="24h or 2025-03-01"),
    Field("until", "Until", _AGES, typed=True, hint="now"),
)
_ORDER = "Since must lie before Until."
_A_TIME = "must be a time such as 2h (ago), 2025-03-01 or 2025-03-01T12:00Z."


def _judge(one: Field, value: str, now: datetime) -> tuple[Any, str]:
    """What is meant by a value, and what is wrong with it."""
    asked = replace(one, value=value)
    if len(value) > LONGEST:
        return None, f"{one.label}: at most {LONGEST} characters."
    if one in _TIMES:
        try:
            return moment(one.label, value, now, ends=one.name == "until").timestamp(), ""
        except (Usage, OverflowError):
            return None, f"{_said(asked)}: {_A_TIME}"
    if one is _TYPE and not any(fnmatchcase(kind, value) for kind in one.choices):
        return None, f"{_said(asked)}: there is no such type. There are {', '.join(one.choices)}."
    if not one.typed and one.name not in _NAMES and _is_unknown(asked):
        return None, _must_be_one_of(asked)
    return value, ""


def _is_unknown(one: Field) -> bool:
    alarms = one.name == "source" and one.value.startswith(("sources/", "sinks/"))  # the place of an alarm of ours
    return bool(one.value) and not alarms and one.value not in one.choices and (bool(one.choices) or one.name in _NAMES)


def _must_be_one_of(one: Field) -> str:
    return f"{_said(one)}: must be one of {', '.join(one.choices)}." if one.choices else f"{_said(one)}: there is none."


def _said(one: Field) -> str:
    return f"{one.label} “{clean(one.value, NAME)}”"
