"""What the API answers of how it stands: the Overview of processor.looking, key by key."""

from __future__ import annotations

from marshmallow import fields

from processor.web.api.shapes import JobRow, Shape, count, instant, maybe_instant, text, yes_or_no


class SourceHealth(Shape):
    """How a source does."""

    name = text("Its name.", "hover-main")
    provider = text("Its provider.", "hover")
    ok = yes_or_no("Whether it is well.")
    detail = text("How it is, in a line.", "ok")
    heard_at = maybe_instant("When the last genuine notification came.")
    running = count("Its jobs that have not ended.")
    waiting = count("Its notifications that are still to be looked into.")
    dead = count("Its notifications that could never be processed.")


class SinkHealth(Shape):
    """How a sink does."""

    name = text("Its name.", "ops")
    type = text("Its type.", "slack")
    ok = yes_or_no("Whether it is well.")
    detail = text("How it is, in a line.", "ok")
    waiting = count("Deliveries that were not tried yet.")
    retrying = count("Deliveries that are tried again.")
    dead = count("Deliveries that cannot succeed.")
    delivered = count("Deliveries that were made and are still kept.")
    paused_until = maybe_instant("Until when nobody tells it anything.")
    failing_since = maybe_instant("Since when it takes nothing.")


class Standing(Shape):
    """An alarm of ours that stands."""

    type = text("Its type.", "ops.sink_failing")
    place = text("`sources/NAME` or `sinks/NAME`.", "sinks/ops")
    since = instant("Since when.")
    detail = text("Why.", "takes nothing since 2025-03-17 00:02:58 UTC")


def _numbers(description: str) -> fields.List[int]:
    return fields.List(fields.Integer(), required=True, metadata={"description": description})


def _milliseconds(description: str) -> fields.List[float]:
    inner = fields.Float(allow_none=True)
    return fields.List(inner, required=True, metadata={"description": description})


class Rates(Shape):
    """How much happened: each list has one number for each of `at`, oldest first."""

    seconds = count("How long each step is.")
    at = fields.List(
        fields.String(metadata={"format": "date-time"}),
        required=True,
        metadata={"description": "The ends of the steps."},
    )
    accepted = _numbers("Notifications that were taken.")
    rejected = _numbers("Requests that were refused.")
    events = _numbers("Events that were found.")
    delivered = _numbers("Deliveries that were made.")
    failed = _numbers("Attempts at deliveries that failed.")
    p50_ms = _milliseconds("From being told to having told, in milliseconds: half are faster. Null where nothing was.")
    p95_ms = _milliseconds("The same: 95 % are faster.")


class Overview(Shape):
    """How it stands now."""

    at = instant("When this was found out.")
    workers = count("Worker processes seen lately.")
    jobs = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "How many jobs are in each state.", "examples": [{"processing": 3, "succeeded": 40}]},
    )
    failed_today = fields.List(
        fields.Nested(JobRow),
        required=True,
        metadata={"description": "Jobs that failed since midnight UTC, at most ten."},
    )
    failed_today_count = count("How many there are.")
    sources = fields.List(fields.Nested(SourceHealth), required=True, metadata={"description": "Every source."})
    sinks = fields.List(fields.Nested(SinkHealth), required=True, metadata={"description": "Every sink."})
    alarms = fields.List(fields.Nested(Standing), required=True, metadata={"description": "The alarms that stand."})
    rates = fields.Nested(Rates, required=True, metadata={"description": "The last hours, in steps."})
    warnings = fields.List(
        fields.String(), required=True, metadata={"description": "What else should be known, in sentences."}
    )
