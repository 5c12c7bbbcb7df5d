"""Plays a script at a simulated provider: jobs change, webhooks go out, things go wrong, in order."""

from __future__ import annotations

import copy
import dataclasses
import json
import threading
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import Any, Protocol, runtime_checkable

import flask

from processor.errors import Usage
from processor.model import JSON
from processor.simulation.sending import Sent, Webhook, send
from processor.simulation.stage import Fault, Stage


class Simulator(Protocol):
    """One provider's side of the wire, for `play` and `serve`."""

    app: flask.Flask
    stage: Stage

    def sample(self, name: str) -> JSON:
        """One of the documentation's jobs. Raises Usage for a name that is none."""
        ...

    def job(self, job_id: str) -> JSON:
        """The document as it stands. Raises Usage for a job that is not there."""
        ...

    def put_job(self, document: JSON, **how: Any) -> str:
        """Add a job or replace it; its id."""
        ...

    def webhooks(self, job_id: str, **what: Any) -> list[Webhook]:
        """What tells every live registration about the job, signed."""
        ...


def notify(simulator: Simulator, job_id: str, *, double: bool = False, **what: Any) -> list[Sent]:
    """Tell every live registration about a job, each twice if `double`."""
    return [send(w) for w in simulator.webhooks(job_id, **what) for _ in range(2 if double else 1)]


def play(simulator: Simulator, steps: Sequence[Mapping[str, Any]], stop: threading.Event | None = None) -> list[Sent]:
    """Play a script until it ends or `stop` is set. Raises Usage for a step that cannot be played.

    A step may have, in this order: `after` (seconds to wait), `fault` (the keys of Fault), `job` (a document; or
    `{"sample": name}` or `{"id": …}`, with `change`: a mapping of dotted paths to new values; `how` has what `put_job`
    takes), `estimate` (`id`; `sample` or the whole `document`; `change`), `notify` (one mapping with `job_id`, or a
    list of them; `reorder` sends a list from its end).
    """
    sent: list[Sent] = []
    stop = stop or threading.Event()
    for step in steps:
        if unknown := step.keys() - {"after", "fault", "job", "how", "estimate", "notify", "reorder"}:
            raise Usage(f"a step of the script has no {', '.join(sorted(unknown))}")
        if stop.wait(float(step.get("after", 0))):
            break
        if "fault" in step:
            simulator.stage.fault(_fault(step["fault"]))
        if "job" in step:
            simulator.put_job(_document(simulator, step["job"]), **step.get("how", {}))
        if "estimate" in step:
            _estimate(simulator, step["estimate"])
        told = step.get("notify", [])
        told = [told] if isinstance(told, Mapping) else list(told)
        for what in reversed(told) if step.get("reorder") else told:
            sent += notify(simulator, **{**what, "job_id": str(what["job_id"])})
    return sent


@runtime_checkable
class _Estimates(Protocol):
    """A simulator whose provider has estimates that are things of their own."""

    def estimate_sample(self, name: str) -> JSON: ...

    def put_estimate(self, estimate_id: int, document: JSON) -> None: ...


def _estimate(simulator: Simulator, wanted: Mapping[str, Any]) -> None:
    if not isinstance(simulator, _Estimates):
        raise Usage("the script has an estimate for a provider without estimates of their own")
    if unknown := wanted.keys() - {"id", "sample", "document", "change"}:
        raise Usage(f"an estimate of the script has no {', '.join(sorted(unknown))}")
    document = wanted["document"] if "document" in wanted else simulator.estimate_sample(str(wanted.get("sample")))
    simulator.put_estimate(int(wanted["id"]), changed(document, wanted.get("change", {})))


def _fault(keys: Mapping[str, Any]) -> Fault:
    try:
        return Fault(**keys)
    except TypeError:
        names = ", ".join(field.name for field in dataclasses.fields(Fault))
        raise Usage(f"a fault of the script has the keys {names}") from None


def _document(simulator: Simulator, job: Mapping[str, Any]) -> JSON:
    if "sample" in job:
        document = simulator.sample(job["sample"])
    elif set(job) == {"id", "change"}:
        document = simulator.job(str(job["id"]))
    else:
        return job
    return changed(document, job.get("change", {}))


def changed(document: JSON, change: Mapping[str, JSON]) -> JSON:
    """A copy of `document` with new values at dotted paths such as `models.0.state`."""
    document = copy.deepcopy(document)
    for path, value in change.items():
        at, keys = document, path.split(".")
        try:
            for key in keys[:-1]:
                at = at[int(key)] if isinstance(at, list) else at[key]
            at[int(keys[-1]) if isinstance(at, list) else keys[-1]] = value
        except (KeyError, IndexError, ValueError, TypeError):
            raise Usage(f"the script changes {path}, which that job does not have") from None
    return document


def load_sample(folder: Traversable, name: str) -> JSON:
    """The document of that name in `folder` (importlib.resources). Raises Usage, naming those there are."""
    samples = {file.name.removesuffix(".json"): file for file in folder.iterdir() if file.name.endswith(".json")}
    if name not in samples:
        raise Usage(f"there is no sample {name!r}: there are {', '.join(sorted(samples))}")
    return json.loads(samples[name].read_text("utf-8"))
