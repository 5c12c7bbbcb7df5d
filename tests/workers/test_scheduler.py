"""Periodic duties: one process at a time, and none stops the others."""

from __future__ import annotations

import time

import pytest
import redis
from structlog.testing import capture_logs

from processor.wiring import App, read_settings
from workers.scheduler import DUTIES, Duty, retention, turn


@pytest.fixture
def app(redis_url: str) -> App:
    return App(read_settings(None, {}), redis_url)


def test_a_duty_is_done_once_in_its_period_by_whoever_comes_first(app: App) -> None:
    done: list[int] = []
    duties = (Duty("count", 0.5, lambda app: done.append(1)),)
    for _ in range(3):
        turn(app, duties)
    assert len(done) == 1
    time.sleep(0.6)
    turn(app, duties)
    assert len(done) == 2


def test_a_duty_that_fails_stops_no_other(app: App) -> None:
    done: list[int] = []
    with capture_logs() as lines:
        turn(app, (Duty("broken", 1, lambda app: done[5]), Duty("fine", 1, lambda app: done.append(1))))  # type: ignore[arg-type,return-value]  # the first one fails on purpose
    assert done == [1]
    assert [line["duty"] for line in lines] == ["broken"]


def test_retention_forgets_what_is_old_and_keeps_the_rest(app: App, redis_client: redis.Redis) -> None:
    old, new = int((time.time() - 31 * 86400) * 1000), int(time.time() * 1000)
    for at in (old, new):
        for n in range(150):
            redis_client.xadd("jobwire:journal", {"id": "evt"}, id=f"{at}-{n}")
        redis_client.hset("jobwire:dead", f"lane {at}", '{"reason": "r", "detail": "d", "attempts": 1}')
        redis_client.zadd("jobwire:deadz", {f"lane {at}": at})
    retention(app)
    left = redis_client.xlen("jobwire:journal")
    assert 150 <= left < 300  # whole nodes go; what is left of the old goes with the next
    assert [d.item for d in app.journal.dead()] == [str(new)]


def test_the_duties_have_names_of_their_own() -> None:
    assert len({duty.name for duty in DUTIES}) == len(DUTIES)
