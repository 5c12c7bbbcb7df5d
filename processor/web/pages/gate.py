"""Who is let in to the pages, and what every answer of theirs says to the browser."""

from __future__ import annotations

import time
from urllib.parse import quote, urlsplit

import structlog
from flask import Request, Response, request
from werkzeug.datastructures import Headers

from processor.model import Secret
from processor.web import access
from processor.web.pages.drawing import Canvas
from processor.web.pages.session import COOKIE, Sessions

log = structlog.get_logger(__name__)

BODY = 16 * 1024  # bytes of a form
LONGEST = 2_000  # characters of an address that somebody is led back to
_IN_A_PATH = "/:@!$&'()*+,;=~"
HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # frame.html has another for its own forms, which says as little to others
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FROM_ELSEWHERE = "A page of another site sent this. What changes anything is taken from pages of jobwire only."


def harden(response: Response) -> Response:
    """For `after_request` of the pages. What names no lifetime of its own is kept by nobody."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    return response


class Gate:
    """Lets in whoever bears the admin token or has signed in with it; without a token whoever `access` lets in."""

    def __init__(self, token: Secret | None, canvas: Canvas) -> None:
        self._token, self._canvas = token, canvas
        self._sessions = Sessions(token) if token else None

    def signed_in(self) -> bool:
        """Whether the request has a session."""
        value = request.cookies.get(COOKIE, "")
        return self._sessions is not None and self._sessions.holds(value, time.time())

    def before(self) -> Response | None:
        """For `before_request`: the answer to a request that is not let in."""
        request.max_content_length = BODY
        reason = access.refused(self._token, request)
        if reason is None or self.signed_in():
            return self.before_signing_in()
        return self._refuse(_sentence(reason)) if self._token is None else self._lead_in()

    def before_signing_in(self) -> Response | None:
        """The same for the page that one signs in at."""
        request.max_content_length = BODY
        if request.method in access.READS or _from_here(request.headers):
            return None
        return self._refuse(_FROM_ELSEWHERE)

    def _lead_in(self) -> Response:
        """To the page that one signs in at, and from there back."""
        if self._canvas.is_fragment():
            return self._canvas.note("Your session is over.", 401, to="/sign-in", label="Sign in")
        way_back = _address(request) if request.method == "GET" else "/"
        if _came_by_a_link(request):
            return self._canvas.draw("bounce.html", way_back=way_back)
        return see_other(f"/sign-in?next={quote(way_back, safe='')}")

    def _refuse(self, reason: str) -> Response:
        log.info("refused", path=request.path[:100], peer=request.remote_addr, detail=reason)
        return self._canvas.trouble(403, reason)


def see_other(address: str) -> Response:
    """The answer that leads to another page."""
    return Response(status=303, headers={"Location": address})


def local(address: str) -> str:
    """The address if it is that of a page of ours; else that of the first one."""
    fine = address.isascii() and address.isprintable() and len(address) <= LONGEST and "\\" not in address
    return address if fine and address.startswith("/") and not address.startswith("//") else "/"


def _address(of: Request) -> str:
    query = of.query_string.decode("latin-1")
    return local(quote(of.path, safe=_IN_A_PATH) + (f"?{query}" if query else ""))


def _came_by_a_link(of: Request) -> bool:
    """Whether somebody followed a link on another site. A browser keeps a strict cookie to itself then, and gives it as
    soon as a page of ours leads to the same place."""
    elsewhere = of.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    return elsewhere and of.method == "GET" and of.headers.get("Sec-Fetch-Mode") == "navigate"


def _from_here(headers: Headers) -> bool:
    """Whether a browser says that a page of ours sent the request. `Sec-Fetch-Site` says it best, where it is said: a
    proxy may have changed the `Host`, and a browser its `Origin` to null."""
    if (site := headers.get("Sec-Fetch-Site")) is not None:
        return site == "same-origin"
    try:
        origin = urlsplit(headers.get("Origin", ""))
    except ValueError:
        return False
    return origin.scheme in ("http", "https") and origin.netloc.lower() == headers.get("Host", "").lower() != ""


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}."
