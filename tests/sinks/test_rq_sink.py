"""A queue of RQ's as a sink, against a real server and RQ's own worker."""

from __future__ import annotations

import inspect
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from consumers import DOCS, configurations, consumer
from marshmallow import ValidationError
from rq import Queue
from rq.job import Job

from processor.connect import connect
from processor.embedded import EmbeddedServer
from processor.errors import Busy, Retryable, Shut, Unreachable, Usage
from processor.model import JSON
from processor.queue import QUEUE
from processor.sinks import rq
from processor.sinks.rq import Rq
from processor.testing.builders import a_job, an_event
from processor.testing.fakes import some_tools
from processor.testing.sink import CanBeAway, CanBeShut, CarriesDocuments, SurvivesRestarts, TriesOut
from processor.text import headline

PAGE = DOCS / "rq.md"
EVENT_ID = an_event()["id"]


def jobs(url: str, queue: str = "crm", serializer: str = "pickle") -> list[Job]:
    """Those that wait, the next one first."""
    with redis.Redis.from_url(url) as client:
        return Queue(queue, connection=client, serializer=serializer).jobs


def work(url: str, folder: Path, *options: str, queue: str = "crm") -> str:
    """What RQ's own worker prints until the queue is empty; `folder` has its functions."""
    command = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--quiet", "--url", url, *options, queue]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def sinks(redis_url: str) -> Iterator[Callable[..., Rq]]:
    """Makes sinks that are closed afterwards."""
    made: list[Rq] = []

    def make(queue: str = "crm", function: str = "crm.handle", **options: Any) -> Rq:
        made.append(Rq("rq", queue, function, **{"url": redis_url, **options}))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


