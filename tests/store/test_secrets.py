"""Secrets that came with registrations of ours."""

from __future__ import annotations

import redis

from processor.model import Secret
from processor.store import secrets
from processor.store.secrets import RedisSecrets


def test_a_secret_is_known_to_every_process_until_it_is_forgotten(redis_client: redis.Redis) -> None:
    RedisSecrets(redis_client).keep("main", "12", Secret("a"))
    RedisSecrets(redis_client).keep("main", "13", Secret("b"))
    assert set(RedisSecrets(redis_client)("main")) == {Secret("a"), Secret("b")}
    assert RedisSecrets(redis_client)("other") == ()
    RedisSecrets(redis_client).forget("main", "12")
    assert RedisSecrets(redis_client).by_subscription("main") == {"13": Secret("b")}


def test_a_storm_of_wrong_signatures_is_no_storm_of_reads(redis_client: redis.Redis) -> None:
    known = RedisSecrets(redis_client)
    before = redis_client.info("commandstats").get("cmdstat_hgetall", {"calls": 0})["calls"]
    for _ in range(1000):
        known("main")
    after = redis_client.info("commandstats")["cmdstat_hgetall"]["calls"]
    assert after - before < 50


def test_a_new_one_is_known_soon(redis_client: redis.Redis) -> None:
    known = RedisSecrets(redis_client)
    assert known("main") == ()
    known.keep("main", "12", Secret("a"))
    known._read["main"] = (known._read["main"][0] - secrets.FRESH, ())  # a fifth of a second later
    assert known("main") == (Secret("a"),)
