"""A job as its page tells of it: how it stands, why, who and where, its models, and what was told to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from processor.looking import Looking
from processor.looking.shapes import JobStory, Moment, Routed
from processor.model import JSON, ModelState, State
from processor.telling import Link
from processor.telling.addresses import links_of_job, web_address
from processor.telling.steps import LOOK_AT_FAILED, again
from processor.text import HEADLINE, NAME, VALUE, clean
from processor.text.lines import at, each, plain
from processor.text.parts import address, amount
from processor.text.rollup import failed_models, rollup
from processor.text.sentence import line_of_job
from processor.web.pages.timeline import last_words

EVENTS = 12  # that are explained on the page of a job, the newest
AT_ONCE = 3  # that are shown, although all are told of them
_TIMES = (
    ("Created", "created_at"),
    ("Submitted", "submitted_at"),
    ("Started", "started_at"),
    ("Finished", "finished_at"),
    ("Updated", "updated_at"),
    ("Archived", "archived_at"),
)


@dataclass(frozen=True, slots=True)
class At:
    """An event at a sink. `state` is that of the delivery, "not wanted", or "not told" where it would be wanted now."""

    sink: str
    state: str
    reason: str
    last: Moment | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the job. `line` says what happened; `sinks` had it, or have it yet to come; `others` do not."""

    event_id: str
    type: str
    at: str
    line: str
    sinks: tuple[At, ...]
    others: tuple[At, ...]

    @property
    def all_told(self) -> bool:
        """Whether nobody is left to tell, and nobody was given up."""
        return all(one.state == "delivered" for one in self.sinks)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is known of a job beside its timeline. All texts are clean lines."""

    name: str
    state: str
    state_there: str
    why: tuple[str, ...]
    next_step: str
    how: str
    progress: float | None
    facts: tuple[tuple[str, str], ...]
    times: tuple[tuple[str, str], ...]
    customer: tuple[tuple[str, str], ...]
    links: tuple[Link, ...]
    models: tuple[Model, ...]


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    id: str
    state: str
    state_there: str
    why: str
    url: str
    artifacts: tuple[tuple[str, str], ...]


def sheet(story: JobStory) -> Sheet:
    """Of a job without a snapshot little is known."""
    job = story.snapshot or {}
    document = {"type": "", "data": {"job": job, "provider": at(job, "provider")}}
    state, there = plain(at(job, "state")), plain(at(job, "provider_state"))
    failed = failed_models(document)
    return Sheet(
        name=clean(plain(at(job, "name")), NAME),
        state=clean(state, NAME),
        state_there=clean(there, NAME) if there.casefold() != state else "",
        why=tuple(_why(job, failed)),
        next_step=_next_step(job, failed),
        how=clean(rollup(document), HEADLINE),
        progress=_progress(job),
        facts=_known(
            [
                ("Address", address(document)),
                ("External id", plain(at(job, "external_id"))),
                ("Kind", plain(at(job, "kind"))),
                ("Cost estimate", amount({"data": {"cost_estimate": at(job, "cost_estimate")}})),
                ("Organization", plain(at(job, "organization_id"))),
                ("Project", plain(at(job, "project_id"))),
                *[("Warning", _message(warning)) for warning in each(at(job, "warnings"))[:5]],
            ]
        ),
        times=tuple((label, plain(at(job, key))) for label, key in _TIMES if at(job, key)),
        customer=_known([(label, plain(at(job, "customer", label.lower()))) for label in ("Name", "Email", "Phone")]),
        links=tuple(link for link in links_of_job(document, None, None) if link.label == "Job"),
        models=tuple(_model(model) for model in each(at(job, "models"))),
    )


def told(looking: Looking, story: JobStory) -> tuple[list[Told], int]:
    """The newest events of the job, each with what became of it at every sink, and how many older ones are left out."""
    found = [moment for moment in reversed(story.timeline) if moment.kind == "found" and moment.event_id]
    last = last_words(story.timeline)
    return [_told(looking, moment, last) for moment in found[:EVENTS]], max(0, len(found) - EVENTS)


def at_once(told: Sequence[Told]) -> tuple[list[Told], list[Told]]:
    """The newest, and those that somebody is still to be told of, or was not; the others."""
    shown = [one for number, one in enumerate(told) if number < AT_ONCE or not one.all_told]
    return shown, [one for one in told if one not in shown]


def _told(looking: Looking, moment: Moment, last: Mapping[tuple[str, str], Moment]) -> Told:
    event_id = moment.event_id or ""
    document = looking.event(event_id)
    if document is None:  # no longer kept: what the timeline tells is all there is
        sinks = [At(m.sink or "", _state_of(m), "", m) for (of, _), m in last.items() if of == event_id]
        return Told(event_id, moment.type or "", moment.at, moment.text, tuple(sinks), ())
    every = [_at(routed, last.get((event_id, routed.sink))) for routed in looking.explain(document)]
    has = tuple(one for one in every if one.state != "not wanted")
    others = tuple(one for one in every if one.state == "not wanted")
    return Told(event_id, plain(at(document, "type")), moment.at, line_of_job(document), has, others)


def _at(routed: Routed, last: Moment | None) -> At:
    state = routed.state or ("not told" if routed.wanted else "not wanted")
    return At(routed.sink, state, routed.reason, last if state in ("dead", "retrying", "pending") else None)


def _state_of(moment: Moment) -> str:
    return {"told": "delivered", "dead": "dead", "waits": "pending"}.get(moment.kind, "retrying")


def _why(job: Mapping[str, JSON], failed: Sequence[Mapping[str, JSON]]) -> list[str]:
    """The job's errors, and the reasons of its failed models."""
    errors = [said for error in each(at(job, "errors"))[:10] if (said := clean(_message(error), VALUE))]
    own = at(job, "id")
    for model in failed[:20]:
        reason = clean(plain(at(model, "failure_reason")), VALUE)
        if at(model, "id") == own and errors:
            continue
        name = clean(plain(at(model, "name")), NAME) or clean(f"model {plain(at(model, 'id'))}", NAME)
        errors.append(f"{name}: {reason or 'the provider gives no reason'}")
    if not errors and at(job, "state") == State.FAILED:
        errors.append("The provider gives no reason.")
    return errors


