"""What a person can do next: a sentence for each type of event, or none where there is nothing to do."""

from __future__ import annotations

import re
from collections.abc import Mapping

from processor.model import JSON, EventType, State
from processor.text.lines import at
from processor.text.parts import is_alarm, kind_of, place, reason
from processor.text.rollup import failed_models

LOOK_AT_FAILED = "Look at the models that failed: the provider counts the job as done without them."
_STEPS: Mapping[str, str] = {
    EventType.JOB_CANCELLED: "If this was not meant, submit the job again at the provider.",
    EventType.JOB_REOPENED: "Wait for its new end: what it made before may change.",
}
_MISSED = "Run jobwire reconcile {name} to find at once what was missed."
# When it was raised, and when it was over.
_OPS: Mapping[str, tuple[str, str]] = {
    EventType.OPS_SOURCE_SILENT: (
        "Run jobwire webhooks list {name} to see whether the provider still has the webhook.",
        _MISSED,
    ),
    EventType.OPS_REJECTIONS: (
        "Compare webhook_secrets of {name} with the provider's; jobwire webhooks list {name} shows what is registered.",
        _MISSED,
    ),
    EventType.OPS_SUBSCRIPTION_BROKEN: (
        "Run jobwire webhooks list {name} to see what the provider says of it, jobwire webhooks register {name} to "
        "register it anew.",
        _MISSED,
    ),
    EventType.OPS_CONTRACT_DRIFT: (
        "Nothing is lost: a state that jobwire does not know counts as processing; jobwire jobs shows how jobs stand.",
        "",
    ),
    EventType.OPS_JOB_STUCK: (
        "Look at the job at the provider; jobwire jobs shows how it stands here, jobwire reconcile {name} asks anew.",
        "",
    ),
    EventType.OPS_SINK_FAILING: (
        "Run jobwire check --online to see what is wrong, jobwire deliveries --dead to see what was given up.",
        "Run jobwire deliveries --dead to see what was given up meanwhile.",
    ),
    EventType.OPS_REPAIRED: (
        "They have been told now; jobwire webhooks list {name} shows whether the webhook is as it should be.",
        "",
    ),
    EventType.OPS_TEST: ("Nothing happened to any job: real events will come to this place, looking like this.", ""),
}


def next_step(event: Mapping[str, JSON]) -> str:
    """The sentence; empty where there is nothing to do."""
    kind = kind_of(event)
    if is_alarm(event):
        return _of_alarm(event, kind)
    if kind == EventType.JOB_SUCCEEDED:
        return LOOK_AT_FAILED if failed_models(event) else ""
    if kind in (EventType.JOB_FAILED, EventType.MODEL_FAILED):
        return again(reason(event))
    if kind == EventType.COST_ESTIMATE_AVAILABLE:
        return _of_estimate(event)
    return _STEPS.get(kind, "")


def again(reason: str) -> str:
    """What to do about a failure that has a reason, and about one that has none."""
    if reason:
        return "Put right what the reason names, then submit it again at the provider."
    return "The provider gives no reason: look there, then submit it again."


def _of_alarm(event: Mapping[str, JSON], kind: str) -> str:
    raised, over = _OPS.get(kind, ("", ""))
    name = place(event)  # in a command that somebody may copy, so a name that could be none is not put there
    name = name if re.fullmatch(r"\w[\w.-]{0,79}", name) else "SOURCE"
    return (over if at(event, "data", "ops", "state") == "over" else raised).replace("{name}", name)


def _of_estimate(event: Mapping[str, JSON]) -> str:
    """A processing estimate can stop somebody from submitting the job only while it is not submitted."""
    waits = at(event, "data", "job", "state") in (State.CREATED, None)
    processing = at(event, "data", "cost_estimate", "kind") == "processing"
    return "Review the estimate before the job is submitted." if processing and waits else ""
