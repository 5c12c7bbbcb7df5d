"""A Hover job's life, from what Hover says to the events that come out: every word, every way to an end."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from providers.hover_account import NOW, changed, event, make, sample, signed

from processor.model import Event, Job, ModelState, Notification, State
from processor.pipeline.diff import diff
from processor.pipeline.facts import Facts
from processor.pipeline.refresh import Hinted, Refreshed, decide
from processor.providers import hover

FOLDER = Path(hover.__file__).parent
# As the table of states has them; whoever adds a word in `states.py` adds it here.
JOB_WORDS = {
    State.CREATED: ("draft", "uploading"),
    State.WAITING: ("waitlisted", "waiting_approval", "paying"),
    State.PROCESSING: (
        "processing_upload",
        "submitting",
        "working",
        "retrieving",
        "processing",
        "processing_upload_for_improvements",
        "requesting_corrections",
        "a word that nobody has heard of",
    ),
    State.SUCCEEDED: ("complete", "completed"),
    State.FAILED: ("failed",),
    State.CANCELLED: ("cancelled",),
}
JOB_ENDS = {
    State.SUCCEEDED: "job.succeeded",
    State.FAILED: "job.failed",
    State.CANCELLED: "job.cancelled",
}
MODEL_ENDS = {ModelState.SUCCEEDED: "model.succeeded", ModelState.FAILED: "model.failed"}
ALL_JOB_WORDS = [(ours, word) for ours, words in JOB_WORDS.items() for word in words]
# A model's: two words are an end; of the others only `uploading` is known, the job's own are thought possible.
ALL_MODEL_WORDS = [
    (ModelState.SUCCEEDED, "complete"),
    (ModelState.FAILED, "failed"),
    *[(ModelState.PROCESSING, word) for _, word in ALL_JOB_WORDS if word not in ("complete", "failed")],
]


def job(word: str | None, *models: str | None, minute: int = 0, **keys: Any) -> Job:
    """Job 7 as details show it that were fetched at that minute; its models are 1, 2, …"""
    at = f"2025-03-17T00:{minute:02}:00.000Z"
    listed = [
        {"id": n, "name": f"Part {n}", "state": state, "failure_reason": None, "updated_at": at}
        for n, state in enumerate(models, 1)
    ]
    created = "2025-03-17T00:00:00.000Z"
    document = {"id": 7, "reconstruction_state": word, "models": listed, "created_at": created, "updated_at": at}
    return make().translate({**document, **keys}, api="v3")


def follow(looks: Iterable[Job], facts: Facts | None = None) -> list[Event]:
    """All events of a series of looks; facts are stored and read again in between."""
    facts, found = facts or Facts(), []
    for look in looks:
        facts, events = diff(facts, look, fetched_at=NOW)
        facts, found = Facts.load(facts.dump()), [*found, *events]
    return found


def types(events: Sequence[Event]) -> list[str]:
    return [str(e.type) for e in events]


# --- the table of states ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "word"), ALL_JOB_WORDS)
def test_a_job_first_seen_in_any_word_is_created_or_at_its_end(ours: State, word: str) -> None:
    [found] = follow([job(word)])
    assert found.type == JOB_ENDS.get(ours, "job.created")
    assert found.data["job"]["state"] == ours
    assert found.data["job"]["provider_state"] == word, "their word travels along as it came"
    assert (found.data["failure"] is not None) is (ours is State.FAILED)


@pytest.mark.parametrize(("ours", "word"), ALL_JOB_WORDS)
@pytest.mark.parametrize(("before", "first"), [(State.CREATED, "draft"), (State.PROCESSING, "working")])
def test_a_job_that_moves_into_any_word_tells_what_that_is(ours: State, word: str, before: State, first: str) -> None:
    _, *moved = follow([job(first), job(word, minute=1)])
    if ours is before:
        assert moved == []
        return
    [move] = moved
    assert move.type == JOB_ENDS.get(ours, "job.state_changed")
    assert move.data["previous_state"] == before
    assert move.time == datetime(2025, 3, 17, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(("ours", "word"), ALL_MODEL_WORDS)
@pytest.mark.parametrize("around", ["working", "completed", "failed"])
def test_a_model_that_moves_into_any_word_tells_its_end_whatever_its_job_does(
    ours: ModelState, word: str, around: str
) -> None:
    events = follow([job("working", "uploading"), job(around, word, minute=1)])
    told = [e for e in events if e.subject == "jobs/7/models/1"]
    assert types(told) == ([MODEL_ENDS[ours]] if ours in MODEL_ENDS else [])
    for end in told:
        assert end.data["model"]["provider_state"] == word
        assert end.data["previous_state"] == "processing"


@pytest.mark.parametrize(("ours", "word"), ALL_MODEL_WORDS)
def test_a_model_first_seen_in_any_word_tells_its_end(ours: ModelState, word: str) -> None:
    assert types(follow([job("working", word)]))[1:] == ([MODEL_ENDS[ours]] if ours in MODEL_ENDS else [])


def test_the_table_in_the_readme_has_these_words() -> None:
    rows = [line.strip("| \n").split(" | ") for line in (FOLDER / "README.md").read_text().splitlines()]
    table = {cells[0].strip("`"): cells[1] for cells in rows if cells[0].strip("`") in {str(s) for s in State}}
    told = {ours: tuple(w for w in table[ours].split(", ") if " " not in w) for ours in JOB_WORDS}
    assert told == {ours: tuple(w for w in words if " " not in w) for ours, words in JOB_WORDS.items()}


def test_the_jobs_complete_and_the_models_completed_are_not_confused() -> None:
    """A finished job is `complete` or `completed`, a finished model `complete`; "completed" is no word for a model."""
    assert types(follow([job("complete", "completed")])) == ["job.succeeded"]


def test_what_was_ordered_is_not_a_state() -> None:
    [garage] = job("working", models=[{"id": 1, "state": "working", "deliverable": "complete"}]).models
    assert (garage.state, garage.deliverable) == (ModelState.PROCESSING, "complete")


# --- partial failure --------------------------------------------------------------------------------------------------


def test_a_job_that_succeeded_tells_of_the_model_that_failed() -> None:
    """The documentation's own sample: completed, with a garage that lacks photos."""
    events = follow([make().translate(sample(1), api="v3")])
    assert types(events) == ["model.failed", "model.succeeded", "job.succeeded"]
    failed = events[0]
    assert failed.data["model"]["name"] == "Garage"
    assert failed.data["failure"] == {"code": None, "title": None, "message": "Lack of exterior shots"}
    assert failed.data["model"]["artifacts"] == {}, "its links lead nowhere"
    assert events[2].data["failure"] is None


