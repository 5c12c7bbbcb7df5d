"""The few files that pages are made with: browsers may keep them, since their addresses change with them."""

from __future__ import annotations

from mimetypes import guess_type

from flask import Blueprint, Response, abort, request

from processor.web.pages.drawing import ASSETS, STATIC, version

ENDPOINT = "asset"


def add(routes: Blueprint) -> None:
    files = {name: (STATIC / name).read_bytes() for name in ASSETS}
    versions = {name: version(name) for name in ASSETS}

    @routes.get("/static/<name>", endpoint=ENDPOINT)
    def asset(name: str) -> Response:
        if name not in files:
            abort(404)
        answer = Response(files[name], content_type=guess_type(name)[0])
        answer.set_etag(versions[name])
        known = request.args.get("v") == versions[name]
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if known else "no-cache"
        answer.make_conditional(request)
        return answer
