"""What the console says of every type of event, compared with tests/data/golden/console.

The other sinks' golden files are compared in their own tests.
"""

from __future__ import annotations

import pytest
from golden import GOLDEN, cases, compare, together

from processor.model import JSON, EventType
from processor.ports import Occasion
from processor.sinks.console import Console
from processor.text import headline


@pytest.mark.parametrize("event", cases())
def test_what_the_console_says(
    event: dict[str, JSON], request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    Console("console").deliver(event)
    compare("console", request.node.callspec.id, capfd.readouterr().out, "txt")


def test_no_golden_file_of_the_console_is_left_over() -> None:
    assert {file.name for file in (GOLDEN / "console").iterdir()} == {f"{case.id}.txt" for case in cases()}


# --- the cases themselves --------------------------------------------------------------------------------------------


def test_a_golden_file_that_is_missing_or_says_something_else_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UPDATE_GOLDEN", raising=False)
    with pytest.raises(pytest.fail.Exception, match="UPDATE_GOLDEN=1"):
        compare("console", "no-such-case", "", "txt")
    with pytest.raises(AssertionError):
        compare("console", "hover-model.failed", "", "txt")


def test_there_is_a_case_of_every_type_and_provider() -> None:
    found = {(case.id.partition("-")[0], case.values[0]["type"]) for case in cases()}
    of_jobs = {(p, str(kind)) for p in ("hover", "bentley") for kind in EventType if not kind.startswith("ops.")}
    assert of_jobs < found
    assert {kind for _, kind in found} == set(EventType)


def test_the_cases_differ_from_each_other() -> None:
    assert len({headline(case.values[0]) for case in cases()}) == len(cases())
    assert len({case.values[0]["id"] for case in cases()}) == len(cases())


def test_there_are_several_events_for_every_occasion() -> None:
    several = [case.values[0] for case in together()]
    assert {occasion for _, occasion in several} == set(Occasion)
    for events, _ in several:
        assert len(events) > 1
        assert len({event["id"] for event in events}) == len(events)
