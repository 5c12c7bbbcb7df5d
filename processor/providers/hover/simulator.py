"""Hover's side of the wire, for the demo, the tests and `jobwire simulate`: tokens, jobs, registrations, webhooks.

It does what Hover documents, and what integrators report where that is silent; README.md here says which is which.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import flask

from processor.errors import Usage
from processor.model import JSON
from processor.providers.hover.notices import VERIFICATION
from processor.providers.hover.signature import HEADER, content_md5, sign
from processor.simulation import Stage, Webhook, load_sample, send

RATES = ((120, 60.0), (7200, 3600.0))  # https://developers.hover.to/docs/api-usage-and-limits
LIFETIME = 7200.0  # of an access token, in seconds
_TYPE = "application/json"


@dataclass
class Registration:
    """A webhook of theirs; nothing is sent to it until it is verified."""

    id: int
    url: str
    secret: str
    code: str
    created_at: str
    verified_at: str | None = None

    def shown(self) -> JSON:
        return {
            "id": self.id,
            "owner_type": "Org",
            "owner_id": 463605,
            "url": self.url,
            "created_at": self.created_at,
            "updated_at": self.verified_at or self.created_at,
            "verified_at": self.verified_at,
            "hmac_secret": self.secret,
            "last_error": None,
            "content_type": "json",
        }


class HoverSimulator:
    """A simulation.Simulator. `refresh_token` is the one that is good now: every exchange replaces it."""

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        lifetime: float = LIFETIME,
        rates: Sequence[tuple[int, float]] = RATES,
        latency: float = 0.0,
    ) -> None:
        self.client = (client_id, client_secret)
        self.refresh_token = refresh_token
        self.lifetime = lifetime
        self.registrations: list[Registration] = []
        self.stage = Stage(rates, latency)
        self._jobs: dict[str, JSON] = {}
        self._access: dict[str, float] = {}  # token -> when it ends
        self._last_id = 12342
        self._lock = threading.Lock()
        self.app = self._application()

    # --- for those who drive it

    def sample(self, name: str) -> JSON:
        return load_sample(files("processor.providers.hover") / "samples", name)

    def job(self, job_id: str) -> JSON:
        if job_id not in self._jobs:
            raise Usage(f"the simulated Hover has no job {job_id}")
        return self._jobs[job_id]

    def put_job(self, document: JSON, **how: Any) -> str:
        self._jobs[str(document["id"])] = document
        return str(document["id"])

    def connect(self, url: str, secret: str) -> None:
        """Add a registration that was verified before."""
        self._register(url, secret).verified_at = _now()

    def webhooks(self, job_id: str, **what: Any) -> list[Webhook]:
        """`event`, `state` and more keys as they shall be sent; by default the job's state as it stands."""
        state = self._jobs.get(job_id, {}).get("reconstruction_state")
        keys = {"event": "job-state-changed-v2", "job_id": int(job_id), "state": state, **what}
        return [self._webhook(r, {**keys, "webhook_id": r.id}) for r in self.registrations if r.verified_at]

    def expire_tokens(self) -> None:
        """Let every access token end now."""
        self._access.clear()

    # --- inside

    def _webhook(self, registration: Registration, body: JSON, *, signed: bool = True) -> Webhook:
        raw, date = json.dumps(body).encode(), formatdate(usegmt=True)
        headers = {"Content-Type": _TYPE, "Date": date}
        if signed:
            headers["Content-MD5"] = content_md5(raw)
            headers[HEADER] = sign(
                registration.secret.encode(),
                webhook_id=str(registration.id),
                content_type=_TYPE,
                body=raw,
                path=urlsplit(registration.url).path,
                date=date,
            )
        return Webhook(registration.url, headers, raw)

    def _register(self, url: str, secret: str) -> Registration:
        with self._lock:
            self._last_id += 1
            registration = Registration(self._last_id, url, secret, str(uuid.uuid4()), _now())
            self.registrations.append(registration)
        return registration

    def _send_code(self, registration: Registration) -> None:
        """From a thread: the code may arrive before the answer that has the secret. Nobody says that it is signed."""
        body = {"event": VERIFICATION, "webhook_id": registration.id, "code": registration.code}
        threading.Thread(target=send, args=(self._webhook(registration, body, signed=False),), daemon=True).start()

    def _application(self) -> flask.Flask:
        app = flask.Flask("hover")
        self.stage.attach(app)
        routes = (
            ("token", "POST", "/oauth/token", self._token),
            ("job", "GET", "/api/v3/jobs/<job_id>", self._guarded(self._show_job)),
            ("webhooks", "GET", "/api/v2/webhooks", self._guarded(self._list_webhooks)),
            ("register", "POST", "/api/v2/webhooks", self._guarded(self._register_webhook)),
            ("verify", "PUT", "/api/v2/webhooks/<code>/verify", self._guarded(self._verify_webhook)),
            ("resend", "POST", "/api/v2/webhooks/<int:id>/request_verification", self._guarded(self._resend_code)),
            ("delete", "DELETE", "/api/v2/webhooks/<int:id>", self._guarded(self._delete_webhook)),
        )
        for endpoint, method, path, view in routes:
            app.add_url_rule(path, endpoint, view, methods=[method])
        return app

    def _token(self) -> flask.typing.ResponseReturnValue:
        asked = flask.request.get_json(silent=True) or flask.request.form.to_dict()
        if (asked.get("client_id"), asked.get("client_secret")) != self.client:
            return {"error": "invalid_client"}, 401
        with self._lock:
            if asked.get("grant_type") != "refresh_token" or asked.get("refresh_token") != self.refresh_token:
                return {"error": "invalid_grant"}, 400
            access, self.refresh_token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
            self._access[access] = time.time() + self.lifetime
            return {
                "access_token": access,
                "token_type": "Bearer",
                "expires_in": int(self.lifetime),
                "refresh_token": self.refresh_token,
                "scope": "all",
                "created_at": int(time.time()),
                "owner_id": 463605,
                "owner_type": "orgs",
            }

    def _guarded(self, view: Any) -> Any:
        """`view`, for those with a token that is good and within the limits. Hover documents no error bodies."""

        def guarded(**parts: Any) -> flask.typing.ResponseReturnValue:
            scheme, _, access = flask.request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or self._access.get(access, 0.0) <= time.time():
                return {"error": "unauthorized"}, 401
            if wait := self.stage.retry_after():
                return {"error": "Rate Limit Exceeded"}, 429, {"Retry-After": str(wait)}
            answer: flask.typing.ResponseReturnValue = view(**parts)
            return answer

        return guarded

    def _show_job(self, job_id: str) -> flask.typing.ResponseReturnValue:
        return self._jobs.get(job_id) or ({"error": "not found"}, 404)

    def _list_webhooks(self) -> flask.typing.ResponseReturnValue:
        shown = [registration.shown() for registration in self.registrations]
        return {"pagination": {"current_page": 1, "total_pages": 1, "total": len(shown)}, "results": shown}

    def _register_webhook(self) -> flask.typing.ResponseReturnValue:
        """A body that is not nested, and a third registration of one address, are said to be refused."""
        body = flask.request.get_json(silent=True)
        wanted = body.get("webhook") if isinstance(body, dict) else None
        if not isinstance(wanted, dict) or not isinstance(wanted.get("url"), str):
            return {"error": {"webhook": "is missing"}}, 422
        if len([r for r in self.registrations if r.url == wanted["url"]]) >= 2:
            return {"error": {"url": "is registered twice already"}}, 422
        registration = self._register(wanted["url"], secrets.token_urlsafe(64))
        self._send_code(registration)
        return registration.shown(), 201

    def _verify_webhook(self, code: str) -> flask.typing.ResponseReturnValue:
        for registration in self.registrations:
            if registration.code == code.lower():
                registration.verified_at = _now()
                return "", 200
        return {"error": "not found"}, 404

    def _resend_code(self, id: int) -> flask.typing.ResponseReturnValue:  # noqa: A002  # the name in their path
        for registration in self.registrations:
            if registration.id == id:
                self._send_code(registration)
                return {"event": VERIFICATION, "webhook_id": id, "code": registration.code}
        return {"error": "not found"}, 404

    def _delete_webhook(self, id: int) -> flask.typing.ResponseReturnValue:  # noqa: A002  # the name in their path
        with self._lock:
            kept = [registration for registration in self.registrations if registration.id != id]
            found, self.registrations = len(kept) < len(self.registrations), kept
        return ("", 204) if found else ({"error": "not found"}, 404)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
