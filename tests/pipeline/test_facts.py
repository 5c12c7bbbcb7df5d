"""What is remembered for a year survives releases."""

import json

import pytest

from processor.errors import Newer
from processor.pipeline.facts import Estimated, Facts, Standing


def test_nothing_stored_is_a_job_never_seen() -> None:
    assert Facts.load("") == Facts()


def test_what_is_dumped_is_read_again() -> None:
    facts = Facts(
        api="v3",
        job=Standing("processing", ("created", "processing"), "a1"),
        models={"7": Standing("failed", ("failed",))},
        estimates={"processing": Estimated("3.5", {"3.5": 2})},
        at="2025-03-17T00:00:00Z",
        refused=1,
        claims=("job", "7"),
        looks=3,
        looking_since=5.5,
    )
    assert Facts.load(facts.dump()) == facts


def test_a_job_that_stands_at_nothing_is_not_one_that_says_nothing() -> None:
    assert Facts.load(Facts(progress=0.0).dump()).progress == 0.0
    assert Facts.load(Facts(progress=None).dump()).progress is None


def test_keys_of_a_later_release_are_kept() -> None:
    text = json.dumps({"v": 1, "job": {"state": "failed", "been": ["failed"]}, "invented_later": {"x": 1}})
    assert json.loads(Facts.load(text).dump()) == json.loads(text)


def test_a_newer_major_version_is_put_back_and_never_guessed_at() -> None:
    with pytest.raises(Newer) as caught:
        Facts.load('{"v": 2}')
    assert caught.value.retry_after is None, "nobody else is to wait"


def test_facts_stay_small() -> None:
    models = {str(i): Standing("succeeded", ("processing", "succeeded")) for i in range(3)}
    facts = Facts(
        api="v3", job=Standing("succeeded", ("processing", "succeeded")), models=models, at="2025-03-17T00:00:00Z"
    )
    assert len(facts.dump()) < 500
