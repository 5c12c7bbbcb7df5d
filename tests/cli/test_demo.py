"""`jobwire demo`: whatever ends it, nothing of it stays. That its story is told is in tests/test_prose.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import free_port, wait_for


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not tmp_path: a socket's path must stay below some 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="jw-") as made:
        yield Path(made)


def processes(of: str) -> list[int]:
    """Those whose command line or environment names a path."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if of.encode() in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_kill_9_of_the_demo_leaves_neither_a_process_nor_a_folder(folder: Path) -> None:
    """Its server and its temporary folder are nobody else's. (One in --data-dir is left to the next who comes.)"""
    command = [sys.executable, "-m", "processor.cli", "demo", "--port", str(free_port())]
    environ = {**os.environ, "TMPDIR": str(folder)}
    demo = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: list(folder.glob("*/valkey.pid")), 60)
        wait_for(lambda: len(processes(str(folder))) >= 6, 60)  # itself, its server, web, worker, scheduler, who sweeps
    finally:
        demo.send_signal(signal.SIGKILL)
        demo.wait()
    wait_for(lambda: not processes(str(folder)), 60)
    assert list(folder.iterdir()) == []
