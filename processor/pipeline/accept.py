"""One webhook request decided: is it a handshake, is it genuine, what does it announce, was it there before?"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Protocol, cast

from processor import tracing
from processor.model import Handshake, Ignored, Notification, Request
from processor.ports import Greets, Provider

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Taken:
    """What the inbox holds now: `id` of the notification, and whether it is `new` or the same was there before."""

    id: str
    new: bool


class Inbox(Protocol):
    """Where notifications are stored. What it returned is kept; it raises Unavailable when it cannot keep it."""

    def put(self, notification: Notification) -> Taken:
        """Store the notification and arm its lane, in one step. A dead one with the same key is revived, not new."""
        ...

    def awaits_code(self, source: str) -> bool:
        """Whether a registration that we started for this source waits for its verification code."""
        ...

    def met(self, source: str, strange: str) -> None:
        """Count something that the provider's documentation does not tell of. Never raises."""
        ...

    def put_handshake(self, handshake: Handshake) -> Taken:
        """Store a code that a worker shall send back."""
        ...

    def ignored(self, source: str, *, genuine: bool) -> None:
        """Count a request that asks for nothing. Never raises."""
        ...

    def rejected(self, source: str, reason: str) -> None:
        """Count a request that was turned away; `source` is as the request named it. Never raises."""
        ...


class Status(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a genuine request: an `id` when it is kept, a `reason` when it is ignored."""

    status: Status
    id: str | None = None
    reason: str | None = None


def accept(provider: Provider, request: Request, inbox: Inbox) -> Outcome:
    """Decide one request; once this returns an id, the notification is stored.

    Raises Unverified, Malformed and UnsupportedType for the sender, Unavailable when the inbox cannot take it.
    """
    announced: Handshake | Notification | Ignored | None = None
    if _greets(type(provider)):
        announced = cast(Greets, provider).handshake(request)
    genuine = announced is None
    if announced is None:
        provider.verify(request)
        announced = provider.parse(request)
    match announced:
        case Ignored():
            if announced.strange:
                inbox.met(provider.source, announced.strange)
            return _ignored(provider.source, announced.reason, inbox, genuine=genuine)
        case Handshake():
            return _greet(announced, inbox)
        case Notification():
            trace = tracing.parse(request.headers.get(tracing.HEADER))
            return _kept(inbox.put(replace(announced, trace=trace) if trace else announced))


@cache  # on Python 3.11 asking an object for a protocol costs more than its signature
def _greets(kind: type[Provider]) -> bool:
    return issubclass(kind, Greets)


def _greet(handshake: Handshake, inbox: Inbox) -> Outcome:
    """A code is unsigned, so anybody can send one: it counts only while we wait for it, and only in its known form."""
    if not _UUID.fullmatch(handshake.code):
        return _ignored(handshake.source, "the verification code is not a UUID", inbox, genuine=False)
    if not inbox.awaits_code(handshake.source):
        return _ignored(handshake.source, "no registration waits for a verification code", inbox, genuine=False)
    return _kept(inbox.put_handshake(handshake))


def _ignored(source: str, reason: str, inbox: Inbox, *, genuine: bool) -> Outcome:
    inbox.ignored(source, genuine=genuine)
    return Outcome(Status.IGNORED, reason=reason)


def _kept(taken: Taken) -> Outcome:
    return Outcome(Status.ACCEPTED if taken.new else Status.DUPLICATE, id=taken.id)
