"""How the models of a job stand, in half a sentence: "3 of 4 models ready, 1 failed: Garage, lack of exterior shots".

Hover completes a job even though models of it have failed: without this a success would hide them.
"""

from __future__ import annotations

from collections.abc import Mapping

from processor.model import JSON, ModelState
from processor.text.lines import NAME, at, clean, each, plain

_FAILURES = 140  # characters that the failed models' names and reasons may take: they must not hide that there are more


def models_of(event: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
    """The models in the event's job."""
    return each(at(event, "data", "job", "models"))


def failed_models(event: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
    """Those of them that failed."""
    return [model for model in models_of(event) if at(model, "state") == ModelState.FAILED]


def rollup(event: Mapping[str, JSON]) -> str:
    """How many models of the event's job are ready and which failed; nothing of a single one that did not fail."""
    models, failed = models_of(event), failed_models(event)
    ready = sum(at(model, "state") == ModelState.SUCCEEDED for model in models)
    if len(models) == 1:
        return f"its model failed: {_failures(event, failed)}".removesuffix(": ") if failed else ""
    if failed:
        return f"{ready or 'none'} of {len(models)} models ready, {len(failed)} failed: {_failures(event, failed)}"
    if ready == len(models):
        return f"{ready} models ready" if ready else ""
    return f"{ready} of {len(models)} models ready" if ready else ""


def in_passing(reason: str, provider: str = "") -> str:
    """A reason within a sentence: without its full stop, and its first letter lowered where that letter is large only
    because it begins one. "PDF is missing", "I/O error" and a provider's own name stay as they are."""
    reason = clean(reason, NAME).rstrip(".")
    first, _, rest = reason.partition(" ")
    letters = first.replace("'", "").replace("’", "").rstrip(",")
    begins = letters.isalpha() and letters == letters.capitalize() and letters not in ("I", provider.capitalize())
    return reason[:1].lower() + reason[1:] if rest and begins else reason


def _failures(event: Mapping[str, JSON], failed: list[Mapping[str, JSON]]) -> str:
    told: list[str] = []
    for model in failed:
        one = _failure(event, model)
        if told and len("; ".join([*told, one])) > _FAILURES:
            return f"{'; '.join(told)} and {len(failed) - len(told)} more"
        told.append(one)
    return "; ".join(told)


def _failure(event: Mapping[str, JSON], model: Mapping[str, JSON]) -> str:
    """ "Garage, lack of exterior shots". The one model of a job is not named when its name is the job's."""
    name = clean(plain(at(model, "name")), NAME) or clean(f"model {plain(at(model, 'id'))}", NAME)
    alone = len(models_of(event)) == 1
    if alone and (at(model, "id") == at(event, "data", "job", "id") or at(model, "name") in (None, _job_name(event))):
        name = ""
    reason = in_passing(plain(at(model, "failure_reason")), plain(at(event, "data", "provider")))
    return ", ".join(part for part in (name, reason) if part)


def _job_name(event: Mapping[str, JSON]) -> JSON:
    return at(event, "data", "job", "name")
