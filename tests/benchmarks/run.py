"""Measures jobwire beside others and writes docs/performance.md, with its charts.

`python tests/benchmarks/run.py [--quick] [--only SECTION [--write]]`. It starts everything it needs on free loopback
ports and stops it; the others are installed once from PyPI, npm and Debian into a folder of their own (--cache).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import growth
import lean
import path
import receiving
import targets
import working
from cached import DEFAULT, Cache, Missing
from progress import ROUNDS, say
from stand import HERE, ROOT, Stand, stand, stolen
from tables import Chart, Part

PAGE = ROOT / "docs" / "performance.md"
PICTURES = ROOT / "docs" / "pictures"
OURS = ("flask", "rq", "marshmallow", "granian", "requests", "redis")  # what the rivals borrow of our environment

_Section = Callable[[], Part]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two short rounds; the page is left alone")
    parser.add_argument("--only", choices=list(_sections(None, None, True)), help="the page is left alone")  # type: ignore[arg-type]
    parser.add_argument("--cache", type=Path, default=DEFAULT, help="where the others are installed (%(default)s)")
    parser.add_argument("--offline", action="store_true", help="install nothing: what is missing is not measured")
    parser.add_argument("--write", action="store_true", help="with --only: put it on the page beside what is there")
    given = parser.parse_args()
    writes = not given.quick and (given.write or not given.only)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    cache = Cache(given.cache.absolute(), installs=not given.offline)
    if not given.only:
        say(f"all of it: {'at most 3' if given.quick else 'some 25'} minutes, and a few for what is installed first")
    with stand() as it:
        parts = {
            name: _measured(name, section)
            for name, section in _sections(it, cache, given.quick).items()
            if given.only in (None, name)
        }
        parts["machine"] = Part(_machine(it, cache))
    figures = {name: sample for part in parts.values() for name, sample in part.figures.items()}
    earlier = _parted(PAGE.read_text(), "targets")[1] if given.only else ""
    parts["targets"] = Part(targets.told(figures, every=writes or not given.only, earlier=earlier if writes else ""))
    _tell("targets", parts["targets"])
    if writes:
        _write(parts)
        _draw(cache, {name: chart for part in parts.values() for name, chart in part.charts.items()})


def _sections(it: Stand, cache: Cache, quick: bool) -> dict[str, _Section]:
    """In the order in which they are measured. Each is told how many rounds, and in how many seconds."""
    if quick:
        return {
            "receiving": lambda: receiving.measure(it, cache, count=4, seconds=20, run=0.2),
            "working": lambda: working.measure(it, cache, count=1, seconds=40, share=0.1),
            "empty": lambda: working.measure_empty(it, cache, count=1, seconds=10, share=0.3),
            "path": lambda: path.measure(it, count=1, seconds=15, run=1.5),
            "growth": lambda: growth.measure(it, sizes=(1000, 20_000), history=2000, count=1, seconds=30, share=0.5),
            "lean": lambda: lean.measure(it, idle=5, starts=3, demos=1),
        }
    n = ROUNDS
    return {
        "receiving": lambda: receiving.measure(it, cache, count=20, seconds=180, run=0.4),
        "working": lambda: working.measure(it, cache, count=n, seconds=480, share=1.0),
        "empty": lambda: working.measure_empty(it, cache, count=n, seconds=60, share=1.0),
        "path": lambda: path.measure(it, count=n, seconds=180, run=6.0),
        "growth": lambda: growth.measure(
            it, sizes=(1000, 100_000, 1_000_000), history=200_000, count=n, seconds=400, share=1.0
        ),
        "lean": lambda: lean.measure(it, idle=30, starts=9, demos=5),
    }


def _measured(name: str, section: _Section) -> Part:
    """What a section found; one that fails keeps none of the others from the page."""
    say(name)
    before = stolen()
    try:
        part = section()
    except Exception as e:  # noqa: BLE001  # half an hour's figures are not lost by one fault
        traceback.print_exc()
        say(f"{name}: not measured: {e}")
        part = Part(f"not measured: {' '.join(str(e).split())[:300]}\n")
    lost, of = (now - then for now, then in zip(stolen(), before, strict=True))
    if lost:
        part = replace(
            part, text=f"{part.text}\nMeanwhile other machines had {lost / of:.0%} of the processors (steal).\n"
        )
    _tell(name, part)
    return part


def _tell(name: str, part: Part) -> None:
    print(f"\n## {name}\n\n{part.text}", flush=True)  # noqa: T201  # a command's own output


def _machine(it: Stand, cache: Cache) -> str:
    valkey = it.redis.info("server")
    ours = ", ".join(f"{name} {version(name)}" for name in OURS)
    return (
        f"{os.cpu_count()} cores of {_processor()}, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, Valkey {valkey.get('valkey_version') or valkey['redis_version']} with "
        f"`appendfsync always` on a Unix socket for everybody, {datetime.now(UTC):%Y-%m-%d}. "
        "Load generator, servers, workers, provider and sink share these cores.\n\n"
        f"Versions: {ours}; {', '.join([*cache.versions(), *_others(cache)])}.\n"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _others(cache: Cache) -> list[str]:
    found = []
    for ask in (lambda: ["node", cache.node()[0], "--version"], lambda: ["", cache.webhook(), "-version"]):
        try:
            title, *command = ask()
            said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
        except (Missing, OSError):
            continue
        found.append(f"{title} {said}".strip().replace("version ", ""))
    return found


def _write(parts: Mapping[str, Part]) -> None:
    """Put each section between its markers on the page; what stands around them is kept."""
    page = PAGE.read_text()
    for name, part in parts.items():
        before, _, after = _parted(page, name)
        page = before + part.text + after
    PAGE.write_text(page)


def _parted(page: str, name: str) -> tuple[str, str, str]:
    """What stands before a section, the section, and what stands behind it."""
    begin, end = f"<!-- measured: {name} -->\n", "<!-- end -->"
    before, _, rest = page.partition(begin)
    text, found, after = rest.partition(end)
    assert found, f"{PAGE} has no place for {name}"
    return before + begin, text, end + after


def _draw(cache: Cache, charts: Mapping[str, Chart]) -> None:
    """By charts.py, in its own environment."""
    try:
        python = cache.python("charts")
    except Missing as e:
        say(f"the charts are left as they are: {e}")
        return
    drawn = {
        name: {
            "title": chart.title,
            "unit": chart.unit,
            "ticks": list(chart.ticks),
            "series": {
                t: [(min(s.rounds), s.middle, max(s.rounds)) for s in samples] for t, samples in chart.series.items()
            },
        }
        for name, chart in charts.items()
    }
    PICTURES.mkdir(exist_ok=True)
    command = [python, str(HERE / "charts.py"), str(PICTURES)]
    subprocess.run(command, input=json.dumps(drawn), text=True, check=True, timeout=120)


if __name__ == "__main__":
    main()
