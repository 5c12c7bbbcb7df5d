"""Reading JSON from outside: what is let through, what is refused, and what the refusal says."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import fields

from processor.errors import Malformed, Unreadable, UnsupportedType
from processor.model import Request
from processor.reading import Document, Id, Moment, Number, Object, Text, read, webhook_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Part(Document):
    id = Id(required=True)
    at = Moment(load_default=None)


class Whole(Document):
    name = Text(load_default=None)
    owner = Id(load_default=None)
    size = Number(load_default=None)
    rest = Object(load_default=None)
    parts = fields.List(fields.Nested(Part), load_default=None)


WHOLE = Whole()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "the document must be an object"),
        ([], "the document must be an object"),
        ({"name": 7}, "name: must be a text"),
        ({"owner": True}, "owner: must be an id"),
        ({"owner": {}}, "owner: must be an id"),
        ({"size": "much"}, "size: must be a number"),
        ({"size": True}, "size: must be a number"),
        ({"size": float("nan")}, "size: must be a number"),
        ({"size": 10**400}, "size: must be a number"),
        ({"rest": [1]}, "rest: must be an object"),
        ({"rest": {"a": [float("inf")]}}, "rest: must hold finite numbers only"),
        ({"rest": {"a": "\ud800"}}, "rest: must hold whole characters only"),
        ({"parts": {}}, "parts: must be a list"),
        ({"parts": ["x"]}, "parts.0: must be an object"),
        ({"parts": [{"id": 1}, {}]}, "parts.1.id: is missing"),
        ({"parts": [{"id": None}]}, "parts.0.id: must not be null"),
        ({"parts": [{"id": ""}]}, "parts.0.id: must be an id"),
        ({"parts": [{"id": 1, "at": "yesterday"}]}, "parts.0.at: must be a time"),
        ({"parts": [{"id": 1, "at": 1742256178}]}, "parts.0.at: must be a time"),
        ({"parts": [{"id": 1, "at": "0001-01-01T00:00:00+14:00"}]}, "parts.0.at: must be a time"),
    ],
)
def test_nonsense_is_refused_with_its_path(document: Any, said: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(WHOLE, document)
    assert said in str(caught.value)


def test_a_bottomless_object_is_refused() -> None:
    deep: Any = 1
    for _ in range(50):
        deep = {"a": deep}
    with pytest.raises(Unreadable, match="rest: must not nest deeper"):
        read(WHOLE, {"rest": deep})


def test_what_is_missing_null_or_an_empty_text_is_null_and_unknown_keys_are_left_alone() -> None:
    empty = {"name": None, "owner": None, "size": None, "rest": None, "parts": None}
    assert read(WHOLE, {}) == read(WHOLE, empty) == empty
    assert read(WHOLE, {"name": "", "owner": "", "size": "", "unknown": object()}) == empty
    assert read(WHOLE, {"parts": [{"id": 1, "at": ""}]})["parts"] == [{"id": "1", "at": None}]


def test_half_a_surrogate_pair_does_not_travel_on() -> None:
    assert read(WHOLE, json.loads(r'{"name": "a\ud800b", "owner": "\udfff"}'))["name"] == "a?b"


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-18T00:02:58.411Z",
        "2025-03-18T00:02:58.4110000+00:00",
        "2025-03-18T02:02:58.411+02:00",
        "2025-03-18T00:02:58.411",
    ],
)
def test_a_time_is_read_in_all_their_spellings_and_is_utc_afterwards(text: str) -> None:
    moment = read(WHOLE, {"parts": [{"id": 1, "at": text}]})["parts"][0]["at"]
    assert moment == datetime(2025, 3, 18, 0, 2, 58, 411000, tzinfo=UTC)
    assert moment.tzinfo is UTC


def test_a_number_may_be_written_as_a_text() -> None:
    assert read(WHOLE, {"size": "-120.4139807"})["size"] == -120.4139807


@settings(deadline=None)
@given(JSON)
def test_any_json_is_read_or_refused(document: Any) -> None:
    """Anything else that is raised fails this test."""
    with suppress(Unreadable):
        read(WHOLE, document)


@settings(deadline=None)
@given(st.binary(), st.sampled_from(["application/json", "application/problem+json", "application/json;charset=x"]))
def test_any_body_is_an_object_or_malformed(body: bytes, content_type: str) -> None:
    request = Request("POST", "/", "", {"content-type": content_type}, body, datetime.now(UTC))
    with suppress(Malformed):
        assert isinstance(webhook_object(request), dict)


@pytest.mark.parametrize("content_type", ["", "text/json", "application/jsonp", "application/", "multipart/form-data"])
def test_a_body_of_another_type_is_not_looked_at(content_type: str) -> None:
    with pytest.raises(UnsupportedType):
        webhook_object(Request("POST", "/", "", {"content-type": content_type}, b"{}", datetime.now(UTC)))
