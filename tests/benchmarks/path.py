"""How long it takes from the POST of a notification to its event's arrival at the sink, everything running."""

from __future__ import annotations

import load
import notices
from stand import LATENCY, Stand
from tables import Sample, quantile, table

SHARE = 0.25  # of what one worker sustains
WARM_UP = 50
LATE = 30.0  # seconds that the last events may take


def measure(stand: Stand, *, rounds: int, seconds: float, sustained: float) -> str:
    """Every round posts by a timetable for so many seconds."""
    rate = SHARE * sustained
    stand.start_afresh()
    with stand.receiver() as web, stand.worker():
        load.drive(web.port, notices.from_hover(notices.job_ids(WARM_UP)), rate=rate)
        stand.await_arrivals(WARM_UP, LATE, "worker")
        runs = [_round(stand, web.port, int(rate * seconds), rate) for _ in range(rounds)]
    rows = [
        [f"p{share * 100:g}", Sample(tuple(quantile(run, share) for run in runs)).shown(1000)]
        for share in (0.5, 0.95, 0.99, 1.0)
    ]
    return (
        table(["POST to sink", "ms"], rows)
        + f"\n{rate:.0f} notifications/s ({SHARE:.0%} of what the worker sustains) for {seconds:g} s a round, each "
        "of a job of its own, by a timetable that waits for nothing. Of every figure "
        f"{LATENCY * 1000:.0f} ms are the provider's; the sink's answer is not in it.\n"
    )


def _round(stand: Stand, port: int, count: int, rate: float) -> list[float]:
    jobs = notices.job_ids(count)
    before = stand.arrived()
    sent = load.drive(port, notices.from_hover(jobs), rate=rate)
    arrivals = stand.await_arrivals(before + count, LATE, "worker")["arrivals"]
    return [arrivals[job] - (sent.began + i / rate) for i, job in enumerate(jobs)]
