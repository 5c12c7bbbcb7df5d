"""Counts in words: "3 jobs succeeded, 1 job failed, 2 models failed"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from processor.model import JSON, EventType, State
from processor.telling.one import is_raised
from processor.telling.standing import Standing, events_said
from processor.text.parts import is_alarm, kind_of

# One and several of each, in the order in which they are told.
_STATES: Mapping[str, tuple[str, str]] = {
    State.SUCCEEDED: ("job succeeded", "jobs succeeded"),
    State.FAILED: ("job failed", "jobs failed"),
    State.CANCELLED: ("job cancelled", "jobs cancelled"),
    State.PROCESSING: ("job processing", "jobs processing"),
    State.WAITING: ("job waiting", "jobs waiting"),
    State.CREATED: ("job created", "jobs created"),
}
_MODELS_FAILED, _ESTIMATES = ("model failed", "models failed"), ("cost estimate", "cost estimates")
_RAISED, _OVER = ("alarm", "alarms"), ("alarm over", "alarms over")
_TYPES: Mapping[str, tuple[str, str]] = {
    EventType.JOB_FAILED: _STATES[State.FAILED],
    EventType.MODEL_FAILED: _MODELS_FAILED,
    "raised": _RAISED,
    EventType.JOB_SUCCEEDED: _STATES[State.SUCCEEDED],
    EventType.MODEL_SUCCEEDED: ("model ready", "models ready"),
    EventType.JOB_CANCELLED: _STATES[State.CANCELLED],
    EventType.JOB_REOPENED: ("job reopened", "jobs reopened"),
    EventType.JOB_STATE_CHANGED: ("job moved on", "jobs moved on"),
    EventType.JOB_CREATED: ("new job", "new jobs"),
    EventType.COST_ESTIMATE_AVAILABLE: _ESTIMATES,
    "over": _OVER,
}


def how_they_stand(jobs: Sequence[Standing], alarms: Sequence[Mapping[str, JSON]]) -> str:
    """Jobs by their newest state, models that stand as failed, estimates, alarms."""
    states = Counter(job.state for job in jobs)
    estimates = sum(job.last(EventType.COST_ESTIMATE_AVAILABLE) is not None for job in jobs)
    raised = sum(map(is_raised, alarms))
    over = sum(not is_raised(alarm) for alarm in alarms if kind_of(alarm) != EventType.OPS_TEST)
    return _said(
        [
            *[(states[state], words) for state, words in _STATES.items()],
            (sum(job.failed_models for job in jobs), _MODELS_FAILED),
            (estimates, _ESTIMATES),
            (raised, _RAISED),
            (over, _OVER),
        ]
    )


def what_happened(events: Iterable[Mapping[str, JSON]]) -> str:
    """The events by type, what failed first."""
    types = Counter(_type(event) for event in events)
    return _said((types[kind], words) for kind, words in _TYPES.items())


def how_many(jobs: Sequence[Standing], all_events: int, *, more: bool) -> str:
    """ "280 more events of 93 jobs". Alarms are of no job, so they count only where there is nothing else."""
    known = sum(job.job is not None for job in jobs)
    said = events_said(sum(len(job.events) for job in jobs) or all_events, more=more)
    return f"{said} of {known:,} {'job' if known == 1 else 'jobs'}" if known else said


def _type(event: Mapping[str, JSON]) -> str:
    if is_alarm(event) and kind_of(event) != EventType.OPS_TEST:
        return "raised" if is_raised(event) else "over"
    return kind_of(event)


def _said(counts: Iterable[tuple[int, tuple[str, str]]]) -> str:
    return ", ".join(f"{count:,} {words[count != 1]}" for count, words in counts if count)
