"""How many refreshes with their deliveries one worker process does a second, beside RQ's SimpleWorker."""

from __future__ import annotations

from contextlib import AbstractContextManager

import load
import notices
import rivals
from rq import Queue
from stand import LATENCY, Stand
from tables import Sample, table

from processor.model import Notification

AIM = 10  # times SimpleWorker


def measure(stand: Stand, *, rounds: int, count: int, simple_count: int) -> tuple[str, float]:
    """Also returns our median rate. The order turns round each time."""
    ours, simple = [], []
    for i in range(rounds):
        if i % 2:
            ours.append(_ours(stand, count))
        simple.append(_simple(stand, simple_count))
        if not i % 2:
            ours.append(_ours(stand, count))
    asking = [b"GET /at-once/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"] * 3000
    ceiling = load.drive(stand.far_port, asking, status=200).rate
    us, them = Sample(tuple(ours)), Sample(tuple(simple))
    rows = [
        ["jobwire worker, 16 threads", us.shown(), us.over(them).shown()],
        ["RQ SimpleWorker", them.shown(), "1"],
    ]
    milliseconds = round(LATENCY * 1000)
    return (
        table(["one worker process", "jobs/s", "× SimpleWorker"], rows)
        + f"\nA job is one refresh and one delivery; provider and sink take {milliseconds} ms each to answer, and can "
        f"answer {ceiling:,.0f}/s at once. {count:,} jobs a round ({simple_count:,} for SimpleWorker). "
        f"Aim: jobwire ≥ {AIM} × SimpleWorker.\n",
        us.middle,
    )


def _ours(stand: Stand, count: int) -> float:
    stand.start_afresh()
    for job in notices.job_ids(count):
        stand.app.inbox.put(Notification("hover", job, "v3", "job-state-changed-v2", job, "job"))
    return _drained(stand, stand.worker(), "worker", count)


def _simple(stand: Stand, count: int) -> float:
    stand.start_afresh()
    queue = Queue(rivals.QUEUE, connection=stand.redis)
    for job in notices.job_ids(count):
        queue.enqueue("rivals.work", job)
    return _drained(stand, stand.simple_worker(), "simple", count)


def _drained(stand: Stand, worker: AbstractContextManager[object], name: str, count: int) -> float:
    """Jobs a second from the first fetch to the last delivery, so that the start of the process does not count."""
    with worker:
        notes = stand.await_arrivals(count, 120, name)
    seconds: float = max(notes["arrivals"].values()) - notes["first_fetch"]
    return count / seconds
