"""Which failures come back, when, and which are dead at once. Pure; the numbers are the README's."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from processor.errors import Newer, NotYet, Permanent, ProcessorError, RateLimited, ReconnectNeeded, Retryable
from processor.options import RetryPolicy

FIRST, LONGEST = 4.0, 3600.0  # seconds: a first retry comes within 5 s, none later than an hour
LOST = 5  # workers that an item may kill before it is dead
NOT_YET = 5  # looks at a job that the provider does not know, within a minute
RECONNECT_PAUSE = 60.0
UPGRADE = 30.0  # seconds until a worker of the newer release may be there


@dataclass(frozen=True, slots=True)
class Again:
    """Try again in `delay` seconds. `pause` holds everybody off the source or sink; `counts`: it was an attempt."""

    delay: float
    pause: float | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Dead:
    """It cannot succeed: a word and a sentence for people."""

    reason: str
    detail: str


def backoff(attempts: int, *, jitter: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds until the next try after `attempts` failures before this one: exponential, with full jitter from 1 s."""
    return jitter(1.0, min(LONGEST, FIRST * 2.0 ** min(attempts, 20)))


def after(
    error: Exception,
    *,
    attempts: int,
    age: float,
    policy: RetryPolicy,
    jitter: Callable[[float, float], float] = random.uniform,
) -> Again | Dead:
    """What follows `error`, after `attempts` earlier failures and `age` seconds since the first try was due.

    An error that is not ours is a bug: it is tried again like any other, since a deploy may cure it.
    """
    reason, said = words(error)
    if isinstance(error, ReconnectNeeded):
        return Again(0, pause=RECONNECT_PAUSE, counts=False)  # due at once when the pause ends, or is ended
    if isinstance(error, Permanent):
        return Dead(reason, said)
    if isinstance(error, NotYet) and attempts + 1 >= NOT_YET:
        return Dead(reason, f"{said}, after {attempts + 1} attempts")
    if policy.max_attempts is not None and attempts + 1 >= policy.max_attempts:
        return Dead(reason, f"{said}; given up after {attempts + 1} attempts (retry.max_attempts)")
    if age >= policy.max_age:
        return Dead(reason, f"{said}; given up after {round(age)} s (retry.max_age)")
    if isinstance(error, Newer):
        return Again(UPGRADE, counts=False)
    asked = error.retry_after if isinstance(error, Retryable) else None
    if asked is not None:
        wait = min(LONGEST, asked)
        return Again(wait, pause=wait, counts=not isinstance(error, RateLimited))
    wait = min(backoff(attempts, jitter=jitter), policy.max_age - age)  # its last try comes when its time is over
    return Again(wait, pause=wait if isinstance(error, RateLimited) else None)


def words(error: Exception) -> tuple[str, str]:
    """What to call an error: a word, and a sentence that is safe to show. A bug's own message may hold anything."""
    if isinstance(error, ProcessorError):
        return error.reason, error.message
    return "Bug", f"unexpected {type(error).__name__}"
