"""What people are told of one event, and of several: every part of the message, and that nobody can break it."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import golden
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_text import ANY_JSON, is_harmless

from processor.model import CostEstimate, EventType, Image, Job, Message, Model, ModelState, State
from processor.ports import Occasion
from processor.telling import Link, Mood, Telling, tell, tell_together
from processor.telling.addresses import web_address
from processor.testing.builders import a_job, a_model, an_alarm, an_event
from processor.text import HEADLINE, VALUE, headline

OURS = "https://jobs.example.com"
ESTIMATE = CostEstimate(id="processing", kind="processing", amount=3.5, url="https://hover.to/estimate")
READY = a_model(
    id="1", name="House", state=ModelState.SUCCEEDED, failure_reason=None, url="https://hover.to/1", url_status="ready"
)
FAILED = a_model(id="2")
WELL = a_job(models=(READY, replace(READY, id="3", name="Shed", url="https://hover.to/3")))
JOB = "Main House (15084303)"

# --- text by strangers -----------------------------------------------------------------------------------------------

NASTY = ANY_JSON | st.sampled_from(
    ["x" * 20_000, "https://" + "x" * 1_980, "javascript:alert(1)", "\u202e\x1b[2J\r\n", [{"state": "failed"}] * 90, 7]
)
PLACES = [
    *[(name,) for name in ("id", "type", "source", "subject", "time", "partitionkey", "data")],
    *[("data", n) for n in ("provider", "source", "job", "model", "cost_estimate", "failure", "previous_state", "ops")],
    *[("data", "job", n) for n in ("id", "name", "state", "url", "models", "address", "customer")],
    *[("data", "job", "models", 0, n) for n in ("id", "name", "state", "failure_reason", "url", "images")],
    *[("data", "model", n) for n in ("id", "name", "url", "url_status", "images")],
    *[("data", "cost_estimate", n) for n in ("kind", "amount", "currency", "units", "basis", "url")],
    *[("data", "failure", n) for n in ("code", "title", "message")],
    *[("data", "ops", n) for n in ("state", "since", "until", "count", "detail")],
]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """An event of any type with anything at two places."""
    kind = draw(st.sampled_from(EventType))
    event = an_alarm(kind) if kind.startswith("ops.") else an_event(kind, cost_estimate=ESTIMATE)
    for _ in range(2):
        *path, last = draw(st.sampled_from(PLACES))
        inner: Any = event
        for name in path:
            try:
                inner = inner[name]
            except (LookupError, TypeError):
                inner = None
        if isinstance(inner, dict):
            inner[last] = copy.deepcopy(draw(NASTY))  # what is drawn twice must not be put into itself
    return event


def texts(telling: Telling) -> list[str]:
    """Everything in a message."""
    pairs = [*telling.facts, *((link.label, link.url) for link in telling.links)]
    single = [telling.key, telling.headline, telling.when, telling.thread or "", telling.next_step]
    return [*single, *telling.lines, *telling.images, *(text for pair in pairs for text in pair)]


def is_fine(telling: Telling) -> bool:
    assert telling.headline
    assert is_harmless(telling.headline, HEADLINE)
    assert all(is_harmless(text, 2_000) for text in texts(telling))
    assert all(label and value and is_harmless(value, VALUE) for label, value in telling.facts)
    assert all(re.match(r"https?://[^\s@]+$", link.url) and link.label for link in telling.links)
    assert len(telling.lines) <= 30
    assert len(telling.images) <= 3
    assert re.fullmatch(r"[\w.-]{1,100}", telling.key, re.ASCII)
    assert telling.more >= 0
    return sum(map(len, texts(telling))) < 8_000


@given(documents())
def test_any_document_makes_a_message_that_is_harmless_and_not_too_long(event: dict[str, Any]) -> None:
    before = copy.deepcopy(event)
    assert is_fine(tell(event, public_url=OURS))
    assert repr(event) == repr(before)  # a NaN is not equal to itself


@given(st.lists(documents(), min_size=1, max_size=4), st.sampled_from(Occasion))
def test_any_documents_make_a_message_together(events: list[dict[str, Any]], occasion: Occasion) -> None:
    assert is_fine(tell_together(events, occasion, public_url=OURS))


@pytest.mark.parametrize("occasion", Occasion)
def test_a_thousand_events_of_long_names_make_a_message_of_bounded_length(occasion: Occasion) -> None:
    model = a_model(name="m" * 10_000, failure_reason="r" * 10_000)
    jobs = [a_job(id=f"{'i' * 300}{n}", name="n" * 10_000, models=(model,) * 2) for n in range(1000)]
    events = [an_event(EventType.JOB_SUCCEEDED, job=job) for job in jobs]
    telling = tell_together(events, occasion)
    assert is_fine(telling)
    assert telling.lines
    assert len(telling.lines) + telling.more == 1000


@pytest.mark.parametrize("event", [{}, {"type": None, "data": None}, {"type": "job.failed"}, {"data": []}])
def test_an_empty_document_makes_a_message_too(event: dict[str, Any]) -> None:
    telling = tell(event, public_url=OURS)
    assert is_fine(telling)
    assert telling.thread is None
    assert telling.links == ()
    assert telling.when == ""
    assert is_fine(tell_together([event, event | {"time": "now"}], Occasion.GROUP, public_url=OURS))


@pytest.mark.parametrize("occasion", Occasion)
def test_no_events_at_all_make_a_message_that_says_so(occasion: Occasion) -> None:
    assert re.search(r"\b0 (more )?events$", tell_together([], occasion).headline)


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:text/html,<script>",
        "ftp://hover.to/1",
        "//hover.to/1",
        "hover.to/1",
        "https:///1",
        "https://",
        "https://user@hover.to/1",
        "https://user:secret@hover.to/1",
        "https://hover.to\\@evil.example/",
        "https://hover.to/1 2",
        "https://hover.to/1\n",
        "https://hover.to/\u202e1",
        "https://hover.to/\xa01",
        "https://hover.to/<b>",
        "https://hover.to/1|2",
        'https://hover.to/"1"',
        "https://hover.to:port/",
        "https://[::1/",
        "https://hover.to/" + "1" * 3_000,
        "",
        None,
        7,
        ["https://hover.to"],
    ],
)
def test_an_address_that_is_not_safe_to_open_is_left_out(address: Any) -> None:
    assert web_address(address) == ""
    event = an_event(job=a_job(url="x"), model=a_model(url="x", url_status=None))
    event["data"]["job"]["url"] = event["data"]["model"]["url"] = address
    assert tell(event, public_url=None).links == ()


@pytest.mark.parametrize(
    "address", ["https://hover.to", "http://127.0.0.1:8080/a?b=c&d=%20#e", "HTTPS://hover.to/é", "https://[::1]/"]
)
def test_an_address_on_the_web_is_kept_as_it_is(address: str) -> None:
    assert web_address(address) == address


@pytest.mark.parametrize(
    ("url_status", "labels"), [("ready", ["Model", "Job"]), (None, ["Model", "Job"]), ("not_available", ["Job"])]
)
def test_a_models_page_is_linked_unless_the_provider_says_that_it_does_not_work(
    url_status: str | None, labels: list[str]
) -> None:
    event = an_event(job=a_job(url="https://hover.to/job"), model=a_model(url_status=url_status))
    assert [link.label for link in tell(event).links] == labels


def test_a_cost_estimate_is_linked_first() -> None:
    event = an_event(EventType.COST_ESTIMATE_AVAILABLE, cost_estimate=ESTIMATE)
    assert tell(event, public_url=OURS).links == (
        Link("Estimate", "https://hover.to/estimate"),
        Link("Timeline", f"{OURS}/jobs/hover-main/15084303"),
    )


def test_a_job_that_succeeded_links_its_models_that_are_ready_by_their_names() -> None:
    models = (FAILED, *(replace(READY, id=str(n), name=f"Floor {n}", url=f"https://hover.to/{n}") for n in range(9)))
    said = tell(an_event(EventType.JOB_SUCCEEDED, job=a_job(models=models))).links
    assert said == tuple(Link(f"Model Floor {n}", f"https://hover.to/{n}") for n in range(3))


def test_the_one_model_of_a_job_that_succeeded_needs_no_name() -> None:
    assert tell(an_event(EventType.JOB_SUCCEEDED, job=a_job(models=(READY,)))).links == (
        Link("Model", "https://hover.to/1"),
    )


def test_the_timeline_is_linked_with_the_source_and_the_id_quoted() -> None:
    event = an_event(EventType.JOB_CREATED, job=a_job(source="a?b", id="../ä/7", models=()))
    assert tell(event, public_url=OURS).links == (Link("Timeline", f"{OURS}/jobs/a%3Fb/..%2F%C3%A4%2F7"),)
    assert tell(event | {"partitionkey": None}, public_url=OURS) == tell(event, public_url=OURS)
    assert tell(event).links == ()


def test_an_alarm_has_no_timeline() -> None:
    assert tell(an_alarm(), public_url=OURS).links == ()


def test_the_first_pictures_of_the_model_concerned_are_shown() -> None:
    images = tuple(Image(str(n), f"https://hover.to/{n}.jpg") for n in range(5))
    insecure, hostile = Image("a", "http://hover.to/a.jpg"), Image("b", "javascript:alert(1)")
    model = replace(READY, images=(insecure, hostile, Image("c"), *images))
    event = an_event(EventType.MODEL_SUCCEEDED, job=a_job(models=(FAILED, model)), model=model)
    assert tell(event).images == tuple(f"https://hover.to/{n}.jpg" for n in range(3))
    assert tell(an_event(EventType.MODEL_FAILED, job=a_job(models=(model,)), model=FAILED)).images == ()


def test_the_first_pictures_of_a_jobs_models_are_shown_where_no_model_is_concerned() -> None:
    one, two = (
        replace(READY, images=tuple(Image(str(n), f"https://hover.to/{m}/{n}.jpg") for n in range(2))) for m in (1, 2)
    )
    said = tell(an_event(EventType.JOB_SUCCEEDED, job=a_job(models=(FAILED, one, two)))).images
    assert said == tuple(f"https://hover.to/{path}.jpg" for path in ("1/0", "1/1", "2/0"))


# --- one event -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "mood"),
    [
        (an_event(EventType.JOB_CREATED), Mood.NEWS),
        (an_event(EventType.JOB_STATE_CHANGED), Mood.NEWS),
        (an_event(EventType.JOB_CANCELLED), Mood.NEWS),
        (an_event(EventType.JOB_REOPENED), Mood.NEWS),
        (an_event(EventType.COST_ESTIMATE_AVAILABLE, cost_estimate=ESTIMATE), Mood.NEWS),
        (an_event(EventType.JOB_FAILED), Mood.BAD),
        (an_event(EventType.MODEL_FAILED), Mood.BAD),
        (an_event(EventType.MODEL_SUCCEEDED), Mood.GOOD),
        (an_event(EventType.JOB_SUCCEEDED, job=WELL), Mood.GOOD),
        (an_event(EventType.JOB_SUCCEEDED, job=a_job(models=(READY, FAILED))), Mood.BAD),
        (an_alarm(), Mood.ALARM),
        (an_alarm(state="over"), Mood.GOOD),
        (an_alarm(EventType.OPS_TEST), Mood.GOOD),
    ],
    ids=str,
)
def test_the_mood_says_whether_it_is_good_news(event: dict[str, Any], mood: Mood) -> None:
    assert tell(event).mood is mood


def test_the_headline_and_the_time_are_the_same_everywhere() -> None:
    telling = tell(an_event())
    assert telling.headline == headline(an_event())
    assert telling.when == "2025-03-17 00:02:58 UTC"


def test_a_message_has_the_key_of_its_event() -> None:
    assert tell(an_event()).key == an_event()["id"]


@pytest.mark.parametrize("event_id", [None, "", "a b", "x" * 101, "ä", 7.5, {}])
def test_an_event_without_a_usable_id_has_a_key_that_no_other_has(event_id: Any) -> None:
    one, other = (tell(an_event(job=a_job(id=number)) | {"id": event_id}).key for number in ("1", "2"))
    assert one == tell(an_event(job=a_job(id="1")) | {"id": event_id}).key
    assert (one == other) == (event_id == 7.5)


def test_everything_about_one_job_is_one_thread_and_nothing_else_is() -> None:
    kinds = (EventType.JOB_CREATED, EventType.MODEL_FAILED, EventType.JOB_SUCCEEDED)
    assert {tell(an_event(kind)).thread for kind in kinds} == {"hover-main/15084303"}
    assert tell(an_event(job=a_job(source="hover-other"))).thread != "hover-main/15084303"


def test_an_alarm_and_its_end_are_one_thread_and_no_other_alarm_is() -> None:
    raised, over = an_alarm(), an_alarm(state="over")
    assert tell(raised).thread == tell(over).thread
    assert tell(an_alarm(place="sinks/other")).thread != tell(raised).thread
    assert tell(an_alarm(EventType.OPS_TEST)).thread != tell(raised).thread


def test_a_job_id_that_is_long_or_cannot_be_seen_makes_a_thread_of_its_own_all_the_same() -> None:
    threads = [tell(an_event(job=a_job(id=job_id))).thread for job_id in ("a" * 900, "a" * 901, "a\n", "a\r")]
    assert len(set(threads)) == 4


# --- what a person can do --------------------------------------------------------------------------------------------

REVIEW = "Review the estimate before the job is submitted."
CONTRACTOR = replace(ESTIMATE, kind="contractor")
SUBMIT = "Put right what the reason names, then submit it again at the provider."
LOOK = "Look at the models that failed: the provider counts the job as done without them."


@pytest.mark.parametrize(
    ("event", "step"),
    [
        (an_event(), SUBMIT),
        (an_event(EventType.JOB_FAILED), SUBMIT),
        (
            an_event(EventType.JOB_FAILED, failure=Message()),
            "The provider gives no reason: look there, then submit it again.",
        ),
        (an_event(EventType.JOB_SUCCEEDED), LOOK),
        (an_event(EventType.JOB_SUCCEEDED, job=WELL), ""),
        (an_event(EventType.MODEL_SUCCEEDED), ""),
        (an_event(EventType.JOB_CREATED), ""),
        (an_event(EventType.JOB_STATE_CHANGED), ""),
        (an_event(EventType.JOB_CREATED) | {"type": "job.exploded"}, ""),
        (an_alarm(state="over", kind=EventType.OPS_REPAIRED), ""),
        (an_alarm() | {"type": "ops.new"}, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_next_step_is_one_sentence_or_none(event: dict[str, Any], step: str) -> None:
    assert tell(event).next_step == step


@pytest.mark.parametrize(
    ("state", "estimate", "step"),
    [
        (State.CREATED, ESTIMATE, REVIEW),
        (State.CREATED, CONTRACTOR, ""),
        (State.PROCESSING, ESTIMATE, ""),
        (State.SUCCEEDED, ESTIMATE, ""),
    ],
)
def test_a_processing_estimate_is_worth_a_look_only_before_the_job_is_submitted(
    state: State, estimate: CostEstimate, step: str
) -> None:
    event = an_event(EventType.COST_ESTIMATE_AVAILABLE, job=a_job(state=state), cost_estimate=estimate)
    assert tell(event).next_step == step


@pytest.mark.parametrize("kind", [kind for kind in EventType if kind.startswith("ops.")])
def test_an_alarm_says_which_command_shows_more(kind: EventType) -> None:
    place = "sinks/orders" if kind is EventType.OPS_SINK_FAILING else "sources/hover-main"
    said = tell(an_alarm(kind, place=place)).next_step
    commands = ("jobwire webhooks list hover-main", "jobwire jobs", "jobwire check --online")
    assert any(command in said for command in commands) == (kind is not EventType.OPS_TEST)
    assert said.endswith(".")


def test_a_name_that_is_no_name_is_put_into_no_command() -> None:
    said = tell(an_alarm(EventType.OPS_SOURCE_SILENT, place="sources/a;reboot")).next_step
    assert "jobwire webhooks list SOURCE" in said
    assert "reboot" not in said


# --- several events of one job ---------------------------------------------------------------------------------------


def group(*events: dict[str, Any], occasion: Occasion = Occasion.GROUP) -> Telling:
    distinct = [event | {"id": f"evt_{number}"} for number, event in enumerate(events)]
    return tell_together(distinct, occasion, public_url=OURS)


def moved(kind: EventType, state: State, *models: Model, **more: Any) -> dict[str, Any]:
    """An event whose document shows its job in that state."""
    job: Job = a_job(state=state, models=models)
    return an_event(kind, job=job, **more)


@pytest.mark.parametrize("occasion", Occasion)
def test_one_event_is_told_as_if_it_came_alone(occasion: Occasion) -> None:
    assert tell_together([an_event()], occasion, public_url=OURS) == tell(an_event(), public_url=OURS)


def test_an_event_that_comes_twice_is_told_once() -> None:
    once = an_event()
    assert replace(tell_together([once, once], Occasion.GROUP), key="") == replace(tell(once), key="")


def test_a_group_is_told_by_its_jobs_newest_state_and_a_line_each() -> None:
    [told] = [case.values[0] for case in golden.together() if case.id == "group-hover"]
    telling = tell_together(*told, public_url=OURS)
    rollup = "3 of 4 models ready, 1 failed: Garage, lack of exterior shots"
    assert telling.headline == f"{JOB}: succeeded; {rollup}"
    assert telling.lines == (
        "Model failed: Garage: Lack of exterior shots",
        "Model ready: Guest House",
        "Model ready: Carport",
        "Model ready: Main House",
        "Job succeeded",
    )
    assert telling.mood is Mood.BAD
    assert telling.when == "2025-03-19 21:48:45 UTC"
    assert telling.thread == "hover-main/15084303"
    assert telling.facts == (("Source", "hover-main"), ("Address", "4312 Meadow Drive, Santa Maria, CA 93455, US"))
    assert telling.next_step == LOOK
    labels = [link.label for link in telling.links]
    assert labels == ["Model Guest House", "Model Carport", "Model Main House", "Timeline"]
    assert len(telling.images) == 3


def test_a_job_that_went_wrong_and_was_mended_is_good_news() -> None:
    telling = group(
        moved(EventType.MODEL_FAILED, State.SUCCEEDED, FAILED),
        moved(EventType.JOB_SUCCEEDED, State.SUCCEEDED, FAILED),
        moved(EventType.JOB_REOPENED, State.PROCESSING, FAILED, previous_state="succeeded"),
        moved(EventType.JOB_SUCCEEDED, State.SUCCEEDED, replace(READY, id=FAILED.id)),
    )
    assert telling.headline == f"{JOB}: succeeded"
    assert telling.mood is Mood.GOOD
    assert telling.next_step == ""
    assert telling.lines[2] == "Job reopened: from succeeded to processing"


@pytest.mark.parametrize(
    ("events", "said", "mood", "step"),
    [
        (
            [moved(EventType.JOB_FAILED, State.FAILED, FAILED)],
            "failed; lack of exterior shots",
            Mood.BAD,
            SUBMIT,
        ),
        (
            [moved(EventType.JOB_FAILED, State.FAILED, READY, failure=Message())],
            "failed",
            Mood.BAD,
            "The provider gives no reason: look there, then submit it again.",
        ),
        (
            [moved(EventType.JOB_FAILED, State.FAILED, READY, READY, failure=Message(title="Out of credit"))],
            "failed; out of credit",
            Mood.BAD,
            SUBMIT,
        ),
        (
            [moved(EventType.JOB_FAILED, State.FAILED, READY, FAILED)],
            "failed; 1 of 2 models ready, 1 failed: Garage, lack of exterior shots",
            Mood.BAD,
            SUBMIT,
        ),
        (
            [moved(EventType.MODEL_FAILED, State.PROCESSING, FAILED, READY)],
            "processing; 1 of 2 models ready, 1 failed: Garage, lack of exterior shots",
            Mood.BAD,
            SUBMIT,
        ),
        (
            [moved(EventType.JOB_CANCELLED, State.CANCELLED)],
            "cancelled",
            Mood.NEWS,
            "If this was not meant, submit the job again at the provider.",
        ),
        (
            [moved(EventType.JOB_REOPENED, State.PROCESSING)],
            "processing",
            Mood.NEWS,
            "Wait for its new end: what it made before may change.",
        ),
        (
            [moved(EventType.COST_ESTIMATE_AVAILABLE, State.CREATED, cost_estimate=ESTIMATE)],
            "created; processing cost estimate 3.5",
            Mood.NEWS,
            REVIEW,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_group_says_how_its_job_stands_and_what_to_do(
    events: list[dict[str, Any]], said: str, mood: Mood, step: str
) -> None:
    telling = group(moved(EventType.JOB_CREATED, State.CREATED), *events)
    assert (telling.headline, telling.mood, telling.next_step) == (f"{JOB}: {said}", mood, step)


def without(event: dict[str, Any], *parts: str) -> dict[str, Any]:
    event["data"] |= dict.fromkeys(parts)
    return event


def test_a_group_whose_documents_were_taken_away_is_told_by_the_types_of_its_events() -> None:
    kinds = (EventType.JOB_CREATED, EventType.MODEL_FAILED, EventType.JOB_SUCCEEDED)
    telling = group(*(without(an_event(kind), "job", "model", "failure") for kind in kinds))
    assert telling.headline == "15084303: succeeded; 1 model failed"
    assert telling.mood is Mood.BAD
    assert telling.lines == ("New job", "Model failed: model 15081686", "Job succeeded")


def test_a_group_of_a_job_of_which_nothing_is_known_counts() -> None:
    events = [without(an_event(kind), "job") for kind in (EventType.JOB_STATE_CHANGED, EventType.MODEL_SUCCEEDED)]
    assert group(*events).headline == "15084303: 2 events"


def test_the_model_that_is_the_job_is_not_named_again() -> None:
    [told] = [case.values[0] for case in golden.together() if case.id == "group-bentley"]
    assert tell_together(*told).lines == (
        "Processing cost estimate: 3.5",
        "Job moved on: from created to processing",
        "Model ready",
        "Job succeeded",
    )


def test_a_long_group_keeps_what_failed_and_the_newest() -> None:
    ready = [moved(EventType.MODEL_SUCCEEDED, State.PROCESSING, replace(READY, name=f"Floor {n}")) for n in range(50)]
    telling = group(moved(EventType.MODEL_FAILED, State.PROCESSING, FAILED), *ready)
    assert telling.more == 21
    assert telling.lines[0] == "Model failed: Garage: Lack of exterior shots"
    assert telling.lines[1:] == tuple(f"Model ready: Floor {n}" for n in range(21, 50))


def test_a_group_of_several_jobs_claims_to_be_of_none() -> None:
    telling = group(moved(EventType.JOB_SUCCEEDED, State.SUCCEEDED), an_event(job=a_job(id="7")))
    assert telling.headline == "2 events of 2 jobs: 2 jobs succeeded, 1 model failed"
    assert telling.thread is None


def test_an_alarm_that_came_and_went_is_over() -> None:
    raised, over = an_alarm(), an_alarm(state="over")
    telling = group(raised, over)
    assert telling.headline == headline(over)
    assert telling.lines == (headline(raised), headline(over))
    assert telling.mood is Mood.GOOD
    assert telling.thread == tell(raised).thread
    assert telling.next_step == tell(over).next_step


def test_several_alarms_are_bad_as_long_as_one_is_not_over() -> None:
    silent = an_alarm(EventType.OPS_SOURCE_SILENT, place="sources/a")
    ended = [an_alarm(EventType.OPS_REJECTIONS, place="sources/a", state=state) for state in ("raised", "over")]
    telling = group(silent, *ended)
    assert telling.headline == "3 events: 1 alarm, 1 alarm over"
    assert telling.lines == (headline(silent), headline(ended[1]))
    assert telling.mood is Mood.ALARM
    assert telling.thread is None


# --- keys ------------------------------------------------------------------------------------------------------------


def test_the_same_events_have_the_same_key_and_others_another() -> None:
    events = [an_event(job=a_job(id=str(number))) for number in range(3)]
    keys = [tell_together(some, Occasion.DIGEST).key for some in (events, list(events), events[:2], events[::-1])]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


# --- a day, a storm --------------------------------------------------------------------------------------------------


def day() -> Sequence[dict[str, Any]]:
    """Many events of two sources, which have a job of the same name and id each."""
    same = {"id": "7", "name": "Twin", "models": ()}
    return [
        moved(EventType.JOB_SUCCEEDED, State.SUCCEEDED, READY),
        an_event(EventType.JOB_CREATED, job=a_job(state=State.CREATED, **same)),
        an_event(EventType.JOB_FAILED, job=a_job(source="other", state=State.FAILED, **same), failure=Message()),
        an_event(job=a_job(id="8", state=State.PROCESSING)),
        an_event(EventType.JOB_CANCELLED, job=a_job(id="9", name="Barn", state=State.CANCELLED, models=())),
        an_alarm(detail="401"),
        an_alarm(EventType.OPS_SOURCE_SILENT, place="sources/a", state="over"),
        an_alarm(EventType.OPS_TEST),
    ]


def test_a_digest_counts_by_how_things_stand_and_has_a_line_a_job_the_worst_first() -> None:
    telling = group(*day(), occasion=Occasion.DIGEST)
    assert telling.headline == (
        "Digest: 5 events of 5 jobs: 1 job succeeded, 1 job failed, 1 job cancelled, 1 job processing, 1 job created, "
        "1 model failed, 1 alarm, 1 alarm over"
    )
    assert telling.lines == (
        "Sink orders takes nothing: 401",
        "Twin (7, other): failed",
        "Main House (8): processing; 1 of 2 models ready, 1 failed: Garage, lack of exterior shots",
        f"{JOB}: succeeded",
        "Twin (7, hover-main): created",
        "Barn (9): cancelled",
        "a is heard again",
        "This is a test of sink orders: it works",
    )
    assert telling.mood is Mood.ALARM
    assert telling.thread is None
    assert telling.links == (Link("Dashboard", f"{OURS}/"),)
    assert telling.more == 0


def test_a_digest_is_good_news_only_if_every_job_ended_well() -> None:
    well, other = moved(EventType.JOB_SUCCEEDED, State.SUCCEEDED), an_event(EventType.JOB_SUCCEEDED, job=WELL)
    other["partitionkey"] = "hover-main/7"
    assert group(well, other, occasion=Occasion.DIGEST).mood is Mood.GOOD
    going = moved(EventType.JOB_CREATED, State.CREATED) | {"partitionkey": "hover-main/8"}
    assert group(well, other, going, occasion=Occasion.DIGEST).mood is Mood.NEWS
    assert group(well, other, an_event(), occasion=Occasion.DIGEST).mood is Mood.BAD


def test_a_long_digest_leaves_out_the_jobs_that_are_no_bad_news() -> None:
    good = [an_event(EventType.JOB_SUCCEEDED, job=a_job(id=str(n), name=None, models=())) for n in range(40)]
    bad = an_event(EventType.JOB_FAILED, job=a_job(name=None, state=State.FAILED, models=()), failure=Message())
    telling = group(*good, bad, occasion=Occasion.DIGEST)
    assert telling.lines == ("15084303: failed", *(f"{n}: succeeded" for n in range(29)))
    assert telling.more == 11


def test_a_storm_counts_by_type_and_has_lines_only_for_what_is_bad() -> None:
    telling = group(*day(), occasion=Occasion.STORM)
    assert telling.headline == (
        "Storm: 5 more events of 5 jobs: 1 job failed, 1 model failed, 1 alarm, 1 job succeeded, 1 job cancelled, "
        "1 new job, 1 alarm over"
    )
    assert len(telling.lines) == 3
    assert telling.more == 0


def test_a_storm_without_anything_bad_has_no_lines() -> None:
    fresh = [a_job(id=str(n), state=State.CREATED, models=()) for n in range(1200)]
    created = [an_event(EventType.JOB_CREATED, job=job) for job in fresh]
    telling = group(*created, occasion=Occasion.STORM)
    assert telling.headline == "Storm: 1,200 more events of 1,200 jobs: 1,200 new jobs"
    assert telling.lines == ()
    assert telling.mood is Mood.NEWS


def test_a_failure_that_was_mended_within_the_storm_has_no_line() -> None:
    telling = group(
        moved(EventType.MODEL_FAILED, State.PROCESSING, FAILED),
        moved(EventType.MODEL_SUCCEEDED, State.PROCESSING, replace(READY, id=FAILED.id)),
        occasion=Occasion.STORM,
    )
    assert telling.headline == "Storm: 2 more events of 1 job: 1 model failed, 1 model ready"
    assert telling.lines == ()


def test_events_that_name_no_job_are_told_each_by_itself() -> None:
    nameless = {"type": "job.failed", "time": "2025-03-17T00:02:58Z"}
    telling = group(nameless, nameless, occasion=Occasion.DIGEST)
    assert telling.headline == "Digest: 2 events: 2 jobs failed"
    assert telling.lines == ("unknown: failed", "unknown: failed")
