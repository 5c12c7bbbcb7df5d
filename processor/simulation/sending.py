"""Sends a simulated provider's webhooks, as often as it takes within reason."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests

_PATIENCE = 5.0  # seconds for the receiver's answer, as Bentley's samples say
_ATTEMPTS = 4  # of one webhook; how often and how far apart either provider tries is not documented
_PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class Webhook:
    """One signed request to a receiver."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one: the last status (None: no answer at all) and how many attempts it took."""

    status: int | None
    attempts: int


def send(webhook: Webhook) -> Sent:
    """Post `webhook`, a few times if the receiver does not take it."""
    status = None
    with requests.Session() as session:
        session.trust_env = False
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with session.post(
                    webhook.url, webhook.body, headers=webhook.headers, timeout=_PATIENCE, allow_redirects=False
                ) as answer:
                    status = answer.status_code
            except requests.RequestException:
                status = None
            if status is not None and 200 <= status < 300:
                break
            if attempt < _ATTEMPTS:
                time.sleep(_PAUSE * attempt)
    return Sent(status, attempt)
