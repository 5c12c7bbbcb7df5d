"""Signing in with the admin token, and out."""

from __future__ import annotations

import math
import time
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, request

from processor.settings.shapes import Server
from processor.web import access
from processor.web.pages.drawing import Canvas
from processor.web.pages.gate import Gate, local, see_other
from processor.web.pages.session import COOKIE, SECONDS, Sessions, Tries

log = structlog.get_logger(__name__)

_WRONG = "This is not the admin_token of the configuration."
_SLOWLY = "Too many wrong tokens have come. Try again in {} seconds."


def add(routes: Blueprint, canvas: Canvas, gate: Gate, server: Server) -> None:
    tries = Tries()

    @routes.get("/sign-in")
    def sign_in() -> Response:
        way_back = local(request.args.get("next", "/"))
        if server.admin_token is None or gate.signed_in():
            return see_other(way_back)
        return canvas.draw("sign_in.html", way_back=way_back, fault="")

    @routes.post("/sign-in")
    def enter() -> Response:
        way_back, token = local(request.form.get("next", "/")), server.admin_token
        if token is None:
            return see_other(way_back)
        if (seconds := tries.take()) > 0:
            log.info("sign-in", outcome="too many", peer=request.remote_addr)
            answer = canvas.draw("sign_in.html", 429, way_back=way_back, fault=_SLOWLY.format(math.ceil(seconds)))
            answer.headers["Retry-After"] = str(math.ceil(seconds))
            return answer
        given = request.form.get("token", "").strip()
        if not access.is_token(given.encode("utf-8", "surrogatepass"), token):
            log.info("sign-in", outcome="refused", peer=request.remote_addr)
            answer = canvas.draw("sign_in.html", 401, way_back=way_back, fault=_WRONG)
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        tries.give_back()
        log.info("sign-in", outcome="accepted", peer=request.remote_addr)
        answer = see_other(way_back)
        answer.set_cookie(
            COOKIE,
            Sessions(token).begin(time.time()),
            max_age=SECONDS,
            path="/",
            secure=_by_https(server.public_url),
            httponly=True,
            samesite="Strict",
        )
        return answer

    @routes.post("/sign-out")
    def sign_out() -> Response:
        answer = see_other("/sign-in" if server.admin_token else "/")
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return answer


def _by_https(public_url: str | None) -> bool:
    """Whether the browser speaks to us by https, also when a proxy in front of us does that."""
    public = urlsplit(public_url or "")
    ours = public.scheme == "https" and public.netloc.lower() == request.host.lower()
    return request.is_secure or ours or request.headers.get("Origin", "").startswith("https://")
