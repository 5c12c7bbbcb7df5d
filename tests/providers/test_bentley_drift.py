"""What in a Bentley job is not as its documentation has it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from providers.bentley_source import load, make, sample, v1, v2

from processor.ports import NoticesDrift
from processor.providers.bentley.drift import MOST
from processor.providers.bentley.families import FAMILIES


def strange(document: Any, api: str = "contextcapture") -> list[str]:
    return list(make().strange(document, api=api))


class TestStrange:
    @pytest.mark.parametrize("document", [None, [], 7, "job", {}, {"job": None}, {"job": []}, {"job": "x"}])
    def test_without_a_job_that_is_what_is_missing(self, document: Any) -> None:
        assert strange(document) == ["no field job"]

    def test_of_an_api_that_is_none_nothing_is_known(self) -> None:
        assert strange(sample(), "") == []

    @pytest.mark.parametrize(
        ("document", "api", "told"),
        [
            (v1(state="fancy"), "contextcapture", ['job state "fancy"']),
            (v1(state="Terminating_On-Cancel"), "contextcapture", ['job state "Terminating_On-Cancel"']),
            (v1(state="unknown"), "contextcapture", ['job state "unknown"']),
            (v1(state="Queued"), "realityconversion", ['job state "Queued"']),
            (v2(state="unsubmitted"), "reality-modeling", ['job state "unsubmitted"']),
            (v2(state="jane.doe@example.com"), "reality-analysis", ["a job state that is no word"]),
            (v2(state="x" * 41), "reality-analysis", ["a job state that is no word"]),
            (v2(state="a\nb"), "reality-analysis", ["a job state that is no word"]),
        ],
    )
    def test_a_state_that_its_generation_does_not_have(self, document: Any, api: str, told: list[str]) -> None:
        assert strange(document, api) == told

    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.api)
    def test_a_field_that_is_always_there_and_is_not(self, family: Any) -> None:
        nothing = strange({"job": {}}, family.api)
        assert nothing == [f"no field {path}" for path in family.always]
        assert {"no field id", "no field state", "no field type"} <= set(nothing)
        for empty in (None, ""):
            assert "no field state" in strange({"job": {"id": "7", "state": empty}}, family.api)

    def test_a_field_in_a_part_that_is_not_there(self) -> None:
        for part in ({}, None, {"createdDateTime": None}):
            assert strange(v2(executionInfo=part), "reality-conversion") == ["no field executionInfo.createdDateTime"]

    @pytest.mark.parametrize(
        ("document", "api", "told"),
        [
            (v1(state=7), "contextcapture", ["field state cannot be read"]),
            (v1(createdDateTime="11/3/2023"), "contextcapture", ["field createdDateTime cannot be read"]),
            (v1(executionInformation=[]), "contextcapture", ["field executionInformation cannot be read"]),
            (
                v1(executionInformation={"errors": [{"code": 1}, {"code": 2}, {"params": 3}]}),
                "contextcapture",
                [
                    "field executionInformation.errors[].code cannot be read",
                    "field executionInformation.errors[].params cannot be read",
                ],
            ),
            (v1(estimatedCost="much"), "contextcapture", ["field estimatedCost cannot be read"]),
            (
                v1(costEstimation={"estimatedCost": "much"}),
                "realitydataanalysis",
                ["field costEstimation.estimatedCost cannot be read"],
            ),
            (v1(costEstimation=[]), "realitydataanalysis", ["field costEstimation cannot be read"]),
            (v2(messages={"errors": "none"}), "reality-modeling", ["field messages.errors cannot be read"]),
            (
                v2(executionInfo=7),
                "reality-modeling",
                ["no field executionInfo.createdDateTime", "field executionInfo cannot be read"],
            ),
        ],
    )
    def test_a_field_of_another_type(self, document: Any, api: str, told: list[str]) -> None:
        assert strange(document, api) == told

    def test_no_more_than_ten_things_are_told(self) -> None:
        job = dict.fromkeys(["name", "type", "state", "createdDateTime", "lastModifiedDateTime", "estimatedCost"], True)
        more = dict.fromkeys(["costEstimationParameters", "costEstimation", "jobSettings", "executionInformation"], 7)
        told = strange({"job": {**job, **more, "id": [], "iTwinId": []}})
        assert len(told) == MOST
        assert len(set(told)) == MOST

    def test_a_kind_that_is_in_no_list_is_nothing_strange(self) -> None:
        assert strange(v1(type="Teleport")) == []
        assert strange(v2(type="Teleport"), "reality-modeling") == []

    def test_what_their_documentation_shows_is_not_strange(self) -> None:
        assert isinstance(make(), NoticesDrift)
        assert strange(sample()) == []
        assert strange({**v1(state="Active"), "progress": {"percentage": "56"}}) == []
        assert strange(load("job-v2.json"), "reality-modeling") == []
        assert strange(v2(messages=load("job-messages-v2.json")["messages"]), "reality-analysis") == []

    @settings(deadline=None)
    @given(st.data())
    def test_it_never_raises_and_never_tells_a_value(self, data: st.DataObject) -> None:
        """Some part of a sample is replaced by something that must not be told."""
        api, whole = data.draw(
            st.sampled_from([("contextcapture", sample()), ("reality-modeling", load("job-v2.json"))])
        )
        document: Any = copy.deepcopy(whole)
        at: Any = document
        while True:
            key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
            if not (isinstance(at[key], (dict, list)) and at[key]) or data.draw(st.booleans()):
                break
            at = at[key]
        private = "Jane Doe, 4312 Meadow Drive"
        at[key] = data.draw(
            st.sampled_from([private, [private], {private: private}, None, [], {}, [[private]], 7, True, float("nan")])
        )
        told = strange(document, api)
        assert len(told) <= MOST
        for said in told:
            assert len(said) <= 100
            assert said.isprintable()
            assert "Jane" not in said
