"""Measures jobwire beside simpler things and writes the tables into docs/performance.md.

`python tests/benchmarks/run.py [--quick]`. It starts everything it needs on free loopback ports, and stops it.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import path
import receiving
import working
from stand import Stand, stand

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two short rounds; the page is left alone")
    parser.add_argument("--only", choices=("receiving", "working", "path"), help="the page is left alone")
    parser.add_argument("--sustained", type=float, help="jobs/s of the worker, for --only path", default=200.0)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    with stand() as it:
        sections = {"machine": _machine(it)}
        print(sections["machine"])  # noqa: T201
        for name, section in _sections(it, given.quick, given.sustained).items():
            if given.only in (None, name):
                sections[name] = section()
                print(f"\n## {name}\n\n{sections[name]}", flush=True)  # noqa: T201  # a command's own output
    if not given.quick and not given.only:
        _write(sections)


def _sections(it: Stand, quick: bool, sustained: float) -> dict[str, Callable[[], str]]:
    rounds = 2 if quick else 5

    def work() -> str:
        nonlocal sustained
        text, sustained = working.measure(
            it, rounds=rounds, count=600 if quick else 2000, simple_count=40 if quick else 100
        )
        return text

    return {
        "receiving": lambda: receiving.measure(it, rounds=rounds, count=2000 if quick else 6000),
        "working": work,
        "path": lambda: path.measure(it, rounds=rounds, seconds=4 if quick else 20, sustained=sustained),
    }


def _machine(it: Stand) -> str:
    valkey = it.redis.info("server")
    version = valkey.get("valkey_version") or valkey["redis_version"]
    return (
        f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()} {platform.release().split('-')[0]}), "
        f"Python {platform.python_version()}, Valkey {version} with `appendfsync always` on a Unix socket, "
        f"{datetime.now(UTC):%Y-%m-%d}. Load generator, servers, provider and sink share these cores.\n"
    )


def _write(sections: dict[str, str]) -> None:
    """Put each section between its markers on the page; what stands around them is kept."""
    page = PAGE.read_text()
    for name, text in sections.items():
        begin, end = f"<!-- measured: {name} -->\n", "<!-- end -->"
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"{PAGE} has no place for {name}"
        page = f"{before}{begin}{text}{end}{after}"
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
