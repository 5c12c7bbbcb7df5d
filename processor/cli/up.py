"""`jobwire up`: receiver, workers and scheduler in one terminal, with its own Valkey unless one is configured."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import click
import structlog

from processor import observe
from processor.cli import common
from processor.cli.processes import DEFAULT_PORT
from processor.cli.supervise import HEALTHY, LATEST, SOONEST, Child, keep_running, stop_on_signals
from processor.embedded import EmbeddedServer
from processor.listening import check_free
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
    keep_running(
        family(environ, host, port, workers), stopping, also=_Mender(embedded).look if embedded else lambda: None
    )
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


class _Mender:
    """Looks after the embedded server: one that died is started again, soon at first, then every few seconds."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self._away: float | None = None  # since when it does not answer
        self._back = time.monotonic()
        self._delay = SOONEST
        self._due = 0.0

    def look(self) -> None:
        """Called every moment; waits for no server."""
        now = time.monotonic()
        if self._server.answers():
            if self._away is not None:
                log.info("the embedded server answers again", seconds=round(now - self._away, 1))
                self._away, self._back = None, now
            return
        if self._away is None:
            self._away = now
            self._delay = SOONEST if now - self._back > HEALTHY else self._delay
            log.warning("the embedded server does not answer", reason=self._server.trouble())
        if now >= self._due and self._server.restart():
            log.warning("the embedded server died and is started again", next=self._delay)
            self._due, self._delay = now + self._delay, min(LATEST, self._delay * 2)
