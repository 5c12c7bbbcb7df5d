"""Every error of the application as RFC 9457 `application/problem+json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES  # the same words on every Python

from processor.errors import Rejected, Unavailable

RETRY_AFTER = "5"  # seconds; about what a restart of Redis takes


def register(app: Flask) -> None:
    """Have `app` answer its errors this way. Answers quote nothing of the request."""
    app.register_error_handler(Rejected, lambda e: problem(e.status, e.message))
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(HTTPException, _http)


def problem(status: int, detail: str, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """One answer; `detail` is a sentence that says what to change."""
    document = {"type": "about:blank", "title": HTTP_STATUS_CODES[status], "status": status, "detail": detail}
    answer = Response(json.dumps(document), status, content_type="application/problem+json")
    answer.headers.extend(list(headers))
    return answer


def _unavailable(_: Unavailable) -> Response:
    """The reason is for the log: it names our insides."""
    return problem(503, "the store has not confirmed it; send it again", [("Retry-After", RETRY_AFTER)])


def _http(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < 400:
        return error
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return problem(405, f"this address takes {allowed} only", [("Allow", allowed)])
    return problem(error.code, _DETAILS.get(type(error)) or error.description or HTTPStatus(error.code).description)


_DETAILS: dict[type[HTTPException], str] = {
    NotFound: "there is nothing at this address",
    RequestEntityTooLarge: "the body is larger than server.max_body allows",
    InternalServerError: "an unexpected error; it has been logged here",
}