def _next_step(job: Mapping[str, JSON], failed: Sequence[Mapping[str, JSON]]) -> str:
    if at(job, "state") == State.SUCCEEDED and failed:
        return LOOK_AT_FAILED
    reasons = [_message(error) for error in each(at(job, "errors"))]
    reasons += [plain(at(model, "failure_reason")) for model in failed]
    return again(next(filter(None, reasons), "")) if at(job, "state") == State.FAILED else ""


def _message(message: Mapping[str, JSON]) -> str:
    code, title, said = (plain(at(message, name)) for name in ("code", "title", "message"))
    if said.casefold().startswith(title.casefold()):
        title = ""
    return ": ".join(part for part in (code, title, said) if part)


def _progress(job: Mapping[str, JSON]) -> float | None:
    """Percent, of a job that runs and says it."""
    value = at(job, "progress")
    running = at(job, "state") in (State.WAITING, State.PROCESSING)
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return min(100.0, max(0.0, float(value))) if running and known else None


def _model(model: Mapping[str, JSON]) -> Model:
    state, there = plain(at(model, "state")), plain(at(model, "provider_state"))
    artifacts = at(model, "artifacts")
    url = web_address(at(model, "url")) if at(model, "url_status") != "not_available" else ""
    reason = plain(at(model, "failure_reason"))
    return Model(
        name=clean(plain(at(model, "name")), NAME),
        id=clean(plain(at(model, "id")), NAME),
        state=clean(state, NAME),
        state_there=clean(there, NAME) if there.casefold() != state else "",
        why=clean(reason, VALUE) if state == ModelState.FAILED else "",
        url=url,
        artifacts=tuple(
            (clean(name, NAME), web_address(value)) for name, value in list(artifacts.items())[:60] if value
        )
        if isinstance(artifacts, Mapping)
        else (),
    )


def _known(found: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((label, said) for label, value in found if (said := clean(value, VALUE)))