class TestRq(CarriesDocuments, CanBeShut, CanBeAway, TriesOut):
    plugin = Rq
    least: ClassVar = {"type": "rq", "queue": "crm", "function": "crm.handle"}
    secrets = ("s3cret-password",)

    @pytest.fixture(params=["pickle", "json"])
    def serializer(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def sink(self, sinks: Callable[..., Rq], serializer: str) -> Rq:
        return sinks(serializer=serializer)

    @pytest.fixture
    def taken(self, redis_url: str, serializer: str) -> Callable[[], list[JSON]]:
        return lambda: [job.args[0] for job in jobs(redis_url, serializer=serializer)]

    @pytest.fixture
    def shut(self, redis_client: redis.Redis, redis_url: str, sinks: Callable[..., Rq]) -> Iterator[Rq]:
        redis_client.acl_setuser("writer", enabled=True, passwords=["+another"], keys=["*"], commands=["+@all"])
        yield sinks(url=redis_url.replace("unix://", "unix://writer@") + "&password=s3cret-password")
        redis_client.acl_deluser("writer")

    @pytest.fixture
    def away(self, sinks: Callable[..., Rq]) -> Rq:
        return sinks(url="redis://:s3cret-password@127.0.0.1:9/0")

    @pytest.fixture
    def stalled(self, sinks: Callable[..., Rq]) -> Iterator[Rq]:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield sinks(url=f"redis://:s3cret-password@127.0.0.1:{silent.getsockname()[1]}/0", timeout=0.2)


class TestRqThroughARestart(SurvivesRestarts):
    plugin = Rq
    least: ClassVar = TestRq.least

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[EmbeddedServer]:
        server = EmbeddedServer(tmp_path)
        server.ensure()
        yield server
        server.stop()

    @pytest.fixture
    def sink(self, server: EmbeddedServer, sinks: Callable[..., Rq]) -> Rq:
        return sinks(url=server.url)

    @pytest.fixture
    def taken_ids(self, server: EmbeddedServer) -> Callable[[], list[str]]:
        return lambda: [job.args[0]["id"] for job in jobs(server.url)]

    @pytest.fixture
    def restart(self, server: EmbeddedServer) -> Callable[[], None]:
        def restart() -> None:
            with connect(server.url, patient=True) as client:
                os.kill(client.info("server")["process_id"], signal.SIGKILL)
            server.ensure()

        return restart


# --- a repeat --------------------------------------------------------------------------------------------------------


def test_a_repeat_is_no_second_job_while_the_first_one_waits(redis_url: str, sinks: Callable[..., Rq]) -> None:
    sink = sinks()
    assert sink.deliver(an_event()) == sink.deliver(an_event())
    [job] = jobs(redis_url)
    assert job.id.startswith(f"{EVENT_ID}-")


def test_a_repeat_is_no_second_job_when_the_first_one_ended_well(
    redis_url: str, sinks: Callable[..., Rq], tmp_path: Path
) -> None:
    sink = sinks(function="crm.handle")
    (tmp_path / "crm.py").write_text("def handle(event): print('ran', event['id'])")
    sink.deliver(an_event())
    assert f"ran {EVENT_ID}" in work(redis_url, tmp_path)
    sink.deliver(an_event())
    assert jobs(redis_url) == []


def test_a_repeat_of_what_failed_runs_again_and_is_no_longer_among_the_failed(
    redis_url: str, sinks: Callable[..., Rq], tmp_path: Path
) -> None:
    sink = sinks(function="crm.handle")
    sink.deliver(an_event())
    work(redis_url, tmp_path)  # there is no such function
    with redis.Redis.from_url(redis_url) as client:
        failed = Queue("crm", connection=client).failed_job_registry
        assert failed.count == 1
        sink.deliver(an_event())
        assert failed.count == 0
    (tmp_path / "crm.py").write_text("def handle(event): print('ran', event['id'])")
    assert f"ran {EVENT_ID}" in work(redis_url, tmp_path)


def test_a_job_that_is_gone_when_we_look_has_run(
    redis_client: redis.Redis, sinks: Callable[..., Rq], monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = sinks()
    key = Job.key_for(sink.deliver(an_event()))
    fetch = Job.fetch
    monkeypatch.setattr(Job, "fetch", lambda *args, **options: redis_client.delete(key) and fetch(*args, **options))
    sink.deliver(an_event())
    assert not redis_client.exists(key)


def test_sinks_of_one_redis_do_not_take_each_others_events_away(redis_url: str, sinks: Callable[..., Rq]) -> None:
    """RQ's ids are those of all its queues."""
    for queue, function in (("crm", "crm.handle"), ("crm", "crm.bill"), ("billing", "crm.handle")):
        sinks(queue, function).deliver(an_event())
    assert [job.func_name for job in jobs(redis_url)] == ["crm.handle", "crm.bill"]
    assert [job.func_name for job in jobs(redis_url, "billing")] == ["crm.handle"]


# --- what is enqueued ------------------------------------------------------------------------------------------------


def test_a_job_calls_the_function_with_the_event_alone(redis_url: str, sinks: Callable[..., Rq]) -> None:
    reference = sinks(function="far.away.handle").deliver(an_event())
    [job] = jobs(redis_url)
    assert job.id == reference
    assert (job.func_name, job.args, job.kwargs) == ("far.away.handle", (an_event(),), {})
    assert (job.timeout, job.result_ttl, job.failure_ttl) == (Queue.DEFAULT_TIMEOUT, None, None)  # RQ's own


def test_workers_log_the_headline_and_not_the_event(redis_url: str, sinks: Callable[..., Rq]) -> None:
    sinks().deliver(an_event())
    [job] = jobs(redis_url)
    assert job.description == headline(an_event())


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_the_consumer_of_the_page_runs_in_rqs_own_worker(
    redis_url: str, sinks: Callable[..., Rq], tmp_path: Path, serializer: str
) -> None:
    (tmp_path / "crm.py").write_text(consumer(PAGE))
    sink = sinks(function="crm.handle", serializer=serializer)
    events = [an_event(job=a_job(id=str(number))) for number in range(2)]
    for event in events:
        sink.deliver(event)
    printed = work(redis_url, tmp_path, *(["--serializer", "json"] if serializer == "json" else []))
    assert [line.split()[0] for line in printed.splitlines()] == [event["id"] for event in events]
    assert jobs(redis_url, serializer=serializer) == []
    with redis.Redis.from_url(redis_url) as client:
        assert Queue("crm", connection=client).failed_job_registry.count == 0


# --- what is wrong ---------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_a_shut_door(redis_url: str, sinks: Callable[..., Rq]) -> None:
    with pytest.raises(Shut, match="queue crm: it refuses our user name or password"):
        sinks(url=redis_url + "&username=nobody&password=s3cret").deliver(an_event())


@pytest.mark.parametrize("act", ["deliver", "try_out"])
def test_a_user_who_may_not_write_is_a_shut_door(
    redis_url: str, redis_client: redis.Redis, sinks: Callable[..., Rq], act: str
) -> None:
    redis_client.acl_setuser("reader", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-@write"])
    try:
        sink = sinks(url=redis_url + "&username=reader&password=any")
        with pytest.raises(Shut, match=r"our user may not write what RQ writes \(keys rq:\*\)"):
            sink.deliver(an_event()) if act == "deliver" else sink.try_out()
    finally:
        redis_client.acl_deluser("reader")


@pytest.mark.parametrize("key", ["rq:queue:crm", "rq:queues"])
def test_a_key_of_another_type_is_a_shut_door(redis_client: redis.Redis, sinks: Callable[..., Rq], key: str) -> None:
    redis_client.set(key, "text")
    with pytest.raises(Shut):
        sinks().deliver(an_event())


def test_a_full_memory_is_tried_again(redis_client: redis.Redis, sinks: Callable[..., Rq]) -> None:
    sink = sinks()
    sink.deliver(an_event())
    redis_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Busy, match="memory is full"):
            sink.deliver(an_event(job=a_job(id="2")))
    finally:
        redis_client.config_set("maxmemory", 0)


def test_a_kept_connection_that_was_closed_is_opened_again(
    redis_url: str, redis_client: redis.Redis, sinks: Callable[..., Rq]
) -> None:
    sink = sinks()
    sink.deliver(an_event())
    redis_client.client_kill_filter(skipme=True, _type="normal")
    sink.deliver(an_event(job=a_job(id="2")))
    assert len(jobs(redis_url)) == 2


def test_every_error_of_redis_is_one_of_ours_and_none_is_quoted(sinks: Callable[..., Rq]) -> None:
    """Redis repeats a command's arguments in some of its messages, and our arguments are events."""
    kinds = [kind for _, kind in inspect.getmembers(redis.exceptions, inspect.isclass)]
    kinds = [kind for kind in kinds if issubclass(kind, redis.RedisError)]
    assert len(kinds) > 20
    for kind in kinds:
        error = sinks()._translated(kind.__new__(kind, "SECRET"))
        assert isinstance(error, Retryable)
        assert "SECRET" not in error.message


def test_nobody_there_is_named_without_the_password(sinks: Callable[..., Rq]) -> None:
    with pytest.raises(Unreachable, match=r"redis://127\.0\.0\.1:9/0, queue crm: no connection"):
        sinks(url="redis://user:s3cret@127.0.0.1:9/0").deliver(an_event())


def test_trying_out_counts_jobs_and_workers_and_leaves_nothing_behind(
    redis_url: str, redis_client: redis.Redis, sinks: Callable[..., Rq]
) -> None:
    sink = sinks()
    assert sink.try_out().endswith("queue crm: jobs that wait: 0, workers that listen: 0")
    assert redis_client.keys("*") == []


# --- configuration ---------------------------------------------------------------------------------------------------


def make(redis_url: str | None, **options: object) -> Rq:
    loaded = Rq.Options().load({**TestRq.least, **options})
    return Rq.from_config("orders", loaded, some_tools(redis_url=redis_url))


def test_the_defaults_are_our_own_redis_and_pickle(redis_url: str) -> None:
    sink = make(redis_url)
    sink.deliver(an_event())
    assert len(jobs(redis_url)) == 1
    sink.close()


def test_another_redis_may_be_named(redis_url: str) -> None:
    sink = make("redis://127.0.0.1:9/0", url=redis_url, serializer="json")
    sink.deliver(an_event())
    assert len(jobs(redis_url, serializer="json")) == 1
    sink.close()


def test_without_any_redis_the_setting_is_named() -> None:
    with pytest.raises(Usage, match=r"sinks\.orders\.url"):
        make(None)


def test_jobwires_own_queue_is_refused_in_its_own_redis_only() -> None:
    assert rq.OURS == QUEUE
    with pytest.raises(ValidationError) as raised:
        make("redis://127.0.0.1:9/0", queue=QUEUE)
    assert "jobwire's own queue" in str(raised.value.normalized_messages()["queue"])
    with pytest.raises(Usage, match=r"sinks\.orders\.queue: 'jobwire' is jobwire's own queue"):
        make("redis://127.0.0.1:9/0", queue=QUEUE, url="redis://127.0.0.1:9/0")
    make("redis://127.0.0.1:9/0", queue=QUEUE, url="redis://127.0.0.1:9/1").close()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "http://s3cret"),
        ("url", "redis://a.example:s3cret/0"),
        ("url", ""),
        ("queue", ""),
        ("queue", " "),
        ("queue", "a\nb"),
        ("function", ""),
        ("function", "handle"),
        ("function", "crm."),
        ("function", ".handle"),
        ("function", "crm handle"),
        ("function", "crm:handle"),
        ("function", "os.system('x')"),
        ("serializer", "yaml"),
    ],
)
def test_an_option_that_cannot_be_used_is_a_fault_that_tells_no_secret(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as raised:
        Rq.Options().load({**TestRq.least, key: value})
    assert list(raised.value.normalized_messages()) == [key]
    assert "s3cret" not in str(raised.value)


def test_the_configuration_of_the_page_can_be_used(tmp_path: Path) -> None:
    for settings in configurations(PAGE, tmp_path):
        [sink] = settings.sinks.values()
        Rq.from_config(sink.name, sink.options, some_tools(redis_url="redis://127.0.0.1:9/0")).close()
