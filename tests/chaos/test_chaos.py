"""A short storm in which nothing may be lost, and the counting itself: it notices whatever goes wrong."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
from chaos.counting import Evidence, count
from chaos.endpoint import Arrival
from chaos.plan import PROCESSES, plan
from chaos.storm import storm

SECONDS = 30.0


@pytest.mark.timeout(300)
def test_a_storm_loses_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
    again = f"python tests/chaos/run.py --seed {seed} --seconds {SECONDS:g}"
    outcome = storm(tmp_path, seed=seed, seconds=SECONDS)
    assert outcome.held, f"{outcome.text()}\nto repeat it: {again}"
    assert outcome.counted.figures["expected ends"] > 50, "there was too little to lose"
    assert sum(outcome.happened.values()) > 15, "there was hardly a storm"


@pytest.mark.timeout(120)
def test_an_endpoint_that_loses_an_event_after_it_said_204_is_noticed(tmp_path: Path) -> None:
    """The one safeguard that is taken out is at the far end, where ours cannot see it: the counting must."""
    outcome = storm(tmp_path, seed=7, seconds=6, calm=4, harm=lambda it: it.steady.lose(1))
    assert outcome.counted.figures["lost at steady"] == 1, outcome.text()
    assert outcome.counted.figures["lost at hook"] == 0, outcome.text()
    assert not outcome.held


@pytest.mark.timeout(120)
def test_work_that_is_taken_out_of_its_lane_is_noticed(tmp_path: Path) -> None:
    """A notification that was answered 202 and that nobody will ever look at."""
    taken: list[str] = []
    outcome = storm(tmp_path, seed=8, seconds=6, calm=4, harm=lambda it: taken.append(it.forge()))
    assert outcome.counted.figures["accepted and not explained"] == 1, outcome.text()
    assert taken[0] in " ".join(outcome.counted.complaints)


# --- the counting, without a storm ------------------------------------------------------------------------------------

A, B = Arrival("a", "job.succeeded", "s/1"), Arrival("b", "job.reopened", "s/1")
WELL = Evidence(
    expected={"s/1": ["a", "b"]},
    kinds=frozenset({"job.succeeded", "job.reopened"}),
    journal={"s/1": ["a", "b"]},
    types={"a": "job.succeeded", "b": "job.reopened"},
    sinks={"hook": [A, B, A]},
    accepted={"n": "done", "m": "dead"},
)


def test_when_all_is_well_there_is_nothing_to_complain_of() -> None:
    assert count(WELL).complaints == []
    assert count(WELL).figures["repeats at hook"] == 1


@pytest.mark.parametrize(
    ("what", "evidence"),
    [
        ("accepted and not explained", replace(WELL, accepted={"n": "pending"})),
        ("never found", replace(WELL, expected={"s/1": ["a", "b", "c"]})),
        ("outside the expected set", replace(WELL, expected={"s/1": ["a"]})),
        ("found twice", replace(WELL, journal={"s/1": ["a", "b", "a"]})),
        ("found out of order", replace(WELL, journal={"s/1": ["b", "a"]})),
        ("lost at hook", replace(WELL, sinks={"hook": [A]})),
        ("at hook and never found", replace(WELL, sinks={"hook": [A, B, Arrival("x", "job.failed", "s/1")]})),
        ("out of order at hook", replace(WELL, sinks={"hook": [B, A]})),
        ("dead", replace(WELL, dead=["d:hook|s/1 a: Refused"])),
        ("still waiting", replace(WELL, waiting=["d:hook|s/1 a"])),
    ],
)
def test_each_thing_that_may_be_wrong_is_noticed(what: str, evidence: Evidence) -> None:
    counted = count(evidence)
    assert counted.figures[what] == 1
    assert any(complaint.startswith(what) for complaint in counted.complaints)


def test_a_plan_follows_from_its_seed_and_has_every_kind_of_process_die() -> None:
    assert plan(random.Random(3), 60) == plan(random.Random(3), 60)
    assert plan(random.Random(3), 60) != plan(random.Random(4), 60)
    assert {m.whom for m in plan(random.Random(3), 300) if m.what == "kill"} == set(PROCESSES)
