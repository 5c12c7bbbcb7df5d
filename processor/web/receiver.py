"""`POST /webhooks/{source}`: the raw body is read once, judged, stored, and only then answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.sansio.utils import get_content_length
from werkzeug.wsgi import get_input_stream

from processor import observe, tracing
from processor.errors import Malformed, ProcessorError, UnknownSource
from processor.model import Request
from processor.pipeline.accept import Inbox, Outcome, Status, accept
from processor.ports import AnswersOptions, Provider

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_json = json.JSONEncoder(separators=(",", ":")).encode


def blueprint(providers: Mapping[str, Provider], inbox: Inbox, *, max_body: int) -> Blueprint:
    routes = Blueprint("receiver", __name__)
    log = structlog.get_logger(__name__).bind()  # once, and not with every line

    @routes.post("/webhooks/<source>", provide_automatic_options=False)
    def receive(source: str) -> Response:
        began, environ = perf_counter(), request.environ
        traced = tracing.parse(environ.get("HTTP_TRACEPARENT"))
        if source in providers:
            observe.about(source=source)
        try:
            outcome = accept(_provider(providers, source), _incoming(environ, _body(environ, max_body)), inbox)
        except (ProcessorError, HTTPException) as e:
            reason = e.reason if isinstance(e, ProcessorError) else type(e).__name__
            inbox.rejected(source, reason)
            log.info("notification", source=source[:64], status="rejected", reason=reason, detail=str(e), ms=_ms(began))
            raise
        except Exception:
            inbox.rejected(source, "Bug")
            raise
        told = _told(outcome)
        log.info("notification", source=source, **told, **_trace(traced, outcome), ms=_ms(began))
        return Response(_json(told), _HTTP_STATUS[outcome.status], content_type="application/json")

    @routes.route("/webhooks/<source>", methods=["OPTIONS"], provide_automatic_options=False)
    def greet(source: str) -> Response:
        provider = _provider(providers, source)
        headers = provider.options(_incoming(request.environ, b"")) if isinstance(provider, AnswersOptions) else None
        if headers is None:
            raise MethodNotAllowed(["POST"])
        return Response(status=200, headers=dict(headers))

    return routes


def _provider(providers: Mapping[str, Provider], source: str) -> Provider:
    provider = providers.get(source)
    if provider is None:
        raise UnknownSource("no source has this name")
    return provider


def _body(environ: WSGIEnvironment, limit: int) -> bytes:
    """The raw body, refused as soon as it is known to be longer than `limit`."""
    length = get_content_length(environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING")) or 0
    if length > limit:
        raise RequestEntityTooLarge
    # werkzeug cuts a body of unknown length off there, and says nothing
    body: bytes = get_input_stream(environ, max_content_length=limit + 1).read()
    if len(body) > limit:
        raise RequestEntityTooLarge
    if len(body) < length:
        raise Malformed("the body ended before its Content-Length")
    return body


def _incoming(environ: WSGIEnvironment, body: bytes) -> Request:
    return Request(
        method=environ["REQUEST_METHOD"],
        path=request.path,
        query=environ.get("QUERY_STRING", ""),
        headers=_headers(environ),
        body=body,
        received_at=datetime.now(UTC),
    )


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """Lower-case names. The server joins a header that came twice with a comma, so two signatures match none."""
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return headers


_HTTP_STATUS = {Status.ACCEPTED: 202, Status.DUPLICATE: 200, Status.IGNORED: 200}


def _told(outcome: Outcome) -> dict[str, str]:
    """What the sender and the log are told: what there is of status, id and reason."""
    told = {"status": outcome.status.value, "id": outcome.id, "reason": outcome.reason}
    return {name: value for name, value in told.items() if value is not None}


def _trace(traced: str, outcome: Outcome) -> dict[str, str]:
    """What the line has of the trace: that of the request, else the one that its notification begins."""
    context = traced or (tracing.begun_by(outcome.id) if outcome.id else "")
    return {"trace": tracing.trace_of(context)} if context else {}


def _ms(began: float) -> float:
    return round((perf_counter() - began) * 1000, 1)
