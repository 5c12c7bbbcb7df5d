"""A far end that hangs, or a job that is stuck, is nobody else's trouble: real workers, webhooks on loopback."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from running import wait_for

from processor.model import Event, EventType
from processor.queue import SPELL, new_hand
from processor.store import keys
from processor.store.work import Row
from processor.wiring import CAP, REDIS_FROM_PARENT, App, read_settings

pytestmark = pytest.mark.alone

LATENCY = 0.2  # seconds that a healthy sink takes: the rate follows from the threads, not from a busy machine
KEPT = 0.9  # of their rate that the others keep

SOURCE = (
    '[sources.main]\nprovider = "hover"\nclient_id = "c"\nclient_secret = "s"\nrefresh_token = "r"\nreconcile = 0\n'
)


class FarEnd:
    """Takes events after LATENCY seconds; while `hangs` is true of one, it does not answer until it is let go."""

    def __init__(self) -> None:
        self.taken: list[str] = []  # subjects
        self.at: dict[str, float] = {}  # when each was taken, by the monotonic clock
        self.hangs: Callable[[str], bool] = lambda subject: False
        self.hanging = 0  # so many in all
        self._lock = threading.Lock()
        self._released = threading.Event()
        far = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                far.answer(self, body["subject"])

            def log_message(self, *said: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            request_queue_size = 64
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that gave up is what these tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler, subject: str) -> None:
        if self.hangs(subject):
            with self._lock:
                self.hanging += 1
            self._released.wait(60)
            handler.close_connection = True
            return
        time.sleep(LATENCY)
        with self._lock:
            self.taken.append(subject)
            self.at.setdefault(subject, time.monotonic())
        handler.send_response(204)
        handler.end_headers()

    def configuration(self, name: str, timeout: float) -> str:
        url = f"http://127.0.0.1:{self._server.server_port}/"
        return f'[sinks.{name}]\ntype = "webhook"\nurl = "{url}"\ntimeout = "{timeout:g}s"\nallow_private = true\n'

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()


class Place:
    """A database, three sinks, and as many worker processes as are wanted."""

    def __init__(self, folder: Path, redis_url: str, timeout: float) -> None:
        self.far = {name: FarEnd() for name in ("one", "two", "three")}
        self._file = folder / "jobwire.toml"
        self._file.write_text(SOURCE + "".join(far.configuration(name, timeout) for name, far in self.far.items()))
        self.app = App(read_settings(str(self._file), {}), redis_url)
        self._log = folder / "worker.log"

    def happen(self, job: str, number: int = 0, sinks: Sequence[str] = ()) -> str:
        """An event of a job, for all three sinks unless some are named. Returns its subject."""
        event = Event(
            id=f"evt_{job}_{number}",
            type=EventType.JOB_STATE_CHANGED,
            source="main",
            job_id=job,
            subject=f"jobs/{job}/{number}",
            time=datetime(2026, 3, 1, tzinfo=UTC),
            data={"job": {"id": job}},
        )
        rows = [Row(sink, event) for sink in sinks or self.far]
        hand = new_hand()
        hired = self.app.lanes.announce(event, rows, sinks=self.app.targets, hand=hand)
        assert hired is not None
        self.app.send([(self.app.targets[sink].name, hand) for sink in hired])
        return event.subject

    def in_hand(self, sink: str) -> int:
        return int(self.app.scripts.client.zcard(keys.key("run", keys.delivering(sink))))  # type: ignore[arg-type]  # not async

    def gate(self, sink: str) -> dict[str, str]:
        return dict(self.app.scripts.client.hgetall(keys.key("gate", keys.delivering(sink))))  # type: ignore[arg-type]  # likewise

    @contextmanager
    def workers(self, count: int, turn: float | None = None) -> Iterator[None]:
        """`turn`: seconds that a task draws lanes while another waits for a thread, if not the usual ones."""
        with ExitStack() as stack:
            for _ in range(count):
                stack.enter_context(self._worker(turn))
            wait_for(lambda: self.app.journal.workers() >= count)
            yield

    @contextmanager
    def _worker(self, turn: float | None) -> Iterator[None]:
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("JOBWIRE", "REDIS"))}
        environ |= {REDIS_FROM_PARENT: self.app.redis_url, "JOBWIRE_CONFIG": str(self._file)}
        code = "" if turn is None else f"import workers.shift; workers.shift.TURN = {turn}; "
        command = [sys.executable, "-c", f"{code}from workers.__main__ import main; main(['worker'])"]
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def backlog(self, sink: str) -> int:
        return self.app.journal.backlog(keys.delivering(sink)) - self.in_hand(sink)

    def waits(self, sink: str, seconds: float, *, a_second: float) -> list[float]:
        """How long each of the events waits until the sink has taken it, when some happen evenly for some seconds."""
        began, far = time.monotonic(), self.far[sink]
        happened = {}
        for n in range(int(seconds * a_second)):
            time.sleep(max(0.0, began + n / a_second - time.monotonic()))
            now = time.monotonic()
            happened[self.happen(f"{began}-{n}", sinks=(sink,))] = now
        wait_for(lambda: happened.keys() <= far.at.keys(), 30)
        return [far.at[subject] - at for subject, at in happened.items()]

    def rates(self, seconds: float) -> dict[str, float]:
        """How many events a second each sink takes in a stretch of time."""
        before, began = self._counts(), time.monotonic()
        time.sleep(seconds)
        took, after = time.monotonic() - began, self._counts()
        return {name: (after[name] - before[name]) / took for name in self.far}

    def without_one(self, seconds: float) -> tuple[dict[str, float], dict[str, float]]:
        """The rates of all three, and those while `one` hangs in every delivery that it may have in hand."""
        one, before = self.far["one"], self.rates(seconds)
        one.hangs = lambda subject: True
        wait_for(lambda: one.hanging == CAP)
        during = self.rates(seconds)
        assert one.hanging == CAP, "more were begun: the first ones hung no longer"
        return before, during

    @contextmanager
    def happening(self, *, a_second: float) -> Iterator[None]:
        """Events of ever new jobs, evenly."""
        over = threading.Event()

        def go_on() -> None:
            began = time.monotonic()
            for n in itertools.count():
                if over.wait(max(0.0, began + n / a_second - time.monotonic())):
                    return
                self.happen(str(n))

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _counts(self) -> Counter[str]:
        return Counter({name: len(far.taken) for name, far in self.far.items()})

    def close(self) -> None:
        for far in self.far.values():
            far.close()


@pytest.fixture
def place(redis_url: str, tmp_path: Path) -> Iterator[Callable[[float], Place]]:
    with ExitStack() as stack:

        def make(timeout: float) -> Place:
            made = Place(tmp_path, redis_url, timeout)
            stack.callback(made.close)
            return made

        yield make


def test_while_one_of_three_sinks_hangs_the_others_keep_up_with_what_happens(
    place: Callable[[float], Place],
) -> None:
    """One worker, at more than half of what its threads can do, and before the breaker opens: all the time that is
    measured, the deliveries hang that were begun first."""
    it = place(10)
    with it.workers(1), it.happening(a_second=30):
        wait_for(lambda: all(len(far.taken) > 40 for far in it.far.values()))
        before, during = it.without_one(3.5)
    _kept(before, during)


def test_while_one_of_three_sinks_hangs_the_others_keep_the_rate_of_their_backlogs(
    place: Callable[[float], Place],
) -> None:
    """As fast as they can: there are threads for the caps of all three."""
    it = place(10)
    for n in range(800):
        it.happen(str(n))
    with it.workers(2):
        wait_for(lambda: all(len(far.taken) > 40 for far in it.far.values()))
        before, during = it.without_one(3.5)
    _kept(before, during)


def _kept(before: dict[str, float], during: dict[str, float]) -> None:
    assert during["one"] == 0
    kept = {name: round(during[name] / before[name], 2) for name in ("two", "three")}
    sys.stdout.write(f"kept: {kept}\n")  # for `pytest -rP`
    assert min(kept.values()) >= KEPT, (kept, before, during)


def test_two_sinks_with_endless_backlogs_keep_a_third_waiting_no_longer_than_two_seconds(
    place: Callable[[float], Place],
) -> None:
    """One worker, whose threads the caps of two sinks fill. The control: tasks that keep their threads for all of their
    spell, whoever waits."""
    waited = {}
    for turn in (None, SPELL):
        it = place(10)
        it.app.scripts.client.flushall()
        for n in range(1200):
            it.happen(f"b{n}", sinks=("one", "two"))
        with it.workers(1, turn):
            wait_for(lambda it=it: it.in_hand("one") == it.in_hand("two") == CAP)
            waited[turn] = it.waits("three", 4, a_second=10)
        assert it.backlog("one"), "its backlog had an end"
        assert it.backlog("two"), "its backlog had an end"
    now, before = max(waited[None]), max(waited[SPELL])
    sys.stdout.write(f"the longest wait: {now:.2f} s; without turns: {before:.2f} s\n")  # for `pytest -rP`
    assert now <= 2
    assert before > 2 * now


def test_a_sink_that_hangs_holds_no_more_than_its_cap_of_threads_and_while_it_is_paused_none(
    place: Callable[[float], Place],
) -> None:
    it = place(1)
    far = it.far["one"]
    far.hangs = lambda subject: True
    for n in range(120):
        it.happen(str(n))
    with it.workers(2):
        highest = 0

        def watch() -> bool:
            nonlocal highest
            highest = max(highest, it.in_hand("one"))
            return int(it.gate("one").get("fails", 0)) >= 12

        wait_for(watch, 40, "its breaker did not open")
        assert 1 < highest <= CAP

        def paused_for() -> float:
            return float(it.gate("one").get("pause", 0)) / 1000 - time.time()

        wait_for(lambda: paused_for() > 1.5 and not it.in_hand("one"), 40, "something is in hand, or it is not paused")
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert it.in_hand("one") == 0
            time.sleep(0.05)
        it.app.lanes.resume(it.app.targets["one"])  # its pause may be a minute
        wait_for(lambda: it.in_hand("one"), 10, "nobody tries whether it is back")
        until = time.monotonic() + 0.8
        while time.monotonic() < until:
            assert it.in_hand("one") <= 1, "one at a time tries whether it is back"
            time.sleep(0.02)
        wait_for(lambda: len(it.far["two"].taken) == len(it.far["three"].taken) == 120)


def test_a_job_whose_event_hangs_delays_no_other_job_and_its_own_next_event_waits(
    place: Callable[[float], Place],
) -> None:
    it = place(30)
    stuck = it.far["one"]
    stuck.hangs = lambda subject: subject.startswith("jobs/7/")
    for number in range(3):
        for n in range(20):
            it.happen(str(n), number)
    with it.workers(1):
        wait_for(lambda: len(stuck.taken) == 57, 20, "other jobs wait for the one that is stuck")
        assert stuck.hanging == 1
        assert not any(subject.startswith("jobs/7/") for subject in stuck.taken)
        wait_for(lambda: len(it.far["two"].taken) == len(it.far["three"].taken) == 60)
        for far in it.far.values():
            for n in range(20):
                its = [s for s in far.taken if s.startswith(f"jobs/{n}/")]
                assert its == sorted(its)
        assert it.app.scripts.client.lrange(keys.key("q", keys.delivery_lane("one", "main", "7")), 0, -1) == [
            "evt_7_0",
            "evt_7_1",
            "evt_7_2",
        ]
