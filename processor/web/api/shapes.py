"""What the API answers of events, jobs, deliveries and notifications: the shapes of processor.looking, key by key.

Every key is always there; what there is none of is null. Times are RFC 3339 in UTC.
"""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from processor.looking.filters import DELIVERY_STATES, NOTIFICATION_STATES
from processor.model import EventType, State

AT = "2025-03-17T00:02:58.411Z"
EVENT_ID = "evt_5d0cb1e0a8f14b6cb1d0d2a3"


class Shape(Schema):
    """What is answered. That there are no other keys is promised nowhere: a later version may have more."""

    class Meta:
        unknown = EXCLUDE


def text(description: str, example: str | None = None, **more: Any) -> fields.String:
    """A text. With `allow_none=True` it may be null."""
    shown = {} if example is None else {"examples": [example]}
    return fields.String(required=True, metadata={"description": description, **shown}, **more)


def optional(description: str, example: str | None = None) -> fields.String:
    return text(description, example, allow_none=True)


def instant(description: str) -> fields.String:
    return fields.String(required=True, metadata={"description": description, "format": "date-time", "examples": [AT]})


def maybe_instant(description: str) -> fields.String:
    return fields.String(
        required=True, allow_none=True, metadata={"description": description, "format": "date-time", "examples": [AT]}
    )


def word(description: str, *words: str, **more: Any) -> fields.String:
    """One of a closed set."""
    return text(description, words[0], validate=validate.OneOf(words), **more)


def count(description: str) -> fields.Integer:
    return fields.Integer(required=True, validate=validate.Range(min=0), metadata={"description": description})


def number(description: str, **more: Any) -> fields.Float:
    return fields.Float(required=True, metadata={"description": description}, **more)


def yes_or_no(description: str) -> fields.Boolean:
    return fields.Boolean(required=True, metadata={"description": description})


# --- rows ------------------------------------------------------------------------------------------------------------


class CloudEvent(Shape):
    """An event as every sink gets it: CloudEvents 1.0 in structured JSON. The README describes `data`."""

    specversion = word("The version of CloudEvents.", "1.0")
    id = text("Depends only on what happened; the same after a retry and a replay.", EVENT_ID)
    source = text("`/sources/NAME`, or `/sinks/NAME` in alarms about a sink.", "/sources/hover-main")
    type = text("What happened.", "model.failed", validate=validate.OneOf([str(kind) for kind in EventType]))
    subject = text("The job or model that it is about.", "jobs/15084303/models/15081686")
    time = instant("When the provider says that it happened.")
    datacontenttype = word("That of `data`.", "application/json")
    partitionkey = text("Source and job.", "hover-main/15084303")
    data = fields.Dict(required=True, metadata={"description": "The job, and what of it changed."})

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """As it is kept: with further attributes, and in its order."""
        return obj


class JobRow(Shape):
    """A job in a list."""

    source = text("The configured source that told of it.", "hover-main")
    id = text("The provider's id of the job.", "15084303")
    state = word("Its state in our words.", *(str(state) for state in State))
    since = instant("When it was first seen in this state.")
    name = optional("The provider's name of it.", "Main House")
    external_id = optional("Your own id of it, if the provider knows one.", "A-1001")
    kind = optional("The provider's kind of it.", "Full")
    address = optional("Where it is, in a line.", "1 Main St, Springfield, IL 62701")


class Moment(Shape):
    """A line of a job's timeline."""

    at = instant("When it happened; of `waits`, when it is due.")
    kind = word(
        "What kind of line it is.",
        *("received", "fetched", "not_fetched", "found", "told", "not_told", "waits", "dead", "reads_on"),
    )
    text = text("The line in words, for people.", "A notification was received")
    notification_id = optional("The notification that it is about.")
    event_id = optional("The event that it is about.", EVENT_ID)
    type = optional("That event's type.", "model.failed")
    sink = optional("The sink that it is about.", "ops")
    attempt = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Which attempt it was, from 1.", "examples": [1]}
    )
    outcome = optional("What came of an attempt that failed.", "Busy")
    said = optional("What the other side said, made harmless; of `told`, its reference.")
    ms = number("How long it took, in milliseconds.", allow_none=True)
    state = optional("The job's state in our words, as fetched.", "processing")
    provider_state = optional("The job's state in the provider's words, as fetched.", "working")


class JobStory(Shape):
    """All that is known of a job."""

    source = text("The configured source that told of it.", "hover-main")
    id = text("The provider's id of the job.", "15084303")
    since = maybe_instant("When it was first seen in its state.")
    next_look = maybe_instant("When it is looked at again without being told.")
    snapshot = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "The normalised job as it was last stored; null when none is kept."},
    )
    timeline = fields.List(
        fields.Nested(Moment), required=True, metadata={"description": "What happened, oldest first."}
    )


