"""Reads the list of jobs so that none is skipped while others move: where the next page begins, and what a page shows.

A page of the list, sorted by `updated_at`, is asked for by time: the next one begins a second before the last row of
this one. Numbers of pages alone would skip a row whenever one before it is touched and so moves to the end.

Only within one second are pages counted, when a whole page lies in it. There a row that is touched moves the rows
behind it to an earlier page; so once the second is behind us its pages are read again from the last to the first, and
what moves towards the first page must meet us.

The parameters are not documented, but reported by integrators. Should a list not be in the order that was asked for,
or begin before the time that was asked for, the whole of it is read in that second way.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime

from marshmallow import fields as shapes

from processor.errors import Unreadable
from processor.model import JSON, Job, timestamp
from processor.ports import Listed
from processor.providers.hover.notices import API, id_text
from processor.providers.hover.payload import has_more
from processor.reading import Document, Moment, read
from processor.text import clean

LISTS = ("current", "archived")  # Hover shows either those that are archived or the others
PER = 100  # rows; more are not to be had
OVERLAP = 600  # seconds by which a pass begins before what the last one reached: slow transactions, lagging replicas
_LONGEST = 200  # characters of what is said about a row that cannot be read


@dataclass(frozen=True, slots=True)
class Place:
    """A page of a list: `page` of the jobs updated since `since` (epoch seconds, None: all).

    `back`: we are on the way back to the first page, behind which the list goes on at `then`, or is `over`. `counted`:
    the list does not keep to times, its pages are counted to the end. `last` is a digest of the page before,
    `reached` the highest time seen so far (RFC 3339).
    """

    since: int | None = None
    page: int = 1
    back: bool = False
    then: int | None = None
    over: bool = False
    counted: bool = False
    last: str = ""
    reached: str = ""

    @classmethod
    def of(cls, since: JSON, at: JSON) -> Place:
        """Where a page begins that is asked for with what ports.Listed said before."""
        if isinstance(at, dict):
            return cls(**{field.name: at[field.name] for field in fields(cls) if field.name in at})
        if since is None:
            return cls()
        moment = datetime.fromisoformat(since)
        return cls(since=max(math.floor(moment.timestamp()) - OVERLAP, 0), reached=since)

    def query(self, name: str) -> dict[str, str]:
        asked = {} if self.since is None else {"updated_since": str(self.since)}
        asked |= {"sort_by": "updated_at", "sort_order": "ASC", "per": str(PER), "page": str(self.page)}
        return asked | ({"archived": "true"} if name == "archived" else {})


class _Page(Document):
    results = shapes.List(shapes.Raw(allow_none=True), required=True)


class _Times(Document):
    updated_at = Moment(load_default=None)


_PAGE, _TIMES = _Page(), _Times()


def listed(place: Place, answer: JSON, *, translate: Callable[[JSON], Job], now: datetime) -> Listed:
    """What the page at `place` shows. Raises Unreadable for a page that is none; a row that is none is in `unread`.

    No pass begins later than `now`: one wrong time of theirs, years ahead, would otherwise hide all that comes after.
    """
    rows: Sequence[JSON] = read(_PAGE, answer)["results"]
    jobs, unread = [], []
    for number, row in enumerate(rows):
        try:
            jobs.append(_job(row, translate))
        except Unreadable as e:
            known = id_text(row.get("id")) if isinstance(row, dict) else None
            unread.append(clean(f"{f'job {known}' if known else f'row {number}'}: {e.message}", _LONGEST))
    times = [_time(row) for row in rows]
    place = replace(place, reached=_reached(place, times, now))
    following = _following(place, times, more=has_more(answer, place.page), shown=_digest(rows, times))
    return Listed(
        jobs=tuple(jobs),
        api=API,
        next=asdict(following) if following else None,
        reached=place.reached or None,
        unread=tuple(unread),
    )


def _job(row: JSON, translate: Callable[[JSON], Job]) -> Job:
    """A row lacks what it likes but a state: v2 calls that `state`, and without any it says nothing to compare."""
    if isinstance(row, dict) and row.get("reconstruction_state") is None:
        row = {**row, "reconstruction_state": row.get("state")}
    job = translate(row)
    if job.provider_state is None:
        raise Unreadable("the row has no state")
    return job


def _time(row: JSON) -> datetime | None:
    try:
        moment: datetime | None = read(_TIMES, row)["updated_at"]
    except Unreadable:
        return None
    return moment


def _following(place: Place, times: Sequence[datetime | None], *, more: bool, shown: str) -> Place | None:
    """The page to read after that at `place`; None: the list is read."""
    if place.back:
        return _back(place)
    if not times or (len(times) < PER and not more) or shown == place.last:
        return _back(replace(place, over=True))
    place = replace(place, counted=place.counted or not _keeps_to_times(place, times))
    then = None if place.counted or times[-1] is None else math.floor(times[-1].timestamp()) - 1
    if then is not None and (place.since is None or then > place.since):
        return _back(replace(place, then=then))
    return replace(place, page=place.page + 1, last=shown)


def _back(place: Place) -> Place | None:
    """The page before that at `place`; behind the first one, where the list goes on."""
    if place.page > 1:
        return replace(place, page=place.page - 1, back=True, last="")
    return None if place.over else Place(since=place.then, reached=place.reached)


def _keeps_to_times(place: Place, times: Sequence[datetime | None]) -> bool:
    """Whether every row has a time, none before what was asked for, each no earlier than the one before it."""
    known = [time for time in times if time is not None]
    early = place.since is not None and known and known[0].timestamp() < place.since
    return len(known) == len(times) and known == sorted(known) and not early


def _reached(place: Place, times: Sequence[datetime | None], now: datetime) -> str:
    known = [min(time, now) for time in times if time is not None]
    if place.reached:
        known.append(datetime.fromisoformat(place.reached))
    return timestamp(max(known)) if known else ""


def _digest(rows: Sequence[JSON], times: Sequence[datetime | None]) -> str:
    known = [id_text(row.get("id")) if isinstance(row, dict) else None for row in rows]
    sight = [known, [str(time) for time in times]]
    return hashlib.sha256(json.dumps(sight).encode()).hexdigest()[:16]
