"""Ends what a process started when it is gone, however it went: its children, its server, its temporary folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEASH = "JOBWIRE_LEASH"  # set for children whose standard input is a pipe that only the parent holds open

# Waits for the end of its standard input; then the process named in the file $1 has ten seconds, and the folders go.
_SWEEP = """
read -r _; pids=$1; shift
[ -s "$pids" ] || sleep 1
pid=$(cat "$pids") && kill "$pid"
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" || break; sleep 1; done
kill -9 "$pid"; rm -rf "$@"
"""


def hold() -> None:
    """Stop as by SIGTERM once standard input ends, if the parent asked for that. kill -9 of the parent ends it too."""
    if os.environ.pop(LEASH, None):
        threading.Thread(target=_watch, name="leash", daemon=True).start()


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def swept(pid_file: Path, *folders: Path) -> Iterator[None]:
    """Around the life of a server that is nobody else's: when this process is killed meanwhile, even by kill -9, the
    server whose process is in `pid_file` is stopped and the folders are removed."""
    ends, ours = os.pipe()
    command = ["/bin/sh", "-c", _SWEEP, "sweep", str(pid_file), *map(str, folders)]
    quiet = subprocess.DEVNULL
    broom = subprocess.Popen(command, stdin=ends, stdout=quiet, stderr=quiet, start_new_session=True)  # noqa: S603  # our own words
    os.close(ends)
    try:
        yield
    finally:
        broom.kill()
        broom.wait()
        os.close(ours)
