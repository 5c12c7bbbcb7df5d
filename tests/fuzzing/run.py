"""Fuzzing: `python tests/fuzzing/run.py [--inputs N] [--seconds N] [--seed S] [--only TARGET]`; see docs/chaos.md."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzzing.targets import TARGETS  # the path is set above
from fuzzing.walking import Walk, chance, quiet, walk

MILLION = 1_000_000


def main(arguments: list[str]) -> int:
    """The exit status: 0 when nothing but documented errors came, in time; 1 when something else did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=MILLION, help="of all targets together")
    parser.add_argument("--seconds", type=float, help="at most, of all targets together")
    parser.add_argument("--seed", type=int, help="default: a new one, which is printed")
    parser.add_argument("--only", action="append", help="the name of a target; may be given again")
    parser.add_argument("--input", type=int, help="the number of one input, to be tried alone, its error in full")
    options = parser.parse_args(arguments)
    targets = [target for target in TARGETS if not options.only or target.name in options.only]
    if not targets:
        parser.error(f"there are: {', '.join(target.name for target in TARGETS)}")
    seed = random.SystemRandom().randrange(MILLION) if options.seed is None else options.seed
    say(f"seed {seed}")
    if options.input is not None:
        with quiet():
            for target in targets:
                say(f"{target.name}: {target.outcome(target.make(chance(seed, target, options.input)))}")
        return 0
    say(f"{'target':22} {'inputs':>9} {'seconds':>8} {'slowest':>9}  outcomes")
    walks = [told(one) for one in walk(targets, seed=seed, inputs=options.inputs, seconds=options.seconds)]
    total, took = sum(one.inputs for one in walks), sum(one.seconds for one in walks)
    faults = [fault for one in walks for fault in one.faults.values()]
    say(
        f"{'all':22} {total:9,} {took:8.0f} {max(one.slowest[0] for one in walks) * 1000:6.0f} ms  {len(faults)} faults"
    )
    for fault in faults:
        say(fault)
    return 1 if faults else 0


def told(one: Walk) -> Walk:
    outcomes = ", ".join(f"{name} {count:,}" for name, count in one.outcomes.most_common())
    slowest = f"{one.slowest[0] * 1000:6.0f} ms"
    say(f"{one.target.name:22} {one.inputs:9,} {one.seconds:8.1f} {slowest}  {outcomes}")
    return one


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
