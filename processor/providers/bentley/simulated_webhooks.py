"""The simulator's webhooks: registered, activated, listed and removed as Bentley documents it.

https://developer.bentley.com/apis/webhooks-v2/operations
"""

from __future__ import annotations

import secrets
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

import flask

from processor.model import JSON

_ACCOUNT = "5c9d64cf-d22f-4149-ad08-c24ff395c3a0"


@dataclass
class Registration:
    """A webhook of theirs; nothing is sent to it until it is active."""

    url: str
    secret: str
    events: list[str]
    active: bool = False
    scope: str = "Account"
    scope_id: str = _ACCOUNT
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: str = field(default_factory=lambda: _now())
    modified: str = field(default_factory=lambda: _now())

    def shown(self) -> dict[str, JSON]:
        """Never with the secret."""
        return {
            "id": self.id,
            "scope": self.scope,
            "scopeId": self.scope_id,
            "active": self.active,
            "callbackUrl": self.url,
            "eventTypes": self.events,
        }

    def listed(self) -> dict[str, JSON]:
        return {**self.shown(), "created": self.created, "modified": self.modified}


class Webhooks:
    """`unheard_of` are the event types that no webhook may be registered for."""

    def __init__(self) -> None:
        self.registrations: list[Registration] = []
        self.unheard_of: set[str] = set()
        self._lock = threading.Lock()

    def show_all(self) -> flask.typing.ResponseReturnValue:
        return {"webhooks": [registration.listed() for registration in self.registrations]}

    def show(self, webhook_id: str) -> flask.typing.ResponseReturnValue:
        registration = self._one(webhook_id)
        return registration.listed() if registration else _no_webhook()

    def create(self) -> flask.typing.ResponseReturnValue:
        """The answer is flat, and the only one that has the secret."""
        body = flask.request.get_json(silent=True)
        if not isinstance(body, dict) or not isinstance(body.get("callbackUrl"), str):
            return _unwanted("callbackUrl is missing.")
        scope = body.get("scope")
        if scope != "Account" and not (scope == "iTwin" and isinstance(body.get("scopeId"), str)):
            return _unwanted("scope must be Account, or iTwin with a scopeId.")
        secret = body.get("secret") or secrets.token_hex(32)
        if len(secret) < 32:
            return _unwanted("The secret must have 32 characters or more.")
        events = list(body.get("eventTypes", []))
        if self.unheard_of.intersection(events):
            return _unwanted("eventTypes has one that does not exist.")
        registration = Registration(body["callbackUrl"], secret, events, scope=scope)
        registration.scope_id = body["scopeId"] if scope == "iTwin" else _ACCOUNT
        self.registrations.append(registration)
        return {**registration.shown(), "secret": secret}, 201

    def update(self, webhook_id: str) -> flask.typing.ResponseReturnValue:
        changes = flask.request.get_json(silent=True) or {}
        registration = self._one(webhook_id)
        if registration is None:
            return _no_webhook()
        registration.active = bool(changes.get("active", registration.active))
        registration.events = list(changes.get("eventTypes", registration.events))
        registration.modified = _now()
        return registration.listed()

    def _one(self, webhook_id: str) -> Registration | None:
        return next((one for one in list(self.registrations) if one.id == webhook_id), None)

    def delete(self, webhook_id: str) -> flask.typing.ResponseReturnValue:
        with self._lock:
            kept = [registration for registration in self.registrations if registration.id != webhook_id]
            found, self.registrations = len(kept) < len(self.registrations), kept
        return ("", 204) if found else _no_webhook()


def error(status: int, code: str, message: str) -> tuple[JSON, int]:
    """Their form of a refusal."""
    return {"error": {"code": code, "message": message}}, status


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _no_webhook() -> tuple[JSON, int]:
    return error(404, "WebhookNotFound", "Requested webhook is not available.")


def _unwanted(message: str) -> tuple[JSON, int]:
    return error(422, "InvalidWebhooksRequest", message)
