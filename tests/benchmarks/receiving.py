"""How many notifications a second are accepted, beside the same server doing less."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import load
import notices
from stand import HERE, Stand
from tables import Sample, quantile, table

AIM = 0.6  # of the HMAC + LPUSH route
WARM_UP = 300


@dataclass(frozen=True)
class Route:
    title: str
    port: int
    prepare: Callable[[list[str]], list[bytes]]


def measure(stand: Stand, *, rounds: int, count: int) -> str:
    """Every round sends `count` requests to each route; the order turns round each time."""
    rivals = str(HERE / "rivals.py")
    with ExitStack() as running:
        web = running.enter_context(stand.receiver())
        bare = running.enter_context(stand.server("bare", rivals, "bare", "PORT"))
        lpush = running.enter_context(stand.server("lpush", rivals, "lpush", "PORT"))
        routes = [
            Route("bare Flask, 202", bare.port, notices.for_lpush),
            Route("Flask, HMAC + `LPUSH`", lpush.port, notices.for_lpush),
            Route("jobwire, Hover", web.port, notices.from_hover),
            Route("jobwire, Bentley", web.port, notices.from_bentley),
        ]
        stand.start_afresh()
        for route in routes:
            load.drive(route.port, route.prepare(notices.job_ids(WARM_UP)))
        runs: dict[str, list[load.Load]] = defaultdict(list)
        for i in range(rounds):
            for route in routes if i % 2 else reversed(routes):
                runs[route.title].append(load.drive(route.port, route.prepare(notices.job_ids(count))))
    return _report(runs, count)


def _report(runs: dict[str, list[load.Load]], count: int) -> str:
    rates = {title: Sample(tuple(run.rate for run in loads)) for title, loads in runs.items()}
    bare, lpush = rates["bare Flask, 202"], rates["Flask, HMAC + `LPUSH`"]
    rows = [
        [
            title,
            rates[title].shown(),
            rates[title].over(lpush).shown(),
            rates[title].over(bare).shown(),
            Sample(tuple(quantile(run.latencies, 0.5) for run in loads)).shown(1000),
            Sample(tuple(quantile(run.latencies, 0.99) for run in loads)).shown(1000),
        ]
        for title, loads in sorted(runs.items(), key=lambda item: -rates[item[0]].middle)
    ]
    cost = min(run.cpu / count for run in runs["bare Flask, 202"])
    return (
        table(["route", "accepted/s", "× HMAC + LPUSH", "× bare", "p50 ms", "p99 ms"], rows)
        + f"\n{count:,} requests a round over {load.CONNECTIONS} connections, no two alike, no worker running. "
        f"Aim: jobwire ≥ {AIM} × HMAC + `LPUSH`. The load generator needs {cost * 1e6:.0f} µs of a core for a request "
        "of the bare route, and shares the cores with what it measures.\n"
    )
