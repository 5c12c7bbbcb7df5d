"""Ends this process when the one that started it is gone, however it went."""

from __future__ import annotations

import os
import signal
import sys
import threading

LEASH = "JOBWIRE_LEASH"  # set for children whose standard input is a pipe that only the parent holds open


def hold() -> None:
    """Stop as by SIGTERM once standard input ends, if the parent asked for that. kill -9 of the parent ends it too."""
    if os.environ.pop(LEASH, None):
        threading.Thread(target=_watch, name="leash", daemon=True).start()


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