def test_a_job_failed_for_its_first_failed_models_reason() -> None:
    models = [
        {"id": 1, "state": "complete"},
        {"id": 2, "state": "failed", "failure_reason": "too dark"},
        {"id": 3, "state": "failed", "failure_reason": "too few"},
    ]
    *_, last = follow([job("failed", models=models)])
    assert last.data["failure"]["message"] == "too dark"


def test_a_failure_without_a_reason_has_none() -> None:
    assert [e.data["failure"]["message"] for e in follow([job("failed", "failed")])] == [None, None]


def test_models_that_end_one_by_one_are_told_one_by_one() -> None:
    looks = [
        job("working", "uploading", "uploading"),
        job("working", "complete", "working", minute=1),
        job("processing", "complete", "failed", minute=2),
        job("completed", "complete", "failed", minute=3),
    ]
    assert types(follow(looks)) == ["job.created", "model.succeeded", "model.failed", "job.succeeded"]


def test_a_model_that_is_added_later_is_told_when_it_ends() -> None:
    looks = [job("working"), job("working", "working", minute=1), job("completed", "complete", minute=2)]
    assert types(follow(looks)) == ["job.created", "model.succeeded", "job.succeeded"]


# --- reopening --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["requesting_corrections", "processing_upload_for_improvements", "processing_upload"])
def test_corrections_reopen_a_job_and_its_second_end_is_another_event(why: str) -> None:
    looks = [
        job("working", "working"),
        job("completed", "complete", minute=1),
        job(why, "complete", minute=2),
        job("working", "working", minute=3),
        job("completed", "complete", minute=4),
    ]
    events = follow(looks)
    assert types(events) == [
        "job.created",
        "model.succeeded",
        "job.succeeded",
        "job.reopened",
        "model.succeeded",
        "job.succeeded",
    ]
    assert len({e.id for e in events}) == 6
    assert [e.id for e in follow(looks)] == [e.id for e in events]


def test_new_photos_reopen_a_failed_job() -> None:
    looks = [
        job("failed", "failed"),
        job("processing_upload", "uploading", minute=1),
        job("completed", "complete", minute=2),
    ]
    assert types(follow(looks)) == [
        "model.failed",
        "job.failed",
        "job.reopened",
        "model.succeeded",
        "job.succeeded",
    ]


def test_a_job_that_failed_again_failed_twice() -> None:
    looks = [job("failed", minute=n) if n % 2 == 0 else job("uploading", minute=n) for n in range(5)]
    ends = [e for e in follow(looks) if e.type == "job.failed"]
    assert len(ends) == len({e.id for e in ends}) == 3


def test_a_touch_of_an_ended_job_is_no_event() -> None:
    assert types(follow([job("completed", "complete", minute=n) for n in range(3)])) == [
        "model.succeeded",
        "job.succeeded",
    ]


# --- archived ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "word"), ALL_JOB_WORDS)
def test_archiving_is_kept_and_is_no_event(ours: State, word: str) -> None:
    archived = job(word, minute=1, archived_at="2025-04-01T08:00:00.000Z")
    assert archived.archived_at == datetime(2025, 4, 1, 8, tzinfo=UTC)
    assert archived.state is ours
    assert len(follow([job(word), archived])) == 1


