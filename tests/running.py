"""A whole jobwire in processes of its own, beside simulated providers: for the tests that kill things."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
import requests

from processor.cli.simulated import BENTLEY, HOVER, Simulated
from processor.connect import connect
from processor.embedded import EmbeddedServer
from processor.simulation import Served
from processor.store.journal import Journal

__all__ = ["BENTLEY", "HOVER", "MAKING", "Running", "free_port", "running", "wait_for"]

# Routes are compiled, which several threads of Python 3.11 must not do at once: it loses count of what it parses,
# https://github.com/python/cpython/issues/106905.
MAKING = threading.Lock()


@dataclass
class Running:
    """`jobwire up` in `folder`, with a file sink; `pids` says which processes it consists of."""

    folder: Path
    port: int
    simulated: Simulated
    process: subprocess.Popen[bytes]
    environ: dict[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def embedded(self) -> EmbeddedServer:
        return EmbeddedServer(self.folder / "data")

    @property
    def journal(self) -> Journal:
        return Journal(connect(self.embedded.url, patient=True, text=False))

    def events(self) -> list[dict[str, Any]]:
        """What the file sink has got so far."""
        file = self.folder / "events.jsonl"
        lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
        return [json.loads(line) for line in lines if line]

    def pids(self, of: str) -> list[int]:
        """The processes of this jobwire whose command line holds `of`, the youngest last."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environ = (entry / "environ").read_bytes()
            except (OSError, NotADirectoryError):
                continue
            if entry.name.isdigit() and of in command and str(self.folder).encode() in environ:
                found.append(int(entry.name))
        return sorted(found)

    @property
    def server(self) -> int:
        """The process of the embedded Valkey (which rewrites its command line)."""
        with redis.Redis(unix_socket_path=str(self.embedded.socket)) as client:
            info: Any = client.info("server")
            return int(info["process_id"])

    def kill(self, of: str) -> None:
        """kill -9 of everything whose command line holds `of`."""
        for pid in self.pids(of):
            os.kill(pid, signal.SIGKILL)

    def log(self) -> str:
        return (self.folder / "up.log").read_text()


def free_port() -> int:
    """One that no connection of somebody else's can take while a server is away: below those that the system gives."""
    while True:
        port = random.randint(20000, 30000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(what: Callable[[], Any], seconds: float = 30.0, why: str = "") -> Any:
    """What `what` returns once it is true. Fails when it does not become so in time."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, why or f"{what} did not come true within {seconds} s"
        time.sleep(0.05)
    return found


def start(folder: Path, port: int, environ: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    """`jobwire up` with the configuration in `folder`, and further arguments."""
    command = [sys.executable, "-m", "processor.cli", "up", "--config", str(folder / "jobwire.toml"), *arguments]
    with (folder / "up.log").open("ab") as log:
        return subprocess.Popen(
            [*command, "--data-dir", str(folder / "data"), "--port", str(port)], stdout=log, stderr=log, env=environ
        )


@contextmanager
def running(
    folder: Path,
    more: str = "",
    *arguments: str,
    reconcile: str | None = None,
    before: Callable[[Simulated], None] | None = None,
) -> Iterator[Running]:
    """A jobwire that is ready; `more` is further configuration, `arguments` are for `up`, `reconcile` for each source;
    `before` is called with the providers before anything runs.

    Everything it started is gone afterwards.
    """
    port = free_port()
    with MAKING:
        simulated = Simulated(f"http://127.0.0.1:{port}", limited=False)
    if before:
        before(simulated)
    served: Served = simulated.serve("127.0.0.1", 0)
    sink = f'[sinks.disk]\ntype = "file"\npath = "{folder / "events.jsonl"}"\n'
    (folder / "jobwire.toml").write_text(f"{simulated.configuration(served.url, reconcile=reconcile)}\n{sink}\n{more}")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("JOBWIRE", "REDIS"))}
    it = Running(folder, port, simulated, start(folder, port, environ, *arguments), environ)
    try:
        wait_for(lambda: ready(it.url), 60, "it did not become ready; see up.log")
        yield it
        it.process.send_signal(signal.SIGTERM)
        assert it.process.wait(40) == 0
    finally:
        it.process.kill()
        it.process.wait()
        for of in ("workers", "processor.cli"):
            it.kill(of)
        with suppress(redis.RedisError):
            os.kill(it.server, signal.SIGKILL)
        served.close()


def ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=2).status_code == 200
    except requests.ConnectionError:
        return False
