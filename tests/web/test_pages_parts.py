"""What the pages are made of, each part alone: charts, the timeline, documents, numbers, questions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web.showcase import STORY
from web.stand_in import defaults

from processor.looking.shapes import Moment
from processor.testing.builders import a_job, an_event
from processor.web.pages import charts, timeline, words
from processor.web.pages.asking import Asking
from processor.web.pages.documents import pretty, without_customer
from processor.web.pages.gate import local
from processor.web.pages.job import At, Told, at_once, sheet

# --- charts ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=60))
def test_every_bar_is_within_the_chart_and_what_is_not_nothing_is_seen(columns: list[tuple[int, int]]) -> None:
    drawn = charts.bars([low for low, _ in columns], [high for _, high in columns])
    assert len(drawn.bars) == sum(value > 0 for column in columns for value in column)
    for bar in drawn.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= charts.WIDTH + 0.2
        assert 0 <= bar.y < charts.HEIGHT
        assert 1.5 <= bar.height <= charts.HEIGHT + 0.1
    assert drawn.top >= max((sum(column) for column in columns), default=0)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (1.1, 2), (3, 5), (5, 5), (51, 100), (17, 20), (2600, 5000)]
)
def test_the_upper_edge_of_a_chart_is_a_round_number(value: float, top: float) -> None:
    assert charts.nice(value) == top


def test_a_line_has_a_gap_where_there_is_no_value_and_a_value_alone_is_a_dash() -> None:
    [runs] = charts.lines([1.0, None, None, 2.0, 2.0, None]).rows
    assert [len(run.split()) for run in runs] == [2, 2]
    assert runs[1] == "280.0,0.0 360.0,0.0"
    assert charts.lines([None, None], []).rows == ((), ())


# --- the timeline ----------------------------------------------------------------------------------------------------


def vain(number: int, **changes: Any) -> Moment:
    moment = Moment(
        at=f"2025-03-17T00:00:0{number}Z", kind="not_told", text="", sink="crm", event_id="e", outcome="Busy"
    )
    return replace(moment, attempt=number, **changes)


def test_the_newest_moment_is_the_first_line() -> None:
    lines, left_out = timeline.lines(STORY.timeline)
    assert lines[0].moment is STORY.timeline[-1]
    assert sum(1 + len(line.alike) for line in lines) == len(STORY.timeline)
    assert left_out == 0


def test_three_attempts_alike_are_one_line_and_two_are_two() -> None:
    assert [len(line.alike) for line in timeline.lines([vain(1), vain(2), vain(3)])[0]] == [2]
    assert [len(line.alike) for line in timeline.lines([vain(1), vain(2)])[0]] == [0, 0]


@pytest.mark.parametrize("other", [{"outcome": "Shut"}, {"sink": "ops"}, {"event_id": "f"}, {"kind": "told"}])
def test_what_differs_stays_a_line_of_its_own(other: dict[str, str]) -> None:
    assert len(timeline.lines([vain(1), vain(2), vain(3, **other), vain(4), vain(5)])[0]) == 5


def test_of_a_very_long_timeline_the_oldest_is_left_out_and_counted() -> None:
    many = [replace(vain(1), outcome=str(n)) for n in range(timeline.MOST + 7)]
    lines, left_out = timeline.lines(many)
    assert (len(lines), left_out) == (timeline.MOST, 7)
    assert lines[0].moment.outcome == str(timeline.MOST + 6)


# --- documents -------------------------------------------------------------------------------------------------------

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSONS)
def test_a_document_is_shown_without_anything_unseen_and_reads_as_the_same(value: Any) -> None:
    shown = pretty(value)
    assert json.loads(shown) == value
    assert all(line.isprintable() for line in shown.split("\n"))


def test_the_customer_is_left_out_and_the_event_is_as_it_was() -> None:
    event = an_event(job=a_job(customer={"name": "Ann"}))  # type: ignore[arg-type]  # as it is in a document
    assert without_customer(event, "…")["data"]["job"]["customer"] == "…"
    assert event["data"]["job"]["customer"] == {"name": "Ann"}


@pytest.mark.parametrize("event", [{}, {"data": None}, {"data": {"job": None}}, {"data": {"job": {"customer": None}}}])
def test_without_a_customer_nothing_is_left_out(event: Any) -> None:
    assert without_customer(event, "…") == event


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        *[(None, "–"), (0.4, "0 ms"), (999, "999 ms"), (2340, "2.3 s"), (99_000, "99.0 s"), (240_000, "4 min")],
        *[(3_600_000, "60 min"), (7_200_000, "2 h"), (172_800_000, "2 days"), (8_640_000_000, "100 days")],
    ],
)
def test_a_duration_is_told_in_the_unit_that_fits(ms: float | None, said: str) -> None:
    assert words.took(ms) == said


def test_what_became_of_something_is_a_sentence_and_nothing_is_none() -> None:
    assert words.became({"again": 1200, "waits": 1}) == "1,200 are on their way again, 1 waits already."
    assert words.became({"again": 0}) == words.became({"other": 3}) == ""


@given(st.text())
def test_every_way_back_is_a_path_of_ours(address: str) -> None:
    assert local(address).startswith("/")
    assert not local(address).startswith(("//", "/\\"))


# --- a job -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "snapshot", [None, {}, {"models": "x", "errors": 7, "state": None}, {"models": [{}], "state": 3}]
)
def test_of_whatever_is_kept_a_sheet_is_made(snapshot: Any) -> None:
    found = sheet(replace(STORY, snapshot=snapshot))
    assert found.name == ""
    assert found.links == ()


@pytest.mark.parametrize(
    ("progress", "shown"), [(40, 40.0), (250, 100.0), (-1, 0.0), (None, None), (True, None), ("x", None)]
)
def test_progress_is_shown_of_what_runs_and_within_its_bounds(progress: Any, shown: float | None) -> None:
    assert sheet(replace(STORY, snapshot={"state": "processing", "progress": progress})).progress == shown
    assert sheet(replace(STORY, snapshot={"state": "succeeded", "progress": progress})).progress is None


def test_what_somebody_was_not_told_of_is_never_folded_away() -> None:
    def told(number: int, state: str) -> Told:
        return Told(str(number), "job.failed", "", "", (At("crm", state, ""),), ())

    events = [told(n, "dead" if n == 7 else "delivered") for n in range(9)]
    shown, others = at_once(events)
    assert [one.event_id for one in shown] == ["0", "1", "2", "7"]
    assert [one.event_id for one in others] == ["3", "4", "5", "6", "8"]


# --- questions -------------------------------------------------------------------------------------------------------


def test_ages_count_back_from_now_and_a_date_is_the_whole_day() -> None:
    now = datetime(2025, 3, 17, 12, tzinfo=UTC)
    asked = Asking(defaults(), clock=lambda: now).jobs({"since": " 2h ", "until": "2025-03-17"})
    assert asked.chosen is not None
    assert asked.chosen.since == now.timestamp() - 7200
    assert asked.chosen.until == datetime(2025, 3, 18, tzinfo=UTC).timestamp()


@given(
    st.dictionaries(
        st.sampled_from(["source", "state", "sink", "type", "since", "until", "job", "event", "text"]), st.text()
    )
)
def test_whatever_is_asked_is_a_filter_or_says_what_is_wrong(given_: dict[str, str]) -> None:
    asking = Asking(defaults())
    for ask in (asking.jobs, asking.events, asking.deliveries, asking.notifications, asking.dead):
        asked: Any = ask(given_)
        assert (asked.chosen is None) == bool(asked.faults)
        assert all(fault.endswith(".") and len(fault) < 500 for fault in asked.faults)
