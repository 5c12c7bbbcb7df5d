"""`GET /healthz`: alive. `GET /readyz`: able to take and process notifications, part by part."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify

from processor.observe import Readiness


def blueprint(readiness: Callable[[], Readiness]) -> Blueprint:
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @routes.get("/readyz")
    def readyz() -> Response:
        now = readiness()
        parts = {name: {"ok": part.ok, "detail": part.detail} for name, part in now.parts.items()}
        answer = jsonify(status="ready" if now.ok else "not ready", parts=parts)
        answer.status_code = 200 if now.ok else 503
        return answer

    return routes
