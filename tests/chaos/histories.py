"""Jobs that live at the simulated providers, and exactly which events must come of them, under which ids.

The expectation is what our own decisions make of every document, told of once and at once, with no store and no
network. A document that ends a job, reopens one or changes an estimate stands until the store has seen it; whatever
else happens in between may be missed, and is not expected. A document that nobody has seen when the storm is over
stands for ever.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from processor.cli.simulated import BENTLEY, HOVER, ITWIN
from processor.model import JSON, EventType, Job, timestamp
from processor.pipeline.diff import ENDS
from processor.pipeline.facts import Facts
from processor.pipeline.refresh import Hinted, decide
from processor.providers.bentley.families import FAMILIES
from processor.providers.bentley.translate import translate as bentley_job
from processor.providers.hover.translate import translate as hover_job
from processor.simulation import Simulator, changed

EXPECTED = ENDS | {EventType.JOB_REOPENED, EventType.COST_ESTIMATE_AVAILABLE}
_RUNNING = "been in no end"

Chapter = tuple[Mapping[str, JSON], bool]  # what changes in the document; whether it stands until it was seen


@dataclass(frozen=True)
class Telling:
    """How the webhooks of one chapter go out: after `late` seconds, twice if `double`; not at all if `dropped`."""

    late: float
    double: bool
    dropped: bool
    keys: Mapping[str, JSON]


@dataclass
class Life:
    """One job. `due` is when its next chapter may begin, on the clock of the storm."""

    source: str
    job_id: str
    simulator: Simulator
    begin: Callable[[], JSON]
    chapters: list[Chapter]
    tellings: list[Telling]
    stands: list[float]
    due: float
    told: int = 0
    ended_at: datetime | None = None
    facts: Facts = field(default_factory=Facts)
    expected: list[str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.told == len(self.chapters)

    @property
    def waits_to_be_seen(self) -> bool:
        return self.told > 0 and self.chapters[self.told - 1][1]

    def seen(self, facts: Facts) -> bool:
        """Whether the store knows what the document shows, as far as anything is expected of it."""
        return _outline(facts) == _outline(self.facts)

    def turn(self, now: float) -> Telling:
        """The next chapter: the provider's document changes, and what must come of it is added to what is expected."""
        change, _ = self.chapters[self.told]
        at = datetime.now(UTC)
        if change.get("job.executionInformation.endedDateTime"):
            second = timedelta(seconds=1)  # ids of runs go by their end, to the second
            self.ended_at = max(at.replace(microsecond=0), (self.ended_at or at - second) + second).replace(
                microsecond=0
            )
            change = {**change, "job.executionInformation.endedDateTime": timestamp(self.ended_at)}
        before = self.simulator.job(self.job_id) if self.told else self.begin()
        if self.source == BENTLEY:
            change = {**change, "job.lastModifiedDateTime": timestamp(at)}
            self.simulator.put_job(changed(before, change))
        else:
            self.simulator.put_job(changed(before, change), touch=True)
        self._expect()
        telling = self.tellings[self.told]
        self.due = now + self.stands[self.told]
        self.told += 1
        return telling

    def _expect(self) -> None:
        document = self.simulator.job(self.job_id)
        found = decide(self.facts, _translated(self.source, document), api="", hints=[Hinted("", "")], now=_now())
        self.facts = found.facts
        for event in found.events:
            if event.type in EXPECTED:
                self.expected.append(event.id)
                self.types[event.id] = event.type


def _now() -> datetime:
    return datetime.now(UTC)


def _translated(source: str, document: JSON) -> Job:
    if source == HOVER:
        return hover_job(document, source=source)
    return bentley_job({"job": document["job"]}, source=source, family=FAMILIES[0])


def _outline(facts: Facts) -> JSON:
    """Ends, what marks a second one, and estimates: what ids depend on. In which running state something is, and
    which ones it has been in, depends on when we looked."""

    def standing(s: object) -> JSON:
        state, mark = getattr(s, "state", None), getattr(s, "mark", "")
        return [state if state in ("succeeded", "failed", "cancelled") else _RUNNING, mark]

    return [
        standing(facts.job) if facts.job else None,
        {name: standing(s) for name, s in facts.models.items()},
        {name: [e.amount, dict(e.counts)] for name, e in facts.estimates.items()},
    ]


