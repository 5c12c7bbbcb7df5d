"""What jobwire costs while it has nothing to do. The figures are in docs/performance.md; these are their bounds."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from running import Running, running

MEMORY = 250  # MB, proportional set size of all processes
COMMANDS = 45  # a second, those of scripts included; it was 30
SECONDS = 5.0


@pytest.fixture(scope="module")
def idle() -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="jw-") as made, running(Path(made)) as it:
        time.sleep(2 * SECONDS)  # what is done once at the start is over
        yield it


def proportional(pid: int) -> int:
    """The memory of a process in bytes, where what it shares with others counts in parts."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells the proportional set size")
def test_an_idle_up_fits_in_its_memory(idle: Running) -> None:
    pids = {idle.process.pid, idle.server, *idle.pids("workers"), *idle.pids("processor.cli")}
    assert len(pids) == 7, "up, Valkey, the receiver's three, a worker, a scheduler"
    assert sum(proportional(pid) for pid in pids) / 1e6 <= MEMORY


def test_an_idle_up_asks_its_redis_little(idle: Running) -> None:
    with redis.Redis(unix_socket_path=str(idle.embedded.socket)) as client:
        before = sent(client)
        time.sleep(SECONDS)
        commands = sent(client) - before
    assert commands / SECONDS <= COMMANDS


def sent(client: redis.Redis) -> int:
    """How many commands the server has done so far, those of scripts included."""
    stats: Any = client.info("commandstats")
    return sum(row["calls"] for row in stats.values())


def test_neither_up_nor_the_command_line_loads_what_serves() -> None:
    assert loaded_by("processor.cli.up").isdisjoint({"flask", "granian", "boto3", "sentry_sdk"})
    assert loaded_by("processor.cli").isdisjoint({"flask", "granian", "boto3", "sentry_sdk", "requests", "redis", "rq"})


def loaded_by(module: str) -> set[str]:
    asked = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split())
