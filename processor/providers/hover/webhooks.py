"""Turns what Hover says about its webhooks into Subscriptions.

https://developers.hover.to/reference/list-webhooks. Hover has no list of events and no switch: a webhook gets
everything as soon as it is verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import fields

from processor.model import JSON, Secret
from processor.ports import Subscription
from processor.reading import Document, Id, Text, read
from processor.text import clean

VERIFIED, UNVERIFIED = "verified", "not verified"
_LONGEST = 200  # characters of an error that Hover noted


class _Webhook(Document):
    id = Id(required=True)
    url = Text(required=True)
    verified_at = fields.Raw(load_default=None, allow_none=True)
    hmac_secret = Text(load_default=None, allow_none=True)
    last_error = fields.Raw(load_default=None, allow_none=True)


class _Page(Document):
    results = fields.List(fields.Nested(_Webhook), required=True)


_WEBHOOK, _PAGE = _Webhook(), _Page()


def subscription(answer: JSON) -> Subscription:
    """A webhook as the answer to its registration shows it. Raises Unreadable."""
    return _subscription(read(_WEBHOOK, answer))


def subscriptions(answer: JSON) -> list[Subscription]:
    """Those on one page of the list. Raises Unreadable."""
    return [_subscription(webhook) for webhook in read(_PAGE, answer)["results"]]


def _subscription(webhook: Mapping[str, Any]) -> Subscription:
    secret = webhook["hmac_secret"]
    state = VERIFIED if webhook["verified_at"] else UNVERIFIED
    return Subscription(
        id=webhook["id"],
        url=webhook["url"] or "",
        state=state,
        trouble="; ".join(filter(None, ("" if state == VERIFIED else state, _error(webhook["last_error"])))),
        secret=Secret(secret) if secret else None,
    )


def _error(said: JSON) -> str:
    """What our address answered last when it did not take an event, in Hover's words, which are not documented."""
    text = said if isinstance(said, str) else "of a form that is not known"
    return f"last error: {clean(text, _LONGEST)}" if said else ""
