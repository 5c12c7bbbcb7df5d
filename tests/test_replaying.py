"""What is to become of a selected event: decided from what is stored and what the rules say, without a Redis."""

from __future__ import annotations

import pytest

from processor.model import EventType
from processor.pipeline.route import Rule, route
from processor.replaying import Outcome, Selection, Tally, entry_of, judge, outline
from processor.store.journal import Entry, Stored
from processor.testing.builders import a_job, an_alarm, an_event

ENTRY = Entry("evt_1", "model.failed", "main", "7", 1.0)
ALL = Rule("all")
NONE = Rule("none", events=("job.*",))


def judged(stored: Stored, *rules: Rule) -> list[tuple[str, Outcome]]:
    return [(one.sink, one.outcome) for one in judge(ENTRY, stored, route(outline(ENTRY), rules))]


# --- one event -------------------------------------------------------------------------------------------------------


def test_what_is_not_kept_is_gone_whatever_the_rules_say() -> None:
    assert judged(Stored(False, {"all": "pending"}), ALL, NONE) == [("all", Outcome.GONE), ("none", Outcome.GONE)]


def test_what_a_sink_does_not_want_today_says_why() -> None:
    [one] = judge(ENTRY, Stored(True, {"none": "dead"}), route(outline(ENTRY), [NONE]))
    assert one.outcome is Outcome.UNWANTED
    assert one.reason == "type model.failed matches none of events = ['job.*']"


@pytest.mark.parametrize("state", ["pending", "retrying"])
def test_what_waits_is_left_alone(state: str) -> None:
    assert judged(Stored(True, {"all": state}), ALL) == [("all", Outcome.WAITS)]


@pytest.mark.parametrize("states", [{}, {"all": "delivered"}, {"all": "dead"}, {"other": "pending"}])
def test_everything_else_goes_again(states: dict[str, str]) -> None:
    assert judged(Stored(True, states), ALL) == [("all", Outcome.AGAIN)]


# --- which -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selection", "fits"),
    [
        (Selection(), True),
        (Selection(events=frozenset({"evt_1", "evt_2"})), True),
        (Selection(events=frozenset({"evt_2"})), False),
        (Selection(job=("main", "7")), True),
        (Selection(job=("main", "70")), False),
        (Selection(job=("other", "7")), False),
        (Selection(glob="model.*"), True),
        (Selection(glob="job.*"), False),
        (Selection(job=("main", "7"), glob="job.*"), False),
        (Selection(events=frozenset({"evt_1"}), job=("main", "8")), False),
    ],
)
def test_all_that_is_named_must_fit(selection: Selection, fits: bool) -> None:
    assert selection.has(ENTRY) is fits


@pytest.mark.parametrize(
    ("selection", "meant"),
    [
        (Selection(), False),
        (Selection(dead=True), True),
        (Selection(dead=True, job=("main", "7"), since=1.0, until=2.0), True),
        (Selection(dead=True, glob="*"), False),
        (Selection(dead=True, sinks=frozenset({"all"})), False),
        (Selection(dead=True, events=frozenset({"evt_1"})), False),
    ],
)
def test_notifications_are_meant_when_nothing_is_named_that_they_have_not(selection: Selection, meant: bool) -> None:
    assert selection.notifications is meant


@pytest.mark.parametrize("kind", [EventType.MODEL_FAILED, EventType.JOB_SUCCEEDED])
def test_a_document_and_its_line_in_the_journal_say_the_same(kind: EventType) -> None:
    event = an_event(kind, job=a_job(id="a/b é"))
    entry = entry_of(event)
    assert (entry.type, entry.source, entry.job_id) == (str(kind), "hover-main", "a/b é")
    rules = [ALL, NONE, Rule("some", sources=("other",)), Rule("one", sources=("hover-main",))]
    assert route(outline(entry), rules) == route(event, rules)


@pytest.mark.parametrize("place", ["sinks/orders", "sources/hover-main"])
def test_so_do_those_of_an_alarm(place: str) -> None:
    alarm = an_alarm(place=place)
    entry = entry_of(alarm)
    assert (entry.source, entry.job_id) == (place, "")
    rules = [ALL, Rule("ops", events=("ops.*",), sources=("other",))]
    assert route(outline(entry), rules) == route(alarm, rules)


# --- counting --------------------------------------------------------------------------------------------------------


def test_each_event_is_counted_by_what_becomes_of_it() -> None:
    tally = Tally()
    for stored in (
        Stored(True, {}),
        Stored(True, {"all": "dead", "none": "delivered"}),
        Stored(True, {"all": "pending"}),
        Stored(False, {}),
    ):
        tally.add(judge(ENTRY, stored, route(outline(ENTRY), [ALL, NONE])))
    assert tally.again == {("all", "model.failed"): 2}
    assert tally.dead["all", "model.failed"] == 1
    assert (tally.events, tally.waits["all"], tally.gone, tally.nowhere, tally.total) == (4, 1, 1, 0, 2)


def test_an_event_goes_nowhere_only_when_no_sink_wants_it() -> None:
    tally = Tally()
    tally.add(judge(ENTRY, Stored(True, {}), route(outline(ENTRY), [NONE])))
    assert (tally.nowhere, tally.total) == (1, 0)
    assert list(tally.why) == ["none: type model.failed matches none of events = ['job.*']"]
