"""Connections to Redis, and what about a server would break a promise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from processor.connect import connect, safety
from processor.errors import Unavailable


class Said:
    """A server that says this of itself."""

    def __init__(self, **sections: dict[str, Any]) -> None:
        self._sections = sections

    def info(self, section: str) -> dict[str, Any]:
        return self._sections.get(section, {})


def test_a_server_that_keeps_everything_has_no_warning() -> None:
    said = Said(server={"redis_version": "7.2.4"}, persistence={"aof_enabled": 1})
    assert safety(said) == []  # type: ignore[arg-type]  # all that safety asks


def test_each_danger_has_its_sentence() -> None:
    said = Said(server={"redis_version": "6.2.1"}, memory={"maxmemory": 1, "maxmemory_policy": "allkeys-lru"})
    old, forgetful, evicting = safety(said)  # type: ignore[arg-type]  # all that safety asks
    assert "6.2.1 is too old" in old
    assert "appendonly yes" in forgetful
    assert "noeviction" in evicting


def test_a_server_that_hides_its_configuration_is_not_blamed_for_its_age() -> None:
    assert len(safety(Said())) == 1  # type: ignore[arg-type]  # all that safety asks


def test_the_receivers_client_gives_up_soon_and_never_sends_again() -> None:
    kwargs = connect("redis://127.0.0.1:1", patient=False).connection_pool.connection_kwargs
    assert kwargs["socket_connect_timeout"] + kwargs["socket_timeout"] < 5  # Bentley's patience
    assert kwargs["retry"].get_retries() == 0


def test_a_server_that_is_away_is_our_error() -> None:
    with pytest.raises(Unavailable):
        safety(connect("redis://127.0.0.1:1", patient=False))


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="scheme"):
        connect("http://127.0.0.1", patient=False)


def test_a_sentinel_address_names_hosts_service_and_database() -> None:
    client = connect("redis+sentinel://:pw@a.example:26380,b.example/jobs?db=3", patient=False)
    pool: Any = client.connection_pool
    assert pool.service_name == "jobs"
    assert pool.connection_kwargs["db"] == 3
    assert pool.connection_kwargs["password"] == "pw"
    hosts = [s.connection_pool.connection_kwargs for s in pool.sentinel_manager.sentinels]
    assert [(h["host"], h["port"]) for h in hosts] == [("a.example", 26380), ("b.example", 26379)]


def test_answers_are_text_unless_bytes_are_wanted(redis_url: str) -> None:
    with connect(redis_url, patient=True) as text, connect(redis_url, patient=True, text=False) as raw:
        text.set("a", "é")
        assert (text.get("a"), raw.get("a")) == ("é", "é".encode())
    assert isinstance(text, redis.Redis)


def test_a_thread_that_stays_keeps_its_connection_and_opens_another_when_it_was_closed(redis_url: str) -> None:
    client = connect(redis_url, patient=True, resident=True)
    first = client.client_id()
    assert client.client_id() == first
    with ThreadPoolExecutor(1) as other:
        assert other.submit(client.client_id).result() != first
    with redis.Redis.from_url(redis_url) as admin:
        admin.client_kill_filter(_id=str(first))
    assert client.client_id() not in (None, first)
    with client.pipeline() as pipe:  # which takes one while the thread's own is out
        pipe.watch("a")
        assert client.client_id()
        pipe.multi()
        pipe.get("a")
        assert pipe.execute() == [None]
