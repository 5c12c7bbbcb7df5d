"""What goes wrong at a simulated provider, how much it allows, and what it counts."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import flask


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with the next `times` requests of the kind `on` (None: any kind).

    `slow` seconds pass first; then `status` is the answer, or the right answer's body is "not-json" or "cut" off.
    """

    on: str | None = None
    times: int = 1
    slow: float = 0.0
    status: int | None = None
    retry_after: int | None = None
    body: str | None = None


class Stage:
    """The faults, rate windows and counters of one simulated provider. It serves many threads.

    `rates` are (count, seconds) pairs; a request beyond one is told to come back. `latency` seconds pass before every
    answer. What is counted goes by the names of the application's endpoints, and by status where that is 400 or more.
    """

    def __init__(self, rates: Sequence[tuple[int, float]], latency: float = 0.0) -> None:
        self.latency = latency
        self._windows = [(count, seconds, deque[float]()) for count, seconds in rates]
        self._faults: list[Fault] = []
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def counts(self) -> Counter[str]:
        with self._lock:
            return self._counts.copy()

    def fault(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._faults.clear()

    def retry_after(self) -> int | None:
        """Take one request off the allowance: None, or the seconds until there is room again."""
        now = time.monotonic()
        with self._lock:
            waits = []
            for count, seconds, taken in self._windows:
                while taken and taken[0] <= now - seconds:
                    taken.popleft()
                if len(taken) >= count:
                    waits.append(taken[0] + seconds - now)
            if not waits:
                for _, _, taken in self._windows:
                    taken.append(now)
            return math.ceil(max(waits)) if waits else None

    def attach(self, app: flask.Flask) -> None:
        """Let every request of `app` pass the stage."""

        def enter() -> flask.Response | None:
            kind = flask.request.endpoint or "unknown"
            fault = flask.g.fault = self._next_fault(kind)
            time.sleep(self.latency + fault.slow)
            if fault.status is None:
                return None
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            return flask.Response("simulated fault", fault.status, headers)

        def leave(response: flask.Response) -> flask.Response:
            if response.status_code >= 400:
                self._count(str(response.status_code))
            if flask.g.fault.body == "not-json":
                response.set_data("<html>simulated fault</html>")
            if flask.g.fault.body == "cut":
                whole = response.get_data()
                response.set_data(whole[: len(whole) // 2])
                response.headers["Content-Length"] = str(len(whole))
            return response

        app.before_request(enter)
        app.after_request(leave)

    def _next_fault(self, kind: str) -> Fault:
        with self._lock:
            self._counts[kind] += 1
            for i, fault in enumerate(self._faults):
                if fault.on in (None, kind):
                    left = dataclasses.replace(fault, times=fault.times - 1)
                    self._faults[i : i + 1] = [left] if left.times > 0 else []
                    return fault
        return Fault()

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1
