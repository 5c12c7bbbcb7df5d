"""The message about one event."""

from __future__ import annotations

from collections.abc import Mapping

from processor.model import JSON, EventType
from processor.telling.addresses import images, links
from processor.telling.message import Mood, Telling, bounded, key_of, thread_of
from processor.telling.steps import next_step
from processor.text import NAME, clean, details, headline, moment
from processor.text.lines import at, plain
from processor.text.parts import is_alarm, job_of, kind_of
from processor.text.rollup import failed_models


def tell(event: Mapping[str, JSON], *, public_url: str | None = None) -> Telling:
    """The message about one event. `public_url` is where people reach this jobwire, for a link to the job's page."""
    return bounded(
        Telling(
            key=key_of(event),
            mood=mood(event),
            headline=headline(event),
            when=clean(moment(at(event, "time")), NAME),
            thread=thread(event),
            facts=tuple(details(event)),
            next_step=next_step(event),
            links=links(event, public_url),
            images=images(event),
        )
    )


def mood(event: Mapping[str, JSON]) -> Mood:
    """How good or bad the event is; a job that succeeded without all of its models is bad news."""
    if is_alarm(event):
        return Mood.ALARM if is_raised(event) else Mood.GOOD
    if kind_of(event) == EventType.JOB_SUCCEEDED and failed_models(event):
        return Mood.BAD
    return {"succeeded": Mood.GOOD, "failed": Mood.BAD}.get(kind_of(event).rpartition(".")[2], Mood.NEWS)


def is_raised(alarm: Mapping[str, JSON]) -> bool:
    """Whether the alarm is not over. A test is none."""
    return kind_of(alarm) != EventType.OPS_TEST and at(alarm, "data", "ops", "state") != "over"


def thread(event: Mapping[str, JSON]) -> str | None:
    """What the event belongs to: its job, or the alarm that it raises or ends."""
    if is_alarm(event):
        return thread_of(f"{kind_of(event)} {plain(at(event, 'source'))}")
    job = job_of(event)
    return thread_of("/".join(job)) if job else None
