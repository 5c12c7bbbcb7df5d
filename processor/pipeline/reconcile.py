"""A row of a provider's list and what we knew in, what follows out: nothing, a look, or taking stock in silence. Pure.

A list is only another hint: whatever it shows is looked at through the same door as a webhook.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from processor.model import Job, timestamp
from processor.pipeline.diff import diff
from processor.pipeline.facts import Facts


class Teller(StrEnum):
    """Who says that there is something to look at."""

    WEBHOOK = "webhook"
    RECONCILIATION = "reconciliation"
    ANNOUNCE = "announce"  # a person wants to hear of what ended while nobody was there
    WATCH = "watch"  # a person wants to hear of this job whatever happens

    @property
    def tells_all(self) -> bool:
        """Whether an end that the silent first pass saw is to be told after this."""
        return self is not Teller.RECONCILIATION


@dataclass(frozen=True, slots=True)
class Nothing:
    """The row shows what we know."""


@dataclass(frozen=True, slots=True)
class Look:
    """The row shows something new; `key` is the same for the same sight of it."""

    key: str


@dataclass(frozen=True, slots=True)
class Stock:
    """To be known from now on, and told nobody."""

    facts: Facts


def judge(facts: Facts, job: Job, *, api: str, baseline: datetime, first: bool) -> Nothing | Look | Stock:
    """What a listed job asks for. `baseline` is when the source's first pass began; `first`: it is still going on."""
    new, events = diff(facts, job, fetched_at=baseline)
    if not events:
        return Nothing()
    if facts.job is not None or _since(job, baseline) or (not first and not job.state.ended):
        return Look(_key(job))
    return Stock(new.but(api=api, silent=True))


def ended_since(job: Job, since: datetime) -> bool:
    """Whether a listed job ended after `since`, as far as its provider says when; for `--announce`."""
    moment = job.finished_at or job.updated_at
    return job.state.ended and moment is not None and moment >= since


def _since(job: Job, baseline: datetime) -> bool:
    """Whether it ended after the baseline where the provider says when, else whether it was made after it."""
    moment = job.finished_at or job.created_at
    return moment is not None and moment >= baseline


def _key(job: Job) -> str:
    """One sight of a job: what could make an event of it, and its own time."""
    sight = [
        job.id,
        job.state,
        [(m.id, m.state) for m in job.models],
        repr(job.cost_estimate.amount) if job.cost_estimate else None,
        timestamp(job.changed_at) if job.changed_at else None,
    ]
    return hashlib.sha256(json.dumps(sight).encode()).hexdigest()
