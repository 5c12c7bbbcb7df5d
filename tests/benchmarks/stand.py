"""Everything that runs during a measurement: Valkey, jobwire's own processes, the rivals' and the far end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
import requests

from processor.embedded import EmbeddedServer
from processor.queue import new_hand
from processor.store import keys
from processor.store.work import Hint
from processor.wiring import REDIS_FROM_PARENT, App, digest, from_environment

Process = subprocess.Popen[bytes]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RIVALS = HERE / "rivals"
KEY = "a-key-of-the-benchmark"
LATENCY = 0.02  # seconds that provider and sink take to answer, where nothing else is said
BATCH = 500  # notifications that one script stores when a stand is filled
SOURCE = "hover"
PATIENCE = 120.0  # seconds for events that are waited for

CONFIGURATION = f"""\
[sources.hover]
provider = "hover"
webhook_secrets = ["{KEY}"]
client_id = "benchmark"
client_secret = "{KEY}"
refresh_token = "{KEY}"
api_url = "{{far}}"
rate_limits = []
reconcile = 0

[sources.itwin]
provider = "bentley"
webhook_secrets = ["{KEY}"]
client_id = "benchmark"
client_secret = "{KEY}"
reconcile = 0
"""

SINK = """
[sinks.{name}]
type = "webhook"
url = "{far}/sink"
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
        return from_environment(self.environ())

    @cached_property
    def http(self) -> requests.Session:
        return requests.Session()

    # --- processes

    @contextmanager
    def process(
        self, name: str, command: Sequence[str], *, kill: bool = False, environ: Mapping[str, str] | None = None
    ) -> Iterator[Process]:
        """A process; at the end it is stopped, or killed with all that it has started."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**self.environ(), **(environ or {})},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            _end(process, kill=kill)

    def python(self, name: str, *arguments: str, kill: bool = False) -> AbstractContextManager[Process]:
        """A process of jobwire's own environment."""
        return self.process(name, [sys.executable, *arguments], kill=kill)

    @contextmanager
    def server(
        self, name: str, command: Sequence[str], *, environ: Mapping[str, str] | None = None
    ) -> Iterator[Server]:
        """A process that listens at the port that takes the place of "PORT" in its command."""
        port = free_port()
        given = [str(port) if part == "PORT" else part for part in command]
        with self.process(name, given, kill=True, environ=environ) as process:
            wait_for(lambda: listens(port), 30, lambda: self.complaint(name))
            yield Server(port, process)

    def receiver(self) -> AbstractContextManager[Server]:
        """`jobwire web` as the Procfile starts it."""
        return self.server("web", [sys.executable, "-m", "processor.cli", "web", "--port", "PORT"])

    def worker(self) -> AbstractContextManager[Process]:
        """One worker process as `jobwire up` starts it."""
        return self.python("worker", "-m", "workers", "worker")

    def complaint(self, name: str) -> str:
        log = (self.folder / f"{name}.log").read_text(errors="replace")
        return f"{name} did not get ready in time; the end of its log:\n{log[-3000:]}"

    def environ(self) -> Mapping[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("JOBWIRE", "REDIS"))}
        return clean | {
            "JOBWIRE_CONFIG": str(self.folder / "jobwire.toml"),
            REDIS_FROM_PARENT: self.redis_url,
            "BENCHMARK_REDIS_URL": self.redis_url,
            "BENCHMARK_FAR_URL": self.far_url,
            "PYTHONPATH": os.pathsep.join([str(RIVALS), str(ROOT)]),
        }

    # --- what waits

    def fill(self, jobs: Sequence[str]) -> None:
        """Store a notification of each job by the script that stores those that come in, many at once."""
        resource = self.app.sources[SOURCE]
        for i in range(0, len(jobs), BATCH):
            hints = [
                Hint(digest(SOURCE, job), keys.refresh_lane(SOURCE, job), "job-state-changed-v2", "v3", "job", True)
                for job in jobs[i : i + BATCH]
            ]
            _, hands = self.app.lanes.accept(resource, hints, hand=new_hand())
            self.app.send(hands)

    def pending(self) -> int:
        """How many lanes of the source wait."""
        return int(self.redis.zcard(keys.key("due", keys.refreshing(SOURCE))))

    # --- the far end

    def far(self, *, latency: float = LATENCY, models: int = 0, refuse: bool = False) -> None:
        """How the far end answers from now on: after how long, with how many models, whether the sink refuses."""
        asked = {"latency": latency, "models": models, "refuse": int(refuse)}
        self.http.put(f"{self.far_url}/manner", json=asked, timeout=5).raise_for_status()

    def arrived(self) -> int:
        """How many events have reached the sink."""
        return int(self.http.get(f"{self.far_url}/count", timeout=5).text)

    def notes(self) -> dict[str, Any]:
        """When each job was asked for first, when its first event came in, and when each event did, by the clock of
        time.monotonic."""
        notes: dict[str, Any] = self.http.get(f"{self.far_url}/notes", timeout=60).json()
        return notes

    def await_arrivals(self, count: int, name: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The notes once `count` events are there."""
        wait_for(
            lambda: self.arrived() >= count,
            seconds,
            lambda: f"{self.arrived()} of {count} events after {seconds:g} s; {self.complaint(name)}",
        )
        return self.notes()

    def forget(self) -> None:
        """The far end forgets what it has noted."""
        self.http.delete(f"{self.far_url}/notes", timeout=60)

    def start_afresh(self) -> None:
        """Forget all work, done or waiting."""
        self.redis.flushdb()
        self.forget()


@contextmanager
def stand() -> Iterator[Stand]:
    """Valkey with its append-only file always synced, and the far end. All processes are gone afterwards."""
    sys.path.append(str(RIVALS))  # where a sink of ours is that does nothing
    with tempfile.TemporaryDirectory(prefix="jobwire-benchmark-") as name, ExitStack() as stack:
        far_port = free_port()
        it = stack.enter_context(_beside(Path(name), far_port, sinks=1, extra=""))
        stack.enter_context(it.python("far", str(HERE / "far_end.py"), str(far_port), kill=True))
        wait_for(lambda: listens(far_port), 10, lambda: it.complaint("far"))
        it.far()
        yield it


@contextmanager
def beside(other: Stand, name: str, *, sinks: int = 1, extra: str = "") -> Iterator[Stand]:
    """Another stand, with a Valkey of its own and the far end of the first. `extra` is added to its configuration."""
    with _beside(other.folder / name, other.far_port, sinks=sinks, extra=extra) as it:
        yield it


@contextmanager
def _beside(folder: Path, far_port: int, *, sinks: int, extra: str) -> Iterator[Stand]:
    folder.mkdir(exist_ok=True)
    valkey = EmbeddedServer(folder / "data")
    valkey.ensure()
    try:
        far = f"http://127.0.0.1:{far_port}"
        hooks = "".join(SINK.format(name=f"hook{i}", far=far) for i in range(sinks))
        (folder / "jobwire.toml").write_text(CONFIGURATION.format(far=far) + hooks + extra)
        yield Stand(folder, valkey.url, far_port)
    finally:
        valkey.stop()


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


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def processor_time(*pids: int) -> float:
    """Seconds of processor time that processes have used so far, and those of their children that have ended."""
    seconds = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile, and is its parent's now
            continue
        seconds += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return seconds


def stolen() -> tuple[float, float]:
    """Of all processors' time so far that which their host gave to other machines (Linux), and all of it."""
    try:
        spent = [float(v) for v in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    except OSError:
        return 0.0, 0.0
    return spent[7], sum(spent)


def _end(process: Process, *, kill: bool) -> None:
    """Stop a process; it is killed with all that it has started when it is to be, or when it takes too long."""
    if not kill:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
            return
        except subprocess.TimeoutExpired:
            pass
    for pid in reversed(family(process.pid)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()
