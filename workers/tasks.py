"""What RQ imports by name: a task draws the lanes of one source or sink until nothing is due there."""

from __future__ import annotations

import os
from contextvars import ContextVar
from functools import cache

from processor.wiring import from_environment
from workers.keeper import Keeper
from workers.shift import Shift

SHIFT: ContextVar[Shift | None] = ContextVar("jobwire_shift", default=None)


def refresh(source: str, hand: str) -> None:
    """Look at the jobs of `source` that may have changed."""
    _shift().refresh(source, hand)


def deliver(sink: str, hand: str) -> None:
    """Hand over what is due at `sink`."""
    _shift().deliver(sink, hand)


def _shift() -> Shift:
    return SHIFT.get() or _own_shift()


@cache
def _own_shift() -> Shift:
    """RQ's own worker runs our tasks too: then this process's configuration comes from its environment."""
    shift = Shift(from_environment(os.environ))
    Keeper(shift).start()
    return shift
