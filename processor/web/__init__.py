"""The ways in by HTTP, as one Flask application: a file for each blueprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from flask import Flask

from processor import observe
from processor.looking import Doing, Looking
from processor.observe import Readiness
from processor.pipeline.accept import Inbox
from processor.ports import Provider
from processor.settings import Settings
from processor.store.figures import Figures
from processor.web import api, health, metrics, pages, problems, receiver


class Core(Protocol):
    """What the web needs of the rest."""

    @property
    def settings(self) -> Settings: ...
    @property
    def providers(self) -> Mapping[str, Provider]: ...
    @property
    def inbox(self) -> Inbox: ...
    def readiness(self) -> Readiness: ...


def create_app(
    core: Core | None = None,
    *,
    looking: Looking | None = None,
    doing: Doing | None = None,
    figures: Callable[[], Figures] | None = None,
) -> Flask:
    """The application on top of `core`; without one, built from the configuration of this process's environment.

    API and pages are there when `looking` and `doing` are, metrics when `figures` are. Raises ConfigError when that
    configuration cannot be used.
    """
    if core is None:
        from processor.wiring import web_core  # the only module that knows everything; tests need none of it

        app = core = web_core()
        looking, doing, figures = Looking(app), Doing(app), app.figures
        telemetry = core.settings.telemetry
        observe.set_up(telemetry.log_format, telemetry.sentry_dsn, hidden=core.settings, process="web")
    web = Flask(__name__, static_folder=None)
    web.url_map.merge_slashes = False  # a signed path is not to be corrected by a redirect
    problems.register(web)
    web.register_blueprint(receiver.blueprint(core.providers, core.inbox, max_body=core.settings.server.max_body))
    web.register_blueprint(health.blueprint(core.readiness))
    if figures:
        web.register_blueprint(metrics.blueprint(core.settings, figures))
    if looking and doing:
        api.register(web, core.settings, looking, doing)
        web.register_blueprint(pages.blueprint(core.settings, looking, doing))
    return web
