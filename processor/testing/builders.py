"""Examples of what a sink is given: a job, its model, an event, an alarm. Every part can be changed.

The values are those of the sample in Hover's documentation (https://developers.hover.to/reference/show-job-details).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from processor.model import (
    JSON,
    Address,
    CostEstimate,
    Event,
    EventType,
    Job,
    Message,
    Model,
    ModelState,
    State,
    document,
)

WHEN = datetime(2025, 3, 17, 0, 2, 58, 411000, tzinfo=UTC)


def a_model(**changes: Any) -> Model:
    """A model that failed: the garage."""
    sample: dict[str, Any] = {
        "id": "15081686",
        "name": "Garage",
        "kind": "design_studio",
        "state": ModelState.FAILED,
        "provider_state": "failed",
        "failure_reason": "Lack of exterior shots",
        "deliverable": "complete",
        "url": "https://hover.to/design-studio/15084303/model/15081686",
        "url_status": "not_available",
        "updated_at": WHEN,
    }
    return Model(**sample | changes)


def a_job(**changes: Any) -> Job:
    """A Hover job that succeeded although one of its two models failed."""
    sample: dict[str, Any] = {
        "provider": "hover",
        "source": "hover-main",
        "id": "15084303",
        "name": "Main House",
        "external_id": "8675309",
        "state": State.SUCCEEDED,
        "provider_state": "completed",
        "address": Address(
            line1="4312 Meadow Drive", city="Santa Maria", region="CA", postal_code="93455", country="US"
        ),
        "updated_at": WHEN,
        "models": (
            a_model(),
            a_model(
                id="15081683",
                name="Main House",
                state=ModelState.SUCCEEDED,
                provider_state="complete",
                failure_reason=None,
                url="https://hover.to/design-studio/15084303/model/15081683",
                url_status="ready",
            ),
        ),
    }
    return Job(**sample | changes)


def an_event(
    kind: EventType = EventType.MODEL_FAILED,
    *,
    job: Job | None = None,
    model: Model | None = None,
    cost_estimate: CostEstimate | None = None,
    failure: Message | None = None,
    previous_state: str | None = "processing",
) -> dict[str, JSON]:
    """The CloudEvents document of something that happened to a job; model and failure are its first unless given."""
    job = job or a_job()
    if kind.startswith("model."):
        model = model or job.models[0]
    if kind.endswith(".failed"):
        failure = failure or Message(message=(model or job.models[0]).failure_reason)
    subject = f"jobs/{job.id}/models/{model.id}" if model else f"jobs/{job.id}"
    data = {
        "provider": job.provider,
        "source": job.source,
        "job": job,
        "model": model,
        "cost_estimate": cost_estimate,
        "failure": failure,
        "previous_state": previous_state,
    }
    event = Event(
        id=_id(kind, subject),
        type=kind,
        source=job.source,
        job_id=job.id,
        subject=subject,
        time=WHEN,
        data=document(data),
    )
    return event.cloudevent()


def an_alarm(
    kind: EventType = EventType.OPS_SINK_FAILING,
    *,
    place: str = "sinks/orders",
    state: str = "raised",
    count: int | None = None,
    detail: str | None = None,
) -> dict[str, JSON]:
    """The document of an alarm of our own about a place: `sources/NAME` or `sinks/NAME`."""
    ops = {"state": state, "since": WHEN, "until": WHEN if state == "over" else None, "count": count, "detail": detail}
    usual = dict.fromkeys(("provider", "source", "job", "model", "cost_estimate", "failure", "previous_state"))
    event = an_event() | {"id": _id(kind, place, state), "type": str(kind), "source": f"/{place}"}
    return event | {"subject": place, "partitionkey": place, "data": usual | {"ops": document(ops)}}


def _id(*parts: str) -> str:
    return "evt_" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
