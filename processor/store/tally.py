"""Counts in this process, written down together: a request that is turned away costs Redis nothing of its own."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from multiprocessing.util import Finalize

import structlog

from processor.errors import Unavailable
from processor.store.rejections import UNKNOWN, Tallied

log = structlog.get_logger(__name__)

EVERY = 1.0  # seconds between writes, at least
# Why requests are turned away; any other reason is the last, so that there are never more.
REASONS = (
    "Unverified",
    "Malformed",
    "UnsupportedType",
    "UnknownSource",
    "RequestEntityTooLarge",
    "Unavailable",
    "Bug",
    "Other",
)


class Tally:
    """Counts of one receiver process, for any number of threads.

    `write` is called with what has come together, by one thread of this object's, which begins with the first count: at
    most once a second, and at the end of the process. What cannot be written is kept and written later. Names of
    sources that are none of `sources` are one name.
    """

    def __init__(self, write: Callable[[Tallied], None], sources: Collection[str], *, every: float = EVERY) -> None:
        self._write = write
        self._sources = frozenset(sources)
        self._every = every
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._came = threading.Event()
        self._rejected: Counter[tuple[str, str]] = Counter()
        self._ignored: Counter[str] = Counter()
        self._heard: set[str] = set()
        self._name, self._numbers = secrets.token_hex(8), itertools.count(1)
        self._unwritten: Tallied | None = None
        self._thread: threading.Thread | None = None

    def rejected(self, source: str, reason: str) -> None:
        """A request was turned away: `reason` as errors have it."""
        name = source if source in self._sources else UNKNOWN
        with self._lock:
            self._rejected[name, reason if reason in REASONS else REASONS[-1]] += 1
        self._wake()

    def ignored(self, source: str, *, genuine: bool) -> None:
        """A request asked for nothing. A `genuine` one shows that the provider still tells us."""
        with self._lock:
            self._ignored[source] += 1
            if genuine:
                self._heard.add(source)
        self._wake()

    def flush(self) -> None:
        """Write all that there is, unless it cannot be written now."""
        while self._written():
            pass

    def _written(self) -> bool:
        """Write once; whether there was something, and it was written."""
        with self._writing:
            self._unwritten = self._unwritten or self._taken()
            if not self._unwritten:
                return False
            try:
                self._write(self._unwritten)
            except Unavailable as e:
                log.debug("counts wait for Redis", reason=e.message)
                return False
            self._unwritten = None
            return True

    def _taken(self) -> Tallied | None:
        with self._lock:
            if not (self._rejected or self._ignored):
                return None
            heard = frozenset(self._heard)
            tallied = Tallied(self._rejected, self._ignored, heard, self._name, next(self._numbers))
            self._rejected, self._ignored, self._heard = Counter(), Counter(), set()
        return tallied

    def _wake(self) -> None:
        if not self._came.is_set():
            self._came.set()
        if self._thread is None:
            self._begin()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="tally", daemon=True)
            Finalize(None, self.flush, exitpriority=1)  # atexit is not asked in the processes that granian starts
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._came.wait()
            self._came.clear()
            try:
                self._written()
            except Exception:
                log.exception("unexpected")
            if self._unwritten:
                self._came.set()
            time.sleep(self._every)
