"""Makes mishaps happen to a jobwire that runs: kills, freezes and ends its processes, upsets endpoint and providers."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos.endpoint import Endpoint
from chaos.plan import Mishap
from running import Running, start

from processor.simulation import Fault

WORKERS = 2
OF = {"worker": "workers worker", "scheduler": "workers scheduler", "web": "processor.cli web"}
_SLOW = 1.5  # seconds of a provider's slow answer
_PORT = 30.0  # seconds within which the port of a killed `up` is free again


@dataclass
class Hand:
    """Does one mishap at a time of each kind; what it froze it thaws. `happened` counts what really did."""

    it: Running
    endpoint: Endpoint
    rng: random.Random
    happened: Counter[str] = field(default_factory=Counter)
    _threads: list[threading.Thread] = field(default_factory=list)
    _starting: threading.Lock = field(default_factory=threading.Lock)

    def do(self, mishap: Mishap) -> None:
        """From a thread: what lasts holds up nothing else."""
        thread = threading.Thread(target=self._do, args=(mishap,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def calm(self) -> None:
        """Wait for what is under way, and let nothing go wrong any more."""
        for thread in self._threads:
            thread.join(_PORT * 2)
        self.endpoint.mood = ""
        for simulator in self.it.simulated.by_name.values():
            simulator.stage.mend()

    def _do(self, mishap: Mishap) -> None:
        whom = mishap.whom.split()
        if whom[0] in self.it.simulated.by_name:
            self._upset(mishap, *whom)
        elif mishap.whom == "endpoint":
            self.endpoint.mood = mishap.what
            time.sleep(mishap.lasts)
            self.endpoint.mood = ""
        elif mishap.whom == "up":
            self._replace()
        elif not self._signal(mishap):
            return
        self.happened[f"{mishap.what} {mishap.whom}"] += 1

    def _upset(self, mishap: Mishap, provider: str, kind: str) -> None:
        what = mishap.what
        fault = Fault(
            on=kind,
            times=mishap.times,
            slow=_SLOW if what == "slow" else 0.0,
            status=int(what) if what.isdigit() else None,
            retry_after=1 if what == "429" else None,
            body=what if what in ("not-json", "cut") else None,
        )
        self.it.simulated.by_name[provider].stage.fault(fault)

    def _signal(self, mishap: Mishap) -> bool:
        """To one process of the kind; False when there is none just now."""
        pids = self.pids(mishap.whom)
        if not pids:
            return False
        pid = self.rng.choice(pids)
        with suppress(ProcessLookupError):
            if mishap.what != "freeze":
                os.kill(pid, signal.SIGKILL if mishap.what == "kill" else signal.SIGTERM)
                return True
            os.kill(pid, signal.SIGSTOP)
            time.sleep(mishap.lasts)
            os.kill(pid, signal.SIGCONT)
        return True

    def pids(self, whom: str) -> list[int]:
        return valkeys(self.it.folder / "data") if whom == "valkey" else self.it.pids(OF[whom])

    def _replace(self) -> None:
        """kill -9 of `up`: its children go with it, its Valkey stays, and the next `up` adopts it."""
        with self._starting:
            self.it.process.kill()
            self.it.process.wait()
            self._until(lambda: not any(self.it.pids(of) for of in OF.values()))
            deadline = time.monotonic() + _PORT
            while time.monotonic() < deadline:
                self.it.process = start(self.it.folder, self.it.port, self.it.environ, "--workers", str(WORKERS))
                if self._until(lambda: bool(self.it.pids(OF["worker"])), or_until=self._gone):
                    return

    def _gone(self) -> bool:
        return self.it.process.poll() is not None

    @staticmethod
    def _until(true: Callable[[], bool], *, or_until: Callable[[], bool] = lambda: False) -> bool:
        deadline = time.monotonic() + _PORT
        while not true():
            if or_until() or time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True


def valkeys(data: Path) -> list[int]:
    """The server of a data directory, whether it answers or not; it rewrites its command line, but works there."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if "valkey" in os.readlink(entry / "exe") and os.readlink(entry / "cwd") == str(data):
                    found.append(int(entry.name))
    return found
