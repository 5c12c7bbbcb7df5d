"""What a listed job asks for: nothing, a look, or to be taken stock of in silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processor.model import CostEstimate, Event, EventType, Job, Model, ModelState, State
from processor.pipeline.facts import Facts
from processor.pipeline.reconcile import Look, Nothing, Stock, Teller, ended_since, judge
from processor.pipeline.refresh import Hinted, Refreshed, decide

BASELINE = datetime(2026, 3, 1, tzinfo=UTC)
BEFORE, AFTER = BASELINE - timedelta(days=3), BASELINE + timedelta(hours=1)
OPEN = Job(provider="hover", source="main", id="1", state=State.PROCESSING, created_at=BEFORE, updated_at=BEFORE)
ENDED = replace(OPEN, state=State.SUCCEEDED, models=(Model(id="m", state=ModelState.FAILED),))


def judged(facts: Facts, job: Job, *, first: bool = False) -> Any:
    return judge(facts, job, api="v3", baseline=BASELINE, first=first)


def known(job: Job) -> Facts:
    return look(Facts(), job, Teller.WEBHOOK).facts


def look(facts: Facts, job: Job, *by: Teller) -> Refreshed:
    found = decide(facts, job, api="v3", hints=[Hinted("v3", "", teller) for teller in by], now=AFTER, every=900.0)
    return replace(found, facts=Facts.load(found.facts.dump()))


def types(events: tuple[Event, ...]) -> list[str]:
    return [event.type for event in events]


# --- the first pass --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", [OPEN, ENDED])
def test_the_first_pass_takes_stock_in_silence(job: Job) -> None:
    stock = judged(Facts(), job, first=True)
    assert isinstance(stock, Stock)
    assert stock.facts.silent
    assert stock.facts.api == "v3"
    assert isinstance(judged(Facts.load(stock.facts.dump()), job), Nothing)


def test_the_first_pass_looks_at_what_we_knew_as_open() -> None:
    assert isinstance(judged(known(OPEN), ENDED, first=True), Look)


@pytest.mark.parametrize(
    "job",
    [
        replace(ENDED, created_at=AFTER),  # made after the pass began, where the provider does not say when it ended
        replace(ENDED, finished_at=AFTER),
        replace(OPEN, created_at=AFTER),
    ],
)
def test_the_first_pass_looks_at_what_happened_after_it_began(job: Job) -> None:
    assert isinstance(judged(Facts(), job, first=True), Look)


def test_where_the_provider_says_when_a_job_ended_its_making_does_not_count() -> None:
    assert isinstance(judged(Facts(), replace(ENDED, created_at=AFTER, finished_at=BEFORE), first=True), Stock)


def test_an_end_that_the_silent_pass_saw_is_told_when_a_webhook_tells_of_it_under_the_same_ids() -> None:
    stock = judged(Facts(), ENDED, first=True)
    assert look(stock.facts, ENDED, Teller.RECONCILIATION).events == ()
    told = look(stock.facts, ENDED, Teller.WEBHOOK)
    assert types(told.events) == ["model.failed", "job.succeeded"]
    assert [e.id for e in told.events] == [e.id for e in look(Facts(), ENDED, Teller.WEBHOOK).events]
    assert look(told.facts, ENDED, Teller.WEBHOOK).events == (), "and once"


@pytest.mark.parametrize("teller", [Teller.ANNOUNCE, Teller.WATCH])
def test_it_is_also_told_to_a_person_who_asks(teller: Teller) -> None:
    stock = judged(Facts(), ENDED, first=True)
    assert types(look(stock.facts, ENDED, teller).events) == ["model.failed", "job.succeeded"]


def test_a_running_job_that_only_the_silent_pass_saw_is_new_when_a_webhook_tells_of_it() -> None:
    stock = judged(Facts(), OPEN, first=True)
    assert look(stock.facts, OPEN, Teller.RECONCILIATION).events == ()
    assert types(look(stock.facts, OPEN, Teller.WEBHOOK).events) == ["job.created"]


def test_a_job_taken_stock_of_while_open_is_told_when_it_ends() -> None:
    stock = judged(Facts(), OPEN, first=True)
    assert isinstance(judged(stock.facts, ENDED), Look)
    assert types(look(stock.facts, ENDED, Teller.RECONCILIATION).events) == ["model.failed", "job.succeeded"]


def test_a_silent_end_that_is_reopened_is_told_as_such() -> None:
    stock = judged(Facts(), ENDED, first=True)
    again = replace(ENDED, state=State.PROCESSING, updated_at=AFTER)
    found = look(stock.facts, again, Teller.RECONCILIATION)
    assert types(found.events) == ["job.reopened"]
    assert not found.facts.silent


# --- later passes ----------------------------------------------------------------------------------------------------


def test_a_job_that_stands_as_we_know_it_asks_for_nothing() -> None:
    touched = replace(ENDED, updated_at=AFTER, name="another name")
    assert isinstance(judged(known(ENDED), touched), Nothing)


@pytest.mark.parametrize(
    "job",
    [
        ENDED,
        replace(OPEN, state=State.WAITING),
        replace(OPEN, models=(Model(id="m", state=ModelState.SUCCEEDED),)),
        replace(OPEN, cost_estimate=CostEstimate(id="processing", kind="processing", amount=3.5)),
    ],
)
def test_whatever_would_be_an_event_is_looked_at(job: Job) -> None:
    assert isinstance(judged(known(OPEN), job), Look)


def test_an_open_job_never_seen_is_looked_at_and_an_old_end_is_not_announced() -> None:
    assert isinstance(judged(Facts(), OPEN), Look)
    assert isinstance(judged(Facts(), ENDED), Stock)
    assert isinstance(judged(Facts(), replace(ENDED, finished_at=AFTER)), Look)


def test_the_same_sight_has_the_same_key_and_a_later_one_another() -> None:
    """What is under way already is not sent again; what came back to a former state is."""
    first, again = judged(known(OPEN), ENDED), judged(known(OPEN), ENDED)
    later = judged(known(OPEN), replace(ENDED, updated_at=AFTER))
    assert first.key == again.key != later.key


# --- looking on ------------------------------------------------------------------------------------------------------


def polls(*progress: float | None, state: State = State.PROCESSING, every: float | None = 900.0) -> list[float | None]:
    facts, out = Facts(), []
    for percent in progress:
        job = replace(OPEN, state=state, progress=percent)
        found = decide(facts, job, api="v3", hints=[], now=AFTER, every=every)
        facts = Facts.load(found.facts.dump())
        out.append(found.poll)
    return out


def test_a_running_job_is_polled_by_the_providers_own_back_off() -> None:
    """15, 30, 60, 120 s while progress stands still, and from the beginning when it moves: Bentley's own rule."""
    assert polls(5, 5, 5, 5, 5, 6, 6) == [15, 30, 60, 120, 120, 15, 30]


