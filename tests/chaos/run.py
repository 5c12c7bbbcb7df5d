"""The chaos suite: `python tests/chaos/run.py [--seconds N] [--seed S] [--times N]`; see docs/chaos.md."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.plan import plan  # the path is set above
from chaos.storm import CALM, storm

SHORT = 45.0


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every promise held, 1 when one did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SHORT, help="of storm; some more pass until all is calm")
    parser.add_argument("--seed", type=int, help="default: a new one, which is printed")
    parser.add_argument("--calm", type=float, default=CALM, help="seconds within which all must be calm")
    parser.add_argument("--times", type=int, default=1, help="storms one after another, with seeds that follow")
    parser.add_argument("--plan", action="store_true", help="print the mishaps of the seed, and do nothing")
    parser.add_argument("--keep", type=Path, help="leave the folder of a storm that failed here, logs and all")
    options = parser.parse_args(arguments)
    first = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    for seed in range(first, first + options.times):
        if options.plan:
            say("\n".join(map(str, plan(random.Random(seed), options.seconds))))
        elif not once(seed, options):
            return 1
    return 0


def say(text: str) -> None:
    """At once: whoever waits for a long storm wants to see it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def once(seed: int, options: argparse.Namespace) -> bool:
    say(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="jw-"))
    try:
        outcome = storm(folder, seed=seed, seconds=options.seconds, calm=options.calm)
        say(outcome.text())
        if not outcome.held:
            say(f"to repeat it: python tests/chaos/run.py --seed {seed} --seconds {options.seconds:g}")
            if options.keep:
                shutil.copytree(folder, options.keep / str(seed), ignore=shutil.ignore_patterns("*.sock"))
        return outcome.held
    except BaseException:
        say(f"to repeat it: python tests/chaos/run.py --seed {seed} --seconds {options.seconds:g}")
        say("\n".join((folder / "up.log").read_text().splitlines()[-20:]))
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
