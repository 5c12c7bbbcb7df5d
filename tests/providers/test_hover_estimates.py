"""A contractor's estimate: which webhook tells of it, how it is asked for, and what comes out."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from providers.hover_account import NOW, SAMPLES, TOKEN, make, sample

from processor.errors import Forbidden, NotYet, Unreadable
from processor.model import CostEstimate, Event
from processor.pipeline.facts import Facts
from processor.pipeline.refresh import look_at_estimate
from processor.ports import Answer, Estimates
from processor.providers.hover.notices import ESTIMATE_ID
from processor.testing.fakes import FakeHttp, Sent, StandingClock, answer

SIDING = (SAMPLES / "estimates" / "siding.json").read_bytes()


def siding(**keys: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SIDING)
    return {**document, **keys}


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in siding().items() if k != key}


def fetched(document: Any, estimate_id: str = "55643", **options: Any) -> Any:
    http = FakeHttp(answer(json=TOKEN), answer(json=document))
    return make(http, **options).fetch_estimate(estimate_id, http=http)


def translated(document: Any, **options: Any) -> tuple[str, CostEstimate]:
    return make(**options).translate_estimate(fetched(document))


# --- what cannot be read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [None, [], "x", 7, True])
def test_an_answer_of_another_shape_cannot_be_read(document: Any) -> None:
    with pytest.raises(Unreadable, match="estimate 55643: the answer must be an object"):
        fetched(document)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("totalPrice", without("totalPrice")),
        ("totalPrice", siding(totalPrice=None)),
        ("totalPrice", siding(totalPrice="")),
        ("totalPrice", siding(totalPrice="much")),
        ("totalPrice", siding(totalPrice=True)),
        ("totalPrice", siding(totalPrice=[1])),
        ("name", siding(name=7)),
        ("salesOpportunity", without("salesOpportunity")),
        ("salesOpportunity", siding(salesOpportunity=None)),
        ("salesOpportunity.job", siding(salesOpportunity={})),
        ("salesOpportunity.job", siding(salesOpportunity={"job": None})),
        ("salesOpportunity.job.id", siding(salesOpportunity={"job": {}})),
        ("salesOpportunity.job.id", siding(salesOpportunity={"job": {"id": ""}})),
    ],
)
def test_an_estimate_without_an_amount_or_a_job_is_refused_with_the_path(path: str, document: Any) -> None:
    with pytest.raises(Unreadable, match=f"cannot be read: {path}: "):
        translated(document)


@pytest.mark.parametrize("document", [None, [], "x", {}, siding()])
def test_what_was_not_fetched_by_us_cannot_be_read(document: Any) -> None:
    """Hover's answer does not say which estimate it is about; only who asked for it knows."""
    with pytest.raises(Unreadable):
        make().translate_estimate(document)


@pytest.mark.parametrize("estimate_id", ["", "..", "../jobs", "7?x=1", "7\n", "%2e", "0", "٧"])
def test_an_id_that_cannot_be_one_reaches_no_address(estimate_id: str) -> None:
    http = FakeHttp()
    with pytest.raises(NotYet):
        make(http).fetch_estimate(estimate_id, http=http)
    assert http.sent == []


def test_a_plan_without_estimates_is_told() -> None:
    http = FakeHttp(answer(json=TOKEN), answer(403))
    with pytest.raises(Forbidden, match=r"estimate 55643: answered 403: .* its plan does not include this"):
        make(http).fetch_estimate("55643", http=http)


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_an_estimate_is_asked_for_at_its_address() -> None:
    for options, address in ({}, "55643"), ({"current_user_id": 123}, "55643?current_user_id=123"):
        http = FakeHttp(answer(json=TOKEN), answer(json=siding()))
        provider = make(http, **options)
        assert isinstance(provider, Estimates)
        provider.fetch_estimate("55643", http=http)
        assert (http.sent[-1].method, http.sent[-1].url) == ("GET", f"https://hover.to/api/v1/estimates/{address}")


