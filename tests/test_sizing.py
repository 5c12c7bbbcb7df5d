"""A document made to fit: what goes, and what never does."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.errors import Refused
from processor.model import JSON, EventType, Image
from processor.sizing import fitted
from processor.testing.builders import a_job, a_model, an_alarm, an_event
from processor.text import json_line


def with_images(count: int, name: str = "Garage") -> dict[str, JSON]:
    images = tuple(Image(id=str(n), url=f"https://hover.to/images/{n}") for n in range(count))
    return an_event(job=a_job(models=(a_model(name=name, images=images, image_count=count), a_model(id="2"))))


def size(event: JSON) -> int:
    return len(json_line(event).encode())


def bare(event: dict[str, JSON]) -> dict[str, JSON]:
    """The same without any image, said in another way than the code's."""
    event = deepcopy(event)
    for model in [*event["data"]["job"]["models"], event["data"]["model"]]:
        model["images"] = []
    return event | {"truncated": True}


def test_what_does_not_fit_without_its_images_is_refused_with_both_sizes() -> None:
    event = with_images(3)
    least = size(bare(event))
    with pytest.raises(Refused, match=f"has {least} bytes without its images; {least - 1} is the most"):
        fitted(event, least - 1)


@pytest.mark.parametrize("limit", [-1, 0])
def test_no_room_at_all_is_a_refusal(limit: int) -> None:
    with pytest.raises(Refused):
        fitted(an_event(), limit)


def test_what_fits_exactly_is_sent_as_it_is() -> None:
    event = with_images(100)
    assert fitted(event, size(event)) == json_line(event).encode()


def test_one_byte_too_many_costs_the_images_and_nothing_else() -> None:
    event = with_images(100)
    sent = json.loads(fitted(event, size(event) - 1))
    assert sent == bare(event)
    assert sent["data"]["model"]["image_count"] == 100


def test_only_the_images_of_models_go() -> None:
    """A provider's own words may contain the key too: an artifact, what an estimate is based on."""
    event = with_images(100)
    event["data"]["model"]["artifacts"] = {"images": "https://hover.to/images.zip"}
    event["data"]["cost_estimate"] = {"basis": {"images": [1, 2]}}
    sent = json.loads(fitted(event, size(event) - 1))["data"]
    assert sent["model"]["artifacts"] == {"images": "https://hover.to/images.zip"}
    assert sent["cost_estimate"] == {"basis": {"images": [1, 2]}}


BLANKED = [
    lambda event: event | {"data": None},
    lambda event: event | {"data": event["data"] | {"job": None}},
    lambda event: event | {"data": event["data"] | {"model": None}},
    lambda event: event | {"data": event["data"] | {"job": event["data"]["job"] | {"models": None}}},
    lambda event: event | {"data": event["data"] | {"job": event["data"]["job"] | {"models": [None]}}},
    lambda event: event | {"data": event["data"] | {"model": event["data"]["model"] | {"images": None}}},
]


@pytest.mark.parametrize("blanked", BLANKED)
def test_a_document_of_which_parts_were_omitted_is_made_to_fit_too(blanked: Any) -> None:
    event = blanked(with_images(100) | {"padding": "x" * 50})
    try:
        sent = json.loads(fitted(event, size(event) - 20))
    except Refused:  # there was no image left to go
        assert "https://hover.to/images/" not in json_line(event)
    else:
        assert sent["truncated"] is True
        assert "https://hover.to/images/" not in json.dumps(sent)


def test_an_alarm_is_refused_when_it_is_too_large() -> None:
    with pytest.raises(Refused):
        fitted(an_alarm(EventType.OPS_REPAIRED, detail="x" * 1000), 1000)


@given(images=st.integers(0, 40), name=st.text(max_size=300), limit=st.integers(500, 8000))
def test_the_limit_is_kept_the_event_is_left_alone_and_nothing_goes_without_need(
    images: int, name: str, limit: int
) -> None:
    event = with_images(images, name)
    before = deepcopy(event)
    try:
        body = fitted(event, limit)
    except Refused:
        assert size(bare(before)) > limit
    else:
        assert len(body) <= limit
        assert body.isascii()
        assert json.loads(body) == (before if size(before) <= limit else bare(before))
    assert event == before
