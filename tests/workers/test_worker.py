"""RQ's worker as we run it: its threads, and what RQ makes of us."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from rq.exceptions import StopRequested
from structlog.testing import capture_logs

from processor.connect import connect
from processor.wiring import App, read_settings
from workers.shift import Shift
from workers.worker import Crew, ThreadWorker

SOURCE = '[sources.main]\nprovider = "hover"\nclient_id = "c"\nclient_secret = "s"\nrefresh_token = "r"\n'


@pytest.fixture
def crew(redis_url: str, tmp_path: Path) -> Iterator[Crew]:
    file = tmp_path / "jobwire.toml"
    file.write_text(SOURCE)
    made = Crew(Shift(App(read_settings(str(file), {}), redis_url)), threads=2)
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]  # RQ's loop puts its own there
    yield made
    for one, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(one, handler)
    made.pool.shutdown()


def a_worker(crew: Crew) -> ThreadWorker:
    worker = ThreadWorker(crew, connect(crew.shift.app.redis_url, patient=True, text=False))
    worker.register_birth()
    return worker


def test_a_sign_of_life_before_rq_knows_the_worker_does_not_keep_it_from_its_work(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper gives one as soon as it runs, whatever RQ's loop is about; RQ would take it for another worker's."""
    born = ThreadWorker.register_birth
    known: list[bool] = []

    def birth(self: ThreadWorker) -> None:
        crew.beat()
        born(self)
        known.append(self.connection.exists(self.key) == 1)
        crew.beat()
        raise StopRequested

    monkeypatch.setattr(ThreadWorker, "register_birth", birth)
    crew.listen()
    assert known == [True]


def test_a_sign_of_life_after_the_end_brings_no_worker_back(crew: Crew, redis_client: redis.Redis) -> None:
    """Redis was away, and the loop ended: the next one has another name."""
    worker = a_worker(crew)
    worker.teardown()
    redis_client.delete(worker.key)
    crew.beat()
    assert not redis_client.exists(worker.key)


def test_a_task_that_was_in_the_queue_twice_is_told_in_a_line(
    crew: Crew, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply was lost, and RQ's client sent it again: one of the two ends, and is forgotten, while the other runs."""
    crew.shift.app.tasks.send([("r:main", "hand")])
    worker = a_worker(crew)
    found = worker.dequeue_job_and_maintain_ttl(1)
    assert found
    job, queue = found
    monkeypatch.setattr(crew.shift, "refresh", lambda *_: redis_client.delete(job.key))
    with capture_logs() as lines:
        crew.pool.submit(worker.perform_job, job, queue, worker.prepare_execution(job)).result(10)
    assert [line["event"] for line in lines] == ["RQ could not record a task; the lanes do not mind"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_what_is_found_goes_to_a_thread_that_has_nothing_to_do_and_else_to_rq(
    crew: Crew, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go = threading.Semaphore(0), threading.Event()

    def take(shift: Shift, resource: str, hand: str) -> None:
        began.release()
        assert go.wait(10)

    monkeypatch.setattr(Shift, "take", take)
    crew.shift.send([("d:console", "1"), ("d:console", "2")])
    assert began.acquire(timeout=5)
    assert began.acquire(timeout=5)
    assert redis_client.llen("rq:queue:jobwire") == 0
    crew.shift.send([("d:console", "3")])
    assert redis_client.llen("rq:queue:jobwire") == 1, "both threads are busy"
    go.set()
    crew.pool.shutdown()
    crew.shift.send([("d:console", "4")])
    assert redis_client.llen("rq:queue:jobwire") == 2, "nobody takes anything any more"


def test_a_task_of_rq_that_waits_for_a_thread_is_not_overtaken_by_what_is_found(crew: Crew) -> None:
    for _ in range(2):
        assert crew.room.acquire(blocking=False)
    waiting = threading.Thread(target=crew.wait_for_room)
    waiting.start()
    assert crew.shift.wanted.wait(5)
    assert not crew.spare("d:console", "1")
    crew.room.release()
    waiting.join(5)
    assert not crew.shift.wanted.is_set()
    assert not crew.spare("d:console", "1"), "the thread is the task's"


def test_a_thread_that_is_about_to_leave_a_sink_takes_the_next_hand(crew: Crew, redis_client: redis.Redis) -> None:
    """Redis gave a hand out because fewer are at work than may be, and here as many as may be seem to be."""
    shift = crew.shift
    cap = shift.app.targets["console"].cap
    for _ in range(2):
        assert crew.room.acquire(blocking=False)
    with ThreadPoolExecutor(cap) as pool:
        busy, go = threading.Barrier(cap + 1), threading.Event()

        def leaving(resource: Any, *, hand: str) -> None:
            if hand.startswith("old"):
                busy.wait(10)
                assert go.wait(10)
            taken.append(hand)

        taken: list[str] = []
        shift.app.lanes.claim = leaving  # type: ignore[method-assign]  # it finds nothing
        tasks = [pool.submit(shift.deliver, "console", f"old {n}") for n in range(cap)]
        busy.wait(10)
        shift.send([("d:console", "new")])
        assert redis_client.llen("rq:queue:jobwire") == 0
        go.set()
        for task in tasks:
            task.result(10)
    assert taken.count("new") == 1
    assert shift.in_hand() == ([], [])
