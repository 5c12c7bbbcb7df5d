"""What in Hover's answers is not as documented is named, in their words and keys, and never by anybody's name."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from providers.hover_account import changed, make, sample

from processor.errors import Unreadable
from processor.ports import NoticesDrift
from processor.providers.hover.drift import strange


def seen(document: Any) -> list[str]:
    provider = make()
    assert isinstance(provider, NoticesDrift)
    return list(provider.strange(document, api="v3"))


@pytest.mark.parametrize("document", [None, [], "x", 7, True])
def test_what_is_no_object_is_told_and_upsets_nothing(document: Any) -> None:
    assert seen(document) == ["the job is not an object"]


def test_what_the_documentation_always_shows_is_missed() -> None:
    assert seen({}) == ["no field id", "no field reconstruction_state", "no field models"]
    assert seen({**sample(), "models": None}) == ["no field models"]
    assert seen(changed(models=[{}, {"id": 1}])) == ["no field models[].id", "no field models[].state"]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (changed(reconstruction_state="teleporting"), ['job state "teleporting"']),
        (changed(models=[{"id": 1, "state": "needs_photos"}]), ['model state "needs_photos"']),
        (
            changed(models=[{"id": n, "state": w} for n, w in enumerate(["odd", "odd", "odder"])]),
            ['model state "odd"', 'model state "odder"'],
        ),
        (changed(reconstruction_state="someone@example.com"), ["job state of a name that is no word"]),
        (changed(reconstruction_state="x" * 500), ["job state of a name that is no word"]),
        (changed(reconstruction_state="bad\x1b[31m"), ["job state of a name that is no word"]),
    ],
)
def test_a_state_that_is_not_known_is_named_once(document: Any, told: list[str]) -> None:
    assert seen(document) == told


@pytest.mark.parametrize("word", ["complete", "failed", "uploading", "working", "Processing", "completed"])
def test_a_models_known_words_are_nothing_strange(word: str) -> None:
    """Of a model's words only two are published; a job's own were seen and are thought possible."""
    assert seen(changed(models=[{"id": 1, "state": word}])) == []


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (changed(id=[]), "id"),
        (changed(reconstruction_state=7), "reconstruction_state"),
        (changed(models={}), "models"),
        (changed(models=["x", "y"]), "models[]"),
        (changed(models=[{"id": 1, "state": 7}, {"id": 2, "state": []}]), "models[].state"),
        (changed(models=[{"id": 1, "state": "failed", "capture_id": 7.5}]), "models[].capture_id"),
        (changed(address="Main Street 1"), "address"),
        (changed(address={"latitude": "north of here"}), "address.latitude"),
        (changed(updated_at="soon"), "updated_at"),
        (changed(models=[{"id": 1, "state": "complete", "artifacts": {"pdf": 7}}]), "models[].artifacts"),
    ],
)
def test_another_type_is_told_by_its_path_once(document: Any, path: str) -> None:
    assert seen(document) == [f"field {path} is not as documented"]


@pytest.mark.parametrize("n", [1, 2])
def test_the_documentations_samples_are_nothing_strange(n: int) -> None:
    assert seen(sample(n)) == []


def test_keys_that_nobody_documented_are_not_missed_and_not_told() -> None:
    assert seen(changed(something_new={"a": 1}, org=None, inspections=None)) == []


def test_not_more_than_ten_things_of_a_hundred_characters_are_told() -> None:
    models = [{"id": n, "state": f"odd {n} {'x' * 50}"} for n in range(50)]
    told = seen(changed(models=models))
    assert len(told) == 10
    assert all(len(text) <= 100 for text in told)


_SECRETIVE = st.text(min_size=12, max_size=40, alphabet="abcdefgh@!#")


@settings(deadline=None)
@given(st.data())
def test_whatever_is_there_nothing_but_words_and_keys_comes_out(data: st.DataObject) -> None:
    """Some part of the sample is replaced; no value of a person's is shown, and nothing is raised."""
    document: Any = copy.deepcopy(sample())
    value = data.draw(_SECRETIVE) + "@"
    at: Any = document
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not (isinstance(at[key], (dict, list)) and at[key]) or data.draw(st.booleans()):
            break
        at = at[key]
    at[key] = data.draw(st.sampled_from([value, [value], {value: value}, {"a": [value]}, None, 7]))
    told = strange(document)
    assert value not in json.dumps(told)
    assert len(told) <= 10
    assert all(text.isprintable() and len(text) <= 100 for text in told)
    try:
        make().translate(document, api="v3")
    except Unreadable:
        assert told, "what stops us is told"
