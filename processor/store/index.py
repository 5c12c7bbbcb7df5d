"""Lists for people, newest first: events, jobs, and what stands how with each source and sink; and words to find by.

The scripts keep them as they write (`list`, `enlist`, `show`, `publish` in lua/prelude.lua); here they are read, page
by page, and what is too old is swept out. A list is a sorted set: member -> time in ms.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

import redis

from processor.model import JSON
from processor.store import keys
from processor.store.lanes import OPEN_DOC_TTL
from processor.store.scripts import Scripts, ours

CHUNK = 200
SWEPT = 500  # members that one script looks at
MOST_FOUND = 500  # jobs that one word may bring
STATES = ("pending", "retrying", "done", "delivered", "dead")  # of notifications and deliveries
OPEN = ("created", "waiting", "processing")  # states of jobs that have not ended


class Place(NamedTuple):
    """A place in lists that are read together: a time in ms, a member with that time, and the list that has it."""

    score: float
    member: str
    name: str


class Listed(NamedTuple):
    """A member of a list, the time in ms that it has there, and the list's name."""

    member: str
    score: float
    name: str

    @property
    def place(self) -> Place:
        return Place(self.score, self.member, self.name)


def events(source: str, kind: str) -> str:
    """The list of a source's events of one type; of an alarm of ours the source is `sources/NAME` or `sinks/NAME`."""
    return f"evs:{source}|{kind}"


def jobs(source: str, state: str) -> str:
    """The list of a source's jobs in one state; a member is as keys.job_key spells it."""
    return f"jobs:{source}|{state}"


def standing(resource: str, state: str) -> str:
    """The list of the notifications of a source, or the events of a sink, in one state."""
    return f"st:{resource}|{state}"


