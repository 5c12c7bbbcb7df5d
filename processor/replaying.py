"""What is to be delivered again: selected, judged by the configuration of today, put back into its lanes.

Everything is read a page at a time, and twice: once to count, once to act. What comes meanwhile is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from processor.model import JSON
from processor.pipeline.gather import LONGEST_WAIT, plan
from processor.pipeline.route import OPS, Verdict, route
from processor.queue import new_hand
from processor.store import keys
from processor.store.journal import PAGE, DeadItem, Entry, Stored
from processor.store.lanes import Again
from processor.wiring import App

_ROWS = 500  # that one script puts back
_WAITING = ("pending", "retrying")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a person named; all of it must fit. `since` and `until` (epoch seconds, from and to before) are about when
    an event was found, with `dead` about when it died. Empty `events` and `sinks`, and a None, select everything."""

    events: frozenset[str] = frozenset()
    job: tuple[str, str] | None = None
    glob: str | None = None
    since: float | None = None
    until: float | None = None
    sinks: frozenset[str] = frozenset()
    dead: bool = False

    @property
    def notifications(self) -> bool:
        """Whether dead notifications are meant too: they have no type, and go to no sink."""
        return self.dead and not (self.events or self.glob or self.sinks)

    def has(self, entry: Entry) -> bool:
        """Whether an event fits, but for its time."""
        return (
            (not self.events or entry.id in self.events)
            and (self.job is None or (entry.source, entry.job_id) == self.job)
            and (self.glob is None or fnmatchcase(entry.type, self.glob))
        )


class Outcome(StrEnum):
    """What is to become of an event at a sink."""

    AGAIN = "again"
    WAITS = "waits"  # it does so already, and is not doubled
    GONE = "gone"  # its document is no longer kept
    UNWANTED = "unwanted"  # by the sink as it is configured today
    STRANGE = "strange"  # the sink is not configured here


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event at a sink. `was` is the state of the delivery so far, "" when there was none; `reason` says why it is
    unwanted."""

    entry: Entry
    sink: str
    outcome: Outcome
    was: str = ""
    reason: str = ""


def judge(entry: Entry, stored: Stored, verdicts: Sequence[Verdict]) -> list[Delivery]:
    """What is to become of an event at each sink. Pure."""
    found = []
    for verdict in verdicts:
        was = stored.states.get(verdict.sink, "")
        outcome = Outcome.AGAIN
        if not stored.kept:
            outcome = Outcome.GONE
        elif not verdict.wanted:
            outcome = Outcome.UNWANTED
        elif was in _WAITING:
            outcome = Outcome.WAITS
        found.append(Delivery(entry, verdict.sink, outcome, was, verdict.reason))
    return found


def entry_of(document: Mapping[str, JSON]) -> Entry:
    """The journal's line of an event, made from its document. Pure."""
    kind, source = document["type"], document["source"].removeprefix("/")
    if kind.startswith(OPS):
        return Entry(document["id"], kind, source, "")
    name, _, job_id = document["partitionkey"].partition("/")
    return Entry(document["id"], kind, name, job_id)


def outline(entry: Entry) -> Mapping[str, JSON]:
    """As much of an event's document as rules without a `where` ask about. Pure."""
    ours = entry.type.startswith(OPS)
    return {"type": entry.type, "source": f"/{entry.source}" if ours else f"/sources/{entry.source}"}