def lives(rng: random.Random, simulators: Mapping[str, Simulator], *, count: int, within: float) -> list[Life]:
    """`count` jobs that begin within so many seconds, two of three at Hover."""
    made = [
        (_hover if rng.random() < 0.66 else _bentley)(rng, simulators, number, rng.uniform(0, within))
        for number in range(count)
    ]
    return sorted(made, key=lambda life: life.due)


def _hover(rng: random.Random, simulators: Mapping[str, Simulator], number: int, due: float) -> Life:
    simulator, job_id = simulators["hover"], str(100_000 + number)

    def begin() -> JSON:
        return changed(simulator.sample("hover-1"), {"id": int(job_id), "created_at": timestamp(_now())})

    chapters = list(_hover_chapters(rng))
    events: list[Mapping[str, JSON]] = [{}, {}, {"event": "job-state-changed"}]
    events.append({"event": "model-state-changed", "model_id": 15081683})
    return _life(rng, HOVER, job_id, simulator, begin, chapters, due, events)


def _hover_chapters(rng: random.Random) -> Iterator[Chapter]:
    working = {"reconstruction_state": "working", "models.0.state": "working", "models.1.state": "working"}
    runs = rng.choice([1, 1, 1, 2, 2, 3])
    for run in range(runs):
        if run or rng.random() < 0.85:  # else it has ended when it is first seen
            yield working, run > 0
            for step in range(rng.choice([0, 1, 1, 2])):
                yield {"name": f"run {run}, step {step}", "reconstruction_state": "retrieving"}, False
        end = rng.choice(["completed", "completed", "failed", "cancelled"])
        models = [rng.choice(["complete", "failed"]) if end != "cancelled" else "working" for _ in range(2)]
        yield {"reconstruction_state": end, "models.0.state": models[0], "models.1.state": models[1]}, True


def _bentley(rng: random.Random, simulators: Mapping[str, Simulator], number: int, due: float) -> Life:
    simulator, job_id = simulators["bentley"], str(uuid.UUID(int=rng.getrandbits(128), version=4))
    created = "job.createdDateTime"

    def begin() -> JSON:
        started = {"job.id": job_id, created: timestamp(_now()), "job.iTwinId": ITWIN}
        return changed(simulator.sample("bentley-1"), started)

    return _life(rng, BENTLEY, job_id, simulator, begin, list(_bentley_chapters(rng)), due, [{}])


def _bentley_chapters(rng: random.Random) -> Iterator[Chapter]:
    ended, cost = "job.executionInformation.endedDateTime", "job.estimatedCost"
    yield {"job.state": "unsubmitted", cost: None, ended: None}, False
    for amount in rng.sample([1.5, 3.5, 7.25], rng.choice([0, 1, 1, 2])):
        yield {cost: amount}, True
    for run in range(rng.choice([1, 1, 1, 2])):
        yield {"job.state": "active", ended: None}, run > 0
        for _ in range(rng.choice([0, 1])):
            yield {"job.state": rng.choice(["pending", "active"])}, False
        yield {"job.state": rng.choice(["success", "success", "failed", "cancelled"]), ended: "now"}, True


def _life(
    rng: random.Random,
    source: str,
    job_id: str,
    simulator: Simulator,
    begin: Callable[[], JSON],
    chapters: list[Chapter],
    due: float,
    events: list[Mapping[str, JSON]],
) -> Life:
    tellings = [
        Telling(
            late=rng.choice([0.0, 0.0, rng.uniform(0, 1), rng.uniform(1, 6)]),
            double=rng.random() < 0.2,
            dropped=rng.random() < 0.2,
            keys=rng.choice(events),
        )
        for _ in chapters
    ]
    stands = [rng.choice([0.3, rng.uniform(0.3, 2), rng.uniform(1, 4)]) for _ in chapters]
    return Life(source, job_id, simulator, begin, chapters, tellings, stands, due)
