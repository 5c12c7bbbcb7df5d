"""What follows from one look at a job."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from processor.errors import Unreadable
from processor.model import Ignored, Job, Model, ModelState, Request, State
from processor.pipeline.facts import Facts
from processor.pipeline.refresh import Hinted, Refreshed, decide, refresh
from processor.ports import Http
from processor.testing.fakes import FakeHttp

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUNNING = Job(provider="hover", source="main", id="15", state=State.PROCESSING, updated_at=NOW - timedelta(hours=1))
ENDED = replace(RUNNING, state=State.SUCCEEDED, updated_at=NOW)
SAYS_ENDED = Hinted(api="v3", claim="job")
SAYS_NOTHING = Hinted(api="v3", claim="")


def look(facts: Facts, job: Job, *hints: Hinted, now: datetime = NOW) -> Refreshed:
    found = decide(facts, job, api="v3", hints=hints, now=now)
    return replace(found, facts=Facts.load(found.facts.dump()))


def test_a_job_whose_end_was_announced_but_not_shown_is_looked_at_again() -> None:
    """After 15, 30, 60, then every 120 seconds."""
    facts, polls = Facts(), []
    for hints in ([SAYS_ENDED], [], [], [], []):
        found = look(facts, RUNNING, *hints)
        facts = found.facts
        polls.append(found.poll)
    assert polls == [15, 30, 60, 120, 120]


def test_a_further_notification_does_not_begin_the_looking_anew() -> None:
    facts = look(look(Facts(), RUNNING, SAYS_ENDED).facts, RUNNING).facts
    assert look(facts, RUNNING, SAYS_ENDED).poll == 60


def test_looking_ends_when_the_end_is_shown() -> None:
    found = look(look(Facts(), RUNNING, SAYS_ENDED).facts, ENDED)
    assert found.poll is None
    assert found.facts.claims == ()


def test_looking_ends_after_a_day() -> None:
    facts = look(Facts(), RUNNING, SAYS_ENDED).facts
    assert look(facts, RUNNING, now=NOW + timedelta(hours=23)).poll == 30
    assert look(facts, RUNNING, now=NOW + timedelta(hours=25)).poll is None


def test_a_models_announced_end_is_looked_for_too() -> None:
    hint = Hinted(api="v3", claim="m1")
    working = replace(RUNNING, models=(Model(id="m1", state=ModelState.PROCESSING),))
    done = replace(RUNNING, models=(Model(id="m1", state=ModelState.FAILED),))
    facts = look(Facts(), working, hint).facts
    assert look(facts, working).poll == 30
    assert look(facts, done).poll is None


def test_a_running_job_that_nobody_called_ended_is_left_alone() -> None:
    assert look(Facts(), RUNNING, SAYS_NOTHING).poll is None


def test_an_older_document_is_refused_three_times_then_believed() -> None:
    facts = look(Facts(), ENDED).facts
    polls = []
    for _ in range(4):
        found = look(facts, RUNNING)
        facts = found.facts
        polls.append((found.poll, [str(e.type) for e in found.events]))
    assert polls == [(15, []), (30, []), (60, []), (None, ["job.reopened"])]


def test_a_refusal_keeps_what_was_announced() -> None:
    facts = look(Facts(), replace(RUNNING, updated_at=NOW)).facts
    refused = look(facts, RUNNING, SAYS_ENDED)
    assert refused.job is None
    assert refused.facts.claims == ("job",)


def test_times_of_models_do_not_make_a_document_older() -> None:
    facts = look(Facts(), replace(RUNNING, models=(Model(id="a", state=ModelState.PROCESSING, updated_at=NOW),))).facts
    moved = replace(RUNNING, models=(Model(id="a", state=ModelState.FAILED, updated_at=NOW - timedelta(days=9)),))
    assert [str(e.type) for e in look(facts, moved).events] == ["model.failed"]


def test_the_api_family_of_the_latest_hint_is_remembered() -> None:
    assert decide(Facts(api="v1"), RUNNING, api="v2", hints=[], now=NOW).facts.api == "v2"


def test_an_answer_about_another_job_is_not_believed() -> None:
    class Confused:
        source = "main"

        def verify(self, request: Request) -> None: ...

        def parse(self, request: Request) -> Ignored:
            return Ignored("")

        def fetch(self, job_id: str, *, api: str, http: Http) -> None: ...

        def translate(self, original: None, *, api: str) -> Job:
            return replace(ENDED, id="16")

    with pytest.raises(Unreadable, match="asked for job 15"):
        refresh(Confused(), FakeHttp(), job_id="15", facts=Facts(), hints=[SAYS_ENDED], clock=lambda: NOW)
