"""Feeds targets with inputs, and notes what is wrong: an error that nobody documented, or one that took too long."""

from __future__ import annotations

import logging
import random
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from fuzzing.target import Target

SLOW = 1.0  # seconds of this thread's own time that an input may take at most
MOST = 20  # different faults of one target, after which it is left
SHOWN = 1500  # characters of an input
OURS = Path(__file__).parents[2]


@dataclass
class Walk:
    """What came of the inputs of one target. `slowest` is in seconds, with the number of its input."""

    target: Target
    seed: int
    inputs: int = 0
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, 0)
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)  # where it is -> what was seen, and how to see it again

    def step(self, number: int) -> None:
        """Try the input of that number. Seed, target and number alone make it."""
        made = self.target.make(chance(self.seed, self.target, number))
        began = time.thread_time()
        try:
            self.outcomes[self.target.outcome(made)] += 1
        except Exception as e:  # noqa: BLE001  # this is what we are after
            self._fault(_where(e), f"{type(e).__name__}: {str(e)[:300]}", number, made)
        took = time.thread_time() - began
        self.slowest = max(self.slowest, (took, number))
        if took > SLOW:
            self._fault("slow", f"took {took:.2f} s", number, made)
        self.inputs += 1

    def _fault(self, where: str, what: str, number: int, made: Any) -> None:
        again = f"python tests/fuzzing/run.py --seed {self.seed} --only '{self.target.name}' --input {number}"
        shown = repr(made)
        shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]} … {len(shown)} characters"
        self.faults.setdefault(
            where, f"{self.target.name}: {what}\n  at {where}\n  to repeat it: {again}\n  input: {shown}"
        )


def chance(seed: int, target: Target, number: int) -> random.Random:
    return random.Random(f"{seed}/{target.name}/{number}")


def walk(targets: Sequence[Target], *, seed: int, inputs: int, seconds: float | None = None) -> Iterator[Walk]:
    """One walk after another, `inputs` in all; those of a target end sooner when its share of `seconds` is over."""
    for place, target in enumerate(targets):
        one, began = Walk(target, seed), time.monotonic()
        share = inputs // len(targets) + (place < inputs % len(targets))
        with quiet():
            while one.inputs < share and len(one.faults) < MOST:
                one.step(one.inputs)
                if seconds is not None and time.monotonic() - began > seconds / len(targets):
                    break
        one.seconds = time.monotonic() - began
        yield one


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing of what is logged is wanted here, nor of what libraries will leave off one day."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        structlog.configure(**before)


def _where(error: BaseException) -> str:
    """The innermost line of ours, and the innermost of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(str(OURS))] or frames
    return " … ".join(dict.fromkeys(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in (ours[-1], frames[-1])))
