"""An example of each type of event, for `jobwire send-test`: marked all over, so that nobody takes it for real.

A change of a job is made the way real ones are, by comparing two looks at it, so that it cannot differ from them.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from processor.model import (
    JSON,
    Address,
    CostEstimate,
    EventType,
    Job,
    Model,
    ModelState,
    State,
    document,
    timestamp,
)
from processor.pipeline.diff import diff
from processor.pipeline.facts import Facts

SENT_BY = "Sent by `jobwire send-test`; nothing happened."
SOURCE = "send-test"  # no configured source: nothing of what a sink keeps about real jobs is touched
PAGE = "https://example.com/jobwire-send-test"

# How the job stood at the first look (None: there was none) and at the second.
_MOVES: dict[EventType, tuple[State | None, State]] = {
    EventType.JOB_CREATED: (None, State.CREATED),
    EventType.JOB_STATE_CHANGED: (State.WAITING, State.PROCESSING),
    EventType.JOB_SUCCEEDED: (State.PROCESSING, State.SUCCEEDED),
    EventType.JOB_FAILED: (State.PROCESSING, State.FAILED),
    EventType.JOB_CANCELLED: (State.PROCESSING, State.CANCELLED),
    EventType.JOB_REOPENED: (State.SUCCEEDED, State.PROCESSING),
    EventType.MODEL_SUCCEEDED: (State.PROCESSING, State.SUCCEEDED),
    EventType.MODEL_FAILED: (State.PROCESSING, State.FAILED),
    EventType.COST_ESTIMATE_AVAILABLE: (State.CREATED, State.WAITING),
}
_MODEL_STATES = {State.SUCCEEDED: ModelState.SUCCEEDED, State.FAILED: ModelState.FAILED}


def sample(kind: EventType, *, sink: str, now: datetime) -> dict[str, JSON]:
    """The CloudEvents document of an event that never happened, with an id of its own each time."""
    if kind is EventType.OPS_TEST:
        event = _alarm(kind, f"sinks/{sink}", SENT_BY, now)
    elif kind.startswith("ops."):
        about = "sinks" if kind is EventType.OPS_SINK_FAILING else "sources"
        event = _alarm(kind, f"{about}/{SOURCE}", f"TEST: {SENT_BY}", now)
    else:
        event = _change(kind, now)
    return event | {"id": f"evt_test_{secrets.token_hex(12)}"}


def _change(kind: EventType, now: datetime) -> dict[str, JSON]:
    before, after = _MOVES[kind]
    job_id = f"test-{secrets.token_hex(4)}"  # a thread, a message group of its own
    facts = diff(Facts(), _job(job_id, before, kind, now), fetched_at=now)[0] if before else Facts()
    _, events = diff(facts, _job(job_id, after, kind, now), fetched_at=now)
    return next(event for event in events if event.type is kind).cloudevent()


def _job(job_id: str, state: State, kind: EventType, now: datetime) -> Job:
    model_state = _MODEL_STATES.get(state, ModelState.PROCESSING)
    model = Model(
        id=f"{job_id}-1",
        name="TEST: Garage",
        state=model_state,
        failure_reason="Lack of exterior shots" if model_state is ModelState.FAILED else None,
        url=PAGE if model_state is ModelState.SUCCEEDED else None,
        updated_at=now,
    )
    estimate = CostEstimate(id=job_id, kind="processing", amount=12.5, units="credits", updated_at=now)
    shown = kind is EventType.COST_ESTIMATE_AVAILABLE and state is State.WAITING
    return Job(
        provider="hover",
        source=SOURCE,
        id=job_id,
        name="TEST: Main House",
        state=state,
        url=PAGE,
        address=Address(line1="1 Example Street", city="Nowhere", region="CA", postal_code="00000", country="US"),
        created_at=now,
        updated_at=now,
        models=(model,),
        cost_estimate=estimate if shown else None,
    )


def _alarm(kind: EventType, place: str, detail: str, now: datetime) -> dict[str, JSON]:
    ops = {"state": "raised", "since": now, "until": None, "count": None, "detail": detail}
    usual = ("provider", "source", "job", "model", "cost_estimate", "failure", "previous_state")
    return {
        "specversion": "1.0",
        "id": "",
        "source": f"/{place}",
        "type": str(kind),
        "subject": place,
        "time": timestamp(now),
        "datacontenttype": "application/json",
        "partitionkey": place,
        "data": dict.fromkeys(usual) | {"ops": document(ops)},
    }
