"""Reconciliation, page by page: a provider's lists are compared with what we know, and what is new goes in at the door.

A pass reads every list of a source once. Where it stands is one text in Redis, the cursor, written in the same script
as the finds of a page: a pass that is cut off goes on where it was, and of two that read at once one gives way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from processor.errors import Permanent
from processor.model import JSON, Job, document, timestamp
from processor.pipeline.card import card
from processor.pipeline.facts import Facts
from processor.pipeline.reconcile import Look, Stock, Teller, ended_since, judge
from processor.ports import Listed, Lists
from processor.queue import new_hand
from processor.store import keys
from processor.store.work import Hint, Page, Stocked
from processor.wiring import App, digest

log = structlog.get_logger(__name__)

VERSION = 1
SPREAD = 60.0  # seconds over which open jobs that were taken stock of are looked at


@dataclass(frozen=True, slots=True)
class Reading:
    """Where the reading of one list stands: `since` is what the last pass reached, `reached` what this one has."""

    since: JSON = None
    at: JSON = None
    reached: JSON = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a source's reconciliation stands. Times are RFC 3339 text; `over` is when the last pass ended."""

    baseline: str
    began: str
    lists: Mapping[str, Reading]
    passes: int = 1
    over: str = ""
    jobs: int = 0
    finds: int = 0

    @classmethod
    def load(cls, text: str) -> Cursor:
        raw = json.loads(text)
        raw.pop("v", None)
        return cls(**{**raw, "lists": {name: Reading(**reading) for name, reading in raw["lists"].items()}})

    def dump(self) -> str:
        lists = {name: {s: getattr(r, s) for s in Reading.__slots__} for name, r in self.lists.items()}
        plain = {s: getattr(self, s) for s in Cursor.__slots__ if s != "lists"}
        return json.dumps({"v": VERSION, **plain, "lists": lists})

    @property
    def first(self) -> bool:
        """Whether the pass that takes stock in silence is not over yet."""
        return self.passes == 1

    def next_pass(self, now: str, names: Iterator[str]) -> Cursor:
        lists = {n: self.lists.get(n, Reading()) for n in names}
        begun = {n: Reading(since=r.reached if r.reached is not None else r.since) for n, r in lists.items()}
        return replace(self, began=now, lists=begun, passes=self.passes + 1, over="", jobs=0, finds=0)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: `jobs` listed and `finds` sent to be looked at by this pass so far, of `lists` lists, of which
    `left` are not read to their end; `wait` seconds until the budget allows the next call; `over`: the pass is done;
    `notes` say what could not be read."""

    jobs: int = 0
    finds: int = 0
    lists: int = 0
    left: int = 0
    wait: float = 0.0
    over: bool = False
    notes: tuple[str, ...] = ()


def begin(app: App, source: str, provider: Lists) -> tuple[str, Cursor]:
    """The text of the cursor as it stands, and the pass that is on, or a new one."""
    text, now = app.journal.cursor(source), timestamp(app.tools.clock())
    if not text:
        return text, Cursor(now, now, {name: Reading() for name in provider.lists()})
    cursor = Cursor.load(text)
    return text, cursor.next_pass(now, iter(provider.lists())) if cursor.over else cursor


def due(app: App, source: str) -> bool:
    """Whether a pass is on, or it is time for one."""
    text = app.journal.cursor(source)
    if not text:
        return True
    cursor = Cursor.load(text)
    since = app.tools.clock() - datetime.fromisoformat(cursor.over or cursor.began)
    return not cursor.over or since.total_seconds() >= app.settings.sources[source].reconcile


def over(app: App, source: str) -> int:
    """How many passes are over, if none is on; else 0."""
    text = app.journal.cursor(source)
    cursor = Cursor.load(text) if text else None
    return cursor.passes if cursor and cursor.over else 0


def step(app: App, source: str, provider: Lists) -> Step:
    """Read one page. Raises what the provider's `page` raises, but for Permanent: then that list waits for the next
    pass; nothing has been written then. Raises Unavailable."""
    was, cursor = begin(app, source, provider)
    left = [name for name, reading in cursor.lists.items() if not reading.done]
    if not left:
        return _write(app, source, was, replace(cursor, over=timestamp(app.tools.clock())), _Finds())
    if wait := app.lanes.spend(app.sources[source]):
        return Step(cursor.jobs, cursor.finds, len(cursor.lists), len(left), wait)
    name, reading = left[0], cursor.lists[left[0]]
    try:
        listed = provider.page(name, since=reading.since, at=reading.at, http=app.http)
    except Permanent as e:
        read, found = replace(reading, at=None, reached=None, done=True), _Finds(notes=_closed(source, name, e))
    else:
        found = replace(_judged(app, source, listed, cursor), notes=_unread(source, name, listed))
        reached = listed.reached if listed.reached is not None else reading.reached
        read = replace(reading, at=listed.next, reached=reached, done=listed.next is None)
    cursor = replace(
        cursor,
        lists={**cursor.lists, name: read},
        jobs=cursor.jobs + found.jobs,
        finds=cursor.finds + len(found.hints),
        over=timestamp(app.tools.clock()) if read.done and len(left) == 1 else "",
    )
    return _write(app, source, was, cursor, found)


class Announcing:
    """Lists everything once more and has every job looked at that ended after `since`, those that only the silent pass
    saw among them. Leaves the cursor alone: one that is cut off begins anew, and is told of nothing twice."""

    def __init__(self, app: App, source: str, provider: Lists, since: datetime) -> None:
        self._app = app
        self._source = source
        self._provider = provider
        self._since = since
        self._left = list(provider.lists())
        self._lists = len(self._left)
        self._at: JSON = None
        self._jobs = self._finds = 0

    def step(self) -> Step:
        """Read one page. Raises as the other `step` does; the same page is read by the next call then."""
        if not self._left:
            return self._done()
        if wait := self._app.lanes.spend(self._app.sources[self._source]):
            return self._done(wait=wait)
        name = self._left[0]
        try:
            listed = self._provider.page(name, since=None, at=self._at, http=self._app.http)
        except Permanent as e:
            notes, self._at = _closed(self._source, name, e), None
        else:
            self._finds += self._let_in(listed)
            self._jobs += len(listed.jobs)
            notes, self._at = _unread(self._source, name, listed), listed.next
        if self._at is None:
            self._left.pop(0)
        return self._done(notes=notes)

    def _let_in(self, listed: Listed) -> int:
        """How many of the page's jobs are to be looked at, and were not by an earlier announcement."""
        ended = [job for job in listed.jobs if ended_since(job, self._since)]
        if not ended:
            return 0
        hints = [_hint(self._source, j, listed.api, Teller.ANNOUNCE, f"{j.state} {j.changed_at}") for j in ended]
        accepted, hands = self._app.lanes.accept(self._app.sources[self._source], hints, hand=new_hand())
        self._app.send(hands)
        return sum(one.outcome != "duplicate" for one in accepted)

    def _done(self, *, wait: float = 0.0, notes: tuple[str, ...] = ()) -> Step:
        left = len(self._left)
        return Step(self._jobs, self._finds, self._lists, left, wait, over=not left, notes=notes)


