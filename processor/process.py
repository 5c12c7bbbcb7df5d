"""Which process this is, so that others on this machine can tell when it is gone without a word."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PROC = Path("/proc")


def name() -> str:
    """host:pid@where-when. Two processes never have the same, in containers and after a restart of the machine either.

    `where` is this running system and its process numbers, `when` the process began in it. Without /proc both are
    empty, and nobody is ever taken for gone.
    """
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}@{_here()}-{_began(pid)}"


def gone(names: Iterable[str]) -> list[str]:
    """Those that ran here and do not any more. Of others nobody can tell."""
    return [one for one in names if _is_gone(one)]


def _is_gone(one: str) -> bool:
    process, _, mark = one.rpartition("@")
    where, _, when = mark.partition("-")
    pid = process.rpartition(":")[2]
    return bool(_here()) and where == _here() and pid.isdecimal() and _began(int(pid)) != when


@cache
def _here() -> str:
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text()
        numbers = os.readlink(PROC / "self/ns/pid")
    except OSError:
        return ""
    return hashlib.sha256(f"{boot}{numbers}".encode()).hexdigest()[:12]


def _began(pid: int) -> str:
    """When a process began, in ticks since the system did; empty when it is not there or has ended: see proc(5)."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
