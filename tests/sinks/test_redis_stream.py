"""A Redis stream as a sink, against a real server."""

from __future__ import annotations

import inspect
import json
import socket
from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest
import redis
from marshmallow import ValidationError

from processor.errors import Busy, Retryable, Shut, Unreachable, Usage
from processor.model import JSON
from processor.sinks.redis_stream import RedisStream
from processor.testing.builders import a_job, an_event
from processor.testing.fakes import some_tools
from processor.testing.sink import CanBeAway, CanBeShut, CarriesDocuments


class TestRedisStream(CarriesDocuments, CanBeShut, CanBeAway):
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
