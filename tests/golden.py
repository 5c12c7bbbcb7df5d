"""What every sink for people is compared with: one document of each type and provider, several together, and the files.

The documents are made from the sanitised samples by the real translation and the real diff, so the golden files show
what people would really read. `UPDATE_GOLDEN=1 pytest …` writes the files anew: read the difference before you keep it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from processor.model import JSON, CostEstimate, EventType, Job, ModelState, State
from processor.pipeline.diff import diff
from processor.pipeline.facts import Facts
from processor.ports import Occasion
from processor.providers.bentley.families import family
from processor.providers.bentley.translate import translate as of_bentley
from processor.providers.hover.translate import translate as of_hover
from processor.simulation import load_sample
from processor.testing.builders import a_model, an_alarm, an_event

DATA = Path(__file__).parent / "data"
GOLDEN = DATA / "golden"
PROVIDERS = Path(__file__).parent.parent / "processor/providers"
HOVER, BENTLEY = "hover-main", "itwin"  # the sources
NOW = datetime(2025, 3, 20, 8, tzinfo=UTC)  # where a document has no time of its own

Document = dict[str, JSON]


def cases() -> list[Any]:
    """One document for every type of event and provider, alarms when they were raised and when they were over."""
    made = {f"{provider}-{kind}": event for provider, of in JOBS.items() for kind, event in of().items()}
    made |= {f"{provider}-{name}": event for provider in JOBS for name, event in _alarms(provider).items()}
    made |= {f"ops-{name}": event for name, event in _alarms("ops").items()}
    return [pytest.param(event, id=name) for name, event in made.items()]


def together() -> list[Any]:
    """Several documents, oldest first, and why they come in one message."""
    made = {
        "group-hover": (_hover_group(), Occasion.GROUP),
        "group-bentley": (_bentley_group(), Occasion.GROUP),
        "group-alarm": ([_alarms("hover")[f"ops.rejections-{s}"] for s in ("raised", "over")], Occasion.GROUP),
        "digest": (_day(), Occasion.DIGEST),
        "storm": (_storm(), Occasion.STORM),
    }
    return [pytest.param(several, id=name) for name, several in made.items()]


def compare(sink: str, case: str, text: str, suffix: str) -> None:
    """Fails unless `text` is what tests/data/golden/SINK/CASE.SUFFIX holds; with UPDATE_GOLDEN=1 it is put there."""
    file = GOLDEN / sink / f"{case}.{suffix}"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    if not file.exists():
        tests = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
        pytest.fail(f"{file.relative_to(DATA)} is missing: make it with UPDATE_GOLDEN=1 pytest {tests}")
    assert text == file.read_bytes().decode()


# --- jobs ------------------------------------------------------------------------------------------------------------


@dataclass
class _Story:
    """One job as its provider shows it again and again; what follows from that, by the real diff."""

    facts: Facts = field(default_factory=Facts)

    def goes_on(self, job: Job) -> dict[str, Document]:
        self.facts, events = diff(self.facts, job, fetched_at=NOW)
        return {str(event.type): event.cloudevent() for event in events}


def _hover() -> dict[str, Document]:
    sample = load_sample(PROVIDERS / "hover/samples", "hover-1")

    def shown(state: str, models: JSON = (), updated_at: str = "2025-03-16T23:59:00Z") -> Job:
        changes = {"reconstruction_state": state, "models": list(models), "updated_at": updated_at}
        return of_hover(sample | changes, source=HOVER)

    failed, ready = sample["models"]
    story, told = _Story(), {}
    told |= story.goes_on(shown("uploading"))
    told |= story.goes_on(shown("working"))
    before = story.facts
    told |= story.goes_on(of_hover(sample, source=HOVER))
    again = [failed | {"state": "working", "failure_reason": None}, ready]
    told |= story.goes_on(shown("requesting_corrections", again, "2025-03-20T07:30:00Z"))
    for state in ("failed", "cancelled"):
        other = _Story(before)
        told |= other.goes_on(shown(state, [failed] if state == "failed" else [], "2025-03-17T00:03:01Z"))
    estimate = CostEstimate(  # no estimate is among the samples: it comes from another address than the job
        id="55643", kind="contractor", amount=1497.2, currency="USD", title="Siding", updated_at=NOW
    )
    kind = EventType.COST_ESTIMATE_AVAILABLE
    job = of_hover(sample, source=HOVER)
    told[kind] = an_event(kind, job=job, cost_estimate=estimate, previous_state=None)
    return _by_type(told)


def _bentley() -> dict[str, Document]:
    sample = load_sample(PROVIDERS / "bentley/samples", "bentley-1")
    errors = json.loads((DATA / "bentley/job-messages-v2.json").read_text())["messages"]["errors"]

    def shown(state: str, **changes: JSON) -> Job:
        job = deepcopy(sample["job"]) | {"state": state} | changes
        return of_bentley({"job": job}, source=BENTLEY, family=family("contextcapture"))

    run = sample["job"]["executionInformation"]
    running = {name: run[name] for name in ("submittedDateTime", "startedDateTime")}
    story, told = _Story(), {}
    told |= story.goes_on(shown("unsubmitted", executionInformation=None, estimatedCost=None))
    told |= story.goes_on(shown("unsubmitted", executionInformation=None))
    told |= story.goes_on(shown("active", executionInformation=running))
    before = story.facts
    told |= story.goes_on(shown("success"))
    told |= story.goes_on(shown("active", executionInformation=running))
    for state in ("failed", "cancelled"):
        ended = run | {"errors": errors if state == "failed" else []}
        told |= _Story(before).goes_on(shown(state, executionInformation=ended))
    return _by_type(told)


JOBS = {"hover": _hover, "bentley": _bentley}


def _by_type(told: Mapping[str, Document]) -> dict[str, Document]:
    """In the order of the types, all of them."""
    return {str(kind): told[kind] for kind in EventType if not kind.startswith("ops.")}


# --- alarms ----------------------------------------------------------------------------------------------------------

# count and detail when each was raised, and when it was over
_ALARMS: dict[EventType, tuple[tuple[int | None, str | None], tuple[int | None, str | None]]] = {
    EventType.OPS_SOURCE_SILENT: ((None, "the last notification came 24 hours ago"), (None, None)),
    EventType.OPS_REJECTIONS: ((21, "21 in 5 minutes"), (64, None)),
    EventType.OPS_SUBSCRIPTION_BROKEN: ((None, "it is not active"), (None, None)),
    EventType.OPS_CONTRACT_DRIFT: ((3, 'the state "geocoding"'), (3, None)),
    EventType.OPS_JOB_STUCK: ((1, "{job} has been processing for 48 hours"), (1, None)),
    EventType.OPS_SINK_FAILING: ((12, "401: invalid_auth"), (12, None)),
    EventType.OPS_REPAIRED: ((2, "2 jobs ended"), (2, None)),
}


def _alarms(provider: str) -> dict[str, Document]:
    if provider == "ops":
        kinds, place = [EventType.OPS_SINK_FAILING], "sinks/orders"
    else:
        kinds = [kind for kind in _ALARMS if kind is not EventType.OPS_SINK_FAILING]
        place = f"sources/{HOVER if provider == 'hover' else BENTLEY}"
    made = {}
    job = {"hover": "Main House (15084303)", "bentley": "My first Reality Modeling job"}.get(provider, "")
    for kind in kinds:
        for state, (count, detail) in zip(("raised", "over"), _ALARMS[kind], strict=True):
            detail = detail and detail.replace("{job}", job)
            event = an_alarm(kind, place=place, state=state, count=count, detail=detail)
            if state == "over":
                event["time"] = event["data"]["ops"]["until"] = "2025-03-17T02:10:00Z"
            made[f"{kind}-{state}"] = event
    if provider == "ops":
        said = "Sent by `jobwire send-test`; nothing happened."
        made[str(EventType.OPS_TEST)] = an_alarm(EventType.OPS_TEST, place=place, detail=said)
    return made


# --- several ---------------------------------------------------------------------------------------------------------


def _hover_group() -> list[Document]:
    """Three models are ready, one failed, and the job counts as a success."""
    sample = load_sample(PROVIDERS / "hover/samples", "hover-1")
    failed, ready = sample["models"]
    more = [
        _model(ready, 15081690 + n) | {"name": name, "updated_at": f"2025-03-17T09:0{n}:00Z"}
        for n, name in enumerate(("Guest House", "Carport"))
    ]
    job = of_hover(sample | {"models": [failed, *more, ready]}, source=HOVER)
    return [event.cloudevent() for event in diff(Facts(), job, fetched_at=NOW)[1]]


def _model(sample: Document, model_id: int) -> Document:
    """The same with another id, also in its addresses."""
    made: Document = json.loads(json.dumps(sample).replace(str(sample["id"]), str(model_id)))
    return made


def _bentley_group() -> list[Document]:
    told = _bentley()
    kinds = [
        EventType.COST_ESTIMATE_AVAILABLE,
        EventType.JOB_STATE_CHANGED,
        EventType.MODEL_SUCCEEDED,
        EventType.JOB_SUCCEEDED,
    ]
    return [told[kind] for kind in kinds]


def _day() -> list[Document]:
    """Five jobs at two providers, one of which failed, and an alarm that came and went."""
    other = of_hover(load_sample(PROVIDERS / "hover/samples", "hover-2"), source=HOVER)
    quick = replace(other, id="15254801", name="Boat House", models=(), state=State.CANCELLED)
    bentley = _bentley()
    second = _renamed(bentley[EventType.JOB_FAILED], "2e8b5984-15b1-45d5-8175-572583d8c3c8", "Bridge, second flight")
    alarm = _alarms("hover")
    return [
        *_bentley_group(),
        *_hover_group(),
        alarm["ops.source_silent-raised"],
        alarm["ops.source_silent-over"],
        *[event.cloudevent() for event in diff(Facts(), other, fetched_at=NOW)[1]],
        *[event.cloudevent() for event in diff(Facts(), quick, fetched_at=NOW)[1]],
        second,
        _alarms("ops")["ops.sink_failing-raised"],
    ]


def _renamed(event: Document, job_id: str, name: str) -> Document:
    said = json.dumps(event).replace("cc3d35cc-416a-4262-9714-b359da70b419", job_id)
    renamed: Document = json.loads(said.replace("My first Reality Modeling job", name))
    return renamed | {"id": "evt_" + job_id.replace("-", "")}


def _storm() -> list[Document]:
    """Of a hundred jobs: each was created, moved on, and got a model; every fiftieth model failed."""
    story = []
    for step, kind in enumerate((EventType.JOB_CREATED, EventType.JOB_STATE_CHANGED, EventType.MODEL_SUCCEEDED)):
        for number in range(100):
            failed = kind is EventType.MODEL_SUCCEEDED and number % 50 == 49
            model = a_model(
                id=f"{15081000 + number}",
                state=ModelState.FAILED if failed else ModelState.SUCCEEDED,
                failure_reason="Lack of exterior shots" if failed else None,
            )
            job = replace(
                of_hover(load_sample(PROVIDERS / "hover/samples", "hover-1"), source=HOVER),
                id=f"{15084000 + number}",
                name=f"House {number}",
                state=State.PROCESSING if step else State.CREATED,
                models=(model,) if step == 2 else (),
            )
            told = EventType.MODEL_FAILED if failed else kind
            event = an_event(told, job=job, model=model if step == 2 else None, previous_state=None)
            at = datetime(2025, 3, 17, 0, 2, tzinfo=UTC) + timedelta(seconds=100 * step + number)
            story.append(event | {"time": at.isoformat().replace("+00:00", "Z")})
    return story
