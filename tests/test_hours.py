"""Times of day where people are: daylight saving, midnight, and what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.hours import Daily, Hours

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC")
moments = st.integers(1420070400, 2051222400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))  # 2015 to 2035
times = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.integers(0, 59))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "08:00",
        "8 Europe/Berlin",
        "24:00 UTC",
        "08:60 UTC",
        "08:00 Berlin",
        "08:00 ../../etc/passwd",
        "08:00 /etc/localtime",
        "08:00 Europe",
        "08:00 Europe/Berlin\n",
        "08:00 Europe/Berlin, 18:00 Europe/Berlin",
    ],
)
def test_what_is_no_time_of_day_is_refused_in_words(text: str) -> None:
    if text.endswith("\n"):  # white space around it is nobody's mistake
        assert Daily.parse(text)
        return
    with pytest.raises(ValueError, match=r"must be a time|knows no time zone"):
        Daily.parse(text)


@pytest.mark.parametrize("text", ["22:00 UTC", "22:00-25:00 UTC", "22:00-07:00", "07:00-07:00 UTC", "22-07 UTC", ""])
def test_what_are_no_hours_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|must begin"):
        Hours.parse(text)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-07-01T05:59:59", "2026-07-01T06:00:00"),
        ("2026-07-01T06:00:00", "2026-07-02T06:00:00"),
        ("2026-01-10T06:59:59", "2026-01-10T07:00:00"),
        ("2026-03-28T07:00:00", "2026-03-29T06:00:00"),  # the clocks go forward in between: 23 hours
        ("2026-10-24T06:00:00", "2026-10-25T07:00:00"),  # and back: 25
        ("2026-12-31T23:30:00", "2027-01-01T07:00:00"),
    ],
)
def test_a_daily_time_is_a_wall_clock_time(now: str, due: str) -> None:
    assert Daily.parse("08:00 Europe/Berlin").after(utc(now)) == utc(due)


def test_a_time_that_the_clocks_skip_counts_after_the_gap() -> None:
    skipped = Daily.parse("02:30 Europe/Berlin")
    assert skipped.after(utc("2026-03-28T12:00:00")) == utc("2026-03-29T01:30:00")
    assert skipped.after(utc("2026-03-29T01:30:00")) == utc("2026-03-30T00:30:00")


def test_a_time_that_the_clocks_show_twice_counts_once() -> None:
    twice = Daily.parse("02:30 Europe/Berlin")
    assert twice.after(utc("2026-10-24T12:00:00")) == utc("2026-10-25T00:30:00")
    assert twice.after(utc("2026-10-25T00:30:00")) == utc("2026-10-26T01:30:00")


@given(moments, times, st.sampled_from(ZONES))
def test_a_digest_comes_once_a_day_every_day(now: datetime, at: str, zone: str) -> None:
    daily = Daily.parse(f"{at} {zone}")
    due = daily.after(now)
    then = daily.after(due)
    assert now < due
    assert due - now <= timedelta(hours=49)  # Samoa left out a whole day
    assert timedelta(hours=22) <= then - due <= timedelta(hours=49)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-07-01T19:59:59", None),
        ("2026-07-01T20:00:00", "2026-07-02T05:00:00"),
        ("2026-07-02T04:59:59", "2026-07-02T05:00:00"),
        ("2026-07-02T05:00:00", None),
        ("2026-03-28T23:00:00", "2026-03-29T05:00:00"),  # an hour less of sleep
        ("2026-10-24T23:00:00", "2026-10-25T06:00:00"),  # an hour more
    ],
)
def test_quiet_hours_go_over_midnight(now: str, end: str | None) -> None:
    assert Hours.parse("22:00-07:00 Europe/Berlin").end_of(utc(now)) == (utc(end) if end else None)


def test_quiet_hours_may_be_within_a_day() -> None:
    lunch = Hours.parse("12:00 - 13:00 UTC")
    assert lunch.end_of(utc("2026-07-01T12:30:00")) == utc("2026-07-01T13:00:00")
    assert lunch.end_of(utc("2026-07-01T11:59:59")) is None
    assert lunch.end_of(utc("2026-07-01T13:00:00")) is None


@given(moments, times, times, st.sampled_from(ZONES))
def test_quiet_hours_end_and_then_it_is_not_quiet(now: datetime, start: str, end: str, zone: str) -> None:
    if start == end:
        return
    hours = Hours.parse(f"{start}-{end} {zone}")
    over = hours.end_of(now)
    if over:
        assert now < over <= now + timedelta(hours=49)
        assert hours.end_of(over) is None
