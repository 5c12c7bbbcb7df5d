"""What goes wrong when: a list of mishaps that follows from a seed and a length alone."""

from __future__ import annotations

import random
from dataclasses import dataclass

PROCESSES = ("worker", "web", "scheduler", "valkey", "up")
ENDPOINT = ("500", "503", "429", "hang", "cut", "lost answer", "slow", "garbled")
PROVIDER = ("429", "500", "503", "not-json", "cut", "slow")
_SCHEDULER = 60.0  # a scheduler that is killed while it reads a list holds that list's lock for so long


@dataclass(frozen=True)
class Mishap:
    """`what` happens to `whom` after `at` seconds, for `lasts` seconds or, at a provider, `times` requests."""

    at: float
    what: str
    whom: str
    lasts: float = 0.0
    times: int = 0

    def __str__(self) -> str:
        more = f" for {self.lasts:.1f} s" if self.lasts else f" {self.times} times" if self.times else ""
        return f"{self.at:6.1f} s  {self.what} {self.whom}{more}"


def plan(rng: random.Random, seconds: float) -> list[Mishap]:
    """The mishaps of one storm, in their order."""
    quiet = min(seconds / 2, _SCHEDULER)  # at its end: what is left of it then is only waiting
    mishaps = [*_processes(rng, seconds, quiet), *_endpoint(rng, seconds), *_providers(rng, seconds, quiet)]
    return sorted(mishaps, key=lambda mishap: mishap.at)


def _processes(rng: random.Random, seconds: float, quiet: float) -> list[Mishap]:
    mishaps, at, ways = [], 1.0, list(_WAYS)
    rng.shuffle(ways)
    while (at := at + rng.uniform(1.0, 5.0)) < seconds:
        what, whom = ways.pop()  # each way once, then at random: a short storm has all of them
        if not ways:
            ways = rng.choices(_WAYS, k=len(_WAYS))
        if whom in ("scheduler", "up") and at > seconds - quiet:
            whom = rng.choice(["worker", "web", "valkey"])
        mishaps.append(Mishap(at, what, whom, lasts=rng.uniform(1, 4) if what == "freeze" else 0.0))
    return mishaps


_WAYS = (
    *(("kill", whom) for whom in PROCESSES),
    *(("kill", "worker"), ("kill", "valkey"), ("end", "worker")),
    *(("freeze", "worker"), ("freeze", "valkey"), ("freeze", "web")),
)


def _endpoint(rng: random.Random, seconds: float) -> list[Mishap]:
    """Windows with quiet between them, the more of it the longer they were: back-offs shall not grow for ever."""
    mishaps, at, ways = [], 0.0, list(ENDPOINT)
    rng.shuffle(ways)
    while (at := at + rng.uniform(1.5, 4.0)) < seconds - 2:
        lasts = rng.uniform(0.5, 3.0)
        mishaps.append(Mishap(at, ways[len(mishaps) % len(ways)], "endpoint", lasts=lasts))
        at += lasts
    return mishaps


def _providers(rng: random.Random, seconds: float, quiet: float) -> list[Mishap]:
    mishaps, at = [], 0.0
    while (at := at + rng.uniform(1.0, 4.0)) < seconds - 2:
        lists = rng.random() < 0.15 and at < seconds - quiet
        whom = f"{rng.choice(['hover', 'bentley'])} {'jobs' if lists else 'job'}"
        mishaps.append(Mishap(at, rng.choice(PROVIDER), whom, times=1 if lists else rng.randint(1, 6)))
    return mishaps
