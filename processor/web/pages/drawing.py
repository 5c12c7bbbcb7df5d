"""Templates in, answers out: a whole page, or only what of it changes while somebody looks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from jinja2 import Environment, PackageLoader, StrictUndefined
from werkzeug.http import HTTP_STATUS_CODES

from processor.telling.addresses import web_address
from processor.text import NAME, VALUE, clean, moment
from processor.text.lines import plain
from processor.web.pages import words

STATIC = Path(__file__).parent / "static"
# htmx.org 2.0.11 and idiomorph 0.8.0 as npm has them, each with its licence beside it
ASSETS = ("jobwire.css", "jobwire.js", "htmx.min.js", "idiomorph-ext.min.js", "icon.svg")
_HTMX = {
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    "selfRequestsOnly": True,
    "historyEnabled": False,
    "historyCacheSize": 0,
    "timeout": 10_000,
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "2..", "swap": True},
        {"code": "...", "swap": True, "error": True, "target": "#notice", "swapOverride": "innerHTML"},
    ],
}


class Canvas:
    """Draws templates. `signed_in` tells whether the request has a session, which can be ended."""

    def __init__(self, signed_in: Callable[[], bool]) -> None:
        self._env = Environment(
            loader=PackageLoader(__package__),
            autoescape=True,
            undefined=StrictUndefined,
            lstrip_blocks=True,
        )
        self._env.filters |= {
            "line": lambda value, limit=VALUE: clean(plain(value), limit),
            "name": lambda value: clean(plain(value), NAME),
            "moment": moment,
            "web": web_address,
            "number": words.number,
            "took": words.took,
            "query": urlencode,
            "handle": handle,
        }
        self._env.globals |= {
            "asset": asset_addresses().__getitem__,
            "htmx": json.dumps(_HTMX),
            "looks": words.LOOKS,
            "shapes": words.SHAPES,
            "job_path": words.job_path,
            "event_path": words.event_path,
            "notification_path": words.notification_path,
            "delivery_path": words.delivery_path,
        }
        self._env.globals["m"] = self._env.get_template("macros.html").module
        self._signed_in = signed_in

    def draw(self, name: str, status: int = 200, **shown: Any) -> Response:
        """The page; to a request of a page that is open already only what changes of it, or 204 when nothing did."""
        template = self._env.get_template(name)
        about = {
            "here": request.path,
            "look_at": _look_at(),
            "signed_in": False,
            "sought": "",
            "status": status,
            **shown,
        }
        live = template.blocks.get("live")
        if live is None:
            return self._whole(name, status, about)
        part = "".join(live(template.new_context(about)))
        seen = hashlib.sha256(part.encode("utf-8", "replace")).hexdigest()[:16]
        if not self.is_fragment():
            return self._whole(name, status, about | {"seen": seen})
        if request.headers.get("X-Seen") == seen:
            return Response(status=204)
        return _html(f'{part}<i id="seen" data-seen="{seen}" hidden></i>', status)

    def trouble(self, status: int, reason: str, **shown: Any) -> Response:
        """A page that says what is wrong, in a sentence; within a page that is open already, a note."""
        if self.is_fragment():
            return self.note(reason, status)
        title = shown.pop("title", HTTP_STATUS_CODES[status])
        return self.draw("trouble.html", status, title=title, reason=reason, **shown)

    def note(self, said: str, status: int, *, to: str = "", label: str = "") -> Response:
        """What is said above a page that is open already, and stays as it is."""
        return _html(self._env.get_template("note.html").render(said=said, to=to, label=label), status)

    @staticmethod
    def is_fragment() -> bool:
        """Whether a page that is open already asks what has changed."""
        return request.headers.get("HX-Request") == "true"

    def _whole(self, name: str, status: int, about: dict[str, Any]) -> Response:
        about["signed_in"] = self._signed_in()
        return _html(self._env.get_template(name).render(about), status)


def asset_addresses() -> dict[str, str]:
    """The address of each file of ours that a browser may keep: it changes with the file."""
    return {name: f"/static/{name}?v={version(name)}" for name in ASSETS}


def version(name: str) -> str:
    """Changes with the file."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def handle(*parts: str) -> str:
    """A name for an element that is about something, by which it is known again: letters and digits only."""
    return "x" + hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:12]


def _look_at() -> str:
    """The address at which an open page asks what has changed."""
    kept = [(k, v) for k, v in request.args.items(multi=True) if k not in words.BECAME]
    return request.path + (f"?{urlencode(kept)}" if kept else "")


def _html(text: str, status: int) -> Response:
    return Response(text.encode("utf-8", "replace"), status, content_type="text/html; charset=utf-8")