def test_it_is_never_longer_than_reconcile() -> None:
    assert polls(5, 5, 5, every=20.0) == [15, 20, 20]


@pytest.mark.parametrize("state", [State.CREATED, State.WAITING])
def test_a_job_that_waits_for_somebody_is_looked_at_now_and_then(state: State) -> None:
    assert polls(None, None, None, state=state) == [900, 900, 900]


def test_without_reconciliation_nothing_is_polled_but_what_is_watched() -> None:
    assert polls(5, 5, every=None) == [None, None]
    watched = decide(Facts(), OPEN, api="", hints=[Hinted("", "", Teller.WATCH)], now=AFTER)
    assert watched.poll == 30  # no progress is no progress
    assert decide(watched.facts, OPEN, api="", hints=[], now=AFTER).poll == 60
    ended = decide(watched.facts, ENDED, api="", hints=[], now=AFTER)
    assert ended.poll is None
    assert not ended.facts.watched


def test_what_reconciliation_found_is_a_repair_unless_a_webhook_told_of_it() -> None:
    facts = known(OPEN)
    assert look(facts, ENDED, Teller.RECONCILIATION).repaired
    assert look(facts, ENDED).repaired, "a poll"
    assert not look(facts, ENDED, Teller.RECONCILIATION, Teller.WEBHOOK).repaired
    assert not look(facts, replace(OPEN, state=State.WAITING), Teller.RECONCILIATION).repaired, "no end"


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (replace(ENDED, updated_at=AFTER), True),
        (replace(ENDED, finished_at=AFTER), True),
        (replace(ENDED, finished_at=BEFORE, updated_at=AFTER), False),
        (replace(OPEN, updated_at=AFTER), False),
        (replace(ENDED, updated_at=None), False),
    ],
)
def test_what_ended_while_nobody_was_there(job: Job, expected: bool) -> None:
    assert ended_since(job, BASELINE) is expected


def test_an_end_reaches_the_journal_once_whoever_tells() -> None:
    assert EventType.JOB_SUCCEEDED in types(look(known(OPEN), ENDED, Teller.RECONCILIATION).events)
    facts = look(known(OPEN), ENDED, Teller.RECONCILIATION).facts
    assert look(facts, ENDED, Teller.WEBHOOK).events == ()
