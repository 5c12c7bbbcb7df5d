"""A Redis stream as a sink, against a real server."""

from __future__ import annotations

import inspect
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import redis
from consumers import DOCS, configurations, consuming
from marshmallow import ValidationError
from running import wait_for

from processor.connect import connect
from processor.embedded import EmbeddedServer
from processor.errors import Busy, Retryable, Shut, Unreachable, Usage
from processor.model import JSON
from processor.sinks.redis_stream import RedisStream
from processor.testing.builders import a_job, an_event
from processor.testing.fakes import some_tools
from processor.testing.sink import CanBeAway, CanBeShut, CarriesDocuments, SurvivesRestarts, TriesOut

PAGE = DOCS / "redis-stream.md"


class TestRedisStream(CarriesDocuments, CanBeShut, CanBeAway, TriesOut):
    plugin = RedisStream
    least: ClassVar = {"type": "redis-stream", "stream": "events"}
    secrets = ("s3cret-password",)

    @pytest.fixture
    def sink(self, redis_url: str) -> Iterator[RedisStream]:
        sink = RedisStream("redis-stream", "events", url=redis_url)
        yield sink
        sink.close()

    @pytest.fixture
    def taken(self, redis_client: redis.Redis) -> Callable[[], list[JSON]]:
        return lambda: [json.loads(entry["event"]) for _, entry in redis_client.xrange("events")]

    @pytest.fixture
    def shut(self, redis_client: redis.Redis, redis_url: str) -> Iterator[RedisStream]:
        redis_client.acl_setuser("writer", enabled=True, passwords=["+another"], keys=["*"], commands=["+@all"])
        url = redis_url.replace("unix://", "unix://writer@") + "&password=s3cret-password"
        sink = RedisStream("redis-stream", "events", url=url)
        yield sink
        sink.close()
        redis_client.acl_deluser("writer")

    @pytest.fixture
    def away(self) -> RedisStream:
        return RedisStream("redis-stream", "events", url="redis://:s3cret-password@127.0.0.1:9/0")

    @pytest.fixture
    def stalled(self) -> Iterator[RedisStream]:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"redis://:s3cret-password@127.0.0.1:{silent.getsockname()[1]}/0"
            sink = RedisStream("redis-stream", "events", url=url, timeout=0.2)
            yield sink
            sink.close()


class TestRedisStreamThroughARestart(SurvivesRestarts):
    plugin = RedisStream
    least: ClassVar = TestRedisStream.least

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[EmbeddedServer]:
        server = EmbeddedServer(tmp_path)
        server.ensure()
        yield server
        server.stop()

    @pytest.fixture
    def sink(self, server: EmbeddedServer) -> Iterator[RedisStream]:
        sink = RedisStream("redis-stream", "events", url=server.url)
        yield sink
        sink.close()

    @pytest.fixture
    def taken_ids(self, server: EmbeddedServer) -> Callable[[], list[str]]:
        def taken_ids() -> list[str]:
            with connect(server.url, patient=True) as client:
                return [entry["id"] for _, entry in client.xrange("events")]

        return taken_ids

    @pytest.fixture
    def restart(self, server: EmbeddedServer) -> Callable[[], None]:
        def restart() -> None:
            with connect(server.url, patient=True) as client:
                os.kill(client.info("server")["process_id"], signal.SIGKILL)
            server.ensure()

        return restart


def test_an_entry_has_id_type_and_document(redis_url: str, redis_client: redis.Redis) -> None:
    reference = RedisStream("redis-stream", "events", url=redis_url).deliver(an_event())
    [(entry_id, entry)] = redis_client.xrange("events")
    assert entry_id == reference
    assert entry.keys() == {"id", "type", "event"}
    assert (entry["id"], entry["type"]) == (an_event()["id"], "model.failed")
    assert json.loads(entry["event"]) == an_event()


def test_a_wrong_password_is_a_shut_door(redis_url: str) -> None:
    url = redis_url + "&username=nobody&password=s3cret"
    with pytest.raises(Shut, match="refuses our user name or password"):
        RedisStream("redis-stream", "events", url=url).deliver(an_event())


def test_a_key_of_another_type_is_a_shut_door(redis_url: str, redis_client: redis.Redis) -> None:
    redis_client.set("events", "text")
    with pytest.raises(Shut, match="stream events: the key holds something other than a stream"):
        RedisStream("redis-stream", "events", url=redis_url).deliver(an_event())


def test_a_full_memory_is_tried_again(redis_url: str, redis_client: redis.Redis) -> None:
    redis_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Busy, match="memory is full"):
            RedisStream("redis-stream", "events", url=redis_url).deliver(an_event())
    finally:
        redis_client.config_set("maxmemory", 0)


def test_a_kept_connection_that_was_closed_is_opened_again(redis_url: str, redis_client: redis.Redis) -> None:
    sink = RedisStream("redis-stream", "events", url=redis_url)
    sink.deliver(an_event())
    redis_client.client_kill_filter(skipme=True, _type="normal")
    sink.deliver(an_event())
    assert redis_client.xlen("events") == 2
    sink.close()


def test_a_length_is_kept_approximately(redis_url: str, redis_client: redis.Redis) -> None:
    """Whole nodes of a hundred entries are cut off at a time."""
    sink = RedisStream("redis-stream", "events", url=redis_url, max_length=100)
    for number in range(350):
        sink.deliver(an_event(job=a_job(id=str(number), models=()), failure=None, kind="job.created"))
    assert 100 <= redis_client.xlen("events") <= 200
    sink.close()


