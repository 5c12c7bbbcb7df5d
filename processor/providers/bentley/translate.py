"""Turns a job of one of Bentley's job APIs into a Job."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from processor.errors import Unreadable
from processor.model import JSON, CostEstimate, Job, Message, Model, ModelState, State
from processor.providers.bentley.families import Family
from processor.providers.bentley.payload import COST_ESTIMATION, PROGRESS, V1, V2
from processor.providers.bentley.states import job_state, model_state
from processor.reading import read

_PLACEHOLDER = re.compile(r"%([1-9][0-9]?)")
_ROOM = 10_000  # characters: a message and its parameters are multiplied by each other


def translate(original: JSON, *, source: str, family: Family) -> Job:
    """The job in our words. Raises Unreadable with the path that is wrong."""
    return _v1(original, source, family) if family.version == 1 else _v2(original, source, family)


def _v1(original: JSON, source: str, family: Family) -> Job:
    document = read(V1, original)
    job = document["job"]
    run = job["execution"] or {}
    state, errors = job_state(job["state"]), _messages(run.get("errors"))
    return Job(
        provider="bentley",
        source=source,
        id=job["id"],
        name=job["name"],
        kind=job["type"],
        state=state,
        provider_state=job["state"],
        project_id=job["itwin_id"],
        created_at=job["created_at"],
        submitted_at=run.get("submitted_at") or run.get("submission_at"),
        started_at=run.get("started_at"),
        finished_at=run.get("ended_at"),
        updated_at=job["modified_at"],
        progress=_progress(document["progress"]),
        models=_models(job, state, errors, _named(_outputs_v1((job["settings"] or {}).get("outputs"))), family),
        cost_estimate=_cost_estimate(job),
        errors=errors,
        warnings=_messages(run.get("warnings")),
    )


def _v2(original: JSON, source: str, family: Family) -> Job:
    document = read(V2, original)
    job, messages = document["job"], document["messages"] or {}
    run, specifications = job["execution"] or {}, job["specifications"] or {}
    job |= {"created_at": run.get("created_at"), "modified_at": None}
    state, errors = job_state(job["state"]), _messages(messages.get("errors"))
    return Job(
        provider="bentley",
        source=source,
        id=job["id"],
        name=job["name"],
        kind=job["type"],
        state=state,
        provider_state=job["state"],
        project_id=job["itwin_id"],
        created_at=job["created_at"],
        started_at=run.get("started_at"),
        finished_at=run.get("ended_at"),
        progress=_progress(document["progress"]),
        models=_models(job, state, errors, _named(_references(specifications.get("outputs"), "outputs")), family),
        errors=errors,
        warnings=_messages(messages.get("warnings")),
    )


def _models(
    job: Mapping[str, Any], state: State, errors: Sequence[Message], artifacts: Mapping[str, str], family: Family
) -> tuple[Model, ...]:
    """The one model that a job of some kinds counts as."""
    if (job["type"] or "").lower() not in family.model_kinds:
        return ()
    ours = model_state(state)
    failed = ours is ModelState.FAILED
    model = Model(
        id=job["id"],
        name=job["name"],
        kind=job["type"],
        state=ours,
        provider_state=job["state"],
        failure_reason=_reason(errors) if failed else None,
        artifacts={} if failed else artifacts,  # outputs have their ids before they exist
        created_at=job["created_at"],
        updated_at=job["modified_at"],
    )
    return (model,)


def _reason(errors: Sequence[Message]) -> str | None:
    first = errors[0] if errors else Message()
    return first.message or first.title or first.code


def _messages(messages: Sequence[Mapping[str, Any]] | None) -> tuple[Message, ...]:
    return tuple(
        Message(m["code"], _filled(m["title"], m["params"] or ()), _filled(m["message"], m["params"] or ()))
        for m in messages or ()
    )


def _filled(text: str | None, params: Sequence[str | None]) -> str | None:
    """`text` with %1, %2 … replaced in one pass, so that a parameter may itself contain a %1.

    The parameters fill in some _ROOM characters; the placeholders behind these stay as they are.
    """
    filled = 0

    def value(placeholder: re.Match[str]) -> str:
        nonlocal filled
        number = int(placeholder[1])
        if number > len(params) or filled > _ROOM:
            return placeholder[0]
        said = params[number - 1] or ""
        filled += len(said)
        return said

    return text and _PLACEHOLDER.sub(value, text)


def _progress(progress: JSON) -> float | None:
    """How far a running job is, in per cent. What cannot be read is none: it says nothing about the job's state."""
    try:
        percentage: float | None = read(PROGRESS, progress or {})["percentage"]
    except Unreadable:
        return None
    return percentage if percentage is not None and 0 <= percentage <= 100 else None


def _cost_estimate(job: Mapping[str, Any]) -> CostEstimate | None:
    """What Bentley calculated for the parameters it was given. Whether a bare 0 is an estimate is not known: it is not
    taken for one. What the amount counts is not said either."""
    amount, basis = job["estimated_cost"], job["cost_parameters"]
    together = job["cost_estimation"]  # Analysis and Conversion
    if amount is None and together is not None:
        amount = read(COST_ESTIMATION, together, "job.costEstimation")["estimated_cost"]
        basis = basis or {key: value for key, value in together.items() if key != "estimatedCost"}
    if amount is None or (amount == 0 and not basis):
        return None
    return CostEstimate(id="processing", kind="processing", amount=amount, basis=basis or None)


def _named(references: Iterable[tuple[str, str]]) -> dict[str, str]:
    """One entry for each reference; a second of the same name becomes `name.2`."""
    named: dict[str, str] = {}
    so_far: Counter[str] = Counter()
    for name, reference in references:
        so_far[name] += 1
        while (unique := f"{name}.{so_far[name]}" if so_far[name] > 1 else name) in named:
            so_far[name] += 1
        named[unique] = reference
    return named


def _outputs_v1(outputs: Sequence[Mapping[str, Any]] | None) -> Iterator[tuple[str, str]]:
    for output in outputs or ():
        if output["format"] and output["id"]:
            yield f"outputs.{output['format']}", output["id"]


def _references(value: JSON, name: str) -> Iterator[tuple[str, str]]:
    """Every reference below a v2 job's outputs (a reality-data id or a bucket path), named by the keys that lead to it.

    Shapes differ by job type; an item with a format and a location (`exports`) goes by its format. Numbers and flags
    are settings, not references.
    """
    if isinstance(value, str) and value:
        yield name, value
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _references(below, f"{name}.{key}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            if isinstance(item, dict) and isinstance(item.get("format"), str):
                yield from _references(item.get("location"), f"{name}.{item['format']}")
            else:
                yield from _references(item, f"{name}.{i}")
