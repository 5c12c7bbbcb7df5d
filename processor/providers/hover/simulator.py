"""Hover's side of the wire, for the demo, the tests and `jobwire simulate`.

It does what Hover documents, and what integrators report where that is silent; README.md here says which is which.
"""

from __future__ import annotations

import math
import secrets
import threading
import time
import uuid
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import flask

from processor.errors import Usage
from processor.model import JSON
from processor.providers.hover.notices import JOB_EVENTS, VERIFICATION
from processor.providers.hover.simulated_lists import listed, now, touched
from processor.providers.hover.simulated_webhooks import Registration
from processor.simulation import Stage, Webhook, load_sample, send

RATES = ((120, 60.0), (7200, 3600.0))  # https://developers.hover.to/docs/api-usage-and-limits
LIFETIME = 7200.0  # of an access token, in seconds
MOST_ROWS = 100  # of a page of jobs
_WEBHOOKS_A_PAGE = 25  # as in https://developers.hover.to/reference/list-webhooks
_SAMPLES = files("processor.providers.hover") / "samples"


class HoverSimulator:
    """A simulation.Simulator. `refresh_token` is the one that is good now: every exchange replaces it.

    `most_rows` is the longest page of the list of jobs. With a `wanted_user`, jobs and estimates are shown only to
    requests that name it as their `current_user_id`, as with an organisation's token.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        lifetime: float = LIFETIME,
        rates: Sequence[tuple[int, float]] = RATES,
        latency: float = 0.0,
        most_rows: int = MOST_ROWS,
        wanted_user: int | None = None,
    ) -> None:
        self.client = (client_id, client_secret)
        self.refresh_token = refresh_token
        self.lifetime = lifetime
        self.most_rows = most_rows
        self.wanted_user = wanted_user
        self.registrations: list[Registration] = []
        self.stage = Stage(rates, latency)
        self._jobs: dict[str, JSON] = {}
        self._estimates: dict[str, JSON] = {}
        self._access: dict[str, float] = {}  # token -> when it ends
        self._last_id = 12342
        self._lock = threading.Lock()
        self.app = self._application()

    # --- for those who drive it

    def sample(self, name: str) -> JSON:
        return load_sample(_SAMPLES, name)

    def estimate_sample(self, name: str) -> JSON:
        return load_sample(_SAMPLES / "estimates", name)

    def job(self, job_id: str) -> JSON:
        if job_id not in self._jobs:
            raise Usage(f"the simulated Hover has no job {job_id}")
        return self._jobs[job_id]

    def put_job(self, document: JSON, *, touch: bool = False, **how: Any) -> str:
        """With `touch` the job says that it was updated now, and so does each model that is not as it was before."""
        job_id = str(document["id"])
        with self._lock:
            self._jobs[job_id] = touched(document, self._jobs.get(job_id, {})) if touch else document
        return job_id

    def put_estimate(self, estimate_id: int, document: JSON) -> None:
        """Add a contractor's estimate or replace it. The document does not say its id, as Hover's does not."""
        with self._lock:
            self._estimates[str(estimate_id)] = document

    def connect(self, url: str, secret: str) -> None:
        """Add a registration that was verified before."""
        self._register(url, secret).verified_at = now()

    def webhooks(self, job_id: str, *, without: Sequence[str] = (), **what: Any) -> list[Webhook]:
        """`event`, `state` and more keys as they shall be sent; by default the state of the job or of the model that
        is meant, as it stands. `without` names keys that shall not be sent: some events lack `job_id`."""
        keys = {"event": "job-state-changed-v2", "job_id": int(job_id), **what}
        if "state" not in what and (state := self._state(job_id, keys)):
            keys["state"] = state
        keys = {key: value for key, value in keys.items() if key not in without}
        return [r.webhook({**keys, "webhook_id": r.id}) for r in self.registrations if r.verified_at]

    def expire_tokens(self) -> None:
        """Let every access token end now."""
        self._access.clear()

    # --- inside

    def _state(self, job_id: str, keys: JSON) -> str | None:
        """The word that an event has for what it is about; the older job event calls the end `complete`."""
        job = self._jobs.get(job_id, {})
        if keys["event"] == "model-state-changed":
            states = {str(model["id"]): model.get("state") for model in job.get("models") or []}
            return states.get(str(keys.get("model_id")))
        word: str | None = job.get("reconstruction_state") if keys["event"] in JOB_EVENTS else None
        return "complete" if (keys["event"], word) == ("job-state-changed", "completed") else word

    def _register(self, url: str, secret: str) -> Registration:
        with self._lock:
            self._last_id += 1
            registration = Registration(self._last_id, url, secret, str(uuid.uuid4()), now())
            self.registrations.append(registration)
        return registration

    def _send_code(self, registration: Registration) -> None:
        """From a thread: the code may arrive before the answer that has the secret. Nobody says that it is signed."""
        body = {"event": VERIFICATION, "webhook_id": registration.id, "code": registration.code}
        threading.Thread(target=send, args=(registration.webhook(body, signed=False),), daemon=True).start()

    def _application(self) -> flask.Flask:
        app = flask.Flask("hover")
        self.stage.attach(app)
        routes = (
            ("token", "POST", "/oauth/token", self._token),
            ("jobs", "GET", "/api/v3/jobs", self._guarded(self._as_user(self._list_jobs))),
            ("job", "GET", "/api/v3/jobs/<job_id>", self._guarded(self._as_user(self._show_job))),
            ("estimate", "GET", "/api/v1/estimates/<id>", self._guarded(self._as_user(self._show_estimate))),
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

    def _as_user(self, view: Any) -> Any:
        """https://developers.hover.to/reference/show-job-details-v3; that 422 is the answer is said of other calls."""

        def seen(**parts: Any) -> flask.typing.ResponseReturnValue:
            if self.wanted_user and flask.request.args.get("current_user_id") != str(self.wanted_user):
                return {"error": "current_user_id or current_user_email is required"}, 422
            answer: flask.typing.ResponseReturnValue = view(**parts)
            return answer

        return seen

    def _show_job(self, job_id: str) -> flask.typing.ResponseReturnValue:
        return self._jobs.get(job_id) or ({"error": "not found"}, 404)

    def _list_jobs(self) -> flask.typing.ResponseReturnValue:
        with self._lock:
            jobs = list(self._jobs.values())
        return listed(jobs, flask.request.args, most=self.most_rows) or ({"error": "a parameter is wrong"}, 422)

    def _show_estimate(self, id: str) -> flask.typing.ResponseReturnValue:  # noqa: A002  # as in the others
        return self._estimates.get(id) or ({"error": "not found"}, 404)

    def _list_webhooks(self) -> flask.typing.ResponseReturnValue:
        page, total = flask.request.args.get("page", 1, int), len(self.registrations)
        shown = self.registrations[(page - 1) * _WEBHOOKS_A_PAGE : page * _WEBHOOKS_A_PAGE]
        pages = max(math.ceil(total / _WEBHOOKS_A_PAGE), 1)
        return {
            "pagination": {"current_page": page, "total_pages": pages, "total": total},
            "results": [registration.shown() for registration in shown],
        }

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
                registration.verified_at = now()
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
