"""The message about several events: those of one job, those of a day, those of a storm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from processor.model import JSON, EventType, State
from processor.ports import Occasion
from processor.telling.addresses import dashboard, images_of_job, links_of_job
from processor.telling.counts import how_many, how_they_stand, what_happened
from processor.telling.message import LINES, Mood, Telling, bounded, digest, key_of
from processor.telling.one import is_raised, mood, tell, thread
from processor.telling.standing import Standing, alarms, mood_of, standings
from processor.telling.steps import LOOK_AT_FAILED, again, next_step
from processor.text import HEADLINE, NAME, clean, headline, moment
from processor.text.details import job_details
from processor.text.lines import at, instant
from processor.text.sentence import line_of_job

Documents = Sequence[Mapping[str, JSON]]

# In these states, what a person can do about a job is what they can do about its last event of this type.
_STEP_AFTER: Mapping[str, EventType] = {
    State.CREATED: EventType.COST_ESTIMATE_AVAILABLE,
    State.WAITING: EventType.JOB_REOPENED,
    State.PROCESSING: EventType.JOB_REOPENED,
    State.CANCELLED: EventType.JOB_CANCELLED,
}
_PREFIXES = {Occasion.GROUP: "", Occasion.DIGEST: "Digest: ", Occasion.STORM: "Storm: "}


def tell_together(events: Documents, occasion: Occasion, *, public_url: str | None = None) -> Telling:
    """The message about several events, oldest first; about one it is that one's own.

    What it says of a job is its newest state. An event that comes twice, as a replay does, is told once.
    """
    key = _key(events)
    events = list({key_of(event): event for event in events}.values())
    if len(events) == 1:
        return tell(events[0], public_url=public_url)
    jobs, of_ourselves = standings(events), alarms(events)
    if occasion is Occasion.GROUP and len(jobs) == 1 and not of_ourselves:
        return bounded(_job(key, jobs[0], public_url))
    if occasion is Occasion.GROUP and len(of_ourselves) == 1 and not jobs:
        return bounded(_alarm(key, events))
    return bounded(_overview(key, events, jobs, of_ourselves, occasion, public_url))


# --- one job, one alarm ----------------------------------------------------------------------------------------------


def _job(key: str, job: Standing, public_url: str | None) -> Telling:
    shown = _worth_showing(job.events)
    return Telling(
        key=key,
        mood=job.mood,
        headline=job.line(),
        when=_when(job.events),
        thread=thread(job.newest),
        facts=tuple(job_details(job.newest)),
        lines=tuple(line_of_job(event) for event in shown),
        more=len(job.events) - len(shown),
        next_step=_step(job),
        links=links_of_job(job.newest, job.last(EventType.COST_ESTIMATE_AVAILABLE), public_url),
        images=images_of_job(job.newest),
    )


def _alarm(key: str, events: Documents) -> Telling:
    """An alarm that was raised and was over, within quiet hours say: it is told as it stands."""
    newest = tell(events[-1])
    return Telling(
        key=key,
        mood=newest.mood,
        headline=newest.headline,
        when=newest.when,
        thread=newest.thread,
        facts=newest.facts,
        lines=tuple(headline(event) for event in events[-LINES:]),
        more=max(0, len(events) - LINES),
        next_step=newest.next_step,
    )


def _step(job: Standing) -> str:
    if job.mood is Mood.BAD:
        return LOOK_AT_FAILED if job.state == State.SUCCEEDED else again(job.reason)
    event = job.last(_STEP_AFTER[job.state]) if job.state in _STEP_AFTER else None
    return next_step(event) if event else ""


def _worth_showing(events: Documents) -> Documents:
    """As many as a message has lines, oldest first: what failed, and of the rest the newest."""
    by_worth = sorted(range(len(events)), key=lambda n: (mood(events[n]) is not Mood.BAD, -n))
    return [events[n] for n in sorted(by_worth[:LINES])]


# --- many jobs -------------------------------------------------------------------------------------------------------


def _overview(
    key: str,
    events: Documents,
    jobs: Sequence[Standing],
    of_ourselves: Documents,
    occasion: Occasion,
    public_url: str | None,
) -> Telling:
    """Counts, and a line for each job and alarm, the worst first; in a storm only what is bad has a line."""
    storm = occasion is Occasion.STORM
    counted = what_happened(events) if storm else how_they_stand(jobs, of_ourselves)
    subject = _PREFIXES[occasion] + how_many(jobs, len(events), more=storm)
    lines = _lines(jobs, of_ourselves, only_bad=storm)
    return Telling(
        key=key,
        mood=mood_of(jobs, of_ourselves),
        headline=clean(f"{subject}: {counted}" if counted else subject, HEADLINE),
        when=_when(events),
        thread=None,
        lines=tuple(lines[:LINES]),
        more=max(0, len(lines) - LINES),
        links=dashboard(public_url),
    )


def _lines(jobs: Sequence[Standing], of_ourselves: Documents, *, only_bad: bool) -> list[str]:
    """What is wrong with ourselves, then the jobs that failed, the ones that ended well, the others, what is over."""
    raised = [headline(alarm) for alarm in of_ourselves if is_raised(alarm)]
    bad = [job for job in jobs if job.mood is Mood.BAD]
    if only_bad:
        return raised + _lines_of(bad, jobs)
    good = [job for job in jobs if job.mood is Mood.GOOD]
    others = [job for job in jobs if job.mood is Mood.NEWS]
    over = [headline(alarm) for alarm in of_ourselves if not is_raised(alarm)]
    return raised + _lines_of([*bad, *good, *others], jobs) + over


def _lines_of(shown: Iterable[Standing], jobs: Iterable[Standing]) -> list[str]:
    """A line each; with the source where two sources have jobs of the same name and id."""
    names = Counter(job.name for job in jobs)
    return [job.line(with_source=names[job.name] > 1) for job in shown]


# --- what they have in common ----------------------------------------------------------------------------------------


def _key(events: Documents) -> str:
    return f"many_{digest(' '.join(map(key_of, events)))}"


def _when(events: Documents) -> str:
    """The latest of their times: they come in the order in which they were found, not in which they happened."""
    beginning = datetime.min.replace(tzinfo=UTC)
    times = [at(event, "time") for event in events]
    return clean(moment(max(times, key=lambda time: instant(time) or beginning)), NAME) if times else ""
