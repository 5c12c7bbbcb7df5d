"""The dashboard: pages for people, drawn here, live in a browser with script and whole in one without."""

from __future__ import annotations

from flask import Blueprint, Response, request
from flask.sansio.blueprints import BlueprintSetupState

from processor.looking import Doing, Looking
from processor.settings import Settings
from processor.web.api.described import Anything
from processor.web.pages import acting, assets, lists, signing_in, things, trouble
from processor.web.pages.asking import Asking
from processor.web.pages.drawing import Canvas
from processor.web.pages.gate import Gate, harden

_OPEN = ("sign_in", "enter")  # to whoever is not signed in


def blueprint(settings: Settings, looking: Looking, doing: Doing) -> Blueprint:
    """All pages. Nothing of this runs for a request that is for none of them."""
    routes = Blueprint("pages", __name__)
    routes.record_once(_ids_hold_anything)
    canvas = Canvas(lambda: gate.signed_in())
    gate = Gate(settings.server.admin_token, canvas)
    asking = Asking(settings)

    @routes.before_request
    def let_in() -> Response | None:
        of = (request.endpoint or "").rpartition(".")[2]
        if of == assets.ENDPOINT:
            return None
        return gate.before_signing_in() if of in _OPEN else gate.before()

    routes.after_request(harden)
    trouble.register(routes, canvas)
    assets.add(routes)
    signing_in.add(routes, canvas, gate, settings.server)
    lists.add(routes, canvas, asking, looking)
    things.add(routes, canvas, looking)
    acting.add(routes, canvas, asking, looking, doing)
    return routes


def _ids_hold_anything(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["anything"] = Anything
