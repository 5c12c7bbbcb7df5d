"""RQ's side: our tasks resolve, RQ's own worker runs them too, and what RQ keeps of them has an end."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from rq.registry import StartedJobRegistry
from running import wait_for

from processor.cli.simulated import HOVER, Simulated
from processor.model import Notification
from processor.queue import LEFT, QUEUE, TASKS, Task, Tasks
from processor.wiring import REDIS_FROM_PARENT, App, read_settings


@pytest.mark.parametrize("dotted", TASKS.values())
def test_a_tasks_name_leads_to_a_function_of_two_arguments(dotted: str) -> None:
    module, _, name = dotted.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    assert function.__code__.co_argcount == 2


def test_rqs_own_worker_runs_our_tasks(redis_url: str, tmp_path: Path) -> None:
    simulated = Simulated("http://127.0.0.1:1", limited=False)
    hover = simulated.by_name["hover"]
    job = hover.put_job(hover.sample("hover-2"))
    served = simulated.serve("127.0.0.1", 0)
    config, out = tmp_path / "jobwire.toml", tmp_path / "events.jsonl"
    config.write_text(f'{simulated.configuration(served.url)}\n[sinks.disk]\ntype = "file"\npath = "{out}"\n')
    app = App(read_settings(str(config), {}), redis_url)
    app.inbox.put(Notification(HOVER, job, "v3", "job-state-changed-v2", "key", "job"))
    command = [sys.executable, "-m", "rq.cli", "worker", QUEUE, "--burst", "--url", redis_url]
    environ = {**os.environ, "JOBWIRE_CONFIG": str(config), REDIS_FROM_PARENT: redis_url}
    try:
        subprocess.run(
            [*command, "--serializer", "rq.serializers.JSONSerializer", "--job-class", "processor.queue.Task"],
            env=environ,
            check=True,
            capture_output=True,
            timeout=60,
        )
    finally:
        served.close()
    told = [json.loads(line)["type"] for line in out.read_text().splitlines()]
    assert told == ["model.succeeded", "model.succeeded", "job.succeeded"]


# --- what is left ----------------------------------------------------------------------------------------------------


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    """RQ packs its jobs: no text."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@contextmanager
def a_worker(redis_url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that knows no source and no sink, so that its tasks have nothing to do. Killed in the end."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("JOBWIRE", "REDIS"))}
    with log.open("ab") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers", "worker"], env={**environ, REDIS_FROM_PARENT: redis_url}, stderr=err
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def endless(client: Any) -> set[bytes]:
    return {key for key in client.scan_iter(match="rq:job:*", count=1000) if client.pttl(key) == -1}


def test_what_is_left_of_tasks_whose_workers_were_killed_has_an_end(
    redis_url: str, client: Any, tmp_path: Path
) -> None:
    """RQ itself forgets what it knows to be in some worker's hand; what it cannot read any more it would keep."""
    tasks, queue = Tasks(client), f"rq:queue:{QUEUE}"
    tasks.send([("r:nobody", f"hand {i}") for i in range(400)])
    assert endless(client) == set()
    for left in (300, 200, 100):
        with a_worker(redis_url, tmp_path / "log"):
            wait_for(lambda left=left: client.llen(queue) < left)
    client.hset("rq:job:twice", "last_heartbeat", "2026-01-01T00:00:00Z")  # ended, and begun again by another worker
    client.hset("rq:job:theirs", mapping={"data": b"\x80", "status": "started"})
    client.zadd(f"rq:wip:{QUEUE}", {"twice:1": 1, "theirs:2": 1})
    in_hand = client.zrange(f"rq:wip:{QUEUE}", 0, -1)
    assert endless(client) <= {b"rq:job:" + entry.partition(b":")[0] for entry in in_hand}
    client.zadd(f"rq:wip:{QUEUE}", dict.fromkeys(in_hand, 1))  # long ago
    StartedJobRegistry(QUEUE, connection=client, job_class=Task, serializer="json").cleanup()
    assert endless(client) == set()
    assert 0 < client.ttl("rq:job:twice") <= LEFT


def test_while_no_worker_takes_tasks_the_queue_has_an_end(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor.queue.MOST", 20)
    for n in range(3):
        Tasks(client).send([("r:nobody", f"{n}:{i}") for i in range(8)])
    assert client.llen(f"rq:queue:{QUEUE}") == 20
    oldest, newest = (client.lindex(f"rq:queue:{QUEUE}", i).decode() for i in (0, -1))
    assert Task.fetch(oldest, connection=client, serializer="json").args[1] == "0:4"
    assert Task.fetch(newest, connection=client, serializer="json").args[1] == "2:7"


def test_garbage_in_our_queue_is_dropped_and_the_worker_goes_on(redis_url: str, client: Any, tmp_path: Path) -> None:
    garbage = [b"\xff\xfe", b"", b"not an id", b"a:b", b"../../etc/passwd", b"x" * 100_000, b"gone"]
    client.rpush(f"rq:queue:{QUEUE}:intermediate", b"\xff", b"left by another worker")
    with a_worker(redis_url, tmp_path / "log") as worker:
        for _ in range(3):
            client.rpush(f"rq:queue:{QUEUE}", *garbage)
            Tasks(client).send([("r:nobody", "hand")])
            wait_for(lambda: not client.llen(f"rq:queue:{QUEUE}"))
        wait_for(lambda: (tmp_path / "log").read_text().count("not configured here") == 3)
        wait_for(lambda: client.lrange(f"rq:queue:{QUEUE}:intermediate", 0, -1) in ([], [b"gone"] * 3))
        assert worker.poll() is None
    assert "connecting again" not in (tmp_path / "log").read_text(), "its loop began anew"
    assert "Traceback" not in (tmp_path / "log").read_text()
