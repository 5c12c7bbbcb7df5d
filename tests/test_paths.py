"""Which paths an event can have: what is hidden by `omit` must not be hidden by a slip of the pen only."""

from __future__ import annotations

import time

import pytest

from processor.paths import wrong_step
from processor.pipeline.deliver import without
from processor.testing.builders import an_event


@pytest.mark.parametrize(
    "path",
    [
        "data.job.customer",
        "data.job.customer.email",
        "data.job.models.*.url",
        "data.job.models.*.images.*.url",
        "data.model.artifacts.measurements",
        "data.cost_estimate.basis.gigaPixels",
        "data.ops.detail",
        "data.failure",
    ],
)
def test_what_an_event_can_have_is_right(path: str) -> None:
    assert wrong_step(path) is None


def test_many_paths_are_looked_at_in_time() -> None:
    """Some hundred microseconds each were two seconds for a list of thousands."""
    began = time.thread_time()
    assert not any(wrong_step("data.job.models.*.images.*.url") for _ in range(10_000))
    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    "path", ["", "data.job.models.url", "job.customer", "data.job.state.x", "data..job", "data.job."]
)
def test_what_no_event_has_is_wrong(path: str) -> None:
    assert wrong_step(path)


def test_the_nearest_name_is_suggested() -> None:
    assert wrong_step("data.job.custumer") == "no 'custumer' there; did you mean 'customer'?"


def test_every_key_of_a_real_event_is_a_path_and_can_be_omitted() -> None:
    event = an_event("model.failed")
    for path in _paths(event, ""):
        assert wrong_step(path) is None, path
        assert without(event, [path]) != event or _value(event, path) is None


def _paths(value: object, before: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    found = []
    for key, inner in value.items():
        if "." not in key:
            found += [before + key, *_paths(inner, f"{before}{key}.")]
    return found


def _value(event: object, path: str) -> object:
    for step in path.split("."):
        assert isinstance(event, dict)
        event = event[step]
    return event
