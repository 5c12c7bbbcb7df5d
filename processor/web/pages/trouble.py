"""What went wrong, as a page that says what to do and has the search box; never the reason of a fault of ours."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound, RequestEntityTooLarge

from processor.errors import Rejected, Unavailable, Usage
from processor.web.pages.drawing import Canvas
from processor.web.problems import RETRY_AFTER

log = structlog.get_logger(__name__)

_REASONS: dict[type[HTTPException], str] = {
    NotFound: "There is nothing at this address. Search for what you have in hand, or look through the lists.",
    RequestEntityTooLarge: "This is more than any form of ours sends.",
    InternalServerError: "An unexpected error; it has been logged here.",
}
_AWAY = "Redis does not answer now, so nothing can be shown. Nothing is lost by that."
_MAY_BE_OLD = "Redis does not answer now. What is shown may be old; it is asked again every few seconds."
_NOT_DONE = "Redis does not answer now: it may or may not have been done. Look before you try again."


def register(routes: Blueprint, canvas: Canvas) -> None:
    """Have the pages answer their errors this way."""

    @routes.errorhandler(Unavailable)
    def away(error: Unavailable) -> Response:
        log.warning("page", path=request.path[:100], status=503, reason=error.message)
        asks = request.method == "GET"
        if canvas.is_fragment():
            return canvas.note(_MAY_BE_OLD, 503)
        answer = canvas.trouble(503, _AWAY if asks else _NOT_DONE, title="Redis is away", repeat=asks)
        answer.headers["Retry-After"] = RETRY_AFTER
        return answer

    @routes.errorhandler(Rejected)
    def malformed(error: Rejected) -> Response:
        return canvas.trouble(error.status, f"{error.message}.")

    @routes.errorhandler(Usage)
    def impossible(error: Usage) -> Response:
        return canvas.trouble(409, f"{error.message}.", title="This cannot be done")

    @routes.errorhandler(HTTPException)
    def other(error: HTTPException) -> Response | HTTPException:
        if error.code is None or error.code < 400:
            return error
        told = error.description if isinstance(error, NotFound) and error.description != NotFound.description else None
        reason = told or _REASONS.get(type(error)) or error.description or "This could not be answered."
        return canvas.trouble(error.code, reason)
