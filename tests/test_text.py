"""Events in words, and strangers' text made harmless."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.model import Address, CostEstimate, Customer, EventType, Message, Model, ModelState, State
from processor.testing.builders import a_job, a_model, an_alarm, an_event
from processor.text import HEADLINE, NAME, VALUE, clean, details, headline, json_line, moment

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    ("type",),
    ("source",),
    ("subject",),
    ("time",),
    ("data",),
    *[("data", name) for name in ("job", "model", "cost_estimate", "failure", "previous_state", "ops")],
    *[("data", "job", name) for name in ("id", "name", "state", "url", "models", "address", "customer")],
    *[("data", "model", name) for name in ("id", "name", "url", "url_status")],
    *[("data", "cost_estimate", name) for name in ("kind", "amount", "currency", "units", "basis", "url")],
    *[("data", "failure", name) for name in ("code", "title", "message")],
    *[("data", "ops", name) for name in ("state", "since", "until", "count", "detail")],
]


def is_harmless(line: str, limit: int) -> bool:
    bad = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return len(line) <= limit and not [c for c in line if unicodedata.category(c) in bad and c not in "\u200c\u200d"]


# --- text by strangers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\tc\x0bd", "a b c d"),
        ("\x1b[31mred\x1b[0m\x07\x00", "[31mred[0m"),
        ("a\u202eb\u2066c\u200fd\u061c", "abcd"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("a\ud800b", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\U000e0041\ufeffb\u200b", "ab"),
        ("\N{WOMAN}\u200d\N{PERSONAL COMPUTER} é ß 家", "\N{WOMAN}\u200d\N{PERSONAL COMPUTER} é ß 家"),
        ("  a  b  ", "a b"),
        ("\u200d \u200c", ""),
        ("", ""),
    ],
)
def test_a_line_is_clean(text: str, expected: str) -> None:
    assert clean(text, 80) == expected


def test_a_long_line_is_shortened() -> None:
    assert clean("abcdef", 6) == "abcdef"
    assert clean("abcdefg", 6) == "abcde…"
    assert clean("abcd efg", 6) == "abcd…"


def test_a_text_without_end_costs_no_more_than_its_beginning() -> None:
    assert clean("a" + "\u200b" * 100_000 + "b", 6) == "a…"


@given(st.text(), st.integers(1, 50))
def test_any_text_is_harmless_when_cleaned(text: str, limit: int) -> None:
    assert is_harmless(clean(text, limit), limit)


@given(st.sampled_from(list(EventType)), st.sampled_from(PLACES), ANY_JSON)
def test_any_document_has_harmless_words(kind: EventType, place: tuple[str, ...], value: Any) -> None:
    """Whatever a sink's `omit` took away, and whatever somebody made of the rest."""
    estimate = CostEstimate(id="processing", kind="processing", amount=3.5)
    event = an_alarm(kind) if kind.startswith("ops.") else an_event(kind, cost_estimate=estimate)
    *path, last = place
    inner: Any = event
    for name in path:
        inner = inner.get(name) or {}
    inner[last] = value
    assert headline(event)
    assert is_harmless(headline(event), HEADLINE)
    for label, said in details(event):
        assert label
        assert said
        assert is_harmless(said, VALUE)
    assert json_line(event).isascii()


@pytest.mark.parametrize("event", [{}, {"type": None, "data": None}, {"type": "job.failed"}, {"data": []}])
def test_an_empty_document_has_words_too(event: dict[str, Any]) -> None:
    assert headline(event)
    assert details(event) == []


def test_a_long_name_hides_neither_the_id_nor_the_reason() -> None:
    job = a_job(name="n" * 10_000, models=(a_model(name="m" * 10_000),))
    said = headline(an_event(job=job))
    assert "15084303" in said
    assert said.endswith("Lack of exterior shots")
    assert said.count("m" * (NAME - 1)) == 1


def test_json_is_one_line_that_disturbs_no_terminal() -> None:
    event = an_event(job=a_job(name="\x1b[31m\u202e\ud800\r\n"))
    line = json_line(event)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == event


# --- sentences -------------------------------------------------------------------------------------------------------

