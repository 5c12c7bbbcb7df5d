"""How it stands: what runs, what failed today, how fast it goes, and how each source and sink is doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice, pairwise

from processor.looking.rows import job_rows, stamp
from processor.looking.shapes import Overview, Rates, SinkHealth, SourceHealth, Standing
from processor.model import State, timestamp
from processor.store import index as lists
from processor.store import keys
from processor.store.pulse import BUCKETS, EVERY
from processor.text import VALUE, clean
from processor.wiring import App

FAILED_SHOWN = 10
DRAWN = 120  # samples: an hour
STEP = 4  # samples that make one point: two minutes


def overview(app: App) -> Overview:
    """See Looking.overview."""
    now = app.tools.clock()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    names = app.index.names("jobs")
    every = [lists.jobs(source, state) for source, state in names]
    jobs = dict.fromkeys(map(str, State), 0)
    by_source: dict[str, int] = {}
    for (source, state), count in zip(names, app.index.counts(every), strict=True):
        jobs[state] = jobs.get(state, 0) + count
        if state in lists.OPEN:
            by_source[source] = by_source.get(source, 0) + count
    failed = [lists.jobs(source, state) for source, state in names if state == State.FAILED]
    ready = app.readiness()
    counters = app.journal.counters()
    return Overview(
        at=timestamp(now),
        workers=app.journal.workers(),
        jobs=jobs,
        failed_today=tuple(job_rows(app.index, list(islice(app.index.newest(failed, since=midnight), FAILED_SHOWN)))),
        failed_today_count=app.index.count_since(failed, midnight),
        sources=tuple(_sources(app, by_source, {n: (p.ok, p.detail) for n, p in ready.parts.items()}, now)),
        sinks=tuple(_sinks(app, counters, now)),
        alarms=tuple(_alarms(app)),
        rates=rates(app.pulse.read(DRAWN + 1)),
        warnings=tuple(
            f"{name}: {part.detail}"
            for name, part in ready.parts.items()
            if not name.startswith("token:") and part.detail != "ok" and (not part.ok or name == "redis")
        ),
    )


def _sources(
    app: App, running: Mapping[str, int], parts: Mapping[str, tuple[bool, str]], now: datetime
) -> list[SourceHealth]:
    heard, found = app.index.heard(), []
    for name, source in app.settings.sources.items():
        resource = keys.refreshing(name)
        pending, retrying, dead = app.index.counts(
            [lists.standing(resource, state) for state in ("pending", "retrying", "dead")]
        )
        (gate,) = app.index.gates([resource])
        ok, detail = parts.get(f"token:{name}", (True, "ok"))
        if ok and gate.get("pause", 0) > now.timestamp() * 1000:
            ok, detail = not gate.get("fails"), f"asked to wait until {stamp(gate['pause'])}"
        found.append(
            SourceHealth(
                name=name,
                provider=source.provider,
                ok=ok,
                detail=clean(detail, VALUE),
                heard_at=stamp(heard[name] * 1000) if name in heard else None,
                running=running.get(name, 0),
                waiting=pending + retrying,
                dead=dead,
            )
        )
    return found


def _sinks(app: App, counters: Mapping[str, int], now: datetime) -> list[SinkHealth]:
    found = []
    for name, sink in app.settings.sinks.items():
        resource = keys.delivering(name)
        pending, retrying, dead = app.index.counts(
            [lists.standing(resource, state) for state in ("pending", "retrying", "dead")]
        )
        (gate,) = app.index.gates([resource])
        paused = gate.get("pause", 0) > now.timestamp() * 1000
        failing = gate.get("failing") if gate.get("fails") else None
        detail = f"takes nothing since {stamp(failing)}" if failing else "asked us to wait" if paused else "ok"
        found.append(
            SinkHealth(
                name=name,
                type=sink.type,
                ok=not failing,
                detail=detail,
                waiting=pending + retrying,
                retrying=retrying,
                dead=dead,
                delivered=counters.get(f"deliveries:{resource}:delivered", 0),
                paused_until=stamp(gate["pause"]) if paused else None,
                failing_since=stamp(failing) if failing else None,
            )
        )
    return found


def _alarms(app: App) -> list[Standing]:
    found = []
    for name, state in sorted(app.journal.alarms().items()):
        kind, place, *_ = [*name.split(" ", 2), "", ""]
        found.append(Standing(type=kind, place=place, since=state["since"], detail=clean(state["detail"], VALUE)))
    return found


# --- rates -----------------------------------------------------------------------------------------------------------


def rates(samples: Sequence[tuple[float, Mapping[str, int]]]) -> Rates:
    """What happened between samples of running totals, some samples to a point. Pure."""
    points = samples[::-1][::STEP][::-1]
    spans = [(end, _between(old, new)) for (_, old), (end, new) in pairwise(points)]
    return Rates(
        seconds=int(STEP * EVERY),
        at=tuple(stamp(end * 1000) for end, _ in spans),
        accepted=tuple(went["accepted"] for _, went in spans),
        rejected=tuple(went["rejected"] for _, went in spans),
        events=tuple(went["events"] for _, went in spans),
        delivered=tuple(went["delivered"] for _, went in spans),
        failed=tuple(went["failed"] for _, went in spans),
        p50_ms=tuple(_quantile(went, 0.5) for _, went in spans),
        p95_ms=tuple(_quantile(went, 0.95) for _, went in spans),
    )


def _between(old: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
    """What happened between two samples; of totals that began anew, all they have."""
    return {name: total - old.get(name, 0) if total >= old.get(name, 0) else total for name, total in new.items()}


def _quantile(went: Mapping[str, int], share: float) -> float | None:
    """Below how many ms so large a share was, spread evenly over its bucket; None where there was nothing. What took
    longer than the last bucket's end is told as that end."""
    counts = [went.get(f"le:{bucket}", 0) for bucket in BUCKETS]
    wanted, seen, low = share * sum(counts), 0, 0.0
    if not wanted:
        return None
    for bucket, count in zip(BUCKETS, counts, strict=True):
        high = low if bucket == "+Inf" else float(bucket)
        if count and seen + count >= wanted:
            return round((low + (high - low) * (wanted - seen) / count) * 1000, 1)
        seen, low = seen + count, high
    return round(low * 1000, 1)
