"""The ways in by HTTP, as one Flask application: a file for each blueprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from flask import Flask

from processor import observe
from processor.observe import Readiness
from processor.pipeline.accept import Inbox
from processor.ports import Provider
from processor.settings import Settings
from processor.web import health, problems, receiver


class Core(Protocol):
    """What the web needs of the rest."""

    @property
    def settings(self) -> Settings: ...
    @property
    def providers(self) -> Mapping[str, Provider]: ...
    @property
    def inbox(self) -> Inbox: ...
    def readiness(self) -> Readiness: ...


def create_app(core: Core | None = None) -> Flask:
    """The application on top of `core`; without one, built from the configuration of this process's environment.

    Raises ConfigError when that configuration cannot be used.
    """
    if core is None:
        from processor.wiring import web_core  # the only module that knows everything; tests need none of it

        core = web_core()
        telemetry = core.settings.telemetry
        observe.set_up(telemetry.log_format, telemetry.sentry_dsn, hidden=core.settings)
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # a signed path is not to be corrected by a redirect
    problems.register(app)
    app.register_blueprint(receiver.blueprint(core.providers, core.inbox, max_body=core.settings.server.max_body))
    app.register_blueprint(health.blueprint(core.readiness))
    return app
