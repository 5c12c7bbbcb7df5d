"""Child processes that are kept running: whichever dies is started again, until we are asked to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from processor.leash import LEASH

log = structlog.get_logger(__name__)

LOOK = 0.2  # seconds between looks
SOONEST, LATEST = 0.2, 5.0  # seconds before a child that died is started again; doubled while it keeps dying
HEALTHY = 3.0  # a child that lived so long starts afresh: what cannot begin ends sooner
STOP_SECONDS = 30.0


@dataclass
class Child:
    """One kind of process. `stdout` and `stderr` are file descriptors, None for ours."""

    name: str
    arguments: Sequence[str]
    environ: Mapping[str, str]
    stdout: int | None = None
    stderr: int | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    began: float = field(default=0.0, init=False)
    delay: float = field(default=SOONEST, init=False)
    due: float = field(default=0.0, init=False)
    _leash: int | None = field(default=None, init=False, repr=False)

    def start(self) -> None:
        ends, self._leash = os.pipe()
        self.process = subprocess.Popen(  # noqa: S603  # our own modules
            [sys.executable, "-m", *self.arguments],
            env={**self.environ, LEASH: "1"},
            stdin=ends,
            stdout=self.stdout,
            stderr=self.stderr,
            start_new_session=True,  # Ctrl-C is for us: we stop them in our order
        )
        os.close(ends)
        self.began = time.monotonic()

    def mend(self) -> None:
        """Start it if it is not running and its time has come."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.due:
                self.start()
            return
        status = self.process.poll()
        if status is None:
            return
        self._forget()
        self.delay = SOONEST if now - self.began > HEALTHY else min(LATEST, self.delay * 2)
        self.due = now + self.delay
        log.warning("a process died and is started again", process=self.name, status=status, seconds=self.delay)

    def ask_to_stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, deadline: float) -> None:
        """Wait for its end; past the deadline it is killed."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("a process did not stop in time", process=self.name)
            self.process.kill()
            self.process.wait()
        self._forget()

    def _forget(self) -> None:
        self.process = None
        if self._leash is not None:
            os.close(self._leash)
            self._leash = None


def keep_running(children: Sequence[Child], stopping: threading.Event, *, also: Callable[[], None]) -> None:
    """Start the children and mend what dies until `stopping`, then stop them. `also` is called at every look."""
    try:
        while not stopping.is_set():
            also()
            for child in children:
                child.mend()
            stopping.wait(LOOK)
    finally:
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.wait(deadline)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stopping = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopping.set())
    return stopping
