"""Which failures come back, when, and which are dead at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor import errors
from processor.options import RetryPolicy
from workers.retry import FIRST, LONGEST, NOT_YET, Again, Dead, after, backoff

DAY = RetryPolicy(max_age=86400)


def verdict(error: Exception, *, attempts: int = 0, age: float = 0, policy: RetryPolicy = DAY) -> Again | Dead:
    return after(error, attempts=attempts, age=age, policy=policy, jitter=lambda low, high: high)


@given(st.integers(0, 10_000))
def test_waits_lie_between_a_second_and_an_hour(attempts: int) -> None:
    assert 1 <= backoff(attempts) <= LONGEST


def test_a_first_retry_comes_within_five_seconds_and_later_ones_back_off() -> None:
    longest = [backoff(n, jitter=lambda low, high: high) for n in range(12)]
    assert longest[0] <= FIRST <= 5
    assert longest == sorted(longest)
    assert longest[-1] == LONGEST


@pytest.mark.parametrize("error", [errors.Refused("no"), errors.Forbidden("no")])
def test_what_is_permanent_is_dead_at_once(error: Exception) -> None:
    assert isinstance(verdict(error), Dead)


def test_a_job_that_the_provider_does_not_know_is_asked_for_a_few_times() -> None:
    assert isinstance(verdict(errors.NotYet("unknown"), attempts=NOT_YET - 2), Again)
    dead = verdict(errors.NotYet("unknown"), attempts=NOT_YET - 1)
    assert isinstance(dead, Dead)
    assert f"{NOT_YET} attempts" in dead.detail


@pytest.mark.parametrize(
    "error", [errors.Busy("x"), errors.Shut("x"), errors.Unreachable("x"), errors.Unreadable("x"), KeyError("x")]
)
def test_the_rest_is_tried_until_its_age_or_attempts_are_used_up(error: Exception) -> None:
    assert isinstance(verdict(error, age=86399), Again)
    assert isinstance(verdict(error, age=86400), Dead)
    few = RetryPolicy(max_age=86400, max_attempts=3)
    assert isinstance(verdict(error, attempts=1, policy=few), Again)
    assert isinstance(verdict(error, attempts=2, policy=few), Dead)


def test_a_retry_after_is_obeyed_by_everybody_up_to_an_hour() -> None:
    assert verdict(errors.Busy("x", retry_after=90)) == Again(90, pause=90)
    assert verdict(errors.Busy("x", retry_after=90_000)) == Again(LONGEST, pause=LONGEST)


def test_being_told_to_slow_down_is_no_attempt() -> None:
    assert verdict(errors.RateLimited("x", retry_after=7)) == Again(7, pause=7, counts=False)


def test_who_does_not_say_how_long_is_left_alone_for_ever_longer() -> None:
    assert verdict(errors.RateLimited("x")) == Again(4, pause=4)
    assert verdict(errors.RateLimited("x"), attempts=3) == Again(32, pause=32)


def test_the_last_try_comes_when_the_time_is_over() -> None:
    assert verdict(errors.Busy("x"), attempts=12, age=86390) == Again(10)


def test_what_a_newer_release_wrote_waits_alone_for_one_that_can_read_it() -> None:
    assert verdict(errors.Newer("x"), attempts=50) == Again(30, counts=False)
    assert isinstance(verdict(errors.Newer("x"), age=86400), Dead)


def test_a_lost_grant_pauses_the_source_and_lets_nothing_grow_old() -> None:
    again = verdict(errors.ReconnectNeeded("x"), attempts=10_000, age=10**9)
    assert isinstance(again, Again)
    assert again.pause
    assert not again.counts