JOB = "Main House (15084303)"
ESTIMATE = CostEstimate(id="processing", kind="processing", amount=3.5)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (an_event(EventType.JOB_CREATED), f"New job: {JOB}"),
        (
            an_event(EventType.JOB_STATE_CHANGED, job=a_job(state=State.PROCESSING), previous_state="waiting"),
            f"Job moved on: {JOB}: from waiting to processing",
        ),
        (an_event(EventType.JOB_SUCCEEDED, job=a_job(models=())), f"Job succeeded: {JOB}"),
        (
            an_event(EventType.JOB_SUCCEEDED),
            f"Job succeeded: {JOB}: 1 of 2 models ready, 1 failed: Garage, lack of exterior shots",
        ),
        (an_event(EventType.JOB_FAILED), f"Job failed: {JOB}: Lack of exterior shots"),
        (an_event(EventType.JOB_FAILED, failure=Message()), f"Job failed: {JOB}"),
        (an_event(EventType.JOB_FAILED, failure=Message(code="E1")), f"Job failed: {JOB}: E1"),
        (an_event(EventType.JOB_FAILED, failure=Message(code="E1", title="No")), f"Job failed: {JOB}: No"),
        (an_event(EventType.JOB_CANCELLED), f"Job cancelled: {JOB}"),
        (
            an_event(EventType.JOB_REOPENED, job=a_job(state=State.PROCESSING), previous_state="succeeded"),
            f"Job reopened: {JOB}: from succeeded to processing",
        ),
        (
            an_event(EventType.MODEL_SUCCEEDED, model=a_model(name="Garage")),
            "Model ready: Garage (Main House, 15084303)",
        ),
        (an_event(), "Model failed: Garage (Main House, 15084303): Lack of exterior shots"),
        (
            an_event(model=a_model(name=None), failure=Message()),
            "Model failed: model 15081686 (Main House, 15084303)",
        ),
        (
            an_event(EventType.COST_ESTIMATE_AVAILABLE, cost_estimate=ESTIMATE),
            f"Processing cost estimate: {JOB}: 3.5",
        ),
        (
            an_event(
                EventType.COST_ESTIMATE_AVAILABLE,
                cost_estimate=CostEstimate(id="7", kind="contractor", amount=12345678.9, currency="USD"),
            ),
            f"Contractor cost estimate: {JOB}: 12,345,678.9 USD",
        ),
        (an_event(EventType.JOB_CREATED, job=a_job(name=None)), "New job: 15084303"),
        (an_event(EventType.JOB_CREATED) | {"type": "job.exploded"}, f"job.exploded: {JOB}"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_happened_to_a_job_in_one_line(event: dict[str, Any], expected: str) -> None:
    assert headline(event) == expected


def test_a_model_that_is_the_job_is_named_once() -> None:
    """Bentley's one model has the job's id, and its name."""
    job = a_job(id="cc3d", name="Bridge", models=())
    assert headline(
        an_event(job=job, model=a_model(id="cc3d", name="Bridge", failure_reason=None), failure=Message())
    ) == ("Model failed: Bridge (cc3d)")


def test_a_model_of_which_only_the_id_is_left_is_named_by_it() -> None:
    event = an_event()
    event["data"] = dict.fromkeys(event["data"])
    assert headline(event) == "Model failed: model 15081686 (15084303)"


def test_a_name_that_cannot_be_seen_is_none() -> None:
    assert headline(an_event(EventType.JOB_CREATED, job=a_job(name="\u200b\x00\u200d"))) == "New job: 15084303"


def test_an_amount_that_no_float_can_hold_is_told_too() -> None:
    event = an_event(EventType.COST_ESTIMATE_AVAILABLE, cost_estimate=ESTIMATE)
    event["data"]["cost_estimate"]["amount"] = 10**400
    assert headline(event).startswith(f"Processing cost estimate: {JOB}: 1000")


READY = a_model(name="House", state=ModelState.SUCCEEDED, failure_reason=None)
GOING = a_model(name="Shed", state=ModelState.PROCESSING, failure_reason=None)


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ((), ""),
        ((READY,), ""),
        ((GOING,), ""),
        ((GOING, GOING), ""),
        ((READY, READY), ": 2 models ready"),
        ((READY, GOING, READY), ": 2 of 3 models ready"),
        ((a_model(),), ": its model failed: Garage, lack of exterior shots"),
        ((a_model(name="Main House"),), ": its model failed: lack of exterior shots"),
        ((a_model(name=None),), ": its model failed: lack of exterior shots"),
        ((a_model(name=None, failure_reason=None),), ": its model failed"),
        ((a_model(), a_model(name=None)), ": none of 2 models ready, 2 failed: "
         "Garage, lack of exterior shots; model 15081686, lack of exterior shots"),
        ((READY, a_model(failure_reason=None)), ": 1 of 2 models ready, 1 failed: Garage"),
        ((READY, READY, a_model(), READY), ": 3 of 4 models ready, 1 failed: Garage, lack of exterior shots"),
        ((a_model(failure_reason="No " * 99),) * 2, ": none of 2 models ready, 2 failed: "
         f"Garage, no{' No' * 25} N… and 1 more"),
    ],
)  # fmt: skip
def test_a_job_that_succeeded_says_how_its_models_did(models: tuple[Model, ...], told: str) -> None:
    assert headline(an_event(EventType.JOB_SUCCEEDED, job=a_job(models=models))) == f"Job succeeded: {JOB}{told}"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("Lack of exterior shots.", "lack of exterior shots"),
        ("Don't know", "don't know"),
        ("A wall is missing", "a wall is missing"),
        ("PDF is missing", "PDF is missing"),
        ("I/O error", "I/O error"),
        ("I do not know", "I do not know"),
        ("iTwin is gone", "iTwin is gone"),
        ("Hover is closed", "Hover is closed"),
        ("InputData_Invalid", "InputData_Invalid"),
        ("Timeout", "Timeout"),
        ("42 photos are too few", "42 photos are too few"),
        ("Überall fehlt etwas", "überall fehlt etwas"),
    ],
)
def test_a_reason_amid_a_sentence_begins_with_a_small_letter_unless_it_is_a_name(reason: str, told: str) -> None:
    job = a_job(models=(READY, a_model(failure_reason=reason)))
    assert headline(an_event(EventType.JOB_SUCCEEDED, job=job)).endswith(f"1 failed: Garage, {told}")


