"""How two documents of one job differ."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processor.model import ModelState, document
from processor.refetching import ABSENT, Difference, differences
from processor.testing.builders import a_job, a_model

JSONS = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "x", "y"]), inner, max_size=3),
    max_leaves=12,
)


@given(JSONS, JSONS)
def test_whatever_comes_it_is_compared(old: Any, new: Any) -> None:
    before = copy.deepcopy((old, new))
    found = differences(old, new)
    assert (old, new) == before
    assert differences(old, old) == ()
    if found:
        assert old != new
    if (
        not isinstance(old, list)
        and not isinstance(new, list)
        and old != new
        and "[" not in json.dumps([old, new])[1:-1]
    ):
        assert found, "without lists nothing is overlooked"


def test_a_value_has_a_dotted_path_and_a_model_its_id() -> None:
    old = document(a_job())
    new = document(a_job(provider_state="complete", models=tuple(reversed(a_job().models))))
    assert differences(old, new) == (Difference("provider_state", "completed", "complete"),), "their order is no matter"
    garage, house = a_job().models
    new = document(a_job(models=(a_model(state=ModelState.SUCCEEDED, failure_reason=None), house)))
    assert differences(old, new) == (
        Difference(f"models.{garage.id}.state", "failed", "succeeded"),
        Difference(f"models.{garage.id}.failure_reason", "Lack of exterior shots", None),
    )


def test_what_came_and_what_went_is_told_whole() -> None:
    old, new = document(a_job(models=(a_model(id="1"),))), document(a_job(models=(a_model(id="2"),)))
    assert differences(old, new) == (
        Difference("models.1", old["models"][0], ABSENT),
        Difference("models.2", ABSENT, new["models"][0]),
    )


def test_null_is_a_value_and_nothing_is_none() -> None:
    assert differences({"a": None}, {}) == (Difference("a", None, ABSENT),)
    assert differences({}, {"a": None}) == (Difference("a", ABSENT, None),)
    assert differences({"a": None}, {"a": {}}) == (Difference("a", None, {}),)


def test_elements_without_ids_of_their_own_go_by_their_place() -> None:
    assert differences({"w": [{"code": "a"}, {"code": "b"}]}, {"w": [{"code": "b"}]}) == (
        Difference("w.0.code", "a", "b"),
        Difference("w.1", {"code": "b"}, ABSENT),
    )
    assert differences([{"id": "1"}, {"id": "1"}], [{"id": "1"}]) == (Difference("1", {"id": "1"}, ABSENT),)
    assert differences([1, 2], [1, 3]) == (Difference("1", 2, 3),)
