"""Whatever dies at a named point, nothing is lost and the work goes on within 30 s; see docs/reliability.md.

Real processes, a real Valkey with its append-only file; faults/line.py stands between them and kills. All points are
played at once (see faults/acts.py), the leases are the real ones.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from faults.acts import ACTS, NO_FENCE, POISON, TAKEN_AT_ONCE, play
from faults.calls import TASK, TOKEN, script_names
from faults.points import ELSEWHERE, POINTS
from faults.scenes import Outcome

from workers.retry import LOST

GOES_ON = 30.0  # seconds
Outcomes = Mapping[str, Outcome]
pytestmark = [
    pytest.mark.timeout(300),  # the first of these tests waits for all of them
    pytest.mark.skipif(sys.platform != "linux", reason="Linux says whose a connection is"),
]


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    return play(ACTS)


@pytest.mark.parametrize("name", [point.name for point in POINTS])
def test_whatever_dies_the_work_goes_on(name: str, outcomes: Outcomes) -> None:
    """What was accepted is explained, each expected event came to the sink and no other, first arrivals in order."""
    outcome = outcomes[name]
    assert outcome.notes == []
    assert outcome.reached == 1
    assert outcome.complaints == []
    assert outcome.took < GOES_ON


@pytest.mark.parametrize("name", [act.name for act in POISON])
def test_an_item_that_kills_its_worker_ends_dead_visible_and_replayable(name: str, outcomes: Outcomes) -> None:
    outcome = outcomes[name]
    assert outcome.notes == []
    assert outcome.reached == LOST == 5
    assert outcome.complaints == []


def test_an_event_that_is_taken_at_its_claim_and_not_at_its_end_is_noticed(outcomes: Outcomes) -> None:
    """The counting sees what this safeguard is for: the worker dies, and nobody has the event any more."""
    outcome = outcomes[TAKEN_AT_ONCE.name]
    assert outcome.reached == 1
    assert any(complaint.startswith("lost at told") for complaint in outcome.complaints)


def test_a_late_write_without_a_fence_is_noticed(outcomes: Outcomes) -> None:
    outcome = outcomes[NO_FENCE.name]
    assert outcome.reached == 1
    assert any(complaint.startswith("found twice") for complaint in outcome.complaints)


def test_every_script_has_its_points_or_a_reason_why_not() -> None:
    """Whoever adds one says what its crash leaves."""
    here = {point.call for point in POINTS if point.call} - {TASK, TOKEN}
    assert not here & ELSEWHERE.keys()
    assert sorted(here | ELSEWHERE.keys()) == script_names()
    for call in here | {TASK, TOKEN}:
        assert {"before", "after", "cut"} <= {point.when for point in POINTS if point.call == call}


def test_the_table_of_the_documentation_has_every_point() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text()
    shown = re.findall(r"^\| `([^`]+)` \| (.+) \| [^|]+ \|$", page.partition("## Crash points")[2], re.MULTILINE)
    assert shown == [(point.name, point.remains) for point in POINTS]
