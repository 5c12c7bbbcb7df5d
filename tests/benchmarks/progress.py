"""Says what is being measured, and sees that no section takes longer than it may."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

ROUNDS = 5
LEAST = 3  # rounds, however long they take; what is told says how many they were
_began = time.monotonic()


def say(text: str) -> None:
    minutes, seconds = divmod(int(time.monotonic() - _began), 60)
    print(f"[{minutes:2}:{seconds:02}] {text}", file=sys.stderr, flush=True)  # noqa: T201  # a command's own output


def rounds(what: str, count: int, seconds: float) -> Iterator[int]:
    """The numbers of the rounds, at most `count`, until so many seconds are over."""
    began = time.monotonic()
    for i in range(count):
        used = time.monotonic() - began
        if i >= LEAST and used >= seconds:
            say(f"{what}: {i} rounds, since they have taken {used:.0f} s already")
            return
        left = used / i * (count - i) if i else seconds
        say(f"{what}: round {i + 1} of {count}, {'some' if i else 'at most'} {left:.0f} s left")
        yield i
