"""A hint to look: fetch the job, compare it with what we knew, and say what follows. Talks only through its ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import cast

from processor.errors import Unreadable
from processor.model import JSON, Event, EventType, Job, State, document
from processor.pipeline.diff import ENDS, diff, diff_estimate
from processor.pipeline.facts import Facts
from processor.pipeline.reconcile import Teller
from processor.ports import Clock, Estimates, Http, NoticesDrift, Provider

# A provider's replica may lag: an older document is looked at again after these seconds, then believed.
REFUSALS = (15.0, 30.0, 60.0)
# An announced end that no document shows yet: look again after these seconds, then every last one, for a day.
LOOKS = (15.0, 30.0, 60.0, 120.0)
LOOKING_ENDS = 86400.0


@dataclass(frozen=True, slots=True)
class Hinted:
    """What a waiting notification said: the API family to ask, the thing whose end it announced ("" = none), and who
    said it."""

    api: str
    claim: str
    by: Teller = Teller.WEBHOOK


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
    repaired: bool = False  # something ended, and no webhook had told of it
    strange: tuple[str, ...] = ()  # what of the provider's answer is not known


def refresh(
    provider: Provider,
    http: Http,
    *,
    job_id: str,
    facts: Facts,
    hints: Sequence[Hinted],
    clock: Clock,
    every: float | None = None,
) -> Refreshed:
    """Look at one job. Raises whatever the provider's `fetch` and `translate` raise; nothing has been written then.

    `every` is in how many seconds at most a job that has not ended is looked at again; None: only for a reason.
    """
    api = next((h.api for h in reversed(hints) if h.api), facts.api)
    original = provider.fetch(job_id, api=api, http=http)
    try:
        job = provider.translate(original, api=api)
    except Unreadable as e:
        e.strange = _strange(provider, original, api)
        raise
    strange = _strange(provider, original, api)
    if job.id != job_id:
        raise Unreadable(f"asked for job {job_id}, the answer is about another one")
    return replace(decide(facts, job, api=api, hints=hints, now=clock(), every=every), strange=strange)


def _strange(provider: Provider, original: JSON, api: str) -> tuple[str, ...]:
    return tuple(cast(NoticesDrift, provider).strange(original, api=api)) if _notices_drift(type(provider)) else ()


@cache  # on Python 3.11 asking an object for a protocol costs more than it is worth in every refresh
def _notices_drift(kind: type[Provider]) -> bool:
    return issubclass(kind, NoticesDrift)


def look_at_estimate(provider: Estimates, http: Http, *, estimate_id: str, facts: Facts, clock: Clock) -> Refreshed:
    """Look at a cost estimate that is a thing of its own, and at its job. `facts` are the estimate's; the job's own
    are not touched. Raises as `refresh` does."""
    job_id, estimate = provider.translate_estimate(provider.fetch_estimate(estimate_id, http=http))
    if estimate.id != estimate_id:
        raise Unreadable(f"asked for estimate {estimate_id}, the answer is about another one")
    job = provider.translate(provider.fetch(job_id, api="", http=http), api="")
    if job.id != job_id:
        raise Unreadable(f"asked for job {job_id}, the answer is about another one")
    facts, events = diff_estimate(facts, job, estimate, fetched_at=clock())
    return Refreshed(facts, None, None, events, None, "")


def decide(
    facts: Facts, job: Job, *, api: str, hints: Sequence[Hinted], now: datetime, every: float | None = None
) -> Refreshed:
    """Facts and a job in, what follows out. Pure."""
    facts = facts.but(
        api=api,
        claims=tuple(dict.fromkeys([*facts.claims, *(h.claim for h in hints if h.claim)])),
        watched=facts.watched or any(h.by is Teller.WATCH for h in hints),
    )
    if _older(facts, job) and facts.refused < len(REFUSALS):
        wait = REFUSALS[facts.refused]
        return Refreshed(
            facts.but(refused=facts.refused + 1), None, None, (), wait, "older than what we knew: look again"
        )
    if facts.silent and any(h.by.tells_all for h in hints):
        facts = _as_never_seen(facts)
    body = document(job)
    facts, events = diff(facts.but(refused=0), job, fetched_at=now, body=body)
    untold = facts.silent and all(e.type is EventType.COST_ESTIMATE_AVAILABLE for e in events)
    facts, wanted = _look_again(facts.but(silent=untold), job, now.timestamp())
    facts, routine = _look_on(facts, job, every)
    polls = [poll for poll in (wanted, routine) if poll]
    return Refreshed(
        facts,
        job,
        body,
        events,
        min(polls, default=None),
        "looking again for an announced end" if wanted else "",
        repaired=any(e.type in ENDS for e in events) and not any(h.by is not Teller.RECONCILIATION for h in hints),
    )


def _as_never_seen(facts: Facts) -> Facts:
    """What only the silent pass saw is told when somebody tells of it, under the ids it always would have."""
    return facts.but(job=None, models={}, estimates={}, silent=False)


def _look_on(facts: Facts, job: Job, every: float | None) -> tuple[Facts, float | None]:
    """A job that has not ended is looked at again: by the providers' own back-off while it runs, else now and then."""
    if job.state.ended:
        return facts.but(watched=False, progress=None, still=0), None
    if facts.watched:
        every = min(every or LOOKS[-1], LOOKS[-1])
    if not every:
        return facts, None
    still = facts.still + 1 if job.progress == facts.progress else 0
    routine = LOOKS[min(still, len(LOOKS) - 1)] if job.state is State.PROCESSING else every
    return facts.but(progress=job.progress, still=still), min(every, routine)


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
