"""What Bentley's webhooks announce: that a job is over, and which one.

https://developer.bentley.com/apis/webhooks-v2/available-events; the older handshake is that of
https://github.com/iTwin/webhooks-api-samples (v1), which costs nothing to answer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from processor.errors import Malformed
from processor.model import JSON, Ignored, Notification, Request
from processor.providers.bentley.families import BY_EVENT
from processor.reading import webhook_object

# what Bentley's other APIs tell: https://developer.bentley.com/apis/webhooks-v2/available-events, and its changelog
_OF_OTHERS = re.compile(
    r"(?:(?:iModels|accessControl)\.\w+|iTwins\.iTwin(?:Created|Deleted)"
    r"|(?:synchronization|transformations|changedElements)\.jobCompleted)\.v1",
    re.ASCII,
)
_EVENT = re.compile(r"[\w.-]{1,80}", re.ASCII)
_JOB_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")  # UUIDs so far
_ORIGIN = re.compile(r"[\x21-\x7e]{1,300}")


def parse(request: Request, *, source: str) -> Notification | Ignored:
    """What a genuine request announces. Raises Malformed or UnsupportedType."""
    body = webhook_object(request)
    event = body.get("eventType")
    if not isinstance(event, str):
        raise Malformed("`eventType` must be a text that names the event")
    family = BY_EVENT.get(event)
    if not family:
        return Ignored("this event type says nothing about a reality job", strange=_strange(event))
    content = body.get("content")
    job_id = content.get("jobId") if isinstance(content, dict) else None
    if not is_job_id(job_id):
        raise Malformed("`content.jobId` must be the id of a job")
    return Notification(
        source=source, job_id=str(job_id), api=family.api, event=event, key=_key(body, request), claim="job"
    )


def is_job_id(value: JSON) -> bool:
    """Whether this can be a job's id; ids go into addresses."""
    return isinstance(value, str) and _JOB_ID.fullmatch(value) is not None


def options(request: Request) -> Mapping[str, str] | None:
    """The headers that answer the v1 handshake, None when the request is none."""
    origin = request.headers.get("webhook-request-origin", "")
    return {"Allow": "POST", "WebHook-Allowed-Origin": origin} if _ORIGIN.fullmatch(origin) else None


def _strange(event: str) -> str | None:
    if _OF_OTHERS.fullmatch(event):
        return None
    return f'event type "{event}"' if _EVENT.fullmatch(event) else "an event type that is no word"


def _key(body: Mapping[str, JSON], request: Request) -> str:
    """Every event is said to carry a messageId; for one that does not, its body stands in."""
    message_id = body.get("messageId")
    if isinstance(message_id, str) and 0 < len(message_id) <= 200:
        return message_id
    return hashlib.sha256(request.body).hexdigest()
