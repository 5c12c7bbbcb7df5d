"""Checks that a request comes from Hover, and signs as Hover does (for the simulator).

Hover signs a canonical string of four facts, not the body; the body counts only through its MD5, so that is always made
anew from the raw bytes. Outline: https://developers.hover.to/docs/webhook-signature-verification; the exact join, the
header and the form of the key are as integrators report them, which is why the README here has settings for them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from processor.errors import Unverified
from processor.http import http_date
from processor.model import Request
from processor.signing import hmac_sha256, signed_by_any

HEADER = "Hover-Signature-256"
_VALUE = re.compile(r"sha256=([A-Za-z0-9_-]{1,64}):([A-Za-z0-9+/]{43}=)")  # 43 characters and "=" are 32 bytes
_AHEAD = timedelta(minutes=15)  # clocks differ; nothing signed further ahead than this is accepted


def verify(
    request: Request,
    *,
    keys: Sequence[bytes],
    signed_path: str | None,
    window: timedelta,
    more: Callable[[], Iterable[bytes]] = tuple,
) -> None:
    """Raise Unverified unless one of the keys signed this body, type, path and date, no longer than `window` ago.

    `more` has to look the rest of the keys up: it is asked only when none of `keys` fits a request that is otherwise
    in order. The webhook's id in the header chooses nothing: nobody vouches for it before the signature fits. Only
    SHA-256 counts. Hover sends a SHA-1 signature beside it, which we do not look at.
    """
    value = _VALUE.fullmatch(request.headers.get(HEADER.lower(), ""))
    if not value:
        raise Unverified(f"the {HEADER} header is missing or malformed")
    date = request.headers.get("date", "")
    _check_age(date, request.received_at, window)
    md5 = content_md5(request.body)
    if request.headers.get("content-md5", md5) != md5:
        raise Unverified("the Content-MD5 header is not that of the body")
    digest = base64.b64decode(value[2])
    message = canonical(request.headers.get("content-type", ""), md5, signed_path or request.path, date)
    if signed_by_any(digest, message, keys):
        return
    others = list(more())
    if not keys and not others:
        raise Unverified("no secret is configured for this source, and none known of a registration of ours")
    if not signed_by_any(digest, message, others):
        raise Unverified("the signature is not that of this body, Content-Type, path and Date")


def _check_age(date: str, received_at: datetime, window: timedelta) -> None:
    signed_at = http_date(date)
    if not signed_at:
        raise Unverified("the Date header is missing or malformed")
    if signed_at - received_at > _AHEAD:
        raise Unverified("the signed Date lies in the future")
    if received_at - signed_at > window:
        raise Unverified("the signed Date is older than replay_window")


def sign(key: bytes, *, webhook_id: str, content_type: str, body: bytes, path: str, date: str) -> str:
    """The value of the signature header."""
    digest = hmac_sha256(key, canonical(content_type, content_md5(body), path, date))
    return f"sha256={webhook_id}:{base64.b64encode(digest).decode()}"


def canonical(content_type: str, md5: str, path: str, date: str) -> bytes:
    """What is signed. Header values are used as they came, any charset parameter included."""
    # "replace": a header may hold anything; what cannot be encoded was not signed by anybody
    return ",".join((content_type, md5, path, date)).encode("utf-8", "replace")


def content_md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def key_bytes(secret: str, form: str) -> bytes:
    """The HMAC key in a secret: its text as it is ("raw"), or what it encodes ("base64"). Raises ValueError."""
    return base64.b64decode(secret, validate=True) if form == "base64" else secret.encode()
