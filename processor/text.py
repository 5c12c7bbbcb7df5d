"""An event in plain English, for the sinks that people read.

What a provider sends is text by strangers: nothing of it comes out here without having gone through `clean`.
A document may lack anything (a sink's `omit` replaces parts of it by null), so nothing is taken for granted.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime

from processor.model import JSON, EventType, ModelState

HEADLINE = 300  # characters; a reason of a provider's can be a page
VALUE = 500
NAME = 80  # so that a long name hides neither the id nor the reason

_JOINERS = "\u200c\u200d"  # of the invisible characters, the two that some scripts and emoji cannot be written without

# What happened to a job or a model; what happened to ourselves, when it began and when it was over.
_HAPPENED = {
    EventType.JOB_CREATED: "New job",
    EventType.JOB_STATE_CHANGED: "Job moved on",
    EventType.JOB_SUCCEEDED: "Job succeeded",
    EventType.JOB_FAILED: "Job failed",
    EventType.JOB_CANCELLED: "Job cancelled",
    EventType.JOB_REOPENED: "Job reopened",
    EventType.MODEL_SUCCEEDED: "Model ready",
    EventType.MODEL_FAILED: "Model failed",
}
_ALARM = {
    EventType.OPS_SOURCE_SILENT: ("Nothing genuine has come from {name}", "{name} is heard again"),
    EventType.OPS_REJECTIONS: (
        "Requests for {name} are rejected: their signatures are wrong",
        "Signatures of {name} are right again",
    ),
    EventType.OPS_SUBSCRIPTION_BROKEN: ("The webhook of {name} is broken", "The webhook of {name} works again"),
    EventType.OPS_CONTRACT_DRIFT: ("{name} sends what we do not know", "{name} sends only what we know again"),
    EventType.OPS_JOB_STUCK: ("A job of {name} is stuck", "A stuck job of {name} moves again"),
    EventType.OPS_SINK_FAILING: ("Sink {name} takes nothing", "Sink {name} takes events again"),
    EventType.OPS_REPAIRED: (
        "Changes at {name} were found that no webhook had told",
        "Webhooks of {name} tell everything again",
    ),
    EventType.OPS_TEST: ("This is a test of sink {name}: it works", "The test of sink {name} is over"),
}


def clean(text: object, limit: int) -> str:
    """A text as one line of at most `limit` characters, without anything that moves the cursor or turns the line."""
    line = " ".join("".join(map(_harmless, str(text))).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def headline(event: Mapping[str, JSON]) -> str:
    """The event in one line: "Model failed: Garage (Main House, 15084303): Lack of exterior shots"."""
    kind = _text(_at(event, "type"))
    if kind in _ALARM:
        raised, over = _ALARM[EventType(kind)]
        alarm = over if _at(event, "data", "ops", "state") == "over" else raised
        parts = [alarm.replace("{name}", _place(event)), _text(_at(event, "data", "ops", "detail"))]
    else:
        parts = [_happened(event, kind), _thing(event), _outcome(event, kind)]
    return clean(": ".join(part for part in parts if part), HEADLINE)


def details(event: Mapping[str, JSON]) -> list[tuple[str, str]]:
    """What else a person wants to know, as labels and values; what is not known is left out."""
    ops = _at(event, "data", "ops")
    found = {
        "Source" if _text(_at(event, "source")).startswith("/sources/") else "Sink": _place(event),
        "Reason": _reason(event),
        "Address": _address(event),
        "Customer": _at(event, "data", "job", "customer", "name"),
        "Amount": _amount(event),
        "Based on": _basis(event),
        "Since": moment(_at(ops, "since")),
        "Until": moment(_at(ops, "until")),
        "Count": _at(ops, "count"),
        "Link": _link(event),
    }
    return [(label, clean(_text(value), VALUE)) for label, value in found.items() if _text(value)]


def moment(timestamp: JSON) -> str:
    """A time of a document for people: "2025-03-17 00:02:58 UTC". What is no time comes out as it is."""
    try:
        when = datetime.fromisoformat(_text(timestamp))
        when = when.astimezone(UTC) if when.tzinfo else when
        return f"{when:%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return clean(_text(timestamp), VALUE)


def json_line(event: Mapping[str, JSON]) -> str:
    """The whole document as one line of JSON, in ASCII: nothing in it can disturb a terminal or fail to be written."""
    return json.dumps(event, separators=(",", ":"))


# --- parts of a sentence ---------------------------------------------------------------------------------------------


def _happened(event: Mapping[str, JSON], kind: str) -> str:
    if kind == EventType.COST_ESTIMATE_AVAILABLE:
        return f"{_text(_at(event, 'data', 'cost_estimate', 'kind'))} cost estimate".strip().capitalize()
    return _HAPPENED[EventType(kind)] if kind in _HAPPENED else kind or "Something happened"


def _thing(event: Mapping[str, JSON]) -> str:
    """What it happened to: "Garage (Main House, 15084303)", "Main House (15084303)", "15084303"."""
    job, model = _at(event, "data", "job"), _at(event, "data", "model")
    job_id = _at(job, "id") or _text(_at(event, "subject")).removeprefix("jobs/").partition("/")[0]
    named = [_at(job, "name"), job_id]
    if model is not None and _at(model, "id") != job_id:
        own = _at(model, "name") or f"model {_text(_at(model, 'id'))}"
        named = [own, *[name for name in named if name != own]]
    first, *others = [clean(_text(name), NAME) for name in named if name] or ["unknown"]
    return f"{first} ({', '.join(others)})" if others else first


def _outcome(event: Mapping[str, JSON], kind: str) -> str:
    """How it went, where the kind of the event does not say it all."""
    job = _at(event, "data", "job")
    if kind == EventType.COST_ESTIMATE_AVAILABLE:
        return _amount(event)
    if kind == EventType.JOB_SUCCEEDED:  # Hover completes a job even though models of it have failed
        models = _at(job, "models")
        states = [_at(model, "state") for model in models] if isinstance(models, list) else []
        failed = states.count(ModelState.FAILED)
        return f"{failed} of {len(states)} models failed" if failed else ""
    if kind in (EventType.JOB_STATE_CHANGED, EventType.JOB_REOPENED):
        before, now = _at(event, "data", "previous_state"), _at(job, "state")
        return f"from {_text(before)} to {_text(now)}" if before and now else _text(now)
    failure = _at(event, "data", "failure")
    return _text(_at(failure, "message") or _at(failure, "title") or _at(failure, "code"))


def _reason(event: Mapping[str, JSON]) -> str:
    """The failure, where there is more of it than the headline tells."""
    failure = _at(event, "data", "failure")
    parts = [_text(part) for name in ("code", "title", "message") if (part := _at(failure, name))]
    return ": ".join(parts) if len(parts) > 1 or len("".join(parts)) > HEADLINE else ""


def _amount(event: Mapping[str, JSON]) -> str:
    estimate = _at(event, "data", "cost_estimate")
    amount = _at(estimate, "amount")
    if isinstance(amount, bool) or not isinstance(amount, (int, float)):
        return ""
    units = [_text(unit) for name in ("currency", "units") if (unit := _at(estimate, name))]
    return " ".join([f"{amount:,.12g}", *units])


def _basis(event: Mapping[str, JSON]) -> str:
    basis = _at(event, "data", "cost_estimate", "basis")
    if not isinstance(basis, Mapping):
        return ""
    return ", ".join(f"{name} {_text(value)}" for name, value in basis.items() if value is not None)


def _address(event: Mapping[str, JSON]) -> str:
    address = _at(event, "data", "job", "address")
    town = " ".join(_text(part) for name in ("region", "postal_code") if (part := _at(address, name)))
    lines = [_at(address, "line1"), _at(address, "line2"), _at(address, "city"), town, _at(address, "country")]
    return ", ".join(_text(line) for line in lines if line)


def _link(event: Mapping[str, JSON]) -> JSON:
    """Where to look: the estimate, the model unless the provider says that its page does not work, the job."""
    model = _at(event, "data", "model")
    of_model = _at(model, "url") if _at(model, "url_status") != "not_available" else None
    return _at(event, "data", "cost_estimate", "url") or of_model or _at(event, "data", "job", "url")


def _place(event: Mapping[str, JSON]) -> str:
    """The name of the source or sink."""
    return clean(_text(_at(event, "source")).rpartition("/")[2], VALUE)


def _at(value: JSON, *path: str) -> JSON:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _text(value: JSON) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _harmless(character: str) -> str:
    category = unicodedata.category(character)
    if character.isspace():
        return " "
    if category == "Cs":  # half of a character, as JSON's \ud800 gives it: cannot be written anywhere
        return "\N{REPLACEMENT CHARACTER}"
    return "" if category in ("Cc", "Cf") and character not in _JOINERS else character
