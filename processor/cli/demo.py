"""`jobwire demo`: everything on this machine with nothing configured, and a short story played through it."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from processor import leash
from processor.cli import common
from processor.cli.simulate import answers
from processor.cli.simulated import BENTLEY, HOVER, Simulated
from processor.cli.story import STORY, Scene
from processor.cli.supervise import keep_running, stop_on_signals
from processor.cli.up import family
from processor.connect import connect
from processor.embedded import EmbeddedServer
from processor.errors import ProcessorError, Unavailable
from processor.listening import check_free
from processor.simulation import Sent, Served, play
from processor.store.journal import Journal
from processor.wiring import REDIS_FROM_PARENT, read_settings

DEFAULT_PORT = 8080
READY_SECONDS = 60.0  # a machine that is busy with something else may take its time
SCENE_SECONDS = 60.0
SINK = "screen"


@click.command()
@common
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--once", is_flag=True, help="End when the story has: 0 when all its events were delivered, else 1.")
@click.pass_context
def demo(ctx: click.Context, config: str | None, data_dir: str, host: str, port: int, *, once: bool) -> None:
    """Play a whole story on this machine, with nothing configured.

    Receiver, worker, scheduler, an embedded Valkey, both providers (simulated) and a console sink. What it keeps is in
    a temporary folder, or in --data-dir if that is given.
    """
    if config:
        read_settings(config, os.environ)  # the demo brings its own, but a fault in one that is named is told
    check_free(host, port)
    stopping = stop_on_signals()
    given = ctx.get_parameter_source("data_dir") is not click.core.ParameterSource.DEFAULT
    with _folder(Path(data_dir) if given else None) as folder, ExitStack() as stack:
        if not given:
            server = EmbeddedServer(folder)
            stack.enter_context(leash.swept(server.pid_file, folder, server.socket.parent))
        stage = _Stage(folder, host, port)
        stack.callback(stage.close)
        helper = threading.Thread(target=stage.run, args=(stopping,))
        helper.start()
        try:
            delivered = stage.tell_where(stopping) and all(stage.play(scene, stopping) for scene in STORY)
            if not stopping.is_set():
                stage.sum_up()
                if not once:
                    click.echo("\nStill running; Ctrl-C ends it.")
                    stopping.wait()
        finally:
            stopping.set()
            helper.join()
    if not delivered and (once or not stage.interrupted):
        raise ProcessorError("the story's events were not all delivered in time; see above")


class _Stage:
    """What the demo runs on. The processes' log goes to a file: the terminal is for the story."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self._receiver = f"http://{host}:{port}"
        self._simulated = Simulated(self._receiver)
        self._served: Served = self._simulated.serve("127.0.0.1", 0)
        self._embedded = EmbeddedServer(folder)
        self._embedded.ensure()
        self._journal = Journal(connect(self._embedded.url, patient=True, text=False))
        self._log = (folder / "demo.log").open("ab")
        self._folder = folder
        self._told = 0
        self.interrupted = False
        self._sent: list[Sent] = []
        config = folder / "demo.toml"
        config.write_text(f'{self._simulated.configuration(self._served.url)}\n[sinks.{SINK}]\ntype = "console"\n')
        environ = {**os.environ, "JOBWIRE_CONFIG": str(config), REDIS_FROM_PARENT: self._embedded.url}
        self._family = family(environ, host, port, 1, stderr=self._log.fileno())

    def run(self, stopping: threading.Event) -> None:
        keep_running(self._family, stopping, also=lambda: None)

    def close(self) -> None:
        self._embedded.stop()
        self._served.close()
        self._log.close()

    def tell_where(self, stopping: threading.Event) -> bool:
        """Wait until everything is up; False when somebody stops it. Raises ProcessorError when it does not come up."""
        deadline = time.monotonic() + READY_SECONDS
        while not answers(self._receiver, "/readyz"):
            if time.monotonic() > deadline:
                raise ProcessorError(f"the demo did not start; see {self._keep_log()}")
            if stopping.wait(0.05):
                self.interrupted = True
                return False
        click.echo(f"jobwire receives webhooks at {self._receiver}/webhooks/{HOVER} and /webhooks/{BENTLEY};")
        click.echo(f"the dashboard is at {self._receiver}/, what it logs in {self._folder / 'demo.log'}.")
        return True

    def play(self, scene: Scene, stopping: threading.Event) -> bool:
        """One scene, until its events are delivered. False when they are not in time, or somebody stops it."""
        click.echo(f"\n▸ {scene.told}\n")
        self._told += scene.events
        self._sent += play(self._simulated.by_name[scene.provider], scene.steps, stopping)
        deadline = time.monotonic() + SCENE_SECONDS
        while self._delivered() < self._told:
            if time.monotonic() > deadline:
                click.echo(
                    f"{self._delivered()} of {self._told} events were delivered; see {self._keep_log()}", err=True
                )
                return False
            if stopping.wait(0.05):
                self.interrupted = True
                return False
        return True

    def sum_up(self) -> None:
        duplicates = sum(sent.status == 200 for sent in self._sent)
        slowed = sum(s.stage.counts["429"] for s in self._simulated.by_name.values())
        click.echo(
            f"\n{len(self._sent)} webhooks came in, {duplicates} of them again; the providers said 429 {slowed} "
            f"time(s); {self._told} events went out, each once."
        )

    def _delivered(self) -> int:
        try:
            return self._journal.counters().get(f"deliveries:d:{SINK}:delivered", 0)
        except Unavailable:
            return 0

    def _keep_log(self) -> Path:
        """The folder goes with the demo; the log is wanted afterwards."""
        kept = Path(tempfile.gettempdir()) / "jobwire-demo.log"
        shutil.copyfile(self._folder / "demo.log", kept)
        return kept


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given:
        given.mkdir(parents=True, exist_ok=True)
        yield given.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="jobwire-") as made:
        yield Path(made)
