"""Signed webhook requests as bytes, no two alike, prepared before the clock runs."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from email.utils import formatdate
from itertools import count
from uuid import uuid4

from stand import KEY

from processor.providers.bentley import signature as bentley
from processor.providers.hover import signature as hover

JSON_TYPE = "application/json"
RIVALS_SECRET = b"a secret of the benchmark"  # as in rivals/
_FIRST = 10_000_000  # job ids as long as Hover's
_numbers: Iterator[int] = count(_FIRST)


def job_ids(n: int) -> list[str]:
    """Ids that were never given out before."""
    return [str(next(_numbers)) for _ in range(n)]


def from_hover(jobs: list[str]) -> list[bytes]:
    """A job each that is announced as complete."""
    path, date = "/webhooks/hover", formatdate(usegmt=True)
    requests = []
    for job in jobs:
        body = _hover_body(job)
        headers = {
            "Date": date,
            "Content-MD5": hover.content_md5(body),
            hover.HEADER: hover.sign(
                KEY.encode(), webhook_id="12345", content_type=JSON_TYPE, body=body, path=path, date=date
            ),
        }
        requests.append(_request(path, body, headers))
    return requests


def from_bentley(jobs: list[str]) -> list[bytes]:
    """A job each of Reality Modeling that is announced as over."""
    requests = []
    for _ in jobs:
        body = json.dumps(
            {
                "eventType": "realityModeling.jobCompleted.v1",
                "messageId": str(uuid4()),
                "content": {"jobId": str(uuid4()), "iTwinId": str(uuid4())},
            }
        ).encode()
        requests.append(_request("/webhooks/itwin", body, {bentley.HEADER: bentley.sign(KEY.encode(), body)}))
    return requests


def for_rivals(jobs: list[str], path: str = "/") -> list[bytes]:
    """Hover's body for the rivals, under one plain HMAC."""
    requests = []
    for body in map(_hover_body, jobs):
        signature = hmac.new(RIVALS_SECRET, body, hashlib.sha256).hexdigest()
        requests.append(_request(path, body, {"X-Signature": f"sha256={signature}"}))
    return requests


def for_webhook(jobs: list[str]) -> list[bytes]:
    """The same, for Debian's webhook."""
    return for_rivals(jobs, "/hooks/hook")


def _hover_body(job: str) -> bytes:
    return json.dumps(
        {"event": "job-state-changed-v2", "job_id": int(job), "state": "completed", "webhook_id": 12345}
    ).encode()


def _request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {JSON_TYPE}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
