"""A job's timeline as it is read: the newest first, what was tried in vain again and again as one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from processor.looking.shapes import Moment

MOST = 400  # moments on a page
_ALIKE = 3  # so many attempts in a row, alike in what came of them, are one line
_IN_VAIN = ("not_told", "not_fetched")
_ENDS = ("told", "not_told", "dead", "waits")


@dataclass(frozen=True, slots=True)
class Line:
    """A moment; `alike` are the earlier ones that the line stands for too, the newest first."""

    moment: Moment
    alike: tuple[Moment, ...] = ()


def lines(moments: Sequence[Moment]) -> tuple[list[Line], int]:
    """The lines, the newest first, and how many older moments are left out. `moments` come oldest first."""
    newest = list(reversed(moments))
    shown = newest[:MOST]
    return list(_folded(shown)), len(newest) - len(shown)


def last_words(moments: Iterable[Moment]) -> Mapping[tuple[str, str], Moment]:
    """For each event and sink the last that is known of the delivery."""
    return {(m.event_id, m.sink): m for m in moments if m.kind in _ENDS and m.event_id and m.sink}


def _folded(newest_first: Iterable[Moment]) -> Iterator[Line]:
    for key, group in groupby(newest_first, _what_came_of_it):
        run = list(group)
        if key is None or len(run) < _ALIKE:
            yield from map(Line, run)
        else:
            yield Line(run[0], tuple(run[1:]))


def _what_came_of_it(moment: Moment) -> tuple[str | None, ...] | None:
    if moment.kind not in _IN_VAIN:
        return None
    return moment.kind, moment.sink, moment.event_id, moment.notification_id, moment.outcome
