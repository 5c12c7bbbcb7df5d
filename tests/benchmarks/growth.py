"""Whether rates stay what they are as more waits, more has been, jobs have more models and there are more sinks."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import load
import notices
from progress import rounds, say
from stand import ROOT, Server, Stand, beside, wait_for
from tables import Chart, Part, Sample, rounds_of, table
from tables import pace as pace_of

from processor.store import keys

ACCEPTED, DRAINED = 1200, 800  # of a round: so few that what waits stays about the same
CROWD_SINK = '\n[sinks.out]\ntype = "redis-stream"\nstream = "out"\nsources = ["itwin"]\n'
KEPT = 1000  # items whose memory is measured


@dataclass(frozen=True)
class Size:
    """How much waits, and how many events there have been already."""

    pending: int
    history: int = 0

    @property
    def title(self) -> str:
        return f"{self.pending:,} pending" + (f", {self.history:,} events in the journal" if self.history else "")


def measure(stand: Stand, *, sizes: Sequence[int], history: int, count: int, seconds: float, share: float) -> Part:
    """Everything at 0 ms, since that is where a cost would show; `share` of the jobs in a quick run."""
    stand.far(latency=0.0)
    try:
        parts = [
            _waiting(
                stand, [*map(Size, sizes), Size(sizes[0], history)], count=count, seconds=seconds * 0.6, share=share
            ),
            _models(stand, count=count, seconds=seconds * 0.2, share=share),
            _sinks(stand, count=count, seconds=seconds * 0.2, share=share),
            _memory(stand),
        ]
    finally:
        stand.far()
    figures = {name: sample for part in parts for name, sample in part.figures.items()}
    charts = {name: chart for part in parts for name, chart in part.charts.items()}
    return Part("\n".join(part.text for part in parts), figures, charts)


# --- what waits, and what has been -----------------------------------------------------------------------------------


def _waiting(stand: Stand, sizes: Sequence[Size], *, count: int, seconds: float, share: float) -> Part:
    """A Valkey and a receiver for each size, all there at once, so that one round asks all of them."""
    accepted: dict[Size, list[float]] = defaultdict(list)
    drained: dict[Size, list[float]] = defaultdict(list)
    weights = {}
    with ExitStack() as running:
        places: dict[Size, tuple[Stand, Server]] = {}
        for i, size in enumerate(sizes):
            it = running.enter_context(beside(stand, f"size-{i}", extra=CROWD_SINK if size.history else ""))
            weights[size] = _fill(it, size)
            places[size] = it, running.enter_context(it.receiver())
            load.drive(places[size][1].port, notices.from_hover(notices.job_ids(200)))
        for i in rounds("growth: what waits", count, seconds):
            for size in sizes if i % 2 else reversed(sizes):
                it, web = places[size]
                accepted[size].append(
                    load.drive(web.port, notices.from_hover(notices.job_ids(int(ACCEPTED * share)))).rate
                )
                drained[size].append(_drain(it, int(DRAINED * share)))
    return _report_waiting(sizes, accepted, drained, weights)


def _fill(it: Stand, size: Size) -> float:
    """Bytes that a pending notification takes."""
    say(f"growth: filling {size.title}")
    if size.history:
        _crowd()(it.app, size.history)
    before = _used(it)
    it.fill(notices.job_ids(size.pending))
    return (_used(it) - before) / size.pending


def _crowd() -> Callable[..., int]:
    sys.path.append(str(ROOT / "tests" / "looking"))
    from crowd import crowd

    return crowd


def _drain(it: Stand, count: int) -> float:
    """Events a second; there is at least so much waiting."""
    it.forget()
    with it.worker():
        wait_for(lambda: it.arrived() >= count, 120, lambda: it.complaint("worker"))
    return pace_of(sorted(it.notes()["events"])[:count])


def _used(it: Stand) -> int:
    return int(it.redis.info("memory")["used_memory"])


def _report_waiting(
    sizes: Sequence[Size],
    accepted: Mapping[Size, list[float]],
    drained: Mapping[Size, list[float]],
    weights: Mapping[Size, float],
) -> Part:
    first, rates = sizes[0], [{s: Sample(tuple(found[s])) for s in sizes} for found in (accepted, drained)]
    rows = [
        [
            size.title,
            *(
                cell
                for found in rates
                for cell in (found[size].shown(), _over(found[size], found[first], size is first))
            ),
            f"{weights[size]:,.0f}",
        ]
        for size in sizes
    ]
    header = [
        "what there is",
        "accepted/s",
        "× the first",
        "jobs/s of one worker",
        "× the first",
        "bytes a pending one",
    ]
    largest, past = max((s for s in sizes if not s.history), key=lambda s: s.pending), sizes[-1]
    text = (
        "Each row has a Valkey and a receiver of its own, all running at once.\n\n"
        + table(header, rows)
        + f"\nMedians of {rounds_of([rates[0][first]])} rounds of {ACCEPTED:,} requests and {DRAINED:,} jobs, "
        "far ends that answer at once.\n"
    )
    figures = {
        "flat.accepted": rates[0][largest].over(rates[0][first]),
        "flat.drained": rates[1][largest].over(rates[1][first]),
        "flat.bytes": Sample((weights[largest],)),
        "flat.past": rates[1][past].over(rates[1][first]),
        "flat.pending": Sample((largest.pending,)),
        "flat.history": Sample((past.history,)),
    }
    only = [s for s in sizes if not s.history]
    series = {"accepted": [rates[0][s] for s in only], "jobs of one worker": [rates[1][s] for s in only]}
    chart = Chart("Rates, by how much waits", "a second", series, [f"{s.pending:,} pending" for s in only])
    return Part(text, figures, {"growth": chart})


def _over(sample: Sample, other: Sample, same: bool) -> str:
    return "1" if same else sample.over(other).shown()


# --- models and sinks ------------------------------------------------------------------------------------------------


def _models(stand: Stand, *, count: int, seconds: float, share: float) -> Part:
    """Jobs of 1, 10 and 100 models: an event each, and one for the job."""
    cases = {models: max(2, int(jobs * share)) for models, jobs in {1: 400, 10: 80, 100: 10}.items()}
    runs: dict[int, list[float]] = defaultdict(list)
    for i in rounds("growth: models", count, seconds):
        for models in cases if i % 2 else reversed(cases):
            stand.start_afresh()
            stand.far(latency=0.0, models=models)
            runs[models].append(_events(stand, cases[models], models + 1))
    stand.far(latency=0.0)
    samples = {models: Sample(tuple(rates)) for models, rates in runs.items()}
    rows = [
        [
            str(models),
            str(models + 1),
            samples[models].shown(),
            Sample(tuple(r / (models + 1) for r in runs[models])).shown(),
        ]
        for models in cases
    ]
    text = table(["models a job", "events a job", "events/s", "jobs/s"], rows)
    return Part(
        text + f"\nOne worker, medians of {rounds_of(list(samples.values()))} rounds. "
        "A job's events wait for each other at a sink.\n",
    )


def _sinks(stand: Stand, *, count: int, seconds: float, share: float) -> Part:
    """The same jobs with 1, 3 and 10 sinks."""
    cases = {n: int(jobs * share) for n, jobs in {1: 500, 3: 250, 10: 80}.items()}
    runs: dict[int, list[float]] = defaultdict(list)
    with ExitStack() as running:
        places = {n: running.enter_context(beside(stand, f"sinks-{n}", sinks=n)) for n in cases}
        for i in rounds("growth: sinks", count, seconds):
            for n in cases if i % 2 else reversed(cases):
                places[n].start_afresh()
                runs[n].append(_events(places[n], cases[n], n))
    samples = {n: Sample(tuple(rates)) for n, rates in runs.items()}
    rows = [[str(n), samples[n].shown(), Sample(tuple(r / n for r in runs[n])).shown()] for n in cases]
    return Part(
        table(["sinks", "deliveries/s", "jobs/s"], rows)
        + f"\nOne worker, medians of {rounds_of(list(samples.values()))} rounds.\n",
    )


def _events(it: Stand, jobs: int, each: int) -> float:
    """Deliveries a second."""
    it.fill(notices.job_ids(jobs))
    with it.worker():
        return pace_of(it.await_arrivals(jobs * each, "worker")["events"])


# --- memory ----------------------------------------------------------------------------------------------------------


def _memory(stand: Stand) -> Part:
    """What Redis keeps of one notification while it waits, when it is done, and when its delivery is dead."""
    say("growth: memory, some 20 s")
    stand.start_afresh()
    time.sleep(1)
    empty = _used(stand)
    stand.fill(notices.job_ids(KEPT))
    pending = (_used(stand) - empty) / KEPT
    with stand.worker():
        stand.await_arrivals(KEPT, "worker")
    finished = (_used(stand) - empty) / KEPT
    stand.start_afresh()
    stand.far(latency=0.0, refuse=True)
    stand.fill(notices.job_ids(KEPT))
    with stand.worker():
        wait_for(lambda: int(stand.redis.hlen(keys.key("dead"))) >= KEPT, 120, lambda: stand.complaint("worker"))
    dead = (_used(stand) - empty) / KEPT
    stand.far(latency=0.0)
    rows = [
        ["a notification that waits", f"{pending:,.0f}"],
        ["one that is done: its facts, document, event, delivery and story", f"{finished:,.0f}"],
        ["the same, with its delivery refused and dead", f"{dead:,.0f}"],
    ]
    note = f"\n{KEPT:,} of each, one event a job without models; kept for `retention.events` (30 days).\n"
    return Part(table(["Redis memory of", "bytes"], rows) + note)