class Index:
    """`client` must not decode answers. Raises Unavailable when Redis cannot do it now."""

    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client

    def names(self, kind: str) -> list[tuple[str, str]]:
        """The lists of one kind (`evs`, `jobs`, `st`) that have members: what stands before and behind the bar."""
        with ours():
            members = self._client.smembers(keys.key("index"))
        found = (
            member.decode().removeprefix(f"{kind}:") for member in members if member.startswith(f"{kind}:".encode())
        )
        pairs = (name.rpartition("|") for name in found)
        return sorted((before, behind) for before, _, behind in pairs)

    def newest(
        self,
        names: Iterable[str],
        *,
        after: Place | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> Iterator[Listed]:
        """The members of several lists together, newest first, behind the place `after`; with times from `since` to
        before `until`, in epoch seconds. What is not read is not asked for."""
        if until is not None and (after is None or until * 1000 <= after.score):
            after = Place(until * 1000, "", "")
        floor = "-inf" if since is None else repr(since * 1000)
        walks = [self._walk(name, after, floor) for name in names]
        return heapq.merge(*walks, key=lambda one: one.place, reverse=True)

    def _walk(self, name: str, after: Place | None, floor: str) -> Iterator[Listed]:
        count = CHUNK
        while True:
            top = "+inf" if after is None else repr(after.score)
            with ours():
                rows = self._client.zrevrangebyscore(keys.key(name), top, floor, start=0, num=count, withscores=True)
            for member, score in rows:
                one = Listed(member.decode(), score, name)
                if after is None or one.place < after:
                    yield one
            if len(rows) < count:
                return
            last = Place(rows[-1][1], rows[-1][0].decode(), name)
            count = CHUNK if after is None or last < after else count * 4  # so many have one and the same time
            after = last if after is None else min(after, last)

    def counts(self, names: Sequence[str]) -> list[int]:
        """How many members each list has."""
        if not names:
            return []
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.zcard(keys.key(name))
            return list(pipe.execute())

    def count_since(self, names: Sequence[str], since: float) -> int:
        """How many members of all the lists came since then (epoch seconds)."""
        if not names:
            return 0
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.zcount(keys.key(name), since * 1000, "+inf")
            return sum(pipe.execute())

    def oldest(self, names: Sequence[str]) -> list[float | None]:
        """The earliest time in each list, in epoch seconds; None for an empty one."""
        if not names:
            return []
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.zrange(keys.key(name), 0, 0, withscores=True)
            rows = pipe.execute()
        return [row[0][1] / 1000 if row else None for row in rows]

    def cards(self, jobs: Sequence[str]) -> list[Mapping[str, JSON] | None]:
        """The cards of jobs (as pipeline.card makes them; keys as in keys.job_key); None for one that has none."""
        if not jobs:
            return []
        with ours():
            texts = self._client.hmget(keys.key("cards"), jobs)
        return [json.loads(text) if text else None for text in texts]

    def jobs_by(self, words: Sequence[str]) -> set[str]:
        """The jobs with a word that begins with each of these; of a word that many have, the first MOST_FOUND."""
        sets = {word: self._with_beginning(word) for word in words}
        common = [word for word, jobs in sets.items() if len(jobs) >= MOST_FOUND]  # not all of them may be there
        rare = [jobs for word, jobs in sets.items() if word not in common]
        if rare:
            found = set.intersection(*rare)
        else:
            found = sets[common.pop(0)] if common else set()
        for word in common:
            found = self._with_word(sorted(found), word)
        return found

    def _with_beginning(self, word: str) -> set[str]:
        low = f"[{word}".encode()
        with ours():
            members = self._client.zrangebylex(keys.key("words"), low, low + b"\xff", start=0, num=2 * MOST_FOUND)
        return {member.decode().rpartition("\0")[2] for member in members}

    def _with_word(self, jobs: Sequence[str], word: str) -> set[str]:
        cards = zip(jobs, self.cards(jobs), strict=True)
        return {job for job, card in cards if card and any(own.startswith(word) for own in card["words"])}

    def places(self, jobs: Sequence[str], names: Sequence[str]) -> list[Listed]:
        """Where these jobs are listed, as far as they are in one of these lists."""
        if not jobs or not names:
            return []
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.zmscore(keys.key(name), list(jobs))
            rows = pipe.execute()
        return [
            Listed(job, score, name)
            for name, scores in zip(names, rows, strict=True)
            for job, score in zip(jobs, scores, strict=True)
            if score is not None
        ]

    def since(self, source: str, job_id: str) -> tuple[str, float] | None:
        """The state that a job is listed in, and since when, in epoch seconds."""
        job = keys.job_key(source, job_id)
        card = self.cards([job])[0]
        if card is None:
            return None
        with ours():
            score = self._client.zscore(keys.key(jobs(source, card["state"])), job)
        return None if score is None else (card["state"], score / 1000)

    def story(self, source: str, job_id: str) -> list[Mapping[str, JSON]]:
        """What was written down of a job, oldest first: {t (ms), k} with k `look` {n, st, ps, ms, note}, `event` {id,
        type} or `dead` {n}; n are ids of notifications."""
        with ours():
            rows = self._client.lrange(keys.key("story", keys.job_key(source, job_id)), 0, -1)
        return [json.loads(row) for row in rows]

    def heard(self) -> dict[str, float]:
        """When each source was last heard of: a genuine notification, in epoch seconds."""
        with ours():
            rows = self._client.hgetall(keys.key("heard"))
        return {name.decode(): int(at) / 1000 for name, at in rows.items()}

    # --- many at once ----------------------------------------------------------------------------------------------

    def deliveries(self, event_ids: Sequence[str]) -> list[dict[str, JSON]]:
        """How the deliveries of each event stand, by sink."""
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for event_id in event_ids:
                pipe.hgetall(keys.key("dl", event_id))
            rows = pipe.execute()
        return [{k.decode().removeprefix("d:"): json.loads(v) for k, v in row.items()} for row in rows]

    def notifications(self, ids: Sequence[str]) -> list[dict[str, str]]:
        """What is kept of each notification: L, at, event, api, claim, state, ended, detail, att, dup; {} for none."""
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for notification_id in ids:
                pipe.hgetall(keys.key("n", notification_id))
            rows = pipe.execute()
        return [{k.decode(): v.decode("utf-8", "replace") for k, v in row.items()} for row in rows]

    def times(self, places: Sequence[tuple[str, str]]) -> list[tuple[str, float]]:
        """Of each (resource, item): the state in which it is listed, and since when in ms; ("", 0) for one in none."""
        if not places:
            return []
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for resource, item in places:
                for state in STATES:
                    pipe.zscore(keys.key(standing(resource, state)), item)
            scores = pipe.execute()
        rows = [scores[i : i + len(STATES)] for i in range(0, len(scores), len(STATES))]
        return [next(((s, at) for s, at in zip(STATES, row, strict=True) if at is not None), ("", 0.0)) for row in rows]

    def lanes(self, names: Sequence[str]) -> list[Lane]:
        """How lanes stand."""
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for name in names:
                resource = name.partition("|")[0]
                pipe.hmget(keys.key("lane", name), "att", "err")
                pipe.lindex(keys.key("q", name), 0)
                for kind in ("due", "run", "poll"):
                    pipe.zscore(keys.key(kind, resource), name)
            rows = pipe.execute()
        return [_lane(*rows[i : i + 5]) for i in range(0, len(rows), 5)]

    def attempts(self, places: Sequence[tuple[str, str]]) -> list[list[dict[str, JSON]]]:
        """As Journal.attempts, for several (resource, item)."""
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for resource, item in places:
                pipe.lrange(keys.key("try", f"{resource}:{item}"), 0, -1)
            rows = pipe.execute()
        return [[json.loads(line) for line in row] for row in rows]

    def waiting_in(self, lane: str) -> list[str]:
        """What waits in a lane, its first thousand items."""
        with ours():
            return [item.decode() for item in self._client.lrange(keys.key("q", lane), 0, 999)]

    def known(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """Whether anything is remembered of each (source, job id)."""
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for source, job_id in pairs:
                job = keys.job_key(source, job_id)
                pipe.exists(
                    keys.key("facts", job), keys.key("story", job), keys.key("q", keys.refresh_lane(source, job_id))
                )
            return [bool(count) for count in pipe.execute()]

    def gates(self, resources: Sequence[str]) -> list[dict[str, float]]:
        """Of sources and sinks: `pause`, `failing` (ms), `fails`, as far as they are set."""
        with ours(), self._client.pipeline(transaction=False) as pipe:
            for resource in resources:
                pipe.hmget(keys.key("gate", resource), "pause", "failing", "fails")
            rows = pipe.execute()
        named = ("pause", "failing", "fails")
        return [{n: float(v) for n, v in zip(named, row, strict=True) if v is not None} for row in rows]


class Lane(NamedTuple):
    """`head` is its first item, "" when none waits; `due` in ms, None in hand or when nothing is; `poll` likewise."""

    attempts: int
    error: str
    head: str
    due: float | None
    in_hand: bool
    poll: float | None


def _lane(hash_: Sequence[bytes | None], head: bytes | None, due: float | None, run: float | None, poll: Any) -> Lane:
    attempts, error = hash_
    return Lane(int(attempts or 0), (error or b"").decode(), (head or b"").decode(), due, run is not None, poll)


def job_of(member: str) -> tuple[str, str]:
    """(source, id) of a member of a list of jobs."""
    source, _, quoted = member.partition("/")
    return source, unquote(quoted)


def sweep(scripts: Scripts, client: Any, *, older_than: float) -> int:
    """Forget what lists have of longer ago than so many seconds; what waits stays. Returns how many were looked at."""
    looked = 0
    with ours():
        names = [
            member.decode() if isinstance(member, bytes) else member for member in client.smembers(keys.key("index"))
        ]
        seconds, micros = client.time()
    now = seconds * 1000 + micros / 1000
    for name in names:
        kind, state = name.partition(":")[0], name.rpartition("|")[2]
        if kind == "st" and state in ("pending", "retrying"):
            continue
        age = OPEN_DOC_TTL if kind == "jobs" and state in OPEN else older_than
        arguments = {"name": name, "before": now - age * 1000, "most": SWEPT, "jobs": kind == "jobs", "docs": age}
        while True:
            found = scripts("sweep", arguments)
            looked += found
            if found < SWEPT:
                break
    return looked
