"""Everything that the metrics need of Redis, read in four round trips, whatever waits there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from processor.store import keys
from processor.store.index import jobs, standing
from processor.store.journal import WORKER_SEEN
from processor.store.scripts import Scripts, ours
from processor.store.work import Resource

ITEMS = ("pending", "retrying", "dead")  # states in which items are still somebody's concern
WAITING = ITEMS[:2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """How it stands at one source or sink. `items` counts notifications or events by state; lanes with work are `due`,
    `later`, or `in_hand`, and `look_again` are jobs that are polled. Ages are seconds: of the item that has waited
    longest, of the lane that should have been taken first, of the failures in a row, of the pause that is left."""

    items: Mapping[str, int]
    due: int
    later: int
    in_hand: int
    look_again: int
    oldest: float
    overdue: float
    failing: float
    paused: float


@dataclass(frozen=True, slots=True)
class Figures:
    """`queues` by R; `dead` by whether it is an R of a source or a sink (`r`, `d`), configured or not; `alarms` that
    stand, by (type, place); `jobs` by (source, state); `heard` in epoch seconds; `used` of each window of a budget."""

    counters: Mapping[str, int]
    queues: Mapping[str, Queue]
    dead: Mapping[str, int]
    alarms: Mapping[tuple[str, str], int]
    jobs: Mapping[tuple[str, str], int]
    heard: Mapping[str, float]
    workers: int
    used: Mapping[str, Sequence[int]]


def figures(scripts: Scripts, resources: Sequence[Resource], *, jobs_of: Sequence[tuple[str, str]]) -> Figures:
    """Read them: of these sources and sinks, and of the jobs with these (source, state). Raises Unavailable."""
    client: Any = scripts.client
    now = scripts.ms()
    dead = _dead_lists(client)
    with ours(), client.pipeline(transaction=False) as pipe:
        for resource in resources:
            _ask(pipe, resource.name, now)
        for source, state in jobs_of:
            pipe.zcard(keys.key(jobs(source, state)))
        for name in dead:
            pipe.zcard(keys.key(name))
        pipe.hgetall(keys.key("cnt"))
        pipe.hgetall(keys.key("alarmed"))
        pipe.hgetall(keys.key("heard"))
        pipe.zcount(keys.key("workers"), now / 1000 - WORKER_SEEN, "+inf")
        answers = iter(pipe.execute())
    queues = {resource.name: _queue(now, *(next(answers) for _ in range(_ASKED))) for resource in resources}
    counts = {place: next(answers) for place in jobs_of}
    gone = {name: next(answers) for name in dead}
    counters, alarms, heard, workers = answers
    return Figures(
        counters={name: int(value) for name, value in counters.items()},
        queues=queues,
        dead={kind: sum(n for name, n in gone.items() if name.startswith(f"st:{kind}:")) for kind in ("r", "d")},
        alarms={_kind_and_place(name): int(n) for name, n in alarms.items()},
        jobs=counts,
        heard={name: int(at) / 1000 for name, at in heard.items()},
        workers=workers,
        used=_used(scripts, resources),
    )


def _dead_lists(client: Any) -> list[str]:
    """The lists of what is dead, also at sources and sinks that are not configured any more."""
    with ours():
        return [
            name for name in client.smembers(keys.key("index")) if name.startswith("st:") and name.endswith("|dead")
        ]


_ASKED = 11


def _ask(pipe: Any, resource: str, now: int) -> None:
    for state in ITEMS:
        pipe.zcard(keys.key(standing(resource, state)))
    for state in WAITING:
        pipe.zrange(keys.key(standing(resource, state)), 0, 0, withscores=True)
    pipe.zcount(keys.key("due", resource), "-inf", now)
    pipe.zcard(keys.key("due", resource))
    pipe.zrange(keys.key("due", resource), 0, 0, withscores=True)
    pipe.zcard(keys.key("run", resource))
    pipe.zcard(keys.key("poll", resource))
    pipe.hmget(keys.key("gate", resource), "failing", "pause")


def _queue(now: int, pending: int, retrying: int, dead: int, *rest: Any) -> Queue:
    first_pending, first_retrying, due, lanes, first_due, in_hand, look_again, (failing, pause) = rest
    oldest = min((score for rows in (first_pending, first_retrying) for _, score in rows), default=now)
    return Queue(
        items=dict(zip(ITEMS, (pending, retrying, dead), strict=True)),
        due=due,
        later=lanes - due,
        in_hand=in_hand,
        look_again=look_again,
        oldest=_seconds(now - oldest),
        overdue=_seconds(now - (first_due[0][1] if first_due else now)),
        failing=_seconds(now - float(failing)) if failing else 0.0,
        paused=_seconds(float(pause or now) - now),
    )


def _seconds(ms: float) -> float:
    return max(0.0, ms / 1000)


def _kind_and_place(name: str) -> tuple[str, str]:
    kind, _, place = name.partition(" ")
    return kind, place


def _used(scripts: Scripts, resources: Sequence[Resource]) -> dict[str, Sequence[int]]:
    """By the name of the source or sink: those with one budget have the same."""
    limited = [resource for resource in resources if resource.windows]
    if not limited:
        return {}
    used = scripts("used", {"budgets": [[resource.gate, resource.windows] for resource in limited]})
    return {resource.name: counts for resource, counts in zip(limited, used, strict=True)}
