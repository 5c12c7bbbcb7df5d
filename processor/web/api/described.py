"""flask-smorest as we use it: its description of the API, with our own problems, and decorators that have types."""

from __future__ import annotations

import http
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask_smorest import Api, Blueprint
from flask_smorest.utils import prepare_response
from marshmallow import Schema
from werkzeug.routing import BaseConverter

from processor.web.api.asked import Nothing, Reading
from processor.web.api.shapes import Problem

View = TypeVar("View", bound=Callable[..., Any])

PROBLEM = "application/problem+json"
PREFIX = "/api/v1"
_ALWAYS = (401, 403, 503)  # and 400, which comes with the parameters
_SECONDS = {"type": "integer", "minimum": 1}
_HEADERS = {
    401: {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "When to ask again, in seconds.", "schema": _SECONDS}},
}
_MEANS = {
    400: "A parameter that is wrong, or none of this address's.",
    401: "The admin token is missing or wrong.",
    403: "No admin token is configured, and the request does not come from the machine itself.",
    404: "There is none with this id.",
    409: "It cannot be done again.",
    503: "Redis does not answer now.",
}
_PARTS = {
    "event_id": {"description": "The event's id."},
    "delivery_id": {"description": "The delivery's id: `EVENT_ID:SINK`."},
    "notification_id": {"description": "The notification's id."},
    "source": {"description": "The configured source's name."},
    "job_id": {"description": "The provider's id of the job: any characters, quoted."},
}


class Described(Api):  # type: ignore[misc]  # flask-smorest has no types
    """The API's OpenAPI document. Errors stay as processor.web.problems has them."""

    ERROR_SCHEMA = Problem
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """None of its own."""

    def _register_etag_headers(self) -> None:
        """We have none."""

    def _register_pagination_header(self) -> None:
        """Nor this one: pages have a cursor."""

    def _register_responses(self) -> None:
        """The problems, each under the name of its status."""
        for status, means in _MEANS.items():
            response = {"description": means, "schema": Problem, "headers": _HEADERS.get(status, {})}
            prepare_response(response, self.spec, PROBLEM)
            self.spec.components.response(http.HTTPStatus(status).name, response, lazy=True)


class Anything(BaseConverter):
    """A part of an address that may hold any character: `/` too, quoted or not."""

    regex = r"(?s:.+)"
    part_isolating = False


class Routes(Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """Routes below `PREFIX` under one heading of the description."""

    ARGUMENTS_PARSER = Reading()

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, __name__, url_prefix=PREFIX, description=description)

    def lists(self, path: str, asked: type[Schema], gives: type[Schema]) -> Callable[[View], View]:
        """`GET path`: a list of what the parameters choose. The function gets what `asked` makes of them."""
        return self._answers("GET", path, asked, 200, gives)

    def shows(self, path: str, gives: type[Schema]) -> Callable[[View], View]:
        """`GET path`: one thing. The function gets the parts of the path."""
        return self._answers("GET", path, Nothing, 200, gives, *([404] if "<" in path else []))

    def does(self, path: str, gives: type[Schema]) -> Callable[[View], View]:
        """`POST path`: has something done. The function gets the parts of the path."""
        return self._answers("POST", path, Nothing, 202, gives, 404, 409)

    def _answers(
        self, method: str, path: str, asked: type[Schema], status: int, gives: type[Schema], *problems: int
    ) -> Callable[[View], View]:
        parts = [{"in": "path", "name": name, **said} for name, said in _PARTS.items() if f"{name}>" in path]

        def decorate(view: View) -> View:
            made = self.response(status, gives)(_unasked(view) if asked is Nothing else view)
            made = self.arguments(asked, location="query", error_status_code=400)(made)
            for problem in (*_ALWAYS, *problems):
                made = self.alt_response(problem, http.HTTPStatus(problem).name)(made)
            made = self.doc(operationId=view.__name__)(made)
            self.route(path, methods=[method], endpoint=view.__name__, parameters=parts)(made)
            return view

        return decorate


def _unasked(view: Callable[..., Any]) -> Callable[..., Any]:
    """A view that takes no parameters: they are read only to refuse what is none."""

    @wraps(view)
    def taking(_: Any, **parts: Any) -> Any:
        return view(**parts)

    return taking


def options(*, with_token: bool) -> dict[str, Any]:
    """What the description says beside the routes."""
    token = {"admin_token": list[str]()}
    return {
        "title": "jobwire",
        "version": "1",
        "openapi_version": "3.1.0",
        "info": {"description": "What jobwire did with jobs, events and deliveries, and how to have it done again."},
        "servers": [{"url": "/"}],
        "security": [token] if with_token else [{}, token],
    }


SCHEME = {"type": "http", "scheme": "bearer", "description": "`server.admin_token` of the configuration."}
