"""The shape of a message to people, and that it is never too long."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from processor.model import JSON
from processor.text import json_line
from processor.text.lines import plain

LINES = 30
ROOM = 7_600  # characters of a whole message, addresses included; what has no room in it is left out
_FACTS, _LINES = 2_500, 5_000  # of these, at most so many for the facts, and for the lines
_KEY = re.compile(r"[A-Za-z0-9._-]{1,100}")
_THREAD = 200

_Item = TypeVar("_Item")


class Mood(StrEnum):
    """How a message is coloured and which sign it bears."""

    GOOD = "good"  # succeeded, ready, with nothing that failed; an alarm that is over, a test that arrived
    BAD = "bad"  # failed; succeeded although some of its models failed
    NEWS = "news"  # created, moved on, reopened, cancelled, a cost estimate
    ALARM = "alarm"  # ops.* that was raised, and is not over


@dataclass(frozen=True, slots=True)
class Link:
    """`url` is https:// or http:// and nothing else: at most 2,000 printable characters, without a user's name."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Telling:
    """One message, of less than 8,000 characters in all.

    `key` is the same for every repeat of it, and no other message has it; it consists of letters, digits, `.`, `_` and
    `-`. `when` is a text for people, as `text.moment` gives it: when it happened, of several events the latest time;
    empty where nobody says. `thread` is what it belongs to: the same for everything about one job, or about one alarm;
    None for a digest, a storm, and what names no job. `facts` are labels and values. `lines` tell a message about
    several: the events of one job, oldest first, or a line a job and alarm, the worst first; `more` of them were left
    out. `next_step` may be empty. `images` are https addresses that may or may not be public.
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


def bounded(telling: Telling) -> Telling:
    """The same message without what makes it too long. Real ones are far from that; strangers' texts may not be."""
    room = ROOM - len(telling.key + telling.headline + telling.when + (telling.thread or "") + telling.next_step)
    facts, room = _fitting(telling.facts, room, _FACTS, lambda fact: len(fact[0] + fact[1]))
    lines, room = _fitting(telling.lines[:LINES], room, _LINES, len)
    links, room = _fitting(telling.links, room, room, lambda link: len(link.label + link.url))
    images, _ = _fitting(telling.images, room, room, len)
    more = telling.more + len(telling.lines) - len(lines)
    return replace(telling, facts=facts, lines=lines, more=more, links=links, images=images)


def key_of(event: Mapping[str, JSON]) -> str:
    """The event's id; without one, something that only this document has."""
    found = plain(event.get("id"))
    return found if _KEY.fullmatch(found) else f"doc_{digest(json_line(event))}"


def thread_of(name: str) -> str:
    """A name for a thread, as it is unless it is long or has what cannot be seen."""
    return name if len(name) <= _THREAD and name.isprintable() else f"thread_{digest(name)}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _fitting(
    items: Iterable[_Item], room: int, most: int, size: Callable[[_Item], int]
) -> tuple[tuple[_Item, ...], int]:
    """What fits, in order, and the room that is left."""
    fitting, end = [], max(0, room - most)
    for item in items:
        if room - size(item) >= end:
            fitting.append(item)
            room -= size(item)
    return tuple(fitting), room
