"""A hint to look: fetch the job, compare it with what we knew, and say what follows. Talks only through its ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from processor.errors import Unreadable
from processor.model import JSON, Event, Job, document
from processor.pipeline.diff import diff
from processor.pipeline.facts import Facts
from processor.ports import Clock, Http, Provider

# A provider's replica may lag: an older document is looked at again after these seconds, then believed.
REFUSALS = (15.0, 30.0, 60.0)
# An announced end that no document shows yet: look again after these seconds, then every last one, for a day.
LOOKS = (15.0, 30.0, 60.0, 120.0)
LOOKING_ENDS = 86400.0


@dataclass(frozen=True, slots=True)
class Hinted:
    """What a waiting notification said: the API family to ask, and the thing whose end it announced ("" = none)."""

    api: str
    claim: str


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What one look found. `job` and its `body`, the document for people, are None when the provider's answer was
    older than what we knew and was refused."""

    facts: Facts
    job: Job | None
    body: JSON | None
    events: tuple[Event, ...]
    poll: float | None
    note: str


def refresh(
    provider: Provider, http: Http, *, job_id: str, facts: Facts, hints: Sequence[Hinted], clock: Clock
) -> Refreshed:
    """Look at one job. Raises whatever the provider's `fetch` and `translate` raise; nothing has been written then."""
    api = next((h.api for h in reversed(hints) if h.api), facts.api)
    job = provider.translate(provider.fetch(job_id, api=api, http=http), api=api)
    if job.id != job_id:
        raise Unreadable(f"asked for job {job_id}, the answer is about another one")
    return decide(facts, job, api=api, hints=hints, now=clock())


def decide(facts: Facts, job: Job, *, api: str, hints: Sequence[Hinted], now: datetime) -> Refreshed:
    """Facts and a job in, what follows out. Pure."""
    facts = facts.but(api=api, claims=tuple(dict.fromkeys([*facts.claims, *(h.claim for h in hints if h.claim)])))
    if _older(facts, job) and facts.refused < len(REFUSALS):
        wait = REFUSALS[facts.refused]
        return Refreshed(
            facts.but(refused=facts.refused + 1), None, None, (), wait, "older than what we knew: look again"
        )
    body = document(job)
    facts, events = diff(facts.but(refused=0), job, fetched_at=now, body=body)
    facts, poll = _look_again(facts, job, now.timestamp())
    return Refreshed(facts, job, body, events, poll, "looking again for an announced end" if poll else "")


def _older(facts: Facts, job: Job) -> bool:
    """Only the job's own times count: those of its models and images move on their own."""
    return bool(facts.at and job.changed_at and job.changed_at < datetime.fromisoformat(facts.at))


def _look_again(facts: Facts, job: Job, now: float) -> tuple[Facts, float | None]:
    """Forget the claims that the document meets; for the rest say when to look again."""
    ended = {m.id for m in job.models if m.state.ended} | ({"job"} if job.state.ended else set())
    unmet = () if job.state.ended else tuple(c for c in facts.claims if c not in ended)
    if not unmet:
        return facts.but(claims=(), looks=0, looking_since=0.0), None
    since = facts.looking_since or now
    if now - since > LOOKING_ENDS:
        return facts.but(claims=(), looks=0, looking_since=0.0), None
    poll = LOOKS[min(facts.looks, len(LOOKS) - 1)]
    return facts.but(claims=unmet, looks=facts.looks + 1, looking_since=since), poll
