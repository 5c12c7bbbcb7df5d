"""What happened and who is at work, for people and for the duties: events, deliveries, the dead, the workers."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from processor.model import JSON
from processor.store import keys
from processor.store.scripts import ours

WORKER_SEEN = 60  # seconds that a worker counts as alive after its last sign
PAGE = 500


@dataclass(frozen=True, slots=True)
class DeadItem:
    """Something that could never be processed or delivered. `at` is in epoch seconds."""

    lane: str
    item: str
    at: float
    reason: str
    detail: str
    attempts: int


@dataclass(frozen=True, slots=True)
class WaitingItem:
    """Something that is still to be processed or delivered. `next_at` is in epoch seconds, None while it is in hand."""

    lane: str
    item: str
    attempts: int
    next_at: float | None
    last_error: str | None

    @property
    def state(self) -> str:
        return "retrying" if self.attempts else "pending"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal: an event without its document. `found_at` is in epoch seconds, None where nobody asked.

    Of an alarm of ours, `source` is `sources/NAME` or `sinks/NAME`, and `job_id` is empty.
    """

    id: str
    type: str
    source: str
    job_id: str
    found_at: float | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What is kept of an event: whether its document is, and the state of its delivery to each sink that had one."""

    kept: bool
    states: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Horizon:
    """A moment in the journal: the newest entry, and the latest death; "" and 0 when there is none."""

    entry: str
    died: float


class Journal:
    """`client` must not decode answers: snapshots are deflated. Raises Unavailable when Redis cannot do it now."""

    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client

    def events(self, *, newest: int | None = None) -> Iterator[JSON]:
        """The events' documents, oldest first; only the `newest` so many if given."""
        if newest is not None:
            with ours():
                rows = self._client.xrevrange(keys.key("journal"), count=newest)
            yield from self._documents(rows[::-1])
            return
        last = b"-"
        while True:
            with ours():
                rows = self._client.xrange(keys.key("journal"), min=last, count=PAGE)
            if not rows:
                return
            yield from self._documents(rows)
            last = b"(" + rows[-1][0]

    def _documents(self, rows: list[Any]) -> Iterator[JSON]:
        if not rows:
            return
        with ours():
            bodies = self._client.mget([keys.key("ev", row[b"id"].decode()) for _, row in rows])
        yield from (json.loads(body) for body in bodies if body)

    def deliveries(self, event_id: str) -> dict[str, JSON]:
        """How the deliveries of one event stand, by sink."""
        with ours():
            rows = self._client.hgetall(keys.key("dl", event_id))
        return {name.decode().removeprefix("d:"): json.loads(row) for name, row in rows.items()}

    def attempts(self, resource: str, item: str) -> list[dict[str, JSON]]:
        """The attempts at an item of a source or sink that failed, oldest first, and the one that ended them:
        {at (ms), ms, reason, said}, or {at, ms, ok, said}."""
        with ours():
            rows = self._client.lrange(keys.key("try", f"{resource}:{item}"), 0, -1)
        return [json.loads(row) for row in rows]

    def snapshot(self, source: str, job_id: str) -> JSON | None:
        """The last document of a job, or None when none is kept."""
        with ours():
            text = self._client.get(keys.key("doc", keys.job_key(source, job_id)))
        return json.loads(zlib.decompress(text)) if text else None

    def notification(self, notification_id: str) -> dict[str, str]:
        """What is known of a notification; empty when none is kept."""
        with ours():
            row = self._client.hgetall(keys.key("n", notification_id))
        return {k.decode(): v.decode() for k, v in row.items()}

    def dead(self) -> Iterator[DeadItem]:
        """Everything dead, oldest first."""
        with ours():
            members = self._client.zrange(keys.key("deadz"), 0, -1, withscores=True)
            reasons = self._client.hmget(keys.key("dead"), [m for m, _ in members]) if members else []
        for (member, at), why in zip(members, reasons, strict=True):
            if why:
                lane, _, item = member.decode().partition(" ")
                yield DeadItem(lane, item, at / 1000, **json.loads(why))

    def waiting(self, resource: str) -> Iterator[WaitingItem]:
        """Everything that waits or is in hand at a source or sink, soonest first."""
        with ours():
            due = self._client.zrange(keys.key("due", resource), 0, -1, withscores=True)
            held = self._client.zrange(keys.key("run", resource), 0, -1)
        for lane, at in [*((lane, None) for lane in held), *((lane, at / 1000) for lane, at in due)]:
            name = lane.decode()
            with ours():
                items = self._client.lrange(keys.key("q", name), 0, -1)
                attempts, error = self._client.hmget(keys.key("lane", name), "att", "err")
            for item in items:
                yield WaitingItem(name, item.decode(), int(attempts or 0), at, error.decode() if error else None)

    def counters(self) -> dict[str, int]:
        with ours():
            return {k.decode(): int(v) for k, v in self._client.hgetall(keys.key("cnt")).items()}

    def backlog(self, resource: str) -> int:
        """How many lanes of a source or sink have work or are in hand."""
        with ours():
            return int(self._client.zcard(keys.key("due", resource)) + self._client.zcard(keys.key("run", resource)))

    def workers(self) -> int:
        """How many worker processes were seen within the last minute."""
        with ours():
            return int(self._client.zcount(keys.key("workers"), self._now() - WORKER_SEEN, "+inf"))

    def seen(self, worker: str) -> None:
        """A worker says that it lives."""
        with ours():
            now = self._now()
            self._client.zadd(keys.key("workers"), {worker: now})
            self._client.zremrangebyscore(keys.key("workers"), "-inf", now - WORKER_SEEN)

    def _now(self) -> float:
        """By the server's clock: those of the workers may be wrong."""
        seconds, micros = self._client.time()
        return float(seconds + micros / 1_000_000)

    def seen_lately(self) -> list[str]:
        """The names of the workers that have given a sign of life, and have not taken leave."""
        with ours():
            return [name.decode() for name in self._client.zrange(keys.key("workers"), 0, -1)]

    def gone(self, worker: str) -> None:
        """A worker says that it stops."""
        with ours():
            self._client.zrem(keys.key("workers"), worker)

    def trouble(self, source: str, what: str, seconds: float) -> None:
        """A worker could not get at a source at all; it is believed for so many seconds."""
        with ours():
            self._client.set(keys.key("trouble", source), what, px=int(seconds * 1000))

    def troubled(self, source: str) -> str | None:
        """What `trouble` said lately, or None."""
        with ours():
            text = self._client.get(keys.key("trouble", source))
        return text.decode() if text else None

    def trim(self, *, older_than: float) -> int:
        """Forget what is older than so many seconds; how many journal entries went. Events expire by themselves."""
        with ours():
            before = int((self._now() - older_than) * 1000)
            while old := self._client.zrangebyscore(keys.key("deadz"), "-inf", before, start=0, num=PAGE):
                self._client.hdel(keys.key("dead"), *old)
                self._client.zrem(keys.key("deadz"), *old)
            return int(self._client.xtrim(keys.key("journal"), minid=f"{before}-0", approximate=True))

    def alarms(self) -> dict[str, JSON]:
        """The alarms that stand, by name: {since, detail}."""
        with ours():
            rows = self._client.hgetall(keys.key("alarms"))
        return {name.decode(): json.loads(text) for name, text in rows.items()}

    def alarm(self, name: str) -> JSON | None:
        """One alarm that stands, as in `alarms`; None when it does not."""
        with ours():
            text = self._client.hget(keys.key("alarms"), name)
        return json.loads(text) if text else None

    def cursor(self, source: str) -> str:
        """Where reconciliation of a source stands, as it was written; "" when it never began."""
        with ours():
            text = self._client.get(keys.key("cur", source))
        return text.decode() if text else ""

    def facts(self, source: str, job_ids: Sequence[str]) -> list[str]:
        """What is remembered of each job; "" for one never seen."""
        if not job_ids:
            return []
        with ours():
            texts = self._client.mget([keys.key("facts", keys.job_key(source, job)) for job in job_ids])
        return [text.decode() if text else "" for text in texts]

    def untold(self, source: str, *, older_than: float) -> list[str]:
        """The jobs at which something was found so many seconds ago that no webhook has told since."""
        with ours():
            before = (self._now() - older_than) * 1000
            members = self._client.zrangebyscore(keys.key("untold", source), "-inf", before)
        return [member.decode() for member in members]

    def put_off_duty(self, name: str, seconds: float) -> None:
        """Nobody is to take the duty for so many seconds."""
        with ours():
            self._client.set(keys.key("lock", f"duty:{name}"), "1", px=max(1, int(seconds * 1000)))

    def leave_duty(self, name: str) -> None:
        """The duty is done: whoever comes next may take it."""
        with ours():
            self._client.delete(keys.key("lock", f"duty:{name}"))

    def take_duty(self, name: str, seconds: float) -> bool:
        """Whether this process is the one to do a periodic duty now: nobody else will for so many seconds."""
        with ours():
            return bool(self._client.set(keys.key("lock", f"duty:{name}"), "1", nx=True, px=int(seconds * 1000)))

    # --- page by page, for whoever goes through all of it -------------------------------------------------------------

    def horizon(self) -> Horizon:
        """Where the journal ends now: what comes later is left out by whoever reads up to here."""
        with ours():
            newest = self._client.xrevrange(keys.key("journal"), count=1)
            died = self._client.zrange(keys.key("deadz"), -1, -1, withscores=True)
        return Horizon(newest[0][0].decode() if newest else "", died[0][1] if died else 0.0)

    def entries(self, to: Horizon, *, since: float | None = None, until: float | None = None) -> Iterator[list[Entry]]:
        """The lines from `since` (epoch seconds) to before `until`, oldest first, a page at a time."""
        if not to.entry or (until is not None and _ms(until) == 0):
            return
        first = "-" if since is None else str(_ms(since))
        last = to.entry
        if until is not None and _ms(until) <= int(to.entry.partition("-")[0]):
            last = str(_ms(until) - 1)
        while True:
            with ours():
                rows = self._client.xrange(keys.key("journal"), min=first, max=last, count=PAGE)
            if not rows:
                return
            yield [_entry(row_id, row) for row_id, row in rows]
            first = "(" + rows[-1][0].decode()

    def dead_pages(
        self, to: Horizon, *, since: float | None = None, until: float | None = None
    ) -> Iterator[list[DeadItem]]:
        """What died from `since` to before `until` and is dead still, oldest first, a page at a time.

        What is revived meanwhile, and what dies anew, is in nobody's way.
        """
        first, seen = 0.0 if since is None else since * 1000, set[bytes]()
        last = repr(to.died) if until is None or until * 1000 > to.died else f"({until * 1000!r}"
        while True:
            with ours():
                members = self._client.zrangebyscore(
                    keys.key("deadz"), repr(first), last, start=0, num=PAGE + len(seen), withscores=True
                )
            members = [(member, at) for member, at in members if member not in seen]
            if not members:
                return
            with ours():
                reasons = self._client.hmget(keys.key("dead"), [member for member, _ in members])
            yield [_dead(member, at, why) for (member, at), why in zip(members, reasons, strict=True) if why]
            if members[-1][1] > first:
                first, seen = members[-1][1], set()
            seen |= {member for member, at in members if at == first}

    def stored(self, event_ids: Sequence[str], sinks: Sequence[str]) -> list[Stored]:
        """What is kept of each event, and how its deliveries to these sinks stand."""
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for event_id in event_ids:
                pipe.exists(keys.key("ev", event_id))
                if sinks:
                    pipe.hmget(keys.key("dl", event_id), [keys.delivering(sink) for sink in sinks])
            answers = pipe.execute()
        each = 2 if sinks else 1
        rows = answers[1::2] if sinks else [[] for _ in event_ids]
        return [
            Stored(bool(kept), {sink: json.loads(text)["state"] for sink, text in zip(sinks, row, strict=True) if text})
            for kept, row in zip(answers[::each], rows, strict=True)
        ]

    def documents(self, event_ids: Sequence[str]) -> list[JSON | None]:
        """The documents of these events; None for one that is not kept (any more)."""
        if not event_ids:
            return []
        with ours():
            bodies = self._client.mget([keys.key("ev", event_id) for event_id in event_ids])
        return [json.loads(body) if body else None for body in bodies]


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _entry(row_id: bytes, row: dict[bytes, bytes]) -> Entry:
    event_id, kind, source, job = (row[name].decode() for name in (b"id", b"type", b"source", b"job"))
    return Entry(event_id, kind, source, job, int(row_id.partition(b"-")[0]) / 1000)


def _dead(member: bytes, at: float, why: bytes) -> DeadItem:
    lane, _, item = member.decode().partition(" ")
    return DeadItem(lane, item, at / 1000, **json.loads(why))
