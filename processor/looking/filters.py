"""What of a list is asked for: every part that is given must fit."""

from __future__ import annotations

from dataclasses import dataclass

DELIVERY_STATES = ("pending", "retrying", "delivered", "dead")
NOTIFICATION_STATES = ("pending", "retrying", "done", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """`type` is a glob. `sink` and `outcome` (of DELIVERY_STATES) are about the event's deliveries. Times are epoch
    seconds, from and to before, of when the event was found."""

    source: str | None = None
    job: str | None = None
    type: str | None = None
    sink: str | None = None
    outcome: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """`state` is one of ours; `text` are beginnings of words of name, external id, address or id. Times: of when the
    job came into its state."""

    source: str | None = None
    state: str | None = None
    text: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """`state` is one of DELIVERY_STATES, `type` a glob. Times: of when the delivery came into its state."""

    sink: str | None = None
    state: str | None = None
    event: str | None = None
    source: str | None = None
    job: str | None = None
    type: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFilter:
    """`state` is one of NOTIFICATION_STATES. Times: of when the notification came into its state."""

    source: str | None = None
    job: str | None = None
    state: str | None = None
    since: float | None = None
    until: float | None = None
