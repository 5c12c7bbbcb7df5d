"""Bentley's side of the wire, for the demo, the tests and `jobwire simulate`: tokens, jobs, registrations, webhooks.

It does what Bentley documents, but for one thing: it sends webhooks to plain http addresses too, since it is for use on
one machine. Where Bentley documents nothing it does what is plain: a cancelled job is announced by nobody.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import flask

from processor.errors import Usage
from processor.model import JSON, State
from processor.providers.bentley import simulated_lists
from processor.providers.bentley.families import FAMILIES, Family, family
from processor.providers.bentley.signature import HEADER, sign
from processor.providers.bentley.simulated_webhooks import Registration, Webhooks, error
from processor.providers.bentley.states import job_state
from processor.simulation import Stage, Webhook, load_sample

RATES = ((500, 60.0), (5000, 3600.0))  # https://developer.bentley.com/apis/overview/rate-limits, the smallest plans
LIFETIME = 3600.0  # of an access token, in seconds
_NO_MESSAGES: JSON = {"errors": [], "warnings": []}
_REFUSED = {  # a list that cannot be understood
    "contextcapture": (422, "InvalidContextCaptureRequest"),
    "realitydataanalysis": (422, "InvalidRealityDataAnalysisRequest"),
    "realityconversion": (422, "InvalidRealityConversionRequest"),
}
_REFUSED_V2 = (400, "InvalidRequest")
# https://developer.bentley.com/apis/contextcapture/operations/jobs-progress and the same page of the others
_NO_PROGRESS = {
    "contextcapture": "JobNotFound",
    "realitydataanalysis": "ProgressNotFound",
    "realityconversion": "ProgressNotFound",
}
_NO_PROGRESS_V2 = "JobProgressNotFound"


class BentleySimulator:
    """A simulation.Simulator of all six job APIs.

    `forbidden` are the APIs that the plan does not include: they answer 403.
    """

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
        self.hooks = Webhooks()
        self.forbidden: set[str] = set()
        self.stage = Stage(rates, latency)
        self._jobs: dict[str, tuple[Family, JSON]] = {}
        self._access: dict[str, float] = {}  # token -> when it ends
        self.app = self._application()

    @property
    def registrations(self) -> list[Registration]:
        return self.hooks.registrations

    # --- for those who drive it

    def sample(self, name: str) -> JSON:
        return load_sample(files("processor.providers.bentley") / "samples", name)

    def job(self, job_id: str) -> JSON:
        if job_id not in self._jobs:
            raise Usage(f"the simulated Bentley has no job {job_id}")
        return self._jobs[job_id][1]

    def put_job(self, document: JSON, **how: Any) -> str:
        """`api` is one of the six; a job that is there keeps its own. Beside `job` a document may have `progress`, and
        in v2 `messages`."""
        job_id = str(document["job"]["id"])
        row = self._jobs[job_id][0] if job_id in self._jobs else FAMILIES[0]
        self._jobs[job_id] = (family(how["api"]) if "api" in how else row, document)
        return job_id

    def connect(self, url: str, secret: str) -> None:
        """Add a registration for all reality events that was activated before."""
        self.registrations.append(Registration(url, secret, [row.event for row in FAMILIES], active=True))

    def webhooks(self, job_id: str, **what: Any) -> list[Webhook]:
        """`eventType` and more keys as they shall be sent; by default the end of the job's own API. About a cancelled
        job there is nothing to send, unless `eventType` says what."""
        row, document = self._jobs.get(job_id, (FAMILIES[0], {"job": {}}))
        if job_state(document["job"].get("state")) is State.CANCELLED and "eventType" not in what:
            return []
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
            ("jobs", "GET", "/<api>/jobs", self._guarded(self._list_jobs)),
            ("progress", "GET", "/<api>/jobs/<job_id>/progress", self._guarded(self._show_progress)),
            ("messages", "GET", "/<api>/jobs/<job_id>/messages", self._guarded(self._show_messages)),
            ("webhooks", "GET", "/webhooks/", self._guarded(self.hooks.show_all)),
            ("register", "POST", "/webhooks/", self._guarded(self.hooks.create)),
            ("webhook", "GET", "/webhooks/<webhook_id>", self._guarded(self.hooks.show)),
            ("update", "PATCH", "/webhooks/<webhook_id>", self._guarded(self.hooks.update)),
            ("delete", "DELETE", "/webhooks/<webhook_id>", self._guarded(self.hooks.delete)),
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
                return error(401, "HeaderNotFound", said)
            if scheme.lower() != "bearer" or self._access.get(access, 0.0) <= time.time():
                return error(401, "Unauthorized", "The access token is not valid.")
            if wait := self.stage.retry_after():
                said = "More requests were received than the subscription rate-limit allows."
                return (*error(429, "TooManyRequests", said), self._limited(wait))
            if parts.get("api") in self.forbidden:
                return error(403, "InsufficientPermissions", "The plan does not include this API.")
            answer: flask.typing.ResponseReturnValue = view(**parts)
            return answer

        return guarded

    def _limited(self, wait: int) -> dict[str, str]:
        """https://developer.bentley.com/apis/overview/rate-limits names the headers, and no values."""
        path = flask.request.path.strip("/")
        return {
            "Retry-After": str(wait),
            "ITwinPlatform-RateLimited-Tier": "Community",
            "ITwinPlatform-RateLimited-API": path.partition("/")[0],
            "ITwinPlatform-RateLimited-Operation": str(flask.request.endpoint),
            "ITwinPlatform-RateLimited-Application": self.client[0],
        }

    def _find(self, api: str, job_id: str) -> JSON | None:
        row, document = self._jobs.get(job_id, (None, None))
        return document if row and row.api == api else None

    def _show_job(self, api: str, job_id: str) -> flask.typing.ResponseReturnValue:
        document = self._find(api, job_id)
        return {"job": document["job"]} if document else error(404, "JobNotFound", "Requested job is not available.")

    def _list_jobs(self, api: str) -> flask.typing.ResponseReturnValue:
        row = next((row for row in FAMILIES if row.api == api), None)
        if row is None:
            return error(404, "NotFound", "There is no such API.")
        asked = {name: flask.request.args.get(f"${name}") for name in ("filter", "top")}
        wanted, token = (asked["filter"] or "").strip(), flask.request.args.get("continuationToken")
        jobs = [document["job"] for its, document in list(self._jobs.values()) if its is row]
        try:
            page = simulated_lists.page(row, jobs, wanted=wanted, top=asked["top"], token=token)
        except simulated_lists.Unclear as e:
            status, code = _REFUSED.get(api, _REFUSED_V2)
            return error(status, code, str(e))
        if page.token is None:
            return {"jobs": page.jobs}
        href = simulated_lists.link(flask.request.base_url, wanted=wanted, top=asked["top"], token=page.token)
        return {"jobs": page.jobs, "_links": {"next": {"href": href}}}

    def _show_progress(self, api: str, job_id: str) -> flask.typing.ResponseReturnValue:
        document = self._find(api, job_id)
        if not document or "progress" not in document:
            return error(404, _NO_PROGRESS.get(api, _NO_PROGRESS_V2), "Requested progress is not available.")
        return {"jobProgress" if api == "contextcapture" else "progress": document["progress"]}

    def _show_messages(self, api: str, job_id: str) -> flask.typing.ResponseReturnValue:
        document = self._find(api, job_id)
        if not document or not family(api).separate_messages:
            return error(404, "JobNotFound", "Requested job is not available.")
        return {"messages": document.get("messages", _NO_MESSAGES)}


def _webhook(registration: Registration, body: JSON) -> Webhook:
    raw = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", HEADER: sign(registration.secret.encode(), raw)}
    return Webhook(registration.url, headers, raw)
