"""The pulse: samples of running totals, as many as a day has."""

from __future__ import annotations

import time

import pytest
import redis

from processor.store.pulse import BUCKETS, KEPT, Pulse, totals
from processor.wiring import App, read_settings
from workers.scheduler import DUTIES


@pytest.fixture
def pulse(redis_client: redis.Redis) -> Pulse:
    return Pulse(redis_client)


def test_totals_are_summed_over_sources_and_sinks_and_nothing_else_is_in_them() -> None:
    counters = {
        "notifications:r:a:new": 3,
        "notifications:r:b:new": 4,
        "notifications:r:b:revived": 1,
        "notifications:r:b:duplicate": 100,
        "notifications:r:b:ignored": 100,
        "rejections:a:Unverified": 5,
        "rejections:~unknown:UnknownSource": 2,
        "events:job.created": 6,
        "events:model.failed": 1,
        "events:ops.job_stuck": 100,
        "deliveries:d:x:delivered": 8,
        "deliveries:r:a:delivered": 100,
        "retries:d:x": 1,
        "retries:r:a": 100,
        "dead:d:y": 2,
        "dead:r:a": 100,
        "late:d:x:le:0.05": 3,
        "late:d:y:le:0.05": 4,
        "late:d:y:le:+Inf": 1,
        "late:d:y:ms": 100,
        "spent:r:a": 100,
        "something:of:tomorrow": 100,
    }
    found = totals(counters)
    assert {name: n for name, n in found.items() if n} == {
        "accepted": 8,
        "rejected": 7,
        "events": 7,
        "delivered": 8,
        "failed": 3,
        "le:0.05": 7,
        "le:+Inf": 1,
    }
    assert list(found) == ["accepted", "rejected", "events", "delivered", "failed", *(f"le:{b}" for b in BUCKETS)]


def test_samples_come_back_oldest_first_with_their_times(pulse: Pulse) -> None:
    before = time.time()
    for n in range(5):
        pulse.write({"events:job.created": n})
    read = pulse.read(3)
    assert [sample["events"] for _, sample in read] == [2, 3, 4]
    assert before - 1 < read[0][0] <= read[-1][0] < time.time() + 1


def test_without_a_sample_there_is_none(pulse: Pulse) -> None:
    assert pulse.read(10) == []


def test_no_more_than_a_day_is_kept(pulse: Pulse, redis_client: redis.Redis) -> None:
    redis_client.eval("for n = 1, 4000 do redis.call('XADD', KEYS[1], '*', 'totals', '{}') end", 1, "jobwire:pulse")
    pulse.write({})
    assert KEPT <= redis_client.xlen("jobwire:pulse") < KEPT + 200  # whole nodes go


def test_the_scheduler_notes_what_the_counters_show(redis_url: str, redis_client: redis.Redis) -> None:
    redis_client.hset("jobwire:cnt", "events:model.failed", 7)
    [duty] = [duty for duty in DUTIES if duty.name == "pulse"]
    app = App(read_settings(None, {}), redis_url)
    duty.do(app)
    assert [sample["events"] for _, sample in app.pulse.read(10)] == [7]
    assert duty.every == 30
