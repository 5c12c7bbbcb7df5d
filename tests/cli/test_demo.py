"""`jobwire demo`: whatever ends it, nothing of it stays. That its story is told is in tests/test_prose.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from running import free_port, wait_for


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


def test_kill_9_of_the_demo_leaves_neither_a_process_nor_a_folder(tmp_path: Path) -> None:
    """Its server and its temporary folder are nobody else's. (One in --data-dir is left to the next who comes.)"""
    command = [sys.executable, "-m", "processor.cli", "demo", "--port", str(free_port())]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    demo = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: list(tmp_path.glob("*/valkey.pid")), 60)
        wait_for(
            lambda: len(processes(str(tmp_path))) >= 6, 60
        )  # itself, its server, web, worker, scheduler, who sweeps
    finally:
        demo.send_signal(signal.SIGKILL)
        demo.wait()
    wait_for(lambda: not processes(str(tmp_path)), 60)
    assert list(tmp_path.iterdir()) == []
