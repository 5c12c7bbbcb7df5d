"""Who has signed in: a cookie that says until when, signed with a key made of the admin token; nothing is kept here."""

from __future__ import annotations

import hmac
import re
import threading
import time
from collections.abc import Callable

from processor.model import Secret

COOKIE = "jobwire"
SECONDS = 12 * 3600
_VALUE = re.compile(r"([1-9]\d{0,11})\.([0-9a-f]{64})", re.ASCII)
_KEY_IS_FOR = b"jobwire: sessions of the pages, 1"


class Sessions:
    """The cookies of one admin token: another token knows none of them."""

    def __init__(self, token: Secret) -> None:
        self._key = hmac.digest(token.reveal().encode("utf-8", "surrogatepass"), _KEY_IS_FOR, "sha256")

    def begin(self, now: float) -> str:
        """The value of a cookie that is good for SECONDS; `now` in epoch seconds."""
        until = str(int(now) + SECONDS)
        return f"{until}.{self._sign(until)}"

    def holds(self, value: str, now: float) -> bool:
        """Whether we gave this value, and it is still good."""
        match = _VALUE.fullmatch(value)
        return match is not None and hmac.compare_digest(self._sign(match[1]), match[2]) and now < int(match[1])

    def _sign(self, until: str) -> str:
        return hmac.digest(self._key, until.encode(), "sha256").hex()


class Tries:
    """How many wrong tokens this process bears: `burst` at once, then one in `seconds`. A right one costs nothing."""

    def __init__(self, burst: int = 10, seconds: float = 6.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._room, self._seconds, self._clock = burst * seconds, seconds, clock
        self._lock = threading.Lock()
        self._spent_until = clock()

    def take(self) -> float:
        """Take a try; 0, or without any left the seconds until there is one."""
        with self._lock:
            now = self._clock()
            spent_until = max(self._spent_until, now) + self._seconds
            if spent_until - now > self._room:
                return spent_until - now - self._room
            self._spent_until = spent_until
            return 0.0

    def give_back(self) -> None:
        """The try that was taken was a good one."""
        with self._lock:
            self._spent_until -= self._seconds
