"""The table of docs/reliability.md, as measured: `python tests/faults/run.py [--rounds N] [--at-once N] [NAME ...]`."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.acts import ACTS, play  # the path is set above
from faults.points import POINTS

_REMAINS = {point.name: point.remains for point in POINTS}


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every point went well, 1 when one did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only points whose name holds one of these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=8, help="points that are played beside each other")
    options = parser.parse_args(arguments)
    acts = [act for act in ACTS if act.name in _REMAINS and any(n in act.name for n in options.names or [""])]
    took: dict[str, list[float]] = defaultdict(list)
    bad = []
    for _ in range(options.rounds):
        for name, outcome in play(acts, at_once=options.at_once).items():
            took[name].append(outcome.took)
            bad += [f"{name}: {what}" for what in outcome.complaints + outcome.notes]
    say("| point | what remains, and who goes on | went on after |\n| --- | --- | --- |")
    for name in filter(took.__contains__, _REMAINS):
        times = took[name]
        say(f"| `{name}` | {_REMAINS[name]} | {_span(times)} |")
    say("\n".join(bad))
    return 1 if bad else 0


def _span(times: list[float]) -> str:
    low, high = f"{min(times):.1f}", f"{max(times):.1f}"
    return f"{low} s" if low == high else f"{low} to {high} s"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
