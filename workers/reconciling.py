"""Reconciliation, page by page: a provider's lists are compared with what we know, and what is new goes in at the door.

A pass reads every list of a source once. Where it stands is one text in Redis, the cursor, written in the same script
as the finds of a page: a pass that is cut off goes on where it was, and of two that read at once one gives way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from processor.errors import Permanent
from processor.model import JSON, Job, document, timestamp
from processor.pipeline.facts import Facts
from processor.pipeline.reconcile import Look, Stock, Teller, ended_since, judge
from processor.ports import Listed, Lists
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
    """What one step did: `jobs` listed and `finds` sent to be looked at by this pass so far; `wait` seconds until the
    budget allows the next call; `over`: the pass is done."""

    jobs: int = 0
    finds: int = 0
    wait: float = 0.0
    over: bool = False
    lists_left: int = 0


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


def step(app: App, source: str, provider: Lists) -> Step:
    """Read one page. Raises what the provider's `page` raises, but for Permanent: then that list waits for the next
    pass; nothing has been written then. Raises Unavailable."""
    was, cursor = begin(app, source, provider)
    left = [name for name, reading in cursor.lists.items() if not reading.done]
    if not left:
        return _write(app, source, was, replace(cursor, over=timestamp(app.tools.clock())), _Finds())
    if wait := app.lanes.spend(app.sources[source]):
        return Step(cursor.jobs, cursor.finds, wait, lists_left=len(left))
    name, reading = left[0], cursor.lists[left[0]]
    try:
        listed = provider.page(name, since=reading.since, at=reading.at, http=app.http)
    except Permanent as e:
        log.error("a list cannot be read", source=source, list=name, reason=e.reason, detail=e.message)
        read, found = replace(reading, at=None, reached=None, done=True), _Finds()
    else:
        found = _judged(app, source, listed, cursor)
        for line in listed.unread:
            log.warning("a row of a list cannot be read", source=source, list=name, detail=line)
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


def announced(app: App, source: str, provider: Lists, since: datetime) -> Iterator[Step]:
    """List everything once more and have every job looked at that ended after `since`, those that only the silent pass
    saw among them. Leaves the cursor alone. Raises as `step` does."""
    jobs = finds = 0
    names = list(provider.lists())
    for number, name in enumerate(names):
        at: JSON = None
        while True:
            while wait := app.lanes.spend(app.sources[source]):
                yield Step(jobs, finds, wait, lists_left=len(names) - number)
            listed = provider.page(name, since=None, at=at, http=app.http)
            ended = [job for job in listed.jobs if ended_since(job, since)]
            hints = [_hint(source, job, listed.api, Teller.ANNOUNCE, f"{job.state} {job.changed_at}") for job in ended]
            if hints:
                app.lanes.accept(app.sources[source], hints, hand="reconcile")
            jobs, finds, at = jobs + len(listed.jobs), finds + len(hints), listed.next
            yield Step(jobs, finds, lists_left=len(names) - number)
            if at is None:
                break
    yield Step(jobs, finds, over=True)


@dataclass(frozen=True, slots=True)
class _Finds:
    jobs: int = 0
    hints: tuple[Hint, ...] = ()
    stock: tuple[Stocked, ...] = field(default=())


def _judged(app: App, source: str, listed: Listed, cursor: Cursor) -> _Finds:
    known = app.journal.facts(source, [job.id for job in listed.jobs])
    baseline = datetime.fromisoformat(cursor.baseline)
    hints, stock = [], []
    for job, text in zip(listed.jobs, known, strict=True):
        match judge(Facts.load(text), job, api=listed.api, baseline=baseline, first=cursor.first):
            case Look(key):
                hints.append(_hint(source, job, listed.api, Teller.RECONCILIATION, key))
            case Stock(facts):
                stock.append(Stocked(source, job.id, facts.dump(), json.dumps(document(job)), job.state.ended))
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
    return Step(cursor.jobs, cursor.finds, over=bool(cursor.over), lists_left=left)


def shown(source: str, text: str) -> Mapping[str, Any]:
    """Where a source's reconciliation stands, for people."""
    if not text:
        return {"source": source, "passes": 0}
    cursor = Cursor.load(text)
    return {"source": source, "passes": cursor.passes, "began": cursor.began, "over": cursor.over or None}