def test_an_alarm_of_a_kind_that_is_not_known_is_told_too() -> None:
    event = an_alarm(place="sources/a", detail="twice") | {"type": "ops.new"}
    assert headline(event) == "ops.new of a: twice"


@pytest.mark.parametrize(
    ("kind", "place", "raised", "over"),
    [
        (EventType.OPS_SOURCE_SILENT, "sources/a", "Nothing genuine has come from a", "a is heard again"),
        (
            EventType.OPS_REJECTIONS,
            "sources/a",
            "Requests for a are rejected: their signatures are wrong",
            "Signatures of a are right again",
        ),
        (EventType.OPS_SUBSCRIPTION_BROKEN, "sources/a", "The webhook of a is broken", "The webhook of a works again"),
        (EventType.OPS_CONTRACT_DRIFT, "sources/a", "a sends what we do not know", "a sends only what we know again"),
        (EventType.OPS_JOB_STUCK, "sources/a", "A job of a is stuck", "A stuck job of a moves again"),
        (EventType.OPS_SINK_FAILING, "sinks/a", "Sink a takes nothing", "Sink a takes events again"),
        (
            EventType.OPS_REPAIRED,
            "sources/a",
            "Changes at a were found that no webhook had told",
            "Webhooks of a tell everything again",
        ),
    ],
)
def test_an_alarm_in_one_line(kind: EventType, place: str, raised: str, over: str) -> None:
    assert headline(an_alarm(kind, place=place)) == raised
    assert headline(an_alarm(kind, place=place, detail="twice")) == f"{raised}: twice"
    assert headline(an_alarm(kind, place=place, state="over")) == over


def test_every_type_of_event_has_words_of_its_own() -> None:
    said = [headline(an_alarm(kind) if kind.startswith("ops.") else an_event(kind)) for kind in EventType]
    assert len({line.split(":")[0] for line in said}) == len(EventType)
    assert not [line for line in said if "." in line.split(":")[0]]


# --- details ---------------------------------------------------------------------------------------------------------


def test_details_of_a_job() -> None:
    job = a_job(
        address=Address(line1="1 High Street", line2="Flat 2", city="York", postal_code="YO1", latitude=53.9),
        customer=Customer(name="Jo\nSmith", email="jo@example.com"),
    )
    assert details(an_event(EventType.JOB_FAILED, job=job, failure=Message("E1", "No photos", "Take some"))) == [
        ("Source", "hover-main"),
        ("Reason", "E1: No photos: Take some"),
        ("Address", "1 High Street, Flat 2, York, YO1"),
        ("Customer", "Jo Smith"),
    ]


def test_details_of_a_cost_estimate() -> None:
    estimate = CostEstimate(
        id="7",
        kind="contractor",
        amount=10,
        currency="USD",
        units="rooms",
        basis={"a": 1, "b": None, "c": [2]},
    )
    event = an_event(EventType.COST_ESTIMATE_AVAILABLE, job=a_job(address=None), cost_estimate=estimate)
    assert details(event)[1:] == [("Amount", "10 USD rooms"), ("Based on", "a 1, c [2]")]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Message(message="Take some photos"), None),
        (Message(message="a" * (HEADLINE + 1)), "a" * (HEADLINE + 1)),
        (Message("E1", "Invalid input", "Invalid input: a scene"), "E1: Invalid input: a scene"),
    ],
)
def test_the_reason_is_a_detail_where_the_headline_does_not_say_it_all(failure: Message, expected: str | None) -> None:
    assert dict(details(an_event(failure=failure))).get("Reason") == expected


def test_details_of_a_test_say_no_time_at_which_it_began() -> None:
    assert details(an_alarm(EventType.OPS_TEST)) == [("Sink", "orders")]


def test_details_of_an_alarm() -> None:
    assert details(an_alarm(place="sinks/orders", state="over", count=3)) == [
        ("Sink", "orders"),
        ("Since", "2025-03-17 00:02:58 UTC"),
        ("Until", "2025-03-17 00:02:58 UTC"),
        ("Count", "3"),
    ]


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2025-03-17T00:02:58.411Z", "2025-03-17 00:02:58 UTC"),
        ("2025-03-17T02:02:58+02:00", "2025-03-17 00:02:58 UTC"),
        ("0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00+23:59"),
        ("2025-03-17T00:02:58", "2025-03-17 00:02:58 UTC"),
        ("yesterday\n", "yesterday"),
        (None, ""),
        (7, "7"),
    ],
)
def test_a_time_is_shown_in_utc(timestamp: Any, expected: str) -> None:
    assert moment(timestamp) == expected
