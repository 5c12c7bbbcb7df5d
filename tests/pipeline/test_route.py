"""Which sinks an event goes to, and why not the others."""

from __future__ import annotations

import pytest

from processor.pipeline.route import Rule, route

FAILED = {
    "type": "model.failed",
    "source": "/sources/hover-main",
    "data": {"job": {"name": "Main House", "address": {"region": "CA"}, "models": []}, "previous_state": None},
}
ALARM = {"type": "ops.sink_failing", "source": "/sinks/ops", "data": {"job": None}}


def wanted(event: dict[str, object], **rule: object) -> bool:
    [verdict] = route(event, [Rule("ops", **rule)])  # type: ignore[arg-type]  # what a test wants different
    assert verdict.reason
    return verdict.wanted


def test_without_rules_a_sink_gets_everything_but_alarms() -> None:
    assert wanted(FAILED)
    assert not wanted(ALARM)


@pytest.mark.parametrize(
    ("globs", "takes"),
    [(("model.*",), True), (("job.*", "*.failed"), True), (("job.*",), False), ((), False), (("Model.failed",), False)],
)
def test_events_are_globs_over_types(globs: tuple[str, ...], takes: bool) -> None:
    assert wanted(FAILED, events=globs) is takes


def test_sources_filter_events_but_not_alarms_about_sinks() -> None:
    assert wanted(FAILED, sources=("hover-main",))
    assert not wanted(FAILED, sources=("itwin",))
    assert wanted(ALARM, events=("ops.*",), sources=("itwin",))


@pytest.mark.parametrize(
    ("where", "takes"),
    [
        ("data.job.address.region == 'CA'", True),
        ("data.job.address.region == 'NY'", False),
        ("data.nothing.here", False),
        ("data.job.models", False),
        ("length(data.job.models)", True),  # 0 is true in JMESPath
        ("length(data.previous_state)", True),  # cannot be applied: losing an event is worse than one too many
    ],
)
def test_where_holds_back_what_is_not_true(where: str, takes: bool) -> None:
    assert wanted(FAILED, where=where) is takes


@pytest.mark.parametrize(
    "where",
    [
        "merge(data.job, data.previous_state)",  # jmespath's own functions raise whatever Python does
        "contains(data.job.name, `1`)",
        "ceil(to_number('inf'))",
        "data.job.models[::0]",
    ],
)
def test_a_where_that_breaks_on_an_event_delivers_it_in_doubt(where: str) -> None:
    [verdict] = route(FAILED, [Rule("ops", where=where)])
    assert (verdict.wanted, verdict.doubtful) == (True, True)


def test_each_rule_gets_its_own_verdict_with_a_reason() -> None:
    verdicts = route(FAILED, [Rule("a"), Rule("b", events=("job.*",)), Rule("c", where="data.nothing")])
    assert [(v.sink, v.wanted) for v in verdicts] == [("a", True), ("b", False), ("c", False)]
    assert "job.*" in verdicts[1].reason
    assert "data.nothing" in verdicts[2].reason
