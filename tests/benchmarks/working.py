"""How many jobs one worker does a second, fetch and delivery, beside what else one could have built it with."""

from __future__ import annotations

import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

import load
import notices
from cached import Cache, Missing
from progress import rounds, say
from stand import LATENCY, PATIENCE, RIVALS, Stand, beside, wait_for
from tables import Chart, Part, Sample, pace, rounds_of, table, unmeasured

from processor.model import Event, EventType
from processor.queue import new_hand
from processor.store import keys
from processor.store.work import Row
from workers.worker import THREADS

HANDS, PROCESSES = THREADS, 16  # as in rivals/work.py
OURS = "jobwire worker"
SIMPLE = "RQ SimpleWorker"
DRAMATIQ = "Dramatiq"
NOTHING = "nothing"
CASES = {"20 ms": LATENCY, "0 ms": 0.0}
NOTHINGS = f'\n[sinks.{NOTHING}]\ntype = "nothing"\nevents = ["job.cancelled"]\n'
JOBS = (600, 800)  # ours, in each of the cases
EMPTY = 6000  # claims and messages that ask for nothing


@dataclass(frozen=True)
class Rival:
    """`home` names its environment, `file` its file in rivals/; how many jobs it is given in each case of CASES."""

    title: str
    home: str
    file: str
    command: tuple[str, ...]
    jobs: tuple[int, int]


def _celery(pool: str, hands: int) -> tuple[str, ...]:
    quiet = ("--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat")
    return ("-m", "celery", "-A", "with_celery", "worker", "--pool", pool, "-c", str(hands), *quiet)


def _rivals() -> list[Rival]:
    """docs/performance.md says in a sentence each what they promise, so set up."""
    rq, hands = str(RIVALS / "with_rq.py"), str(HANDS)
    dramatiq = ("-m", "dramatiq", "with_dramatiq", "--processes", "1", "--threads", hands)
    huey = ("-m", "huey.bin.huey_consumer", "with_huey.huey", "-w", hands, "-k", "thread", "-q")
    taskiq = ("-m", "taskiq", "worker", "with_taskiq:broker", "--workers", "1", "--log-level", "ERROR")
    return [
        Rival(SIMPLE, "jobwire", "with_rq", (rq, "SimpleWorker"), (60, 200)),
        Rival("RQ Worker", "jobwire", "with_rq", (rq, "Worker"), (30, 50)),
        Rival(f"RQ worker-pool, {PROCESSES} processes", "jobwire", "with_rq", (rq, "WorkerPool"), (120, 120)),
        Rival(f"Celery, {HANDS} threads", "celery", "with_celery", _celery("threads", HANDS), (500, 500)),
        Rival(f"Celery, {PROCESSES} processes", "celery", "with_celery", _celery("prefork", PROCESSES), (500, 600)),
        Rival(DRAMATIQ, "dramatiq", "with_dramatiq", dramatiq, (600, 800)),
        Rival(f"Huey, {HANDS} threads", "huey", "with_huey", huey, (600, 800)),
        Rival("arq", "arq", "with_arq", ("-m", "arq", "with_arq.WorkerSettings"), (600, 800)),
        Rival("taskiq", "taskiq", "with_taskiq", (*taskiq, "--max-async-tasks", hands), (600, 1000)),
    ]


def measure(stand: Stand, cache: Cache, *, count: int, seconds: float, share: float) -> Part:
    """Every round gives each worker its jobs, first at 20 ms and then at 0 ms; `share` of them in a quick run."""
    ready, missing = _ready(_rivals(), cache)
    runs: dict[str, dict[str, list[float]]] = {case: defaultdict(list) for case in CASES}

    def one(rival: Rival | None, number: int) -> float:
        if rival is None:
            return _ours(stand, int(JOBS[number] * share))
        return _theirs(stand, rival, ready[rival], max(20, int(rival.jobs[number] * share)))

    every = [None, *ready]
    for i in rounds("working", count, seconds):
        for number, (case, latency) in enumerate(CASES.items()):
            stand.far(latency=latency)
            for rival in every if i % 2 else reversed(every):
                title = rival.title if rival else OURS
                try:
                    if title not in missing:
                        runs[case][title].append(one(rival, number))
                except RuntimeError as e:
                    say(f"{title}: {e}")
                    missing[title] = "it did not come to an end"
    stand.far()
    return _report(stand, runs, missing)


def measure_empty(stand: Stand, cache: Cache, *, count: int, seconds: float, share: float) -> Part:
    """Claims and acknowledgements alone, beside Dramatiq's messages that ask for nothing."""
    python = cache.python("dramatiq")
    messages = int(EMPTY * share)
    with beside(stand, "empty", sinks=0, extra=NOTHINGS) as it:
        ours, theirs = [], []
        for i in rounds("empty claims", count, seconds):
            for own in (True, False) if i % 2 else (False, True):
                (ours if own else theirs).append(_empty(it, messages) if own else _messages(it, python, messages))
    us, them = Sample(tuple(ours)), Sample(tuple(theirs))
    rows = [
        ["jobwire worker, delivery lanes to a sink that does nothing", us.shown(), us.over(them).shown()],
        ["Dramatiq, messages to an actor that does nothing", them.shown(), "1"],
    ]
    told = (
        f"\nOne process of {HANDS} threads each, {messages:,} a round, without any HTTP; "
        f"medians of {rounds_of([us])} rounds.\n"
    )
    return Part(
        table(["claimed and acknowledged", "a second", "× Dramatiq"], rows) + told, {"worker.empty": us.over(them)}
    )


