"""What a sink may see of an event, and the handing over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from processor.errors import Refused
from processor.pipeline.deliver import deliver, without
from processor.ports import Occasion

EVENT = {"id": "evt_1", "data": {"job": {"customer": {"email": "a@b"}, "models": [{"url": "x"}, {"url": "y"}]}}}


class Collecting:
    name = "collecting"

    def __init__(self) -> None:
        self.events: list[Any] = []

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        self.events.append(event)
        return "ref"

    def close(self) -> None: ...


class Gathering(Collecting):
    def __init__(self) -> None:
        super().__init__()
        self.together: list[tuple[Sequence[Mapping[str, Any]], Occasion]] = []

    def deliver_together(self, events: Sequence[Mapping[str, Any]], occasion: Occasion) -> str | None:
        self.together.append((events, occasion))
        return "refs"


def test_an_event_whose_document_is_gone_is_refused() -> None:
    with pytest.raises(Refused, match=r"retention\.events"):
        deliver(Collecting(), [""], omit=())


def test_several_events_need_an_occasion_and_a_sink_that_gathers() -> None:
    """Nobody plans otherwise, so it is a bug: told as one, and nothing is sent."""
    sink = Collecting()
    for occasion in (None, Occasion.GROUP):
        with pytest.raises(ValueError, match="one event at a time"):
            deliver(sink, [json.dumps(EVENT)] * 2, omit=(), occasion=occasion)
    assert sink.events == []


def test_the_sink_gets_the_stored_document() -> None:
    sink = Collecting()
    assert deliver(sink, [json.dumps(EVENT)], omit=()) == "ref"
    assert sink.events == [EVENT]


def test_several_events_are_one_message_each_without_what_is_omitted() -> None:
    sink = Gathering()
    other = {"id": "evt_2", "data": {"job": {"customer": 1}}}
    assert deliver(sink, [json.dumps(EVENT), json.dumps(other)], omit=["data.job"], occasion=Occasion.DIGEST) == "refs"
    [(events, occasion)] = sink.together
    assert [e["id"] for e in events] == ["evt_1", "evt_2"]
    assert [e["data"]["job"] for e in events] == [None, None]
    assert occasion is Occasion.DIGEST


def test_what_is_left_of_a_group_whose_documents_are_gone_is_still_told() -> None:
    sink = Gathering()
    assert deliver(sink, ["", json.dumps(EVENT), ""], omit=(), occasion=Occasion.GROUP) == "ref"
    assert sink.events == [EVENT]


def test_omitted_paths_are_null_and_no_key_is_added() -> None:
    seen = without(
        EVENT, ["data.job.customer", "data.job.models.*.url", "data.nothing.here", "id.deeper", "data.job.models.0"]
    )
    assert seen == {"id": "evt_1", "data": {"job": {"customer": None, "models": [{"url": None}, {"url": None}]}}}


def test_omitting_leaves_the_event_of_other_sinks_alone() -> None:
    before = json.dumps(EVENT)
    without(EVENT, ["data"])
    assert json.dumps(EVENT) == before
