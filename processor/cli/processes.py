"""`jobwire web`, `worker` and `scheduler`: one process type each, as the Procfile uses them."""

from __future__ import annotations

import os
import sys

import click

from processor import leash, observe
from processor.cli import common
from processor.cli.redis_url import configured_or_running
from processor.settings import Settings
from processor.wiring import REDIS_FROM_PARENT, read_settings

DEFAULT_PORT = 8080


@click.command()
@common
@click.option("--host", help="Default: [server].host.")
@click.option("--port", type=click.IntRange(1, 65535), envvar="PORT", help="Default: $PORT, else [server].port.")
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="Server processes.")
def web(config: str | None, data_dir: str, host: str | None, port: int | None, processes: int) -> None:
    """Run the receiver: one process of the Procfile; honours $PORT."""
    from processor.web.server import serve  # --help needs neither granian nor Flask

    settings = _prepare(config, data_dir)
    observe.set_up(settings.telemetry.log_format, settings.telemetry.sentry_dsn, hidden=settings, process="web")
    leash.hold()
    serve(host or settings.server.host, port or settings.server.port or DEFAULT_PORT, workers=processes)


@click.command()
@common
def worker(config: str | None, data_dir: str) -> None:
    """Run a worker: one process of the Procfile."""
    _become("worker", config, data_dir)


@click.command()
@common
def scheduler(config: str | None, data_dir: str) -> None:
    """Run the periodic duties: one process of the Procfile."""
    _become("scheduler", config, data_dir)


def _prepare(config: str | None, data_dir: str) -> Settings:
    """Check the configuration and pass it, and the Redis that is meant, on to what this process becomes."""
    settings = read_settings(config, os.environ)
    if config:
        os.environ["JOBWIRE_CONFIG"] = os.path.abspath(config)
    if REDIS_FROM_PARENT not in os.environ:
        os.environ[REDIS_FROM_PARENT] = configured_or_running(settings, data_dir)
    return settings


def _become(role: str, config: str | None, data_dir: str) -> None:
    """The command line is above the workers and never imports them: this process becomes one."""
    _prepare(config, data_dir)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "workers", role])  # noqa: S606  # our own module
