"""Words of a provider's that we do not know."""

from __future__ import annotations

import redis

from processor.store.drift import BEYOND, MOST, Drift


def test_each_word_is_counted_and_told_once(redis_client: redis.Redis) -> None:
    drift = Drift(redis_client)
    drift.note("main", ['job state "fancy"', 'job state "fancy"'])
    drift.note("main", ["no field models"])
    drift.note("main", [])
    assert {met.word: met.times for met in drift.untold("main")} == {'job state "fancy"': 2, "no field models": 1}
    drift.told("main", 'job state "fancy"')
    assert [met.word for met in drift.untold("main")] == ["no field models"]
    assert drift.untold("other") == []


def test_since_when_does_not_move(redis_client: redis.Redis) -> None:
    """The alarm's id depends on it."""
    drift = Drift(redis_client)
    drift.note("main", ["a"])
    [first] = drift.untold("main")
    drift.note("main", ["a"])
    [again] = drift.untold("main")
    assert again.since == first.since


def test_a_provider_that_makes_words_up_fills_nothing(redis_client: redis.Redis) -> None:
    drift = Drift(redis_client)
    drift.note("main", [f"job state {n}" for n in range(MOST + 50)])
    met = {m.word: m.times for m in drift.untold("main")}
    assert len(met) == MOST + 1
    assert met[BEYOND] == 50
