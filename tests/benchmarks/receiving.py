"""How many notifications a second are accepted, beside what else could receive them, and how long half of it takes."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import load
import notices
from cached import Cache, Missing
from progress import rounds, say
from stand import RIVALS, Server, Stand, family, processor_time, wait_for
from tables import Chart, Part, Sample, quantile, rounds_of, table, unmeasured

BARE, PUSHING, PLAIN = "Flask, 202 alone", "Flask, HMAC + `LPUSH`", "Flask, marshmallow, `rq.enqueue`"
WEBHOOK, FASTIFY = "Debian's webhook", "fastify, HMAC + `LPUSH`"
DONE = "… until its commands have ended"
HOVER, BENTLEY = "jobwire, Hover", "jobwire, Bentley"
WARM_UP = 400
LONGEST = 8000  # requests of one run


@dataclass(frozen=True)
class Route:
    title: str
    command: Sequence[str]
    prepare: Callable[[list[str]], list[bytes]]
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Runs:
    """What was measured of one route, a figure for each round."""

    rate: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    half: list[float] = field(default_factory=list)  # p99 at half the rate
    cost: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)  # processor seconds of the server and Valkey for a request
    done: list[float] = field(default_factory=list)  # the rate until all that was started had ended
    refused: int = 0


def measure(stand: Stand, cache: Cache, *, count: int, seconds: float, run: float) -> Part:
    """Every round sends to each route for `run` seconds as fast as it answers, then for as long at half of that."""
    routes, missing = _routes(cache)
    runs: dict[str, Runs] = defaultdict(Runs)
    with ExitStack() as running:
        web = running.enter_context(stand.receiver())
        servers = {}
        for i, route in enumerate(routes):
            servers[route.title] = web
            if route.command:
                server = stand.server(f"server-{i}", route.command, environ=route.environ)
                servers[route.title] = running.enter_context(server)
        stand.start_afresh()
        pace, valkey = {}, int(stand.redis.info("server")["process_id"])
        for route in routes:
            pace[route.title] = load.drive(servers[route.title].port, route.prepare(notices.job_ids(WARM_UP))).rate
        for i in rounds("receiving", count, seconds):
            for route in routes if i % 2 else reversed(routes):
                if route.title in missing:
                    continue
                try:
                    server = servers[route.title]
                    pace[route.title] = _round(runs[route.title], route, server, valkey, pace[route.title], run)
                except RuntimeError as e:
                    say(f"{route.title}: {e}")
                    missing[route.title] = f"it failed under load: {e}"
    return _report({t: r for t, r in runs.items() if t not in missing}, missing, run)


def _round(runs: Runs, route: Route, server: Server, valkey: int, pace: float, run: float) -> float:
    processes = len(family(server.process.pid))

    def rest() -> float:
        """Seconds that what was started goes on when all is answered; it is not to disturb what comes next."""
        began = time.monotonic()
        wait_for(lambda: len(family(server.process.pid)) <= processes, 60, lambda: "its processes do not end")
        return time.monotonic() - began

    at_work, requests = [valkey, *family(server.process.pid)], route.prepare(notices.job_ids(_many(pace, run)))
    before = processor_time(*at_work)
    sent = load.drive(server.port, requests)
    runs.used.append((processor_time(*at_work) - before) / len(sent.latencies))
    runs.done.append(len(sent.latencies) / (sent.seconds + rest()))
    half = load.drive(server.port, route.prepare(notices.job_ids(_many(sent.rate / 2, run))), rate=sent.rate / 2)
    rest()
    runs.refused += sent.refused + half.refused
    runs.rate.append(sent.rate)
    runs.p50.append(quantile(sent.latencies, 0.5))
    runs.p99.append(quantile(sent.latencies, 0.99))
    runs.half.append(quantile(half.latencies, 0.99))
    runs.cost.append(sent.cpu / len(sent.latencies))
    return sent.rate


def _many(rate: float, run: float) -> int:
    return max(100, min(LONGEST, int(rate * run)))


def _routes(cache: Cache) -> tuple[list[Route], dict[str, str]]:
    """The routes that can be had here, and why the others cannot."""

    def flask(name: str) -> list[str]:
        return [sys.executable, str(RIVALS / "flasks.py"), name, "PORT"]

    routes = [
        Route(BARE, flask("bare"), notices.for_rivals),
        Route(PUSHING, flask("pushing"), notices.for_rivals),
        Route(PLAIN, flask("plain"), notices.for_rivals),
        Route(HOVER, [], notices.from_hover),
        Route(BENTLEY, [], notices.from_bentley),
    ]
    missing = {}
    try:
        hooks = str(RIVALS / "webhook.json")
        command = [cache.webhook(), "-hooks", hooks, "-ip", "127.0.0.1", "-port", "PORT"]
        routes.insert(3, Route(WEBHOOK, command, notices.for_webhook))
    except Missing as e:
        missing[WEBHOOK] = str(e)
    try:
        node, packages = cache.node()
        environ = {"NODE_PATH": str(packages), "NODE_ENV": "production"}
        routes.insert(3, Route(FASTIFY, [node, str(RIVALS / "with_fastify.js"), "PORT"], notices.for_rivals, environ))
    except Missing as e:
        missing[FASTIFY] = str(e)
    return routes, missing


def _report(runs: Mapping[str, Runs], missing: Mapping[str, str], run: float) -> Part:
    rates = {title: Sample(tuple(one.rate)) for title, one in runs.items()}
    halves = {title: Sample(tuple(one.half)) for title, one in runs.items()}
    rows = [
        [
            title,
            rates[title].shown(),
            _ratio(rates, title, PUSHING),
            _ratio(rates, title, BARE),
            Sample(tuple(runs[title].used)).shown(1e6),
            Sample(tuple(runs[title].p50)).shown(1000),
            Sample(tuple(runs[title].p99)).shown(1000),
            halves[title].shown(1000),
        ]
        for title in sorted(rates, key=lambda title: -rates[title].middle)
    ]
    if WEBHOOK in runs:
        rates[DONE] = Sample(tuple(runs[WEBHOOK].done))
        place = 1 + next(i for i, row in enumerate(rows) if row[0] == WEBHOOK)
        ratios = [_ratio(rates, DONE, other) for other in (PUSHING, BARE)]
        rows.insert(place, [DONE, rates[DONE].shown(), *ratios, *[""] * 4])
    rows += [unmeasured(title, reason, 8) for title, reason in missing.items()]
    used, times = "µs of a core for one", ["p50 ms", "p99 ms", "p99 ms at half the rate"]
    header = ["route", "accepted/s", "× HMAC + LPUSH", "× bare", used, *times]
    refused = sum(one.refused for one in runs.values())
    cost = min(runs[BARE].cost) * 1e6 if BARE in runs else 0
    text = (
        table(header, rows)
        + f"\nMedians of {rounds_of(list(rates.values()))} rounds, and what the middle half of them lay between; some "
        f"{run:g} s a run over {load.CONNECTIONS} connections, no two requests alike, no worker running. A core's time "
        "is that of the server's processes and of Valkey together, while it is asked as fast as it answers; it says "
        "more than the rate where others disturb. The last column is by a timetable, at half of what the "
        f"same route has just sustained. The load generator needs {cost:.0f} µs of a core for a request of the bare "
        f"route, and shares the cores with what it measures. {refused} requests were answered 503 and sent again.\n"
    )
    return Part(text, _figures(rates, halves), {"receiving": _chart({title: rates[title] for title in runs})})


def _ratio(samples: Mapping[str, Sample], title: str, other: str) -> str:
    return samples[title].over(samples[other]).shown() if other in samples and title != other else "1"


def _figures(rates: Mapping[str, Sample], halves: Mapping[str, Sample]) -> dict[str, Sample]:
    """Of our two routes the slower one counts."""
    ours = min((title for title in (HOVER, BENTLEY) if title in rates), key=lambda t: rates[t].middle, default=None)
    if ours is None:
        return {}
    over = {"pushing": PUSHING, "webhook": WEBHOOK, "plain": PLAIN}
    found = {f"receiver.{name}": rates[ours].over(rates[title]) for name, title in over.items() if title in rates}
    if BARE in halves:
        found["receiver.half"] = halves[ours].over(halves[BARE])
    return found


def _chart(rates: Mapping[str, Sample]) -> Chart:
    ordered = sorted(rates, key=lambda title: rates[title].middle)
    return Chart("Notifications accepted a second", "a second", {t.replace("`", ""): [rates[t]] for t in ordered})
