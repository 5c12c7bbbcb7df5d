"""Facts and a job in, new facts and events out: the one place that decides what counts as an event. Pure.

An event's id is a digest of what happened: source, job, the thing concerned, type, the state moved into, and the
occurrence. The occurrence is the provider's own mark of the run where it has one (the end time), else nothing for the
first visit to a state; a later visit is marked by the document that showed the thing leave its end. That mark is fixed
in the facts by the commit that saw it, so a mere touch of the job moves no id, and a lost Redis reuses none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from processor.model import (
    JSON,
    CostEstimate,
    Event,
    EventType,
    Job,
    Message,
    Model,
    ModelState,
    State,
    document,
    timestamp,
)
from processor.pipeline.facts import Estimated, Facts, Standing

_JOB_ENDS = {
    State.SUCCEEDED: EventType.JOB_SUCCEEDED,
    State.FAILED: EventType.JOB_FAILED,
    State.CANCELLED: EventType.JOB_CANCELLED,
}
_MODEL_ENDS = {ModelState.SUCCEEDED: EventType.MODEL_SUCCEEDED, ModelState.FAILED: EventType.MODEL_FAILED}
ENDS = frozenset({*_JOB_ENDS.values(), *_MODEL_ENDS.values()})


def diff(facts: Facts, job: Job, *, fetched_at: datetime, body: JSON | None = None) -> tuple[Facts, tuple[Event, ...]]:
    """What changed between what we knew and `job`: the facts from now on, and the events, the job's own end last.

    `body` is the job's document, for whoever has made it already.
    """
    writer = _Writer(job, fetched_at, document(job) if body is None else body)
    standing, job_events = _job(facts.job, job, writer)
    models, model_events = _models(facts.models, job, writer)
    estimates, estimate_events = _estimate(facts.estimates, job.cost_estimate, writer)
    events = sorted([*job_events, *estimate_events, *model_events], key=_order)
    changed_at = job.changed_at
    new = facts.but(
        job=standing,
        models=models,
        estimates=estimates,
        at=timestamp(changed_at) if changed_at else facts.at,
    )
    return new, tuple(events)


def diff_estimate(
    facts: Facts, job: Job, estimate: CostEstimate, *, fetched_at: datetime
) -> tuple[Facts, tuple[Event, ...]]:
    """The same for an estimate that is not in its job's document."""
    writer = _Writer(job, fetched_at, document(job))
    estimates, events = _estimate(facts.estimates, estimate, writer, at=fetched_at)  # the job's own time would be old
    return facts.but(estimates=estimates), tuple(events)


def _order(event: Event) -> tuple[bool, datetime]:
    return event.type in _JOB_ENDS.values(), event.time


def _job(old: Standing | None, job: Job, writer: _Writer) -> tuple[Standing, list[Event]]:
    new = _moved(old, job.state, writer)
    if old and old.state == job.state:
        return new, []
    previous = old.state if old else None
    moved_at = job.updated_at or writer.fetched_at
    if job.state.ended:
        kind, time = _JOB_ENDS[job.state], job.finished_at or moved_at
        failure = _job_failure(job) if job.state is State.FAILED else None
        occurrence = writer.run or _mark(old, new)
        return new, [writer.event(kind, time, job.state, occurrence, previous=previous, failure=failure)]
    if old is None:
        created_at = job.created_at or writer.fetched_at
        return new, [writer.event(EventType.JOB_CREATED, created_at, "", "")]
    if State(old.state).ended:
        kind, again = EventType.JOB_REOPENED, EventType.JOB_REOPENED in old.been
        new = Standing(new.state, _with(new.been, EventType.JOB_REOPENED), new.mark)
    else:
        kind, again = EventType.JOB_STATE_CHANGED, job.state in old.been
    occurrence = writer.fingerprint if again else ""
    return new, [writer.event(kind, moved_at, job.state, occurrence, previous=previous)]


