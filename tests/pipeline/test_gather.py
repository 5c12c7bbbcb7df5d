"""When people are told, and what they are told together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.hours import Daily, Hours
from processor.pipeline.gather import LONGEST_WAIT, Manner, Plan, plan, quiet_until
from processor.ports import Occasion

NIGHT = Hours.parse("22:00-07:00 Europe/Berlin")
MORNING = Daily.parse("08:00 Europe/Berlin")
NOON = datetime(2026, 7, 1, 10, tzinfo=UTC)
MIDNIGHT = datetime(2026, 7, 1, 22, tzinfo=UTC)


def test_without_a_manner_an_event_is_told_at_once_and_alone() -> None:
    assert plan(Manner(), NOON) == Plan()
    assert not Manner().gathers


def test_a_group_opens_a_window() -> None:
    assert plan(Manner(group=30.0), NOON) == Plan(30.0, Occasion.GROUP)


def test_in_quiet_hours_an_event_is_due_at_their_end_with_its_group() -> None:
    assert plan(Manner(quiet_hours=NIGHT), MIDNIGHT) == Plan(7 * 3600.0, Occasion.GROUP)
    assert plan(Manner(quiet_hours=NIGHT, group=30.0), MIDNIGHT) == Plan(7 * 3600.0, Occasion.GROUP)


def test_outside_of_them_quiet_hours_change_nothing() -> None:
    assert plan(Manner(quiet_hours=NIGHT), NOON) == Plan()
    assert plan(Manner(quiet_hours=NIGHT, group=30.0), NOON) == Plan(30.0, Occasion.GROUP)


def test_a_digest_is_the_next_one_and_replaces_groups() -> None:
    assert plan(Manner(digest=MORNING, group=30.0), NOON) == Plan(20 * 3600.0, Occasion.DIGEST)


def test_a_digest_in_quiet_hours_waits_for_their_end() -> None:
    sleeper = Manner(digest=MORNING, quiet_hours=Hours.parse("22:00-09:30 Europe/Berlin"))
    assert plan(sleeper, NOON) == Plan(21.5 * 3600.0, Occasion.DIGEST)


@pytest.mark.parametrize(
    "manner",
    [Manner(group=1.0), Manner(storm_limit=(20, 600.0)), Manner(digest=MORNING), Manner(quiet_hours=NIGHT)],
)
def test_each_of_them_may_gather(manner: Manner) -> None:
    assert manner.gathers


@given(
    st.integers(1420070400, 2051222400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),  # 2015 to 2035
    st.none() | st.sampled_from([MORNING, Daily.parse("02:30 America/New_York")]),
    st.none() | st.sampled_from([NIGHT, Hours.parse("01:00-23:59 America/New_York")]),
    st.none() | st.floats(0.1, 3600),
)
def test_nobody_is_ever_planned_to_be_woken_and_nothing_waits_too_long(
    now: datetime, digest: Daily | None, quiet: Hours | None, group: float | None
) -> None:
    manner = Manner(digest=digest, quiet_hours=quiet)
    planned = plan(manner, now)
    due = now + timedelta(seconds=planned.delay)
    assert quiet_until(manner, due + timedelta(milliseconds=1)) is None
    assert 0 <= plan(Manner(group, None, digest, quiet), now).delay <= max(LONGEST_WAIT, group or 0)
