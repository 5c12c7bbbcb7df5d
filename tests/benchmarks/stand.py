"""Everything that runs during a measurement: Valkey, jobwire's own processes, the rivals' and the far end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
import requests
import rivals

from processor.embedded import EmbeddedServer
from processor.wiring import REDIS_FROM_PARENT, App, from_environment

Process = subprocess.Popen[bytes]

HERE = Path(__file__).parent
KEY = "a-key-of-the-benchmark"
LATENCY = 0.02  # seconds that provider and sink take to answer

CONFIGURATION = f"""\
[sources.hover]
provider = "hover"
webhook_secrets = ["{KEY}"]
client_id = "benchmark"
client_secret = "{KEY}"
refresh_token = "{KEY}"
api_url = "{{far}}"
rate_limits = []

[sources.itwin]
provider = "bentley"
webhook_secrets = ["{KEY}"]
client_id = "benchmark"
client_secret = "{KEY}"

[sinks.hook]
type = "webhook"
url = "{{far}}/sink"
secret = "whsec_YS1rZXktb2YtdGhlLWJlbmNobWFyaw=="
allow_private = true
"""


@dataclass(frozen=True)
class Server:
    """A process that listens."""

    port: int
    process: Process


@dataclass(frozen=True)
class Stand:
    """Where the processes run. Each writes what it logs to a file of its own, as a service's log would be."""

    folder: Path
    redis_url: str
    far_port: int

    @property
    def far_url(self) -> str:
        return f"http://127.0.0.1:{self.far_port}"

    @cached_property
    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url)

    @cached_property
    def app(self) -> App:
        """jobwire, to hand in work without a receiver."""
        return from_environment(self._environ())

    @cached_property
    def http(self) -> requests.Session:
        return requests.Session()

    # --- processes

    @contextmanager
    def process(self, name: str, *arguments: str) -> Iterator[Process]:
        """A Python process; it is stopped at the end."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments], env=self._environ(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            _stop(process)

    @contextmanager
    def server(self, name: str, *arguments: str) -> Iterator[Server]:
        """A process that listens at the port that takes the place of "PORT" in its arguments."""
        port = free_port()
        with self.process(name, *(str(port) if a == "PORT" else a for a in arguments)) as process:
            wait_for(lambda: _listens(port), 30, lambda: self.complaint(name))
            yield Server(port, process)

    def receiver(self) -> AbstractContextManager[Server]:
        """`jobwire web` as the Procfile starts it."""
        return self.server("web", "-m", "processor.cli", "web", "--port", "PORT")

    def worker(self) -> AbstractContextManager[Process]:
        """One worker process as `jobwire up` starts it."""
        return self.process("worker", "-m", "workers", "worker")

    def simple_worker(self) -> AbstractContextManager[Process]:
        """RQ's SimpleWorker by RQ's own command."""
        command = ("-m", "rq.cli", "worker", "--worker-class", "rq.SimpleWorker", "--quiet", "--url", self.redis_url)
        return self.process("simple", *command, rivals.QUEUE)

    def complaint(self, name: str) -> str:
        log = (self.folder / f"{name}.log").read_text(errors="replace")
        return f"{name} did not get ready in time; the end of its log:\n{log[-3000:]}"

    def _environ(self) -> Mapping[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("JOBWIRE", "REDIS"))}
        return clean | {
            "JOBWIRE_CONFIG": str(self.folder / "jobwire.toml"),
            REDIS_FROM_PARENT: self.redis_url,
            rivals.REDIS_URL: self.redis_url,
            rivals.FAR_URL: self.far_url,
            "PYTHONPATH": str(HERE),
        }

    # --- the far end's notes

    def arrived(self) -> int:
        """How many jobs' events have reached the sink."""
        return int(self.http.get(f"{self.far_url}/count", timeout=5).text)

    def notes(self) -> dict[str, Any]:
        """When the first job was asked for, and when each job's event came in, by the clock of time.monotonic."""
        notes: dict[str, Any] = self.http.get(f"{self.far_url}/notes", timeout=5).json()
        return notes

    def await_arrivals(self, count: int, seconds: float, name: str) -> dict[str, Any]:
        """The notes once `count` jobs' events are there."""
        wait_for(
            lambda: self.arrived() >= count,
            seconds,
            lambda: f"{self.arrived()} of {count} events after {seconds:g} s; {self.complaint(name)}",
        )
        return self.notes()

    def start_afresh(self) -> None:
        """Forget all work, done or waiting."""
        self.redis.flushdb()
        self.http.delete(f"{self.far_url}/notes", timeout=5)


@contextmanager
def stand() -> Iterator[Stand]:
    """Valkey with its append-only file always synced, and the far end. All processes are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="jobwire-benchmark-") as name, ExitStack() as stack:
        folder = Path(name)
        valkey = EmbeddedServer(folder / "data")
        valkey.ensure()
        stack.callback(valkey.stop)
        far_port = free_port()
        (folder / "jobwire.toml").write_text(CONFIGURATION.format(far=f"http://127.0.0.1:{far_port}"))
        it = Stand(folder, valkey.url, far_port)
        stack.enter_context(it.process("far", str(HERE / "far_end.py"), str(far_port), str(LATENCY)))
        wait_for(lambda: _listens(far_port), 10, lambda: it.complaint("far"))
        yield it


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], bool], seconds: float, complaint: Callable[[], str]) -> None:
    """Return once `what` is true. Raises RuntimeError when it does not become so in time."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise RuntimeError(complaint())
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _stop(process: Process) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