def _ready(rivals: list[Rival], cache: Cache) -> tuple[dict[Rival, str], dict[str, str]]:
    """The rivals that are there, each with its interpreter, and why the others are not."""
    ready, missing = {}, {}
    for rival in rivals:
        try:
            ready[rival] = cache.python(rival.home)
        except Missing as e:
            missing[rival.title] = str(e)
    return ready, missing


def _ours(stand: Stand, count: int) -> float:
    stand.start_afresh()
    stand.fill(notices.job_ids(count))
    return _drained(stand, stand.worker(), "worker", count)


def _theirs(stand: Stand, rival: Rival, python: str, count: int) -> float:
    stand.start_afresh()
    first, *_ = notices.job_ids(count)
    _hand_in(stand, python, rival.file, first, str(count))
    worker = stand.process(rival.file, [python, *rival.command], kill=True)
    return _drained(stand, worker, rival.file, count)


def _hand_in(stand: Stand, python: str, file: str, *arguments: str) -> None:
    command = [python, str(RIVALS / "hand_in.py"), file, *arguments]
    done = subprocess.run(
        command, env={**stand.environ()}, cwd=stand.folder, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{file}: {done.stderr[-1500:]}")


def _drained(stand: Stand, worker: AbstractContextManager[object], name: str, count: int) -> float:
    """Jobs a second, without the beginning: the start of the processes does not count."""
    with worker:
        notes = stand.await_arrivals(count, name)
    return pace(notes["events"])


def _empty(stand: Stand, count: int) -> float:
    """Deliveries to a sink that does nothing, each in a lane of its own."""
    stand.start_afresh()
    app, due, run = stand.app, *(keys.key(kind, keys.delivering(NOTHING)) for kind in ("due", "run"))
    for job in notices.job_ids(count):
        event = Event(f"evt_{job}", EventType.JOB_SUCCEEDED, "hover", job, f"jobs/{job}", datetime.now(UTC), {})
        hand = new_hand()
        hired = app.lanes.announce(event, [Row(NOTHING, event)], sinks=app.targets, hand=hand)
        app.send([(app.targets[sink].name, hand) for sink in hired or ()])
    with stand.worker():
        return _emptied(lambda: int(stand.redis.zcard(due)) + int(stand.redis.zcard(run)), count)


def _messages(stand: Stand, python: str, count: int) -> float:
    stand.start_afresh()
    _hand_in(stand, python, "with_dramatiq", notices.job_ids(count)[0], str(count), NOTHING)
    command = [python, "-m", "dramatiq", "with_dramatiq", "--processes", "1", "--threads", str(HANDS)]
    with stand.process("dramatiq", command, kill=True):
        return _emptied(lambda: int(stand.redis.hlen("dramatiq:default.msgs")), count)


def _emptied(left: Callable[[], int], count: int) -> float:
    """How many a second went, between the first fifth and the last but few."""
    seen: list[tuple[float, int]] = []

    def gone() -> bool:
        seen.append((time.monotonic(), left()))
        return seen[-1][1] <= count // 20

    wait_for(gone, PATIENCE, lambda: f"{seen[-1][1]} of {count} are left after {PATIENCE:g} s")
    begun = next(i for i, (_, n) in enumerate(seen) if n <= count * 0.8)
    (t0, n0), (t1, n1) = seen[begun], seen[-1]
    return (n0 - n1) / max(t1 - t0, 1e-9)


def _report(stand: Stand, runs: dict[str, dict[str, list[float]]], missing: dict[str, str]) -> Part:
    asking = [b"GET /at-once/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"] * 3000
    ceiling = load.drive(stand.far_port, asking, status=200).rate
    samples = {
        case: {title: Sample(tuple(rates)) for title, rates in found.items() if title not in missing}
        for case, found in runs.items()
    }
    slow, fast = samples.values()
    rows = []
    for title in sorted(slow, key=lambda title: -slow[title].middle):
        ratios = [_over(found, OURS, title) for found in (slow, fast)]
        rows.append([title, slow[title].shown(), ratios[0], fast[title].shown(), ratios[1]])
    rows += [unmeasured(title, reason, 5) for title, reason in missing.items()]
    header = ["one worker", "jobs/s at 20 ms", "jobwire is ×", "jobs/s at 0 ms", "jobwire is ×"]
    text = (
        table(header, rows)
        + f"\nMedians of {rounds_of([*slow.values(), *fast.values()])} rounds, with fewer jobs for the slow ones. "
        "Provider and sink take 20 ms each to answer, or answer at once; they can answer "
        f"{ceiling:,.0f} requests/s then. The clock runs from the first fifth of the deliveries to the last one.\n"
    )
    figures = {}
    for name, found, title in (
        ("worker.dramatiq_20", slow, DRAMATIQ),
        ("worker.simple_20", slow, SIMPLE),
        ("worker.dramatiq_0", fast, DRAMATIQ),
    ):
        if title in found:
            figures[name] = found[OURS].over(found[title])
    return Part(text, figures, {f"working-{i}": _chart(case, found) for i, (case, found) in enumerate(samples.items())})


def _over(found: dict[str, Sample], title: str, other: str) -> str:
    return "1" if title == other else found[title].over(found[other]).shown()


def _chart(case: str, found: dict[str, Sample]) -> Chart:
    ordered = sorted(found, key=lambda title: found[title].middle)
    return Chart(f"Jobs a second of one worker, far ends of {case}", "jobs/s", {t: [found[t]] for t in ordered})
