"""`/api/v1`: what people ask and have done again, for programs; described at `/api/openapi.json`."""

from __future__ import annotations

import json

from flask import Flask, Response, request
from flask.json.provider import DefaultJSONProvider

from processor.errors import Unavailable
from processor.looking import Doing, Looking
from processor.settings import Settings
from processor.web import access
from processor.web.api import asking, doing
from processor.web.api.described import SCHEME, Anything, Described, options
from processor.web.problems import RETRY_AFTER, problem

BELOW = "/api/"
NOT_NOW = "Redis does not answer now; ask again"


def register(web: Flask, settings: Settings, looking: Looking, does: Doing) -> None:
    """Add the API to `web`. Whatever is below `/api/`, addresses that there are none included, is behind the access."""
    token = settings.server.admin_token
    refuse = access.guard(token)
    web.before_request(lambda: refuse() if request.path.startswith(BELOW) else None)
    web.after_request(_private)
    web.url_map.converters["anything"] = Anything
    if isinstance(web.json, DefaultJSONProvider):
        web.json.sort_keys = False  # an event is read in the order in which it is described
    api = Described(web, spec_kwargs=options(with_token=bool(token)))
    api.register_converter(Anything, lambda _: {"type": "string", "minLength": 1})
    api.spec.components.security_scheme("admin_token", SCHEME)
    for routes in (asking.lists(looking, settings), asking.single(looking), doing.routes(does)):
        routes.register_error_handler(Unavailable, _not_now)
        api.register_blueprint(routes)
    description = json.dumps(api.spec.to_dict())
    web.add_url_rule(
        "/api/openapi.json", "openapi", lambda: Response(description, content_type="application/json"), methods=["GET"]
    )


def _not_now(_: Unavailable) -> Response:
    """The reason is for the log: it names our insides."""
    return problem(503, NOT_NOW, [("Retry-After", RETRY_AFTER)])


def _private(answer: Response) -> Response:
    """No browser keeps an answer of the API, or takes it for anything but what it says it is."""
    if request.path.startswith(BELOW):
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
