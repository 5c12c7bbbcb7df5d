"""The one sentence about an event, which every sink for people begins with."""

from __future__ import annotations

from collections.abc import Mapping

from processor.model import JSON, EventType
from processor.text.lines import HEADLINE, NAME, at, clean, plain
from processor.text.parts import amount, is_alarm, kind_of, model_name, place, reason, thing
from processor.text.rollup import rollup

# What happened to a job or a model; what happened to ourselves, when it began and when it was over.
_HAPPENED: Mapping[str, str] = {
    EventType.JOB_CREATED: "New job",
    EventType.JOB_STATE_CHANGED: "Job moved on",
    EventType.JOB_SUCCEEDED: "Job succeeded",
    EventType.JOB_FAILED: "Job failed",
    EventType.JOB_CANCELLED: "Job cancelled",
    EventType.JOB_REOPENED: "Job reopened",
    EventType.MODEL_SUCCEEDED: "Model ready",
    EventType.MODEL_FAILED: "Model failed",
}
_ALARM: Mapping[str, tuple[str, str]] = {
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


def headline(event: Mapping[str, JSON]) -> str:
    """The event in one line: "Model failed: Garage (Main House, 15084303): Lack of exterior shots"."""
    if is_alarm(event):
        return _alarm(event)
    return _line(_happened(event), thing(event), _outcome(event) or _models(event))


def line_of_job(event: Mapping[str, JSON]) -> str:
    """The event among others of its job, which need not be named again: "Model failed: Garage: Lack of exterior shots".

    Nor need it be told how many of the job's models are ready: what is said of them all is said of the newest state.
    """
    if is_alarm(event):
        return _alarm(event)
    return _line(_happened(event), model_name(event), _outcome(event))


def _alarm(event: Mapping[str, JSON]) -> str:
    kind = kind_of(event)
    raised, over = _ALARM.get(kind) or (f"{clean(kind, NAME)} of {{name}}", f"{clean(kind, NAME)} of {{name}} is over")
    alarm = over if at(event, "data", "ops", "state") == "over" else raised
    return _line(alarm.replace("{name}", place(event) or "unknown"), plain(at(event, "data", "ops", "detail")))


def _line(*parts: str) -> str:
    return clean(": ".join(part for part in parts if part), HEADLINE)


def _happened(event: Mapping[str, JSON]) -> str:
    kind = kind_of(event)
    if kind == EventType.COST_ESTIMATE_AVAILABLE:
        return f"{plain(at(event, 'data', 'cost_estimate', 'kind'))} cost estimate".strip().capitalize()
    return _HAPPENED.get(kind) or clean(kind, HEADLINE) or "Something happened"


def _outcome(event: Mapping[str, JSON]) -> str:
    """How it went, where the kind of the event does not say it all."""
    kind = kind_of(event)
    if kind == EventType.COST_ESTIMATE_AVAILABLE:
        return amount(event)
    if kind in (EventType.JOB_STATE_CHANGED, EventType.JOB_REOPENED):
        before, now = at(event, "data", "previous_state"), at(event, "data", "job", "state")
        return f"from {plain(before)} to {plain(now)}" if before and now else plain(now)
    return reason(event)


def _models(event: Mapping[str, JSON]) -> str:
    return rollup(event) if kind_of(event) == EventType.JOB_SUCCEEDED else ""