def test_a_job_that_ends_while_archived_tells_its_end_with_the_date() -> None:
    _, end = follow([job("working"), job("completed", minute=1, archived_at="2025-04-01T08:00:00.000Z")])
    assert end.data["job"]["archived_at"] == "2025-04-01T08:00:00Z"


# --- notifications of both generations --------------------------------------------------------------------------------


def told(facts: Facts, look: Job, *bodies: bytes) -> Refreshed:
    """One look that these webhooks asked for."""
    hints = []
    for body in bodies:
        notification = make().parse(signed(body))
        assert isinstance(notification, Notification)
        hints.append(Hinted(notification.api, notification.claim or ""))
    found = decide(facts, look, api="v3", hints=hints, now=NOW)
    return Refreshed(**{f: getattr(found, f) for f in found.__slots__} | {"facts": Facts.load(found.facts.dump())})


LEGACY, V2 = event(event="job-state-changed", state="complete"), event(state="completed")
MODEL = event(event="model-state-changed", model_id=1, state="complete")
CREATED = event(event="model-created", model_id=1)


@pytest.mark.parametrize("first", [LEGACY, V2, MODEL, CREATED])
@pytest.mark.parametrize("second", [LEGACY, V2, MODEL, CREATED])
def test_whichever_events_tell_of_one_change_it_comes_out_once(first: bytes, second: bytes) -> None:
    """Whether the older and the newer job event both come is not known; nor in which order, nor how often."""
    done = job("completed", "complete", minute=1)
    one = told(Facts(), done, first)
    two = told(one.facts, done, second)
    both = told(Facts(), done, first, second)
    assert types(one.events) == ["model.succeeded", "job.succeeded"]
    assert two.events == ()
    assert [e.id for e in both.events] == [e.id for e in one.events]


@pytest.mark.parametrize(
    ("body", "unmet"),
    [(LEGACY, ("job",)), (V2, ("job",)), (event(state="cancelled"), ("job",)), (MODEL, ("1",)), (CREATED, ())],
)
def test_an_announced_end_that_the_details_do_not_show_yet_is_looked_for(body: bytes, unmet: tuple[str, ...]) -> None:
    running = told(Facts(), job("working", "working"), body)
    assert running.facts.claims == unmet
    assert (running.poll == 15.0) is bool(unmet)
    done = told(running.facts, job("completed", "complete", minute=1))
    assert (done.facts.claims, done.poll) == ((), None)
    assert types(done.events) == ["model.succeeded", "job.succeeded"]


@pytest.mark.parametrize("name", ["job-state-changed", "job-state-changed-v2"])
@pytest.mark.parametrize(("ours", "word"), ALL_JOB_WORDS)
def test_every_word_of_either_job_event_is_a_hint_that_claims_an_end_or_none(name: str, ours: State, word: str) -> None:
    notification = make().parse(signed(event(event=name, state=word)))
    assert isinstance(notification, Notification)
    assert (notification.job_id, notification.event) == ("15084303", name)
    assert notification.claim == ("job" if ours.ended else None)


@pytest.mark.parametrize(("ours", "word"), ALL_MODEL_WORDS)
def test_every_word_of_the_model_event_is_a_hint_that_claims_an_end_or_none(ours: ModelState, word: str) -> None:
    notification = make().parse(signed(event(event="model-state-changed", model_id=1, state=word)))
    assert isinstance(notification, Notification)
    assert notification.claim == ("1" if ours.ended else None)


# --- whatever is told, and however ------------------------------------------------------------------------------------

_STEPS = st.sampled_from(["uploading", "working", "processing", "paying"])
_ENDS = st.sampled_from(["completed", "failed", "cancelled"])


@settings(deadline=None)
@given(
    running=st.lists(_STEPS, min_size=1, max_size=4),
    end=_ENDS,
    parts=st.lists(st.sampled_from(["complete", "failed"]), max_size=3),
    data=st.data(),
)
def test_whatever_webhooks_are_lost_doubled_or_late_the_same_ends_come_out(
    running: list[str], end: str, parts: list[str], data: st.DataObject
) -> None:
    """As long as one look sees the end: which other looks there are changes nothing in the ids of the ends."""
    life = [job(word, *["working"] * len(parts), minute=n) for n, word in enumerate(running)]
    life.append(job(end, *parts, minute=30))
    seen = data.draw(st.lists(st.sampled_from(range(len(life))), max_size=6))
    looks = [life[n] for n in sorted(seen)] + [life[-1]] * data.draw(st.integers(1, 3))

    def ends(events: Sequence[Event]) -> set[str]:
        return {e.id for e in events if e.type in {*JOB_ENDS.values(), *MODEL_ENDS.values()}}

    assert ends(follow(looks)) == ends(follow(life))


def test_details_are_read_the_same_with_other_keys_and_in_another_order() -> None:
    document = copy.deepcopy(changed(unheard_of={"a": [1]}))
    shuffled = json.loads(json.dumps(dict(reversed(document.items()))))
    assert make().translate(shuffled, api="v3") == make().translate(sample(), api="v3")
