"""What Hover's webhooks announce.

Events and keys: https://developers.hover.to/docs/hovers-available-webhooks. A body has ids and a state, no time and no
delivery id; everything else has to be fetched.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping

from processor.errors import Malformed, Rejected
from processor.model import JSON, Handshake, Ignored, ModelState, Notification, Request, estimate_lane
from processor.providers.hover.drift import named
from processor.providers.hover.states import job_state, model_state
from processor.reading import webhook_object

API = "v3"
VERIFICATION = "webhook-verification-code"
JOB_EVENTS = frozenset({"job-state-changed", "job-state-changed-v2"})  # whether both come for one change is not known
MODEL_CREATED = "model-created"
MODEL_EVENTS = frozenset({"model-state-changed", MODEL_CREATED})
# https://developers.hover.to/docs/estimates-integrations: a production list is the estimate; "manual-sync" is somebody
# pressing the button. Only its keys are documented.
ESTIMATE_EVENTS = frozenset(
    f"project-management-production-list-{what}" for what in ("created", "manual-sync", "approval-changed")
)
ESTIMATE_ID = "project_management_production_list_id"
# What these hold is not documented: one without the id is their way, not a mistake.
_KEYS_UNKNOWN = {MODEL_CREATED, *ESTIMATE_EVENTS - {"project-management-production-list-manual-sync"}}
# Known, and about neither a job's or a model's state nor an estimate.
OTHER_EVENTS = frozenset(
    {
        VERIFICATION,  # one that is taken has another way in
        "capture-request-state-changed",
        "deliverable-change-request-state-changed",
        "distribution-order-state-changed",
        "inspection-state-changed",
        "instant-design-image-created",
        "instant-design-lead-form-submitted",
        "project-management-order-document-state-changed",
        "project-management-proposal-document-state-changed",
        "project-management-signature-request-state-changed",
    }
)
_ID = re.compile(r"[1-9][0-9]{0,18}")


def parse(request: Request, *, source: str) -> Notification | Ignored:
    """What a genuine request announces. Raises Malformed or UnsupportedType."""
    body = webhook_object(request)
    event = body.get("event")
    if not isinstance(event, str):
        raise Malformed("`event` must be a text that names the event")
    if event in OTHER_EVENTS:
        return Ignored("this event says nothing about a job's or a model's state")
    key = ESTIMATE_ID if event in ESTIMATE_EVENTS else "job_id" if event in JOB_EVENTS | MODEL_EVENTS else None
    if key is None:
        return Ignored("this event is not known here", strange=named("event", event))
    if body.get(key) is None and event in _KEYS_UNKNOWN:
        return Ignored("this event names nothing that could be looked at", strange=f"no field {key} in {event}")
    subject = id_text(body.get(key))
    if not subject:
        raise Malformed(f"`{key}` must be a whole number above zero")
    job_id = estimate_lane(subject) if key == ESTIMATE_ID else subject
    return Notification(
        source=source, job_id=job_id, api=API, event=event, key=_key(request), claim=_claim(event, body)
    )


def verification(request: Request, *, source: str) -> Handshake | Ignored | None:
    """The code Hover sends to a new registration: see ports.Greets."""
    if VERIFICATION.encode() not in request.body:  # nearly always: spares parsing every body twice
        return None
    try:
        body = webhook_object(request)
    except Rejected:
        return None
    if body.get("event") != VERIFICATION:
        return None
    code = body.get("code")
    if not is_code(code):
        return Ignored("the verification code is not a UUID")
    return Handshake(source=source, code=str(code), webhook_id=id_text(body.get("webhook_id")))


def is_code(code: object) -> bool:
    """Whether this can be a verification code: a UUID with its hyphens, in either case (both were seen)."""
    try:
        return isinstance(code, str) and str(uuid.UUID(code)) == code.lower()
    except ValueError:
        return False


def id_text(value: JSON) -> str | None:
    """One of Hover's ids as text; None when it is none. Nothing but digits: ids go into addresses."""
    text = "" if isinstance(value, bool) or not isinstance(value, (int, str)) else str(value)
    return text if _ID.fullmatch(text) else None


def _key(request: Request) -> str:
    """The same body with the same signed Date is the same notification; a later one may well mean another change."""
    date = request.headers.get("date", "").encode("utf-8", "replace")
    return hashlib.sha256(date + b"\0" + request.body).hexdigest()


def _claim(event: str, body: Mapping[str, JSON]) -> str | None:
    """The thing whose end is announced. No document shows that an estimate was looked at, so none is claimed of it."""
    state = body.get("state")
    word = state if isinstance(state, str) else None
    if event in JOB_EVENTS:
        return "job" if job_state(word).ended else None
    if event in MODEL_EVENTS and model_state(word) is not ModelState.PROCESSING:
        return id_text(body.get("model_id"))
    return None
