"""Who is let in to the API, the metrics and the pages: whoever has the admin token; without one, this machine alone.

docs/security.md has the rules. What is decided here is decided from the request's peer and headers alone.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

import structlog
from flask import Request, Response
from flask import request as current

from processor.model import Secret
from processor.web.problems import problem

log = structlog.get_logger(__name__)

READS = frozenset({"GET", "HEAD", "OPTIONS"})
# What proxies, tunnels and content networks add, in any spelling: `_` counts as `-`, as servers make it so.
_FORWARDED = re.compile(r"(x-)?forwarded.*|via|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip|cdn-loop")
_HOST = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<name>[^\[\]:]+))(?::[0-9]*)?")

_NEEDED = "send the admin_token of the configuration as `Authorization: Bearer …`"
_WRONG = "this is not the admin_token of the configuration"
_SET_ONE = "set server.admin_token to be answered"
_STRANGER = f"without an admin_token only the machine itself is answered: {_SET_ONE} from elsewhere"
_OTHER_NAME = f"without an admin_token only addresses such as http://localhost are answered: {_SET_ONE} at another one"
_PASSED_ON = f"without an admin_token nothing is answered that a proxy or a tunnel passed on: {_SET_ONE} through one"
_OTHER_PAGE = "a page of another site sent this; what changes anything is taken from ours only"


def refusal(token: Secret | None, peer: str | None, method: str, headers: Mapping[str, str]) -> str | None:
    """Why a request is not let in, in a sentence that says what to do; None when it is.

    `peer` is the other end of the connection; empty, as for a Unix socket, it is nobody's. The names of `headers` may
    be in any spelling, their values as WSGI has them: one character a byte.
    """
    given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    if token:
        bearer = given.get("authorization")
        if bearer is None:
            return _NEEDED
        return None if _bears(bearer, token) else _WRONG
    if not is_loopback(peer or ""):
        return _STRANGER
    if any(_FORWARDED.fullmatch(name) for name in given):
        return _PASSED_ON
    if not names_loopback(given.get("host", "")):
        return _OTHER_NAME
    return _OTHER_PAGE if method not in READS and from_here(given) is False else None


def refused(token: Secret | None, request: Request) -> str | None:
    """`refusal` of a request of Flask's."""
    return refusal(token, request.remote_addr, request.method, dict(request.headers.items()))


def guard(token: Secret | None) -> Callable[[], Response | None]:
    """For `before_request` of what programs ask: the answer to whoever is not let in."""

    def answer() -> Response | None:
        reason = refused(token, current)
        if reason is None:
            return None
        log.info("refused", path=current.path[:100], peer=current.remote_addr, detail=reason)
        return problem(401, reason, [("WWW-Authenticate", "Bearer")]) if token else problem(403, reason)

    return answer


def is_token(given: bytes, token: Secret) -> bool:
    """Compared in constant time; no text is equal to an empty token."""
    wanted = token.reveal().encode("utf-8", "surrogatepass")
    same = hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(wanted).digest())
    return same and bool(wanted)


def _bears(authorization: str, token: Secret) -> bool:
    """Of several Authorization headers none counts: servers join them with a comma."""
    scheme, _, given = authorization.partition(" ")
    return is_token(given.strip().encode("latin-1", "replace"), token) and scheme.lower() == "bearer"


def is_loopback(address: str) -> bool:
    """Whether a numeric address is this machine's own: 127.0.0.0/8, ::1, and 127.0.0.0/8 written as IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


def names_loopback(host: str) -> bool:
    """Whether a `Host` header names this machine's own loopback: no other site can have its name lead to that."""
    match = _HOST.fullmatch(host)
    if not match:
        return False
    if match["v6"] is not None:
        return ":" in match["v6"] and is_loopback(match["v6"])
    return match["name"].lower() in ("localhost", "localhost.") or is_loopback(match["name"])


def from_here(headers: Mapping[str, str]) -> bool | None:
    """Whether a browser says that a page of ours sent the request; None when nothing says so, as of a program's.

    Both of what browsers say must fit: `Sec-Fetch-Site`, and `Origin`, whose host and port must be those of `Host`.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None and origin is None:
        return None
    return site in (None, "same-origin", "none") and (origin is None or _same_place(origin, headers.get("host", "")))


def _same_place(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.lower()
