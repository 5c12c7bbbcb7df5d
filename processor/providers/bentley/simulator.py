"""Bentley's side of the wire, for the demo, the tests and `jobwire simulate`: tokens, jobs, registrations, webhooks.

It does what Bentley documents, but for one thing: it sends webhooks to plain http addresses too, since it is for use on
one machine.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import flask

from processor.errors import Usage
from processor.model import JSON
from processor.providers.bentley.families import FAMILIES, Family, family
from processor.providers.bentley.signature import HEADER, sign
from processor.simulation import Stage, Webhook, load_sample

RATES = ((500, 60.0), (5000, 3600.0))  # https://developer.bentley.com/apis/overview/rate-limits, the smallest plans
LIFETIME = 3600.0  # of an access token, in seconds
_NO_MESSAGES: JSON = {"errors": [], "warnings": []}


@dataclass
class Registration:
    """A webhook of theirs; nothing is sent to it until it is active."""

    url: str
    secret: str
    events: list[str]
    active: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def shown(self) -> dict[str, JSON]:
        return {
            "id": self.id,
            "scope": "Account",
            "scopeId": "5c9d64cf-d22f-4149-ad08-c24ff395c3a0",
            "active": self.active,
            "callbackUrl": self.url,
            "eventTypes": self.events,
        }


class BentleySimulator:
    """A simulation.Simulator of all six job APIs."""

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        lifetime: float = LIFETIME,
        rates: Sequence[tuple[int, float]] = RATES,
        latency: float = 0.0,
    ) -> None:
        self.client = (client_id, client_secret)
        self.lifetime = lifetime
        self.registrations: list[Registration] = []
        self.stage = Stage(rates, latency)
        self._jobs: dict[str, tuple[Family, JSON]] = {}
        self._access: dict[str, float] = {}  # token -> when it ends
        self._lock = threading.Lock()
        self.app = self._application()

    # --- for those who drive it

    def sample(self, name: str) -> JSON:
        return load_sample(files("processor.providers.bentley") / "samples", name)

    def job(self, job_id: str) -> JSON:
        if job_id not in self._jobs:
            raise Usage(f"the simulated Bentley has no job {job_id}")
        return self._jobs[job_id][1]

    def put_job(self, document: JSON, **how: Any) -> str:
        """`api` is one of the six; a job that is there keeps its own. A v2 document may have `messages` as well."""
        job_id = str(document["job"]["id"])
        row = self._jobs[job_id][0] if job_id in self._jobs else FAMILIES[0]
        self._jobs[job_id] = (family(how["api"]) if "api" in how else row, document)
        return job_id

    def connect(self, url: str, secret: str) -> None:
        """Add a registration for all reality events that was activated before."""
        self.registrations.append(Registration(url, secret, [row.event for row in FAMILIES], active=True))

    def webhooks(self, job_id: str, **what: Any) -> list[Webhook]:
        """`eventType` and more keys as they shall be sent; by default the end of the job's own API."""
        row, document = self._jobs.get(job_id, (FAMILIES[0], {"job": {}}))
        now = datetime.now(UTC)
        body = {
            "content": {"jobId": job_id},
            "eventType": row.event,
            # as in all their examples
            "enqueuedDateTime": f"{now.month}/{now.day}/{now.year} {now.hour % 12 or 12}:{now:%M:%S %p}",
            "iTwinId": document["job"].get("iTwinId"),
            "messageId": str(uuid.uuid4()),
            **what,
        }
        live = [r for r in self.registrations if r.active and body["eventType"] in r.events]
        return [_webhook(registration, {**body, "webhookId": registration.id}) for registration in live]

    def expire_tokens(self) -> None:
        """Let every access token end now."""
        self._access.clear()

    # --- inside

    def _application(self) -> flask.Flask:
        app = flask.Flask("bentley")
        app.url_map.strict_slashes = False
        self.stage.attach(app)
        routes = (
            ("token", "POST", "/connect/token", self._token),
            ("job", "GET", "/<api>/jobs/<job_id>", self._guarded(self._show_job)),
            ("messages", "GET", "/<api>/jobs/<job_id>/messages", self._guarded(self._show_messages)),
            ("webhooks", "GET", "/webhooks/", self._guarded(self._list_webhooks)),
            ("register", "POST", "/webhooks/", self._guarded(self._create_webhook)),
            ("update", "PATCH", "/webhooks/<webhook_id>", self._guarded(self._update_webhook)),
            ("delete", "DELETE", "/webhooks/<webhook_id>", self._guarded(self._delete_webhook)),
        )
        for endpoint, method, path, view in routes:
            app.add_url_rule(path, endpoint, view, methods=[method])
        return app

    def _token(self) -> flask.typing.ResponseReturnValue:
        asked = flask.request.form
        if asked.get("grant_type") != "client_credentials" or asked.get("scope") != "itwin-platform":
            return {"error": "invalid_request"}, 400
        if (asked.get("client_id"), asked.get("client_secret")) != self.client:
            return {"error": "invalid_client"}, 400
        access = secrets.token_urlsafe(24)
        self._access[access] = time.time() + self.lifetime
        return {"access_token": access, "expires_in": int(self.lifetime), "token_type": "Bearer"}

    def _guarded(self, view: Any) -> Any:
        """`view`, for those with a token that is good and within the limits."""

        def guarded(**parts: str) -> flask.typing.ResponseReturnValue:
            scheme, _, access = flask.request.headers.get("Authorization", "").partition(" ")
            if not scheme:
                said = "Header Authorization was not found in the request. Access denied."
                return _error(401, "HeaderNotFound", said)
            if scheme.lower() != "bearer" or self._access.get(access, 0.0) <= time.time():
                return _error(401, "Unauthorized", "The access token is not valid.")
            if wait := self.stage.retry_after():
                said = "More requests were received than the subscription rate-limit allows."
                return (*_error(429, "TooManyRequests", said), {"Retry-After": str(wait)})
            answer: flask.typing.ResponseReturnValue = view(**parts)
            return answer

        return guarded

    def _find(self, api: str, job_id: str) -> JSON | None:
        row, document = self._jobs.get(job_id, (None, None))
        return document if row and row.api == api else None

    def _show_job(self, api: str, job_id: str) -> flask.typing.ResponseReturnValue:
        document = self._find(api, job_id)
        return {"job": document["job"]} if document else _error(404, "JobNotFound", "Requested job is not available.")

    def _show_messages(self, api: str, job_id: str) -> flask.typing.ResponseReturnValue:
        document = self._find(api, job_id)
        if not document or not family(api).separate_messages:
            return _error(404, "JobNotFound", "Requested job is not available.")
        return {"messages": document.get("messages", _NO_MESSAGES)}

    def _list_webhooks(self) -> flask.typing.ResponseReturnValue:
        return {"webhooks": [registration.shown() for registration in self.registrations]}

    def _create_webhook(self) -> flask.typing.ResponseReturnValue:
        """The answer is flat, and the only one that has the secret."""
        body = flask.request.get_json(silent=True)
        if not isinstance(body, dict) or not isinstance(body.get("callbackUrl"), str):
            return _error(422, "InvalidWebhooksRequest", "callbackUrl is missing.")
        secret = body.get("secret") or secrets.token_hex(32)
        if len(secret) < 32:
            return _error(422, "InvalidWebhooksRequest", "The secret must have 32 characters or more.")
        registration = Registration(body["callbackUrl"], secret, list(body.get("eventTypes", [])))
        self.registrations.append(registration)
        return {**registration.shown(), "secret": secret}, 201

    def _update_webhook(self, webhook_id: str) -> flask.typing.ResponseReturnValue:
        changes = flask.request.get_json(silent=True) or {}
        for registration in self.registrations:
            if registration.id == webhook_id:
                registration.active = bool(changes.get("active", registration.active))
                registration.events = list(changes.get("eventTypes", registration.events))
                return registration.shown()
        return _error(404, "WebhookNotFound", "Requested webhook is not available.")

    def _delete_webhook(self, webhook_id: str) -> flask.typing.ResponseReturnValue:
        with self._lock:
            kept = [registration for registration in self.registrations if registration.id != webhook_id]
            found, self.registrations = len(kept) < len(self.registrations), kept
        return ("", 204) if found else _error(404, "WebhookNotFound", "Requested webhook is not available.")


def _webhook(registration: Registration, body: JSON) -> Webhook:
    raw = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", HEADER: sign(registration.secret.encode(), raw)}
    return Webhook(registration.url, headers, raw)


def _error(status: int, code: str, message: str) -> tuple[JSON, int]:
    return {"error": {"code": code, "message": message}}, status
