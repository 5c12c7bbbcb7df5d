"""`jobwire up`: receiver, workers and scheduler in one terminal, with its own Valkey unless one is configured."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click
import structlog

from processor import observe
from processor.cli import common
from processor.cli.processes import DEFAULT_PORT
from processor.cli.supervise import Child, keep_running, stop_on_signals
from processor.embedded import EmbeddedServer
from processor.errors import Unavailable
from processor.web.server import check_free
from processor.wiring import REDIS_FROM_PARENT, read_settings

log = structlog.get_logger(__name__)


@click.command()
@common
@click.option("--host", help="Default: [server].host, else 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65535), help="Default: [server].port, else 8080.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
def up(config: str | None, data_dir: str, host: str | None, port: int | None, workers: int) -> None:
    """Run receiver, workers and scheduler in one terminal."""
    settings = read_settings(config, os.environ)
    observe.set_up(settings.telemetry.log_format, None)
    host, port = host or settings.server.host, port or settings.server.port or DEFAULT_PORT
    check_free(host, port)
    stopping = stop_on_signals()
    embedded = None
    if settings.redis.url:
        url = settings.redis.url.reveal()
    else:
        embedded = EmbeddedServer(Path(data_dir))
        embedded.ensure()
        url = embedded.url
    environ = {**os.environ, REDIS_FROM_PARENT: url}
    if config:
        environ["JOBWIRE_CONFIG"] = os.path.abspath(config)
    click.echo(f"jobwire receives at http://{host}:{port}/webhooks/SOURCE; {_where(embedded)}; Ctrl-C stops", err=True)
    keep_running(family(environ, host, port, workers), stopping, also=lambda: _mend(embedded))
    if embedded:
        embedded.stop()


def family(environ: Mapping[str, str], host: str, port: int, workers: int, **streams: int) -> list[Child]:
    """The processes of one jobwire, in the order in which they are stopped: what lets in first."""
    web = ["processor.cli", "web", "--host", host, "--port", str(port)]
    return [
        Child("web", web, environ, **streams),
        *(Child(f"worker {n}", ["workers", "worker"], environ, **streams) for n in range(1, workers + 1)),
        Child("scheduler", ["workers", "scheduler"], environ, **streams),
    ]


def _where(embedded: EmbeddedServer | None) -> str:
    return f"data in {embedded.data_dir}" if embedded else "Redis as configured"


def _mend(embedded: EmbeddedServer | None) -> None:
    if embedded is None or embedded.answers():
        return
    log.warning("the embedded server died and is started again")
    try:
        embedded.ensure()
    except Unavailable as e:
        log.error("the embedded server does not start", reason=e.message)
