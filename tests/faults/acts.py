"""Everything that is played at once, since most of it is waiting for leases to end: the points, what kills again and
again, and the worlds of which a safeguard was taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from faults.calls import Mutation
from faults.ground import Ground
from faults.points import POINTS, Point
from faults.poison import at_the_provider, at_the_sink
from faults.scenes import Outcome, scene_of, world_of
from faults.world import World

_BY_NAME = {point.name: point for point in POINTS}


@dataclass(frozen=True)
class Act:
    """`play` is called with a world that was made with the keys of `world`."""

    name: str
    play: Callable[[World, Outcome], None]
    world: dict[str, Any] = field(default_factory=dict)


def _at(point: Point, world: World, outcome: Outcome) -> None:
    scene_of(point)(world, point, outcome).play()


def _control(name: str, mutation: Mutation) -> Act:
    point = _BY_NAME[name]
    return Act(f"{name} without a safeguard", partial(_at, point), {**world_of(point), "mutation": mutation})


# Taken at the claim and not at the end: whoever dies with it has lost it.
TAKEN_AT_ONCE = _control(
    "after:claim (delivery)",
    Mutation(
        "prelude",
        "local facts = refreshing and",
        "c('LTRIM', P .. 'q:' .. L, #items, -1)\nlocal facts = refreshing and",
    ),
)
# Whoever had a lane once may write for ever.
NO_FENCE = _control(
    "late:commit",
    Mutation(
        "prelude",
        "return c('ZSCORE', P .. 'run:' .. R, L) and c('HGET', P .. 'lane:' .. L, 'fence') == fence",
        "return true",
    ),
)
POISON = (Act("poison at the provider", at_the_provider), Act("poison at the sink", at_the_sink))
# First what takes longest: where nobody dies no lease ends.
_IN_TURN = sorted(POINTS, key=lambda point: not point.kills)
ACTS = (*POISON, TAKEN_AT_ONCE, NO_FENCE, *(Act(p.name, partial(_at, p), world_of(p)) for p in _IN_TURN))


def play(acts: Iterable[Act], *, at_once: int = 100) -> dict[str, Outcome]:
    """What became of each, by name; at most so many `at_once`."""
    with Ground() as ground, ExitStack() as stack, ThreadPoolExecutor(at_once) as pool:
        # one by one: Python 3.11 cannot parse in several threads (https://github.com/python/cpython/issues/106905)
        made = [(act, stack.enter_context(World(ground, **act.world))) for act in acts]
        outcomes = list(pool.map(lambda one: _played(*one), made))
        return {outcome.name: outcome for outcome in outcomes}


def _played(act: Act, world: World) -> Outcome:
    outcome = Outcome(act.name)
    try:
        act.play(world, outcome)
    except Exception as e:  # noqa: BLE001  # one that fails is told with the others
        outcome.notes += [f"{type(e).__name__}: {e}", *world.counted().complaints, *world.said().splitlines()[-15:]]
    finally:
        world.stop()
    outcome.notes += [line[-1000:] for line in world.said().splitlines() if "Traceback" in line]
    return outcome