def test_the_sample_is_an_estimate_of_its_job() -> None:
    job_id, estimate = translated(siding(), currency="USD")
    assert job_id == "15084303"
    assert (estimate.id, estimate.kind, estimate.amount, estimate.currency) == ("55643", "contractor", 2457.8, "USD")
    assert (estimate.title, estimate.units, estimate.url, estimate.updated_at) == ("Siding", None, None, None)
    assert estimate.basis
    assert estimate.basis["totalCost"] == 2137.3
    assert estimate.basis["markupPercentage"] == 0.15
    assert estimate.basis["contractMaterialPretaxCost"] == 0
    assert len(estimate.basis) == 23, "every sum of the sample"


def test_no_currency_is_invented() -> None:
    assert translated(siding())[1].currency is None


def test_nothing_of_a_person_is_among_the_sums() -> None:
    basis = translated(siding(someTotalCost={"a": 1}, taxCost="x", otherCost=float("1e400"), id=7))[1].basis
    assert basis
    assert all(isinstance(value, (int, float)) for value in basis.values())
    assert not basis.keys() & {"someTotalCost", "taxCost", "otherCost", "id", ESTIMATE_ID}


def test_amounts_that_are_written_as_texts_count() -> None:
    _, estimate = translated({**without("totalCost"), "totalPrice": "2457.80", "totalCost": "2137.30"})
    assert estimate.amount == 2457.8
    assert estimate.basis
    assert estimate.basis["totalCost"] == 2137.3


def test_an_estimate_that_says_little_is_one() -> None:
    document = {"totalPrice": 0, "salesOpportunity": {"job": {"id": "7"}}}
    job_id, estimate = translated(document)
    assert (job_id, estimate.amount, estimate.title) == ("7", 0.0, None)
    assert estimate.basis == {"totalPrice": 0}


def test_the_id_is_the_one_that_was_asked_for_whatever_the_answer_has() -> None:
    """An `id` of the answer would be of something else: the documentation shows none."""
    estimate = translated(siding(id=1, **{ESTIMATE_ID: 2}))[1]
    assert estimate.id == "55643"


def looked_at(*documents: Any) -> list[Event]:
    """The events of one look after another, the estimate and its job fetched each time."""
    facts, found = Facts(), []
    for document in documents:

        def far_end(sent: Sent, document: Any = document) -> Answer:
            if sent.method == "POST":
                return answer(json=TOKEN)
            return answer(json=document if "/estimates/" in sent.url else sample())

        http = FakeHttp(always=far_end)
        provider = make(http, currency="USD")
        seen = look_at_estimate(provider, http, estimate_id="55643", facts=facts, clock=StandingClock(NOW))
        facts, found = Facts.load(seen.facts.dump()), [*found, *seen.events]
    return found


def amounts(events: Sequence[Event]) -> list[Any]:
    return [event.data["cost_estimate"]["amount"] for event in events]


def test_an_amount_is_told_once_and_again_when_it_changed() -> None:
    events = looked_at(siding(), siding(name="renamed"), siding(totalPrice=3000), siding())
    assert amounts(events) == [2457.8, 3000, 2457.8]
    assert len({event.id for event in events}) == 3
    first = events[0]
    assert (first.type, first.subject, first.job_id) == ("cost_estimate.available", "jobs/15084303", "15084303")
    assert first.data["job"]["name"] == "Main House"
    assert first.data["job"]["cost_estimate"] is None, "a contractor's is none of the job's own"
    assert first.data["cost_estimate"]["currency"] == "USD"


@settings(deadline=None)
@given(st.data())
def test_any_value_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    document: Any = copy.deepcopy(siding())
    at: Any = document
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not (isinstance(at[key], (dict, list)) and at[key]) or data.draw(st.booleans()):
            break
        at = at[key]
    at[key] = data.draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]) | st.just({"a": [1]})
    )
    try:
        _, estimate = make().translate_estimate({**document, ESTIMATE_ID: "55643"})
    except Unreadable:
        return
    json.dumps([estimate.amount, estimate.basis], allow_nan=False)
