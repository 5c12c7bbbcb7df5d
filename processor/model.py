"""The vocabulary: what a notification, a job, a model, a cost estimate and an event are.

Everything here is frozen data from the standard library only. The words are those of the README's event table;
`document()` turns any of it into the JSON that people see.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

JSON = Any  # what json.loads returns; shapes are checked where they come in


class Secret:
    """A text that prints as stars. `reveal()` is the only way to the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class State(StrEnum):
    """Where a job stands, in our words."""

    CREATED = "created"
    WAITING = "waiting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in _ENDED


class ModelState(StrEnum):
    """Where one model stands, in our words."""

    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self is not ModelState.PROCESSING


_ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


class EventType(StrEnum):
    """What can happen; the README has the table."""

    JOB_CREATED = "job.created"
    JOB_STATE_CHANGED = "job.state_changed"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    JOB_REOPENED = "job.reopened"
    MODEL_SUCCEEDED = "model.succeeded"
    MODEL_FAILED = "model.failed"
    COST_ESTIMATE_AVAILABLE = "cost_estimate.available"
    OPS_SOURCE_SILENT = "ops.source_silent"
    OPS_REJECTIONS = "ops.rejections"
    OPS_SUBSCRIPTION_BROKEN = "ops.subscription_broken"
    OPS_CONTRACT_DRIFT = "ops.contract_drift"
    OPS_JOB_STUCK = "ops.job_stuck"
    OPS_SINK_FAILING = "ops.sink_failing"
    OPS_REPAIRED = "ops.repaired"
    OPS_TEST = "ops.test"  # of `jobwire send-test` only: no alarm, but as little about a job as they are


# --- what comes in ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it arrived. Header names are lower case; `body` is the raw bytes, unparsed.

    `path` is the decoded path without query; `query` the raw query string without "?".
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Notification:
    """Something about a job may have changed: a hint to look, never the truth.

    `api` names the provider's API family the job is to be asked from; `event` is the provider's own word;
    `key` says which request this is ("the same notification" has the same key); `claim` names the thing whose end was
    announced: "job", or a model's id, or None when no end was claimed. `trace` is the request's `traceparent`.
    """

    source: str
    job_id: str
    api: str
    event: str
    key: str
    claim: str | None = None
    trace: str = ""


_ESTIMATE = "~estimate-"  # no provider has job ids that begin so


def estimate_lane(estimate_id: str) -> str:
    """What stands for the job id of a notification that tells of an estimate."""
    return _ESTIMATE + estimate_id


def estimate_of(job_id: str) -> str | None:
    """The estimate that `estimate_lane` was made of; None for a job's id."""
    return job_id.removeprefix(_ESTIMATE) if job_id.startswith(_ESTIMATE) else None


@dataclass(frozen=True, slots=True)
class Handshake:
    """The provider asks whether this address is ours, by a code we may send back."""

    source: str
    code: str
    webhook_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """Genuine, but nothing we act on; `reason` is a short sentence for the answer.

    `strange` names what the provider's documentation does not tell of, an unknown event type say: contract drift.
    """

    reason: str
    strange: str | None = None


# --- what a job is ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    name: str | None = None
    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A failure, an error or a warning, placeholders already filled in."""

    code: str | None = None
    title: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    id: str
    url: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One 3D model (or other product) of a job."""

    id: str
    name: str | None = None
    kind: str | None = None
    state: ModelState
    provider_state: str | None = None
    failure_reason: str | None = None
    deliverable: str | None = None
    capture_id: str | None = None
    url: str | None = None
    url_status: str | None = None
    artifacts: Mapping[str, str] = field(default_factory=dict)
    image_count: int | None = None
    images: tuple[Image, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What the work is expected to cost. `units` says what the amount counts, where the provider says it."""

    id: str
    kind: str  # "processing" or "contractor"
    amount: float
    currency: str | None = None
    units: str | None = None
    basis: Mapping[str, JSON] | None = None
    title: str | None = None
    url: str | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job in our words, as its provider showed it at one moment."""

    provider: str
    source: str
    id: str
    name: str | None = None
    external_id: str | None = None
    kind: str | None = None
    state: State
    provider_state: str | None = None
    url: str | None = None
    organization_id: str | None = None
    project_id: str | None = None
    address: Address | None = None
    customer: Customer | None = None
    created_at: datetime | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime | None = None
    archived_at: datetime | None = None
    progress: float | None = None
    models: tuple[Model, ...] = ()
    cost_estimate: CostEstimate | None = None
    errors: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()

    @property
    def changed_at(self) -> datetime | None:
        """The job's own latest time: when it was updated, else the latest of submitted, started, finished.

        Bentley's `lastModifiedDateTime` can be earlier than its `endedDateTime` (their own sample is), so of a job
        that has ended the later one counts.
        """
        times = [t for t in (self.updated_at, self.finished_at) if t]
        times = times or [t for t in (self.submitted_at, self.started_at) if t]
        return max(times, default=None)


# --- what goes out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """One real change. `data` is the JSON of the CloudEvent's data; ids come from content (see pipeline/diff.py).

    Of an alarm of ours, `source` is `sources/NAME` or `sinks/NAME`, and `job_id` is empty.
    """

    id: str
    type: EventType
    source: str
    job_id: str
    subject: str
    time: datetime
    data: Mapping[str, JSON]

    def cloudevent(self) -> dict[str, JSON]:
        """The event as a CloudEvents 1.0 document in structured JSON."""
        ours = self.type.startswith("ops.")
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": f"/{self.source}" if ours else f"/sources/{self.source}",
            "type": str(self.type),
            "subject": self.subject,
            "time": timestamp(self.time),
            "datacontenttype": "application/json",
            "partitionkey": self.source if ours else f"{self.source}/{self.job_id}",
            "data": dict(self.data),
        }


CLOUDEVENTS_JSON = "application/cloudevents+json"


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with Z; no finer than was given: whole seconds, milliseconds or microseconds."""
    moment = moment.astimezone(UTC)
    if not moment.microsecond:
        spec = "seconds"
    elif moment.microsecond % 1000:
        spec = "microseconds"
    else:
        spec = "milliseconds"
    return moment.isoformat(timespec=spec).removesuffix("+00:00") + "Z"


def document(value: Any) -> JSON:
    """Any of the above as JSON values: dataclasses become objects with all their keys, times RFC 3339 text."""
    if isinstance(value, str) or value is None:
        return str(value) if isinstance(value, StrEnum) else value
    if isinstance(value, datetime):
        return timestamp(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: document(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): document(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [document(v) for v in value]
    return value
