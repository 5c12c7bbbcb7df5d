"""Odd inputs for every way in: nothing but documented errors, in time. The long form is tests/fuzzing/run.py."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fuzzing.mutating import Chance
from fuzzing.target import Target
from fuzzing.targets import TARGETS
from fuzzing.walking import quiet, walk
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from processor.errors import Unreadable

SEED = int(os.environ.get("FUZZING_SEED") or random.SystemRandom().randrange(1_000_000))
RUN = Path(__file__).parent / "run.py"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_but_documented_errors_comes_of_odd_inputs(target: Target) -> None:
    """With a new seed each time, or that of FUZZING_SEED; what fails says how to repeat it."""
    sys.stdout.write(f"seed {SEED}\n")  # shown when it fails, and by `pytest -rP`
    [one] = walk([target], seed=SEED, inputs=2000, seconds=0.25)
    assert not one.faults, "\n".join(one.faults.values())
    assert one.inputs > 0


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_would_fail_is_made_as_small_as_it_can_be(target: Target) -> None:
    """The same inputs with hypothesis at the wheel: it finds fewer, and shrinks what it finds."""

    @with_seed(SEED)
    @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True)
    @given(st.randoms(use_true_random=False))
    def once(chance: Chance) -> None:
        target.outcome(target.make(chance))

    with quiet():
        once()


# --- the fuzzing itself ----------------------------------------------------------------------------------------------


def _raise(error: Exception) -> None:
    raise error


def _waste(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@pytest.mark.parametrize(
    ("run", "seen"),
    [
        (lambda made: {}[made], "KeyError: 7"),
        (lambda made: _raise(Unreadable("x" * 3000)), "an error of 3000 characters"),
        (lambda made: _raise(Unreadable("half \ud800 of one")), "UnicodeEncodeError"),
        (lambda made: _raise(Unreadable("our s3cret")), "an error that tells a secret"),
        (lambda made: _waste(1.1), "took 1.1"),
    ],
)
def test_it_notices_what_nobody_documented_and_what_takes_too_long(run: object, seen: str) -> None:
    bad = Target("bad", lambda chance: 7, run, (Unreadable,), ("s3cret",))  # type: ignore[arg-type]  # it is called
    [one] = walk([bad], seed=5, inputs=1)
    [fault] = one.faults.values()
    assert seen in fault
    assert "python tests/fuzzing/run.py --seed 5 --only 'bad' --input 0" in fault


def test_inputs_follow_from_seed_target_and_number() -> None:
    few = [target for target in TARGETS if target.name in ("reading", "handshakes", "times, rates, sizes")]
    first, second, other = ([one.outcomes for one in walk(few, seed=n, inputs=300)] for n in (3, 3, 4))
    assert first == second != other


def test_the_command_prints_its_seed_and_what_was_run() -> None:
    command = [sys.executable, str(RUN), "--inputs", "40", "--only", "reading", "--only", "handshakes"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"seed \d+\ntarget .*\nhandshakes +20 .*\nreading +20 .*\nall +40 .* 0 faults\n", done.stdout)


def test_most_inputs_get_past_the_first_look() -> None:
    """Inputs that are all refused at the door would prove little."""
    for one in walk(TARGETS, seed=SEED, inputs=60 * len(TARGETS)):
        assert one.outcomes["taken"] > 0 or one.target.name == "tokens", one.outcomes
