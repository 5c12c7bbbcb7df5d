"""What counts as an event, and which id it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from processor.model import CostEstimate, Event, Job, Message, Model, ModelState, State
from processor.pipeline.diff import diff
from processor.pipeline.facts import Facts

T0 = datetime(2025, 3, 17, tzinfo=UTC)
FETCHED = datetime(2026, 1, 1, tzinfo=UTC)


def job(state: State, minute: int = 0, models: Mapping[str, ModelState] | None = None, **more: object) -> Job:
    """A Hover-like job: it says when it was updated, never when it ended."""
    fields: dict[str, object] = {
        "provider": "hover",
        "source": "main",
        "id": "15",
        "state": state,
        "created_at": T0,
        "updated_at": T0 + timedelta(minutes=minute),
        "models": tuple(
            Model(id=i, state=s, name=f"model {i}", updated_at=T0 + timedelta(minutes=minute))
            for i, s in (models or {}).items()
        ),
    }
    return Job(**(fields | more))  # type: ignore[arg-type]  # a dict of what a test wants different


def run(state: State, ended: datetime | None = None, **more: object) -> Job:
    """A Bentley-like job: its end time marks the run."""
    return job(state, provider="bentley", finished_at=ended, **more)


def follow(looks: Iterable[Job], facts: Facts | None = None) -> list[Event]:
    """All events of a series of looks, the facts stored and read again in between as they are in life."""
    facts, found = facts or Facts(), []
    for look in looks:
        facts, events = diff(facts, look, fetched_at=FETCHED)
        facts = Facts.load(facts.dump())
        found += events
    return found


def types(events: Sequence[Event]) -> list[str]:
    return [str(e.type) for e in events]


def ids(events: Iterable[Event]) -> list[str]:
    return [e.id for e in events]


# --- first sight ------------------------------------------------------------------------------------------------------


def test_a_running_job_seen_first_is_created_when_the_provider_says() -> None:
    [event] = follow([job(State.PROCESSING, 5)])
    assert (event.type, event.time, event.subject) == ("job.created", T0, "jobs/15")
    assert event.data["previous_state"] is None


def test_a_job_seen_first_when_ended_tells_its_end_and_not_its_beginning() -> None:
    events = follow([job(State.SUCCEEDED, 9, {"a": ModelState.FAILED, "b": ModelState.SUCCEEDED})])
    assert types(events) == ["model.failed", "model.succeeded", "job.succeeded"]
    assert [e.data["previous_state"] for e in events] == [None, None, None]


def test_a_running_job_tells_of_the_models_that_ended() -> None:
    events = follow([job(State.PROCESSING, 1, {"a": ModelState.SUCCEEDED, "b": ModelState.PROCESSING})])
    assert types(events) == ["job.created", "model.succeeded"]


def test_without_any_time_the_fetch_gives_it() -> None:
    [event] = follow([job(State.FAILED, created_at=None, updated_at=None)])
    assert event.time == FETCHED


# --- moves ------------------------------------------------------------------------------------------------------------


def test_the_same_document_twice_tells_nothing_twice() -> None:
    look = job(State.SUCCEEDED, 1, {"a": ModelState.SUCCEEDED})
    assert len(follow([look, look, replace(look, name="touched", updated_at=T0 + timedelta(days=1))])) == 2


def test_moves_between_running_states_have_one_type() -> None:
    events = follow([job(State.CREATED), job(State.WAITING, 1), job(State.PROCESSING, 2), job(State.CANCELLED, 3)])
    assert types(events) == ["job.created", "job.state_changed", "job.state_changed", "job.cancelled"]
    assert [e.data["previous_state"] for e in events] == [None, "created", "waiting", "processing"]
    assert events[-1].data["failure"] is None


def test_the_same_running_state_a_second_time_is_another_event() -> None:
    back_and_forth = [State.WAITING, State.PROCESSING, State.WAITING, State.PROCESSING]
    events = follow(job(s, n) for n, s in enumerate(back_and_forth))
    assert len(set(ids(events))) == len(events) == 4


def test_the_jobs_own_end_comes_last_and_the_rest_in_the_order_of_time() -> None:
    late = Model(id="late", state=ModelState.FAILED, updated_at=T0 + timedelta(hours=2))
    early = Model(id="early", state=ModelState.SUCCEEDED, updated_at=T0 + timedelta(hours=1))
    events = follow([replace(job(State.SUCCEEDED, 5), models=(late, early))])
    assert [e.subject for e in events] == ["jobs/15/models/early", "jobs/15/models/late", "jobs/15"]


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_failed_model_says_why() -> None:
    garage = Model(id="g", state=ModelState.FAILED, failure_reason="Lack of exterior shots")
    [event, _] = follow([replace(job(State.SUCCEEDED), models=(garage,))])
    assert event.data["failure"] == {"code": None, "title": None, "message": "Lack of exterior shots"}


def test_a_failed_job_without_errors_gives_its_first_failed_models_reason() -> None:
    models = (
        Model(id="1", state=ModelState.SUCCEEDED),
        Model(id="2", state=ModelState.FAILED, failure_reason="blurred"),
    )
    events = follow([replace(job(State.FAILED), models=models)])
    assert events[-1].data["failure"] == {"code": None, "title": None, "message": "blurred"}


def test_a_failure_without_any_reason_is_an_object_of_nulls() -> None:
    [event] = follow([job(State.FAILED)])
    assert event.data["failure"] == {"code": None, "title": None, "message": None}


def test_a_job_that_is_its_own_model_fails_for_its_first_error() -> None:
    errors = (Message("InputData_Invalid", "Invalid input", "no photos"), Message("x", "y", "z"))
    [model, end] = follow([run(State.FAILED, T0, models={"15": ModelState.FAILED}, errors=errors)])
    assert (
        model.data["failure"]
        == end.data["failure"]
        == {
            "code": "InputData_Invalid",
            "title": "Invalid input",
            "message": "no photos",
        }
    )


# --- occurrences and ids ----------------------------------------------------------------------------------------------


def test_a_reopened_job_that_ends_again_is_told_again_with_another_id() -> None:
    story = [
        job(State.SUCCEEDED, 1, {"a": ModelState.SUCCEEDED}),
        job(State.PROCESSING, 2, {"a": ModelState.PROCESSING}),
        job(State.SUCCEEDED, 3, {"a": ModelState.SUCCEEDED}),
    ]
    events = follow(story)
    assert types(events) == ["model.succeeded", "job.succeeded", "job.reopened", "model.succeeded", "job.succeeded"]
    assert len(set(ids(events))) == 5


def test_the_second_ends_id_is_fixed_when_the_reopening_was_seen() -> None:
    """However the job is touched before its second end is fetched, and by whichever worker, the id is the same."""
    facts = Facts()
    for look in (job(State.SUCCEEDED, 1), job(State.PROCESSING, 2)):
        facts, _ = diff(facts, look, fetched_at=FETCHED)
    one, other = (follow([job(State.SUCCEEDED, minute, name=name)], facts) for minute, name in ((3, "a"), (9, "b")))
    assert ids(one) == ids(other)


def test_after_a_loss_of_redis_no_id_is_used_for_another_change() -> None:
    """The first end's id is pure, so that it is a duplicate downstream; a later one's comes from its reopening."""
    before = follow([job(State.SUCCEEDED, 1), job(State.PROCESSING, 2), job(State.SUCCEEDED, 3)])
    rebuilt = follow([job(State.SUCCEEDED, 3), job(State.PROCESSING, 4), job(State.SUCCEEDED, 5)])
    assert rebuilt[0].id == before[0].id
    assert rebuilt[2].id not in ids(before)


def test_a_run_is_marked_by_its_end_time_to_the_second() -> None:
    first, second = T0 + timedelta(hours=1), T0 + timedelta(hours=2)
    story = [run(State.SUCCEEDED, first), run(State.PROCESSING), run(State.SUCCEEDED, second)]
    events = follow(story)
    assert types(events) == ["job.succeeded", "job.reopened", "job.succeeded"]
    rebuilt = follow([run(State.SUCCEEDED, second.replace(microsecond=5))])
    assert ids(rebuilt) == [events[2].id]


def test_ids_differ_by_source_job_model_and_type() -> None:
    models = {"a": ModelState.SUCCEEDED, "b": ModelState.SUCCEEDED}
    events = [
        *follow([job(State.SUCCEEDED, models=models)]),
        *follow([job(State.SUCCEEDED, models=models, id="16")]),
        *follow([job(State.SUCCEEDED, models=models, source="other")]),
        *follow([job(State.FAILED)]),
    ]
    assert len(set(ids(events))) == len(events) == 10


# --- cost estimates ---------------------------------------------------------------------------------------------------


def estimate(amount: float) -> CostEstimate:
    return CostEstimate(id="processing", kind="processing", amount=amount)


def test_an_estimate_counts_when_new_and_when_its_amount_changed() -> None:
    amounts = [3.5, 3.5, None, 3.5, 4, 3.5]
    looks = [job(State.CREATED, n, cost_estimate=None if a is None else estimate(a)) for n, a in enumerate(amounts)]
    events = [e for e in follow(looks) if e.type == "cost_estimate.available"]
    assert [e.data["cost_estimate"]["amount"] for e in events] == [3.5, 4, 3.5]
    assert len(set(ids(events))) == 3
    assert all(e.subject == "jobs/15" and e.data["previous_state"] is None for e in events)


# --- any history ------------------------------------------------------------------------------------------------------

ENDS = [State.SUCCEEDED, State.FAILED, State.CANCELLED]
RUNNING = [State.CREATED, State.WAITING, State.PROCESSING]


@given(
    st.lists(st.tuples(st.sampled_from(RUNNING), st.sampled_from(ENDS)), min_size=1, max_size=3),
    st.data(),
)
def test_however_often_one_looks_the_same_ends_come_out(runs: list[tuple[State, State]], data: st.DataObject) -> None:
    """Every end and every reopening is looked at once at least; further looks, at anything, change no end's id."""
    history = [job(s, n) for n, s in enumerate(s for r in runs for s in r)]
    again = data.draw(st.lists(st.sampled_from([1, 1, 2, 3]), min_size=len(history), max_size=len(history)))
    often = [look for look, times in zip(history, again, strict=True) for _ in range(times)]
    ends = ("job.succeeded", "job.failed", "job.cancelled")
    assert [e.id for e in follow(history) if e.type in ends] == [e.id for e in follow(often) if e.type in ends]


@given(st.lists(st.sampled_from([*RUNNING, *ENDS]), min_size=1, max_size=8))
def test_no_two_changes_share_an_id(states: list[State]) -> None:
    found = ids(follow(job(s, n) for n, s in enumerate(states)))
    assert len(set(found)) == len(found)
