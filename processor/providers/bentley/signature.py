"""Checks that a request comes from Bentley, and signs as Bentley does (for the simulator).

https://developer.bentley.com/apis/webhooks-v2/operations/create-webhook: HMAC-SHA256 over the raw body. The key is the
secret's text even where it looks like hex, and case does not count, as in https://github.com/iTwin/webhooks-api-samples
(whose receiver takes the algorithm's name from the header; ours accepts one only).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from processor.errors import Unverified
from processor.model import Request
from processor.signing import hmac_sha256, signed_by_any

HEADER = "Signature"
_VALUE = re.compile(r"sha256=([0-9a-f]{64})", re.IGNORECASE | re.ASCII)


def verify(request: Request, *, keys: Sequence[bytes], more: Callable[[], Sequence[bytes]] = tuple) -> None:
    """Raise Unverified unless one of `keys` signed this body, or one of those that `more` gets.

    `more` may have to ask somebody, so it is called only for a signature that could be one and that no key made.
    """
    value = _VALUE.fullmatch(request.headers.get(HEADER.lower(), ""))
    if not value:
        raise Unverified(f"the {HEADER} header is missing or malformed")
    digest = bytes.fromhex(value[1])
    if signed_by_any(digest, request.body, keys):
        return
    others = more()
    if not keys and not others:
        raise Unverified("no secret is configured for this source, and none came from registering a webhook")
    if not signed_by_any(digest, request.body, others):
        raise Unverified("the signature is not that of this body")


def sign(key: bytes, body: bytes) -> str:
    """The value of the signature header."""
    return f"sha256={hmac_sha256(key, body).hex()}"
