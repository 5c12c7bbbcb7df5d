"""Fuzzing led by what the code does: `python tests/fuzzing/guided.py [--inputs N] [--only TARGET]`; needs atheris.

The same targets as run.py: the bytes that atheris thinks up stand in for chance, and it keeps those that reach new
lines. libFuzzer ends its process, so each target has one of its own.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

LENGTH = 400  # bytes of chance: a few hundred choices


class Fed(random.Random):
    """Chance that is what some bytes say; behind their end everything is 0."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        super().__init__()

    def getrandbits(self, k: int) -> int:
        size = (k + 7) // 8
        cut = self._data[self._at : self._at + size].ljust(size, b"\0")
        self._at += size
        return int.from_bytes(cut, "big") >> (size * 8 - k)

    def random(self) -> float:
        return self.getrandbits(53) / 2**53


def alone(name: str, arguments: list[str]) -> None:
    """One target, in this process; never returns."""
    import atheris

    with atheris.instrument_imports(include=["processor", "jmespath"]):
        from fuzzing.targets import TARGETS
        from fuzzing.walking import SLOW, quiet
    [target] = [target for target in TARGETS if target.name == name]

    def once(data: bytes) -> None:
        made = target.make(Fed(data))
        began = time.thread_time()
        try:
            target.outcome(made)
            assert time.thread_time() - began < 5 * SLOW, "slow, even for code that is watched"
        except Exception:
            sys.stdout.write(f"{name}: {data.hex()}\n{made!r:.3000}\n")
            raise

    with quiet():
        atheris.Setup(
            [sys.argv[0], f"-max_len={LENGTH}", "-len_control=0", "-artifact_prefix=/dev/null", *arguments], once
        )
        atheris.Fuzz()


def main(arguments: list[str]) -> int:
    """The exit status: 0 when nothing but documented errors came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1_000_000))
    parser.add_argument("--only", action="append", help="the name of a target; may be given again")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args(arguments)
    if options.alone:
        alone(options.alone, rest)
    from fuzzing.targets import TARGETS

    names = [target.name for target in TARGETS if not options.only or target.name in options.only]
    sys.stdout.write(f"seed {options.seed}\n")
    bad = 0
    for name in names:
        runs = [f"-runs={-(-options.inputs // len(names))}", f"-seed={options.seed}"]
        done = subprocess.run(
            [sys.executable, __file__, "--alone", name, *runs],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        last = next((line for line in reversed(done.stdout.splitlines()) if "DONE" in line), "")
        sys.stdout.write(f"{name:22} {last or done.stdout[-6000:]}\n")
        sys.stdout.flush()
        bad += done.returncode != 0
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
