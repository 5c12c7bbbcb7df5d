"""Who is gone without a word is known on its own machine, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from processor import process

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells of other processes")

CHILD = "import sys; from processor import process; print(process.name(), flush=True); sys.stdin.read()"


@contextmanager
def another() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that lives, and its name."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout
        try:
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


def test_a_process_that_lives_is_not_gone() -> None:
    with another() as (_, name):
        assert process.gone([process.name(), name]) == []


def test_one_that_was_killed_is_gone_even_before_its_parent_has_noticed() -> None:
    with another() as (child, name):
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended and is a zombie
        assert process.gone([name]) == [name]
        child.wait()
        assert process.gone([name]) == [name]


def test_one_whose_number_another_has_now_is_gone() -> None:
    place, _, _ = process.name().rpartition("-")
    assert process.gone([f"{place}-1"]) == [f"{place}-1"]


@pytest.mark.parametrize(
    "name", ["", "@", "elsewhere:7", "elsewhere:7@", "elsewhere:7@-", "elsewhere:7@0123456789ab-5", "a:x@-"]
)
def test_nobody_is_gone_who_did_not_run_here(name: str) -> None:
    assert process.gone([name]) == []


def test_a_name_of_here_that_nobody_can_have_is_not_looked_for() -> None:
    where = process.name().rpartition("@")[2].partition("-")[0]
    assert process.gone([f"here:../self@{where}-1", f"here:@{where}-1"]) == []


def test_where_the_system_does_not_tell_nobody_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with another() as (child, name):
        child.kill()
    monkeypatch.setattr(process, "PROC", tmp_path)
    process._here.cache_clear()
    try:
        assert process.gone([name, process.name()]) == []
    finally:
        process._here.cache_clear()