def test_every_error_of_redis_is_one_of_ours_and_none_is_quoted(redis_url: str) -> None:
    """Redis repeats a command's arguments in some of its messages, and our arguments are events."""
    sink = RedisStream("redis-stream", "events", url=redis_url)
    kinds = [kind for _, kind in inspect.getmembers(redis.exceptions, inspect.isclass)]
    kinds = [kind for kind in kinds if issubclass(kind, redis.RedisError)]
    assert len(kinds) > 20
    for kind in kinds:
        error = sink._translated(kind.__new__(kind, "SECRET"))
        assert isinstance(error, Retryable)
        assert "SECRET" not in error.message


def make(redis_url: str | None, **options: object) -> RedisStream:
    loaded = RedisStream.Options().load({"type": "redis-stream", "stream": "events", **options})
    tools = some_tools(redis_url=redis_url)
    return RedisStream.from_config("orders", loaded, tools)


def test_our_own_redis_is_the_default(redis_url: str, redis_client: redis.Redis) -> None:
    make(redis_url).deliver(an_event())
    assert redis_client.xlen("events") == 1


def test_another_redis_may_be_named(redis_url: str, redis_client: redis.Redis) -> None:
    make("redis://127.0.0.1:9/0", url=redis_url).deliver(an_event())
    assert redis_client.xlen("events") == 1


def test_without_any_redis_the_setting_is_named() -> None:
    with pytest.raises(Usage, match=r"sinks\.orders\.url"):
        make(None)


@pytest.mark.parametrize(
    ("key", "value"),
    [("url", "http://s3cret"), ("url", "redis://a.example:s3cret/0"), ("url", ""), ("stream", ""), ("max_length", 0)],
)
def test_an_option_that_cannot_be_used_is_a_fault_that_tells_no_secret(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key) as raised:
        RedisStream.Options().load({**TestRedisStream.least, key: value})
    assert "s3cret" not in str(raised.value)


def test_nobody_there_is_named_without_the_password() -> None:
    sink = RedisStream("redis-stream", "events", url="redis://user:s3cret@127.0.0.1:9/0")
    with pytest.raises(Unreachable, match=r"redis://127\.0\.0\.1:9/0, stream events: no connection"):
        sink.deliver(an_event())


# --- trying out ------------------------------------------------------------------------------------------------------


def test_trying_out_counts_entries_and_leaves_nothing_behind(redis_url: str, redis_client: redis.Redis) -> None:
    with_nothing = RedisStream("redis-stream", "events", url=redis_url)
    assert with_nothing.try_out().endswith("stream events: entries: 0")
    assert redis_client.keys("*") == []
    with_nothing.deliver(an_event())
    assert with_nothing.try_out().endswith("stream events: entries: 1")
    with_nothing.close()


def test_trying_out_tells_a_key_of_another_type(redis_url: str, redis_client: redis.Redis) -> None:
    redis_client.set("events", "text")
    with pytest.raises(Shut, match="stream events: the key holds something other than a stream"):
        RedisStream("redis-stream", "events", url=redis_url).try_out()


@pytest.mark.parametrize(("commands", "may"), [(["+@all", "-xadd"], False), (["-@all", "+xadd"], True)])
def test_trying_out_needs_no_more_than_the_permission_to_append(
    redis_url: str, redis_client: redis.Redis, commands: list[str], may: bool
) -> None:
    redis_client.acl_setuser("writer", enabled=True, nopass=True, keys=["events"], commands=commands)
    sink = RedisStream("redis-stream", "events", url=redis_url + "&username=writer&password=any")
    try:
        if may:
            sink.deliver(an_event())
            assert sink.try_out().endswith("stream events: we may append")
        else:
            for act in (sink.try_out, lambda: sink.deliver(an_event())):
                with pytest.raises(Shut, match="our user may not write this stream"):
                    act()
    finally:
        sink.close()
        redis_client.acl_deluser("writer")


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_configuration_of_the_page_can_be_used(tmp_path: Path) -> None:
    for settings in configurations(PAGE, tmp_path):
        [sink] = settings.sinks.values()
        RedisStream.from_config(sink.name, sink.options, some_tools(redis_url="redis://127.0.0.1:9/0")).close()


def test_the_consumer_of_the_page_gets_what_is_delivered(redis_url: str, redis_client: redis.Redis) -> None:
    """What came before it began, what came while it ran, and nothing twice: it acknowledges."""
    sink = RedisStream("redis-stream", "jobwire-events", url=redis_url)
    events = [an_event(job=a_job(id=str(number))) for number in range(3)]
    sink.deliver(events[0])
    with consuming(PAGE, REDIS_URL=redis_url) as consumer:
        assert consumer.printed(1)[0].split()[0] == events[0]["id"]
        sink.deliver(events[1])
        consumer.printed(2)
        wait_for(lambda: not redis_client.xpending("jobwire-events", "crm")["pending"])
    sink.deliver(events[2])
    with consuming(PAGE, REDIS_URL=redis_url) as consumer:
        assert [line.split()[0] for line in consumer.printed(1)] == [events[2]["id"]]
    sink.close()


def test_the_consumer_of_the_page_takes_up_what_it_had_not_acknowledged_unless_it_is_gone(
    redis_url: str, redis_client: redis.Redis
) -> None:
    sink = RedisStream("redis-stream", "jobwire-events", url=redis_url)
    events = [an_event(job=a_job(id=str(number))) for number in range(3)]
    for event in events[:2]:
        sink.deliver(event)
    redis_client.xgroup_create("jobwire-events", "crm", id="0")
    redis_client.xreadgroup("crm", "worker-1", {"jobwire-events": ">"})  # and dies
    redis_client.xtrim("jobwire-events", maxlen=1, approximate=False)
    sink.deliver(events[2])
    with consuming(PAGE, REDIS_URL=redis_url) as consumer:
        assert [line.split()[0] for line in consumer.printed(2)] == [event["id"] for event in events[1:]]
    sink.close()
