"""How long it takes from the POST of a notification to its event's arrival at the sink, everything running."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import load
import notices
from progress import rounds, say
from stand import LATENCY, Server, Stand, family, free_port, listens, wait_for
from tables import Chart, Part, Sample, figure, quantile, rounds_of, table

SHARES = (0.25, 0.5, 0.75)  # of what is sustained
QUANTILES = (0.5, 0.95, 0.99)
WARM_UP = 100
FEW = 4  # connections at one request a second: the receiver closes those that are idle for 10 s
TOO_MUCH = 1.3  # times what is sustained: so much comes in where it is to be found out what is
KILLED_EVERY = 5.0
LATE = 90.0  # seconds that the last events may take


@dataclass(frozen=True)
class Times:
    """Of each job, in seconds from when its notification was due to be sent."""

    accepted: Sequence[float]
    fetched: Sequence[float]
    arrived: Sequence[float]
    refused: int


def measure(stand: Stand, *, count: int, seconds: float, run: float) -> Part:
    """Rounds of some `run` seconds for what is sustained and for each share of it; then with kills, then at rest."""
    with _running(stand) as web:
        sustained = _sustained(stand, web, count=count, seconds=seconds * 0.3, run=run)
        shares: dict[float, list[Times]] = {share: [] for share in SHARES}
        for i in rounds("from POST to sink", count, seconds * 0.7):
            for share in SHARES if i % 2 else reversed(SHARES):
                shares[share].append(_round(stand, web.port, rate=share * sustained.middle, seconds=run))
    say(f"from POST to sink: sustained {sustained.shown()}/s")
    killed, told = _killed(stand, sustained.middle, windows=count)
    with _running(stand) as web:
        idle = _round(stand, web.port, rate=1.0, seconds=2.5 * run, connections=FEW)
    return _report(sustained, shares, idle, killed, told, run)


@contextmanager
def _running(stand: Stand) -> Iterator[Server]:
    """Receiver and one worker, warm."""
    stand.start_afresh()
    with stand.receiver() as web, stand.worker():
        load.drive(web.port, notices.from_hover(notices.job_ids(WARM_UP)), rate=50.0)
        stand.await_arrivals(WARM_UP, "worker", LATE)
        yield web


def _sustained(stand: Stand, web: Server, *, count: int, seconds: float, run: float) -> Sample:
    """Events a second at the sink while notifications come in somewhat faster than that."""
    stand.forget()
    burst = notices.job_ids(500)
    load.drive(web.port, notices.from_hover(burst))
    stand.await_arrivals(len(burst), "worker", LATE)
    events = sorted(stand.notes()["events"])
    guess = len(burst) / (events[-1] - events[0])
    rates = []
    for _ in rounds("what is sustained", count, seconds):
        stand.forget()
        jobs = notices.job_ids(int(guess * TOO_MUCH * run))
        sent = load.drive(web.port, notices.from_hover(jobs), rate=guess * TOO_MUCH)
        events = stand.await_arrivals(len(jobs), "worker", LATE)["events"]
        rates.append(_between(events, sent.began + run / 4, sent.began + sent.seconds))
    return Sample(tuple(rates))


def _between(moments: Sequence[float], begin: float, end: float) -> float:
    return sum(begin <= moment < end for moment in moments) / (end - begin)


def _round(stand: Stand, port: int, *, rate: float, seconds: float, connections: int = load.CONNECTIONS) -> Times:
    stand.forget()
    jobs = notices.job_ids(max(5, int(rate * seconds)))
    sent = load.drive(port, notices.from_hover(jobs), rate=rate, connections=connections)
    notes = stand.await_arrivals(len(jobs), "worker", LATE)
    due = {job: sent.began + i / rate for i, job in enumerate(jobs)}
    fetched, arrived = ([notes[what][job] - due[job] for job in jobs] for what in ("fetches", "arrivals"))
    return Times(sent.latencies, fetched, arrived, sent.refused)


def _killed(stand: Stand, rate: float, *, windows: int) -> tuple[Sample, str]:
    """Events/s in each window after a SIGKILL of the worker of a `jobwire up`, and what became of the rest."""
    say(f"the rate while the worker is killed every {KILLED_EVERY:g} s: some {windows * KILLED_EVERY + 40:.0f} s")
    stand.start_afresh()
    port = free_port()
    command = [sys.executable, "-m", "processor.cli", "up", "--port", str(port)]
    with ExitStack() as running:
        up = running.enter_context(stand.process("up", command, environ={"REDIS_URL": stand.redis_url}))
        wait_for(lambda: listens(port), 30, lambda: stand.complaint("up"))
        load.drive(port, notices.from_hover(notices.job_ids(WARM_UP)), rate=50.0)
        stand.await_arrivals(WARM_UP, "up", LATE)
        stand.forget()
        jobs, kills = notices.job_ids(int(rate * KILLED_EVERY * (windows + 1))), []
        killer = threading.Thread(target=_kill_now_and_then, args=(up.pid, windows, kills))
        killer.start()
        began = load.drive(port, notices.from_hover(jobs), rate=rate).began
        killer.join()
        wait_for(lambda: len(stand.notes()["arrivals"]) >= len(jobs), LATE, lambda: _lost(stand, jobs))
        notes = stand.notes()
    events, last = notes["events"], max(notes["arrivals"].values())
    rates = [_between(events, kill, kill + KILLED_EVERY) for kill in kills]
    told = (
        f"{len(kills)} kills; each of the {len(jobs):,} notifications became its event, "
        f"{len(events) - len(jobs)} events came twice; "
        f"the last one came {last - began - len(jobs) / rate:.1f} s after the last notification."
    )
    return Sample(tuple(rates)), told


def _lost(stand: Stand, jobs: Sequence[str]) -> str:
    return f"{len(stand.notes()['arrivals'])} of {len(jobs)} events {LATE:g} s later; {stand.complaint('up')}"


def _kill_now_and_then(up: int, windows: int, kills: list[float]) -> None:
    for _ in range(windows):
        time.sleep(KILLED_EVERY)
        for pid in family(up):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if file.read().split(b"\0")[-3:-1] == [b"workers", b"worker"]:
                        os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                continue
        kills.append(time.monotonic())
    time.sleep(KILLED_EVERY)


def _report(
    sustained: Sample, shares: Mapping[float, list[Times]], idle: Times, killed: Sample, told: str, run: float
) -> Part:
    arrived = {
        share: {q: Sample(tuple(quantile(one.arrived, q) for one in times)) for q in QUANTILES}
        for share, times in shares.items()
    }
    rows = [
        [
            f"{share:.0%}: {share * sustained.middle:.0f}/s",
            *(found[q].shown(1000) for q in QUANTILES),
            Sample(tuple(quantile(one.accepted, 0.5) for one in shares[share])).shown(1000),
            Sample(tuple(quantile(one.fetched, 0.5) for one in shares[share])).shown(1000),
        ]
        for share, found in arrived.items()
    ]
    at_rest = [Sample(tuple(times)).shown(1000) for times in (idle.arrived, idle.accepted, idle.fetched)]
    rows.append(["one a second, all at rest", at_rest[0], *[""] * 2, *at_rest[1:]])
    woken = Sample(tuple(fetched - accepted for fetched, accepted in zip(idle.fetched, idle.accepted, strict=True)))
    header = [
        "of what is sustained",
        "POST to sink p50 ms",
        "p95 ms",
        "p99 ms",
        "POST to 202 p50 ms",
        "POST to the provider's being asked p50 ms",
    ]
    refused = sum(one.refused for times in (*shares.values(), [idle]) for one in times)
    over = Sample(tuple(rate / sustained.middle for rate in killed.rounds))
    text = (
        f"Sustained: {sustained.shown()} notifications a second, each of a job of its own, become events at the sink "
        "while more come in.\n\n"
        + table(header, rows)
        + f"\nMedians of {rounds_of([arrived[0.5][0.5]])} rounds of {run:g} s, by a timetable that waits "
        f"for nothing; in the last row of {len(idle.arrived)} notifications. Of every figure but those "
        f"of the last two columns {LATENCY * 1000:.0f} ms are the provider's; the sink's own 20 ms are in none. "
        f"{refused} requests were answered 503 and sent again.\n\n"
        f"While the worker of a `jobwire up` is killed (SIGKILL) every {KILLED_EVERY:g} s and started again by it, "
        f"{killed.shown()} events/s come, {over.shown()} of what is sustained: {told}\n"
    )
    half = arrived[0.5]
    figures = {
        "path.p50": half[0.5].minus(LATENCY),
        "path.p99": half[0.99].minus(LATENCY),
        "path.woken": woken,
    }
    series = {f"p{q * 100:g}": [_in_ms(arrived[share][q]) for share in SHARES] for q in QUANTILES}
    ticks = [f"{share:.0%} ({figure(share * sustained.middle)}/s)" for share in SHARES]
    return Part(text, figures, {"path": Chart("From POST to sink", "ms", series, ticks)})


def _in_ms(sample: Sample) -> Sample:
    return Sample(tuple(1000 * v for v in sample.rounds))
