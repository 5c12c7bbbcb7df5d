"""Whatever happens to the notifications, the same ends come out: random histories, random ways of hearing of them.

The provider's documents follow one another; webhooks of them are dropped, doubled, late or about something else, the
provider's replica lags, reconciliation lists come between. Each end, and each reopening, still stands at one look at
least: what was over before anybody could look is not reported, nobody saw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from processor.model import CostEstimate, Event, EventType, Job, Model, ModelState, State
from processor.pipeline.facts import Facts
from processor.pipeline.reconcile import Look, Stock, Teller, judge
from processor.pipeline.refresh import REFUSALS, Hinted, decide

T0 = datetime(2026, 3, 1, tzinfo=UTC)
ENDS = {"job.succeeded", "job.failed", "job.cancelled", "model.succeeded", "model.failed", "cost_estimate.available"}
RUNNING = st.sampled_from([State.CREATED, State.WAITING, State.PROCESSING])
ENDED = st.sampled_from([State.SUCCEEDED, State.FAILED, State.CANCELLED])
TELLERS = st.sampled_from(list(Teller))


@dataclass
class Us:
    """What we know of the job, and what we told."""

    facts: Facts = field(default_factory=Facts)
    told: list[Event] = field(default_factory=list)
    lag: int = 0

    def look(self, job: Job, *hints: Hinted) -> None:
        found = decide(self.facts, job, api="v", hints=hints, now=T0 + timedelta(days=9), every=60.0)
        self.facts = Facts.load(found.facts.dump())
        self.told += found.events

    def list(self, job: Job, *, first: bool = False) -> None:
        match judge(self.facts, job, api="v", baseline=T0, first=first):
            case Look():
                self.look(job, Hinted("v", "", Teller.RECONCILIATION))
            case Stock(facts):
                self.facts = Facts.load(facts.dump())

    def ends(self) -> list[str]:
        return [e.id for e in self.told if e.type in ENDS]


@st.composite
def histories(draw: st.DrawFn) -> list[Job]:
    """One to three runs of a job with up to three models and an estimate, of either kind of provider."""
    says_when_it_ended = draw(st.booleans())
    documents: list[Job] = []
    models = dict.fromkeys(draw(st.sampled_from(["", "a", "ab", "abc"])), ModelState.PROCESSING)
    amounts = draw(st.lists(st.sampled_from([None, 1.5, 2.5]), min_size=1, max_size=4))
    for run in range(draw(st.integers(1, 3))):
        models = dict.fromkeys(models, ModelState.PROCESSING)
        steps = draw(st.lists(RUNNING, min_size=1, max_size=4))
        for state in [*steps, draw(ENDED)]:
            if state.ended:
                models = {name: draw(st.sampled_from([ModelState.SUCCEEDED, ModelState.FAILED])) for name in models}
            at = T0 + timedelta(minutes=len(documents) + 1)
            amount = amounts[min(len(documents), len(amounts) - 1)]
            documents.append(
                Job(
                    provider="p",
                    source="s",
                    id="1",
                    state=state,
                    created_at=T0 + timedelta(seconds=1),
                    updated_at=at,
                    finished_at=at if says_when_it_ended and state.ended else None,
                    models=tuple(Model(id=name, state=s, updated_at=at) for name, s in models.items()),
                    cost_estimate=CostEstimate(id="e", kind="processing", amount=amount) if amount else None,
                    progress=float(run),
                )
            )
    return documents


def reference(documents: Sequence[Job]) -> set[str]:
    """What comes out when every document is told of, once and at once."""
    us = Us()
    for job in documents:
        us.look(job, Hinted("v", "job" if job.state.ended else ""))
    return set(us.ends())


def must_be_seen(documents: Sequence[Job], number: int) -> bool:
    """An end, the leaving of one, and a new amount: what would be unseen otherwise."""
    job = documents[number]
    before = documents[number - 1] if number else None
    estimate = (job.cost_estimate and job.cost_estimate.amount) != (
        before and before.cost_estimate and before.cost_estimate.amount
    )
    return job.state.ended or bool(before and before.state.ended) or estimate


@settings(max_examples=400, deadline=None)
@given(histories(), st.data())
def test_the_same_ends_come_out_whatever_happens_to_the_notifications(
    documents: list[Job], data: st.DataObject
) -> None:
    us, stale = Us(), 0
    if data.draw(st.booleans()):
        us.list(documents[0], first=True)  # made after the baseline, so it is looked at
    for number, job in enumerate(documents):
        seen = False
        for _ in range(data.draw(st.integers(0, 3))):
            how = data.draw(st.sampled_from(["webhook", "poll", "list", "lagging", "lagging list"]))
            before = documents[max(0, number - 1)]
            if how == "webhook":
                claim = data.draw(st.sampled_from(["", "job", "a"]))
                us.look(job, Hinted("v", claim), *[Hinted("v", claim)] * data.draw(st.integers(0, 1)))
            elif how == "poll":
                us.look(job)
            elif how == "list":
                us.list(job)
            else:  # an older document, fewer times than it takes to be believed
                stale += 1
                if stale <= len(REFUSALS):
                    us.look(before, Hinted("v", "job")) if how == "lagging" else us.list(before)
                continue
            seen, stale = True, 0
        if not seen and must_be_seen(documents, number):
            us.list(job)
            us.look(job, *([Hinted("v", "job")] if data.draw(st.booleans()) else []))
            stale = 0
    us.list(documents[-1])
    us.look(documents[-1])
    assert set(us.ends()) == reference(documents)
    assert len(us.ends()) == len(set(us.ends())), "told twice"


@settings(max_examples=200, deadline=None)
@given(histories(), TELLERS)
def test_what_the_silent_pass_saw_comes_out_under_the_same_ids_when_somebody_tells(
    documents: list[Job], teller: Teller
) -> None:
    """Only the first run, which nobody saw begin."""
    end = next(job for job in documents if job.state.ended)
    old = replace(end, created_at=T0 - timedelta(days=9), updated_at=T0 - timedelta(days=1))
    old = replace(old, finished_at=old.updated_at) if end.finished_at else old
    us = Us()
    us.list(old, first=True)
    assert us.told == []
    us.look(old, Hinted("v", "", teller))
    expected = Us()
    expected.look(old, Hinted("v", "job"))
    wanted = (
        expected.ends() if teller.tells_all else [e.id for e in us.told if e.type == EventType.COST_ESTIMATE_AVAILABLE]
    )
    assert set(us.ends()) == set(wanted)
