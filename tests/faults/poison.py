"""An item that kills its worker, again and again, until it is dead; and then somebody says that it may go on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from faults.scenes import Outcome
from faults.strike import Strike
from faults.world import LONG, World

from workers.retry import LOST


def at_the_provider(world: World, outcome: Outcome) -> None:
    world.warm()
    item = world.tell()
    world.provider.fetching = strike = Strike(world, LOST)
    _until_dead(world, outcome, strike)
    [shown] = _shown(world, "notifications")
    outcome.expect("notifications --dead", found=shown["id"], wanted=item)
    _end(world, outcome, shown)


def at_the_sink(world: World, outcome: Outcome) -> None:
    world.warm()
    world.tell()
    world.sink.taken = strike = Strike(world, LOST)
    _until_dead(world, outcome, strike)
    [shown] = _shown(world, "deliveries")
    outcome.expect("deliveries --dead", found=shown["event_id"], wanted=world.provider.expected[0].id)
    _end(world, outcome, shown)


def _until_dead(world: World, outcome: Outcome, strike: Strike) -> None:
    """One worker after the other. The leases of the dead are ended at once, since 15 s each would be more than a
    minute; their back-off is left as it is. One more strike than LOST never comes: it would do no harm."""
    began = time.monotonic()
    for _ in range(LOST):
        strike.sprung.clear()
        world.work()
        assert strike.sprung.wait(LONG), f"it was tried {strike.reached} times only"
        world.end_leases()
    outcome.reached = strike.reached
    world.work()
    outcome.took = world.settle() - began
    outcome.expect("dead", found=[reason[2:] for reason in world.dead()], wanted=["Poison"])


def _shown(world: World, what: str) -> list[dict[str, Any]]:
    """What `jobwire deliveries --dead` or `notifications --dead` shows."""
    return [json.loads(line) for line in _jobwire(world, what, "--dead", "--json").splitlines()]


def _end(world: World, outcome: Outcome, shown: dict[str, Any]) -> None:
    wanted = ("dead", f"{LOST} workers died or stalled with it")
    outcome.expect("what is shown", found=(shown["state"], shown["last_error"]), wanted=wanted)
    _jobwire(world, "replay", "--dead", "--yes")
    world.settle("what was dead does not go on")
    outcome.complaints += world.counted().complaints


def _jobwire(world: World, *arguments: str) -> str:
    command = [sys.executable, "-m", "processor.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(world.environ), timeout=LONG)
    assert done.returncode == 0, done.stderr
    return done.stdout