class Attempt(Shape):
    """One attempt at a delivery, or to look into a notification."""

    at = instant("When it was made.")
    ok = yes_or_no("Whether it succeeded.")
    outcome = text("`ok`, or the kind of failure.", "Busy")
    said = text("What the other side said, made harmless.", "503 Service Unavailable")
    ms = number("How long it took, in milliseconds.")


class DeliveryRow(Shape):
    """One event on its way to one sink."""

    id = text("`EVENT_ID:SINK`.", f"{EVENT_ID}:ops")
    event_id = text("The event.", EVENT_ID)
    sink = text("The sink.", "ops")
    state = word("Where it stands.", *DELIVERY_STATES)
    attempts = count("How many attempts were made.")
    at = instant("When it came into its state.")
    next_at = maybe_instant("When it is due; null in hand, and at an end.")
    last_error = optional("What was said against the last attempt that failed.", "503 Service Unavailable")
    reference = optional("The sink's own reference of what it took.", "1742169778.411")
    ms = number("How long the attempt took that it was delivered with, in milliseconds.", allow_none=True)
    type = optional("The event's type.", "model.failed")
    source = optional("The event's source.", "hover-main")
    job_id = optional("The event's job.", "15084303")


class NotificationRow(Shape):
    """Something that told us to look at a job."""

    id = text("Ours; the answer to the webhook had it.", "ntf_0f6c9a1e7b5d4c3f8a2e4b1d")
    source = text("The source.", "hover-main")
    job_id = text("The provider's id of the job.", "15084303")
    state = word("Where it stands; `dead` is what could never be processed.", *NOTIFICATION_STATES)
    attempts = count("How many attempts to look were made.")
    at = instant("When it came into its state.")
    received_at = maybe_instant("When it came in.")
    event = optional("The provider's word for it, or ours for who else made us look.", "job-state-changed")
    next_at = maybe_instant("When it is due; null in hand, and at an end.")
    last_error = optional("What was said against the last attempt that failed.", "404 Not Found")
    duplicates = count("How often the same came again.")


class _Tried(Shape):
    attempts_made = fields.List(
        fields.Nested(Attempt), required=True, metadata={"description": "What is kept of the attempts, oldest first."}
    )


class Delivery(DeliveryRow, _Tried):
    """A delivery with the attempts at it."""


class Notification(NotificationRow, _Tried):
    """A notification with the attempts to look into it."""


class Hit(Shape):
    """Something that was searched for."""

    kind = word("What it is.", "job", "event", "notification", "delivery")
    title = text("Its name, in a line.", "Main House (15084303)")
    detail = text("What else is to be said of it.", "failed, hover-main")
    path = text("Its page of the dashboard.", "/jobs/hover-main/15084303")
    source = optional("Its source.", "hover-main")
    id = optional("Its id.", "15084303")


class Routed(Shape):
    """Whether a sink gets an event, by the configuration of today."""

    sink = text("The sink.", "ops")
    wanted = yes_or_no("Whether it gets the event.")
    reason = text("Why, or why not.", "events: 'model.failed' matches")
    state = optional("Where the delivery stands that there was; null when there was none.", "delivered")


class Explained(Shape):
    """Which sinks an event goes to."""

    event_id = text("The event.", EVENT_ID)
    sinks = fields.List(
        fields.Nested(Routed),
        required=True,
        metadata={"description": "Every sink that is configured, and every one that had the event."},
    )


# --- pages, and what came of a request -------------------------------------------------------------------------------


def page_of(item: type[Schema]) -> type[Schema]:
    """The schema of a page of these."""
    items = fields.List(fields.Nested(item), required=True, metadata={"description": "Newest first."})
    following = optional("The `cursor` that what follows is asked with; null at the end. A page may be short before.")
    made = Shape.from_dict({"items": items, "next": following}, name=f"{item.__name__}Page")
    made.__doc__ = "A page of a list."
    return made


class Again(Shape):
    """What became of a retry."""

    outcome = word("`again`: it is done again now. `waits`: it is due anyway.", "again", "waits")


class Replayed(Shape):
    """What became of a replay."""

    sinks = fields.Dict(
        keys=fields.String(),
        values=word(
            "As of a retry; by today's configuration, `unwanted`: it does not go there, `strange`: there is none.",
            *("again", "waits", "gone", "unwanted", "strange"),
        ),
        required=True,
        metadata={
            "description": "What became of it at each sink.",
            "examples": [{"ops": "again", "archive": "unwanted"}],
        },
    )


class Problem(Shape):
    """Why there is no other answer: RFC 9457."""

    type = word("Always this: the status says what it is.", "about:blank")
    title = text("The status in words.", "Not Found")
    status = fields.Integer(required=True, metadata={"description": "The status.", "examples": [404]})
    detail = text("What is wrong, and what to change.", "no event with this id is kept")
