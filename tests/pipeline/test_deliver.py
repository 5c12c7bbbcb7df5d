"""What a sink may see of an event, and the handing over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from processor.errors import Refused
from processor.pipeline.deliver import deliver, without

EVENT = {"id": "evt_1", "data": {"job": {"customer": {"email": "a@b"}, "models": [{"url": "x"}, {"url": "y"}]}}}


class Collecting:
    name = "collecting"

    def __init__(self) -> None:
        self.events: list[Any] = []

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        self.events.append(event)
        return "ref"

    def close(self) -> None: ...


def test_an_event_whose_document_is_gone_is_refused() -> None:
    with pytest.raises(Refused, match=r"retention\.events"):
        deliver(Collecting(), "", omit=())


def test_the_sink_gets_the_stored_document() -> None:
    sink = Collecting()
    assert deliver(sink, json.dumps(EVENT), omit=()) == "ref"
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
