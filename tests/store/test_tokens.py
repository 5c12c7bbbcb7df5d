"""Tokens in Redis: the first writer wins, one refresher at a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from processor.errors import Unavailable
from processor.ports import StoredToken
from processor.store.tokens import RedisTokens

OLD = StoredToken(access="a1", refresh="r1", seed="s", expires_at=1.0)
NEW = StoredToken(access="a2", refresh="r2", seed="s", expires_at=2.0)


def test_what_is_put_is_got(redis_client: redis.Redis) -> None:
    tokens = RedisTokens(redis_client)
    assert tokens.get("main") is None
    assert tokens.put("main", OLD, expected=None)
    assert tokens.get("main") == OLD


def test_who_comes_second_does_not_overwrite(redis_client: redis.Redis) -> None:
    tokens = RedisTokens(redis_client)
    tokens.put("main", OLD, expected=None)
    assert not tokens.put("main", NEW, expected=None)
    assert tokens.put("main", NEW, expected=OLD)
    assert not tokens.put("main", OLD, expected=OLD)
    assert tokens.get("main") == NEW


def test_one_holds_the_lock_and_the_other_waits_for_it(redis_client: redis.Redis) -> None:
    tokens, order = RedisTokens(redis_client), []

    def second() -> None:
        with tokens.lock("main", seconds=5) as held:
            order.append(("second", held))

    with tokens.lock("main", seconds=5) as held:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append(("first", held))
    thread.join()
    assert order == [("first", True), ("second", True)]


def test_who_cannot_have_the_lock_in_time_is_told_so(redis_client: redis.Redis) -> None:
    tokens = RedisTokens(redis_client)
    with tokens.lock("main", seconds=30), tokens.lock("main", seconds=0.1) as held:
        assert held is False
    assert redis_client.exists("jobwire:lock:token:main") == 0


def test_a_lock_whose_holder_was_killed_is_free_when_its_time_is_over(redis_client: redis.Redis) -> None:
    tokens, began = RedisTokens(redis_client), time.monotonic()
    abandoned = tokens.lock("main", seconds=0.3)
    abandoned.__enter__()  # and never left
    with tokens.lock("main", seconds=5) as held:
        assert held
    assert 0.25 < time.monotonic() - began < 2


def test_many_who_want_the_lock_hold_it_one_after_another(redis_client: redis.Redis) -> None:
    tokens, holding, most = RedisTokens(redis_client), [0], [0]

    def hold(_: int) -> bool:
        with tokens.lock("main", seconds=10) as held:
            holding[0] += 1
            most[0] = max(most[0], holding[0])
            time.sleep(0.01)
            holding[0] -= 1
        return held

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(hold, range(16))) == {True}
    assert most == [1]


def test_a_late_holder_does_not_free_the_next_ones_lock(redis_client: redis.Redis) -> None:
    tokens = RedisTokens(redis_client)
    with tokens.lock("main", seconds=0.05):
        time.sleep(0.1)
        redis_client.set("jobwire:lock:token:main", "somebody else's")
    assert redis_client.get("jobwire:lock:token:main") == "somebody else's"


def test_a_token_that_no_replica_has_is_not_used(redis_client: redis.Redis) -> None:
    with pytest.raises(Unavailable, match="0 of 1 replicas"):
        RedisTokens(redis_client, wait_replicas=1).put("main", OLD, expected=None)