@dataclass(frozen=True, slots=True)
class _Finds:
    jobs: int = 0
    hints: tuple[Hint, ...] = ()
    stock: tuple[Stocked, ...] = field(default=())
    notes: tuple[str, ...] = ()


def _closed(source: str, name: str, error: Permanent) -> tuple[str, ...]:
    log.error("a list cannot be read", source=source, list=name, reason=error.reason, detail=error.message)
    return (f"{name}: cannot be read: {error.message}",)


def _unread(source: str, name: str, listed: Listed) -> tuple[str, ...]:
    for line in listed.unread:
        log.warning("a row of a list cannot be read", source=source, list=name, detail=line)
    return tuple(f"{name}: {line}" for line in listed.unread)


def _judged(app: App, source: str, listed: Listed, cursor: Cursor) -> _Finds:
    known = app.journal.facts(source, [job.id for job in listed.jobs])
    baseline = datetime.fromisoformat(cursor.baseline)
    hints, stock = [], []
    for job, text in zip(listed.jobs, known, strict=True):
        match judge(Facts.load(text), job, api=listed.api, baseline=baseline, first=cursor.first):
            case Look(key):
                hints.append(_hint(source, job, listed.api, Teller.RECONCILIATION, key))
            case Stock(facts):
                told = facts.dump(), json.dumps(document(job))
                stock.append(Stocked(source, job.id, *told, job.state.ended, card(job)))
    return _Finds(len(listed.jobs), tuple(hints), tuple(stock))


def _hint(source: str, job: Job, api: str, by: Teller, sight: str) -> Hint:
    return Hint(digest(source, by, job.id, sight), keys.refresh_lane(source, job.id), by, api, "")


def _write(app: App, source: str, was: str, cursor: Cursor, found: _Finds) -> Step:
    page = Page(was, cursor.dump(), found.hints, found.stock)
    if not app.lanes.stock(app.sources[source], page, after=SPREAD):
        log.info("another process reads this source's lists", source=source)
        return Step(wait=1.0)
    left = sum(not reading.done for reading in cursor.lists.values())
    if cursor.over:
        log.info("reconciled", source=source, jobs=cursor.jobs, finds=cursor.finds, silent=cursor.first)
    return Step(cursor.jobs, cursor.finds, len(cursor.lists), left, over=bool(cursor.over), notes=found.notes)