@dataclass
class Tally:
    """What was counted: `again` and of these `dead`, by sink and type; `waits` and `strange` by sink; `notifications`
    and `homeless` ones, whose source is not configured here, by source; `gone` and `nowhere` are events, and `why`
    says why those go nowhere."""

    again: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead: Counter[tuple[str, str]] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)
    notifications: Counter[str] = field(default_factory=Counter)
    homeless: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    nowhere: int = 0
    why: Counter[str] = field(default_factory=Counter)
    events: int = 0

    @property
    def total(self) -> int:
        return self.again.total() + self.notifications.total()

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Count one event, as `Replay.events` and `Replay.dead_events` give it."""
        outcomes = {delivery.outcome for delivery in deliveries}
        self.events += 1
        self.gone += Outcome.GONE in outcomes
        if outcomes <= {Outcome.UNWANTED}:
            self.nowhere += 1
            self.why.update(f"{delivery.sink}: {delivery.reason}" for delivery in deliveries)
        for one in deliveries:
            if one.outcome is Outcome.AGAIN:
                self.again[one.sink, one.entry.type] += 1
                self.dead[one.sink, one.entry.type] += one.was == "dead"
            elif one.outcome is Outcome.WAITS:
                self.waits[one.sink] += 1
            elif one.outcome is Outcome.STRANGE:
                self.strange[one.sink] += 1


class Replay:
    """A selection as it is when this is made. Everything raises Unavailable when Redis cannot do it now."""

    def __init__(self, app: App, selection: Selection) -> None:
        self._app = app
        self._selection = selection
        self._horizon = app.journal.horizon()
        self._rules = tuple(r for r in app.rules if not selection.sinks or r.sink in selection.sinks)
        self._needs_documents = any(rule.where is not None for rule in self._rules)

    def pages(self) -> Iterator[list[list[Delivery]]]:
        """The selected events, oldest first, a page at a time; of each what is to become of it at the sinks."""
        if self._selection.dead:
            yield from map(self._judged_dead, self._dead("d:"))
            return
        sinks = [rule.sink for rule in self._rules]
        for entries in self._entries():
            ids = [entry.id for entry in entries]
            stored = self._app.journal.stored(ids, sinks)
            documents = self._app.journal.documents(ids) if self._needs_documents else [None] * len(ids)
            yield [
                judge(entry, kept, route(document or outline(entry), self._rules))
                for entry, kept, document in zip(entries, stored, documents, strict=True)
            ]

    def notifications(self) -> Iterator[list[DeadItem]]:
        """The selected dead notifications, oldest first, a page at a time."""
        if self._selection.notifications:
            yield from self._dead("r:")

    def has_place(self, notification: DeadItem) -> bool:
        """Whether its source is configured here: nobody else would look at it."""
        return keys.source_of(notification.lane) in self._app.sources

    def put_back(self, events: Sequence[Sequence[Delivery]]) -> Iterator[Counter[str]]:
        """Have a page's deliveries made again, some at a time; counts what became of those (see Lanes.replay)."""
        app = self._app
        again = [one for deliveries in events for one in deliveries if one.outcome is Outcome.AGAIN]
        for start in range(0, len(again), _ROWS):
            rows, hand = [self._row(one) for one in again[start : start + _ROWS]], new_hand()
            hold = max(self._hold(row.sink) for row in rows)
            became, hired = app.lanes.replay(
                rows, sinks=app.targets, hand=hand, hold=hold, only_dead=self._selection.dead
            )
            app.send([(app.targets[sink].name, hand) for sink in hired])
            yield Counter(became)

    def revive(self, notification: DeadItem) -> bool:
        """Have a dead notification looked at again. False when it is dead no more."""
        return self._app.lanes.revive(notification.lane, notification.item)

    def _entries(self) -> Iterator[list[Entry]]:
        chosen = self._selection
        if chosen.events and chosen.since is None and chosen.until is None:  # no need to look for them
            ids = sorted(chosen.events)
            for start in range(0, len(ids), PAGE):
                documents = self._app.journal.documents(ids[start : start + PAGE])
                yield [entry for entry in map(entry_of, filter(None, documents)) if chosen.has(entry)]
            return
        for entries in self._app.journal.entries(self._horizon, since=chosen.since, until=chosen.until):
            yield [entry for entry in entries if chosen.has(entry)]

    def _dead(self, kind: str) -> Iterator[list[DeadItem]]:
        chosen = self._selection
        for items in self._app.journal.dead_pages(self._horizon, since=chosen.since, until=chosen.until):
            yield [item for item in items if item.lane.startswith(kind) and _is_about(item, chosen)]

    def _judged_dead(self, items: Sequence[DeadItem]) -> list[list[Delivery]]:
        rules = {rule.sink: rule for rule in self._rules}
        documents, judged = self._app.journal.documents([item.item for item in items]), []
        for item, document in zip(items, documents, strict=True):
            sink = item.lane.partition("|")[0].removeprefix("d:")
            entry = entry_of(document) if document else _trace(item)
            if not self._selection.has(entry):
                continue
            if sink not in self._app.targets:
                judged.append([Delivery(entry, sink, Outcome.STRANGE, "dead")])
            else:
                stored = Stored(document is not None, {sink: "dead"})
                judged.append(judge(entry, stored, route(document or outline(entry), [rules[sink]])))
        return judged

    def _row(self, delivery: Delivery) -> Again:
        when = plan(self._app.settings.sinks[delivery.sink].manner, self._app.tools.clock())
        entry = delivery.entry
        return Again(delivery.sink, entry.id, entry.source, entry.job_id, when.delay, when.together)

    def _hold(self, sink: str) -> float:
        """How long an event may still be tried, in seconds."""
        configured = self._app.settings.sinks[sink]
        return configured.retry.max_age + (LONGEST_WAIT if configured.manner.gathers else 0)


def _is_about(item: DeadItem, chosen: Selection) -> bool:
    """Whether something dead fits, as far as its lane and its id tell."""
    if item.lane.startswith("r:"):
        return chosen.job is None or (keys.source_of(item.lane), keys.job_of(item.lane)) == chosen.job
    sink = item.lane.partition("|")[0].removeprefix("d:")
    return (not chosen.sinks or sink in chosen.sinks) and (not chosen.events or item.item in chosen.events)


def _trace(item: DeadItem) -> Entry:
    """What the lane of a dead delivery tells of an event whose document is gone."""
    source = item.lane.partition("|")[2].rpartition("/")[0]
    return Entry(item.item, "", source, keys.job_of(item.lane))