def _models(old: Mapping[str, Standing], job: Job, writer: _Writer) -> tuple[Mapping[str, Standing], list[Event]]:
    standings, events = dict(old), []
    for model in job.models:
        before = old.get(model.id)
        standings[model.id] = _moved(before, model.state, writer)
        kind = _MODEL_ENDS.get(model.state)
        if kind is None or (before and before.state == model.state):
            continue
        events.append(
            writer.event(
                kind,
                job.finished_at or model.updated_at or job.updated_at or writer.fetched_at,
                model.state,
                writer.run or _mark(before, standings[model.id]),
                previous=before.state if before else None,
                model=model,
                failure=_model_failure(job, model) if model.state is ModelState.FAILED else None,
            )
        )
    return standings, events


def _estimate(
    old: Mapping[str, Estimated], estimate: CostEstimate | None, writer: _Writer, *, at: datetime | None = None
) -> tuple[Mapping[str, Estimated], list[Event]]:
    if estimate is None:
        return old, []
    amount, before = repr(float(estimate.amount)), old.get(estimate.id)
    if before and before.amount == amount:
        return old, []
    counts = dict(before.counts) if before else {}
    counts[amount] = counts.get(amount, 0) + 1
    time = estimate.updated_at or at or writer.job.updated_at or writer.fetched_at
    event = writer.event(
        EventType.COST_ESTIMATE_AVAILABLE, time, amount, str(counts[amount]), thing=estimate.id, estimate=estimate
    )
    return {**old, estimate.id: Estimated(amount, counts)}, [event]


def _moved(old: Standing | None, state: State | ModelState, writer: _Writer) -> Standing:
    if old is None:
        return Standing(str(state), (str(state),))
    if old.state == state:
        return old
    left_its_end = old.state in _ENDED
    return Standing(str(state), _with(old.been, str(state)), writer.fingerprint if left_its_end else old.mark)


_ENDED = frozenset(str(s) for s in (*State, *ModelState) if s.ended)


def _mark(old: Standing | None, new: Standing) -> str:
    """Nothing for the first visit to an end, else what the last leaving of one was marked with."""
    return new.mark if old and new.state in old.been else ""


def _with(been: tuple[str, ...], state: str) -> tuple[str, ...]:
    return been if state in been else (*been, state)


def _job_failure(job: Job) -> Message:
    if job.errors:
        return job.errors[0]
    return Message(message=next((m.failure_reason for m in job.models if m.state is ModelState.FAILED), None))


def _model_failure(job: Job, model: Model) -> Message:
    """A model that is the job itself (Bentley) failed for the job's first error."""
    return job.errors[0] if job.errors and model.id == job.id else Message(message=model.failure_reason)


@dataclass(frozen=True)
class _Writer:
    """Writes events about one fetched job. `body` is the job's document, shared by all of them."""

    job: Job
    fetched_at: datetime
    body: JSON

    @property
    def run(self) -> str:
        """The provider's own mark of the run: its end time, to the second, since fractions differ between its APIs."""
        return timestamp(self.job.finished_at.replace(microsecond=0)) if self.job.finished_at else ""

    @property
    def fingerprint(self) -> str:
        """What marks a moment that only this document shows."""
        return _digest(self.body)[:16]

    def event(
        self,
        kind: EventType,
        time: datetime,
        state: str,
        occurrence: str,
        *,
        thing: str = "",
        previous: str | None = None,
        model: Model | None = None,
        estimate: CostEstimate | None = None,
        failure: Message | None = None,
    ) -> Event:
        job = self.job
        thing = model.id if model else thing
        subject = f"jobs/{job.id}/models/{model.id}" if model else f"jobs/{job.id}"
        return Event(
            id="evt_" + _digest([job.source, job.id, thing, kind, state, occurrence])[:32],
            type=kind,
            source=job.source,
            job_id=job.id,
            subject=subject,
            time=time,
            data={
                "provider": job.provider,
                "source": job.source,
                "job": self.body,
                "model": document(model),
                "cost_estimate": document(estimate),
                "failure": document(failure),
                "previous_state": previous,
            },
        )


def _digest(value: JSON) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
