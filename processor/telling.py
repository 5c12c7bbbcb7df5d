"""What people are told: the parts of a message about one event, or about several, in plain words.

The sinks for people only lay these parts out, each in its own way, so that the words are the same everywhere. Every
text here is one harmless line (see `text.clean`); a sink still escapes what its own markup would read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from processor.model import JSON
from processor.ports import Occasion
from processor.text import details, headline


class Mood(StrEnum):
    """How a message is coloured and which sign it bears."""

    GOOD = "good"  # succeeded, ready; an alarm that is over
    BAD = "bad"  # failed
    NEWS = "news"  # created, moved on, reopened, cancelled, a cost estimate; several events none of which failed
    ALARM = "alarm"  # ops.* that was raised


@dataclass(frozen=True, slots=True)
class Link:
    """`url` is https:// or http:// and nothing else."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Telling:
    """One message. `key` is the same for every repeat of it, and no other message has it.

    `thread` is what it belongs to: the same for everything about one job, or about one alarm; None for a digest or a
    storm. `facts` are labels and values; `lines` tell the single events of a message about several, oldest first, of
    which `more` were left out. `next_step` may be empty. `images` are addresses that may or may not be public.
    """

    key: str
    mood: Mood
    headline: str
    when: str
    thread: str | None
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    more: int = 0
    next_step: str = ""
    links: tuple[Link, ...] = ()
    images: tuple[str, ...] = ()


def tell(event: Mapping[str, JSON], *, public_url: str | None = None) -> Telling:
    """The message about one event. `public_url` is where people reach this jobwire, for a link to the job's page."""
    kind = str(event.get("type"))
    alarm = kind.startswith("ops.")
    return Telling(
        key=str(event.get("id")),
        mood=_mood(event),
        headline=headline(event),
        when=str(event.get("time")),
        thread=f"{kind} {event.get('source')}" if alarm else str(event.get("partitionkey")),
        facts=tuple(fact for fact in details(event) if fact[0] != "Link"),
        links=_links(event, public_url),
    )


def tell_together(
    events: Sequence[Mapping[str, JSON]], occasion: Occasion, *, public_url: str | None = None
) -> Telling:
    """The message about several events, oldest first; about one it is that one's own."""
    if len(events) == 1:
        return tell(events[0], public_url=public_url)
    last = tell(events[-1], public_url=public_url)
    return Telling(
        key="many_" + hashlib.sha256("\0".join(str(e.get("id")) for e in events).encode()).hexdigest()[:32],
        mood=Mood.NEWS,
        headline=f"{len(events)} events",
        when=last.when,
        thread=last.thread if occasion is Occasion.GROUP else None,
        lines=tuple(headline(event) for event in events[:30]),
        more=max(0, len(events) - 30),
        links=last.links if occasion is Occasion.GROUP else (),
    )


def _mood(event: Mapping[str, JSON]) -> Mood:
    kind = str(event.get("type"))
    if kind.startswith("ops."):
        return Mood.ALARM
    return {"succeeded": Mood.GOOD, "failed": Mood.BAD}.get(kind.rpartition(".")[2], Mood.NEWS)


def _links(event: Mapping[str, JSON], public_url: str | None) -> tuple[Link, ...]:
    source, _, job = str(event.get("partitionkey")).partition("/")
    page = [Link("Timeline", f"{public_url}/jobs/{quote(source, safe='')}/{quote(job, safe='')}")] if public_url else []
    return (*[Link(label, url) for label, url in details(event) if label == "Link"], *page)
