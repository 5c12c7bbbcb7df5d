"""The simulated Hover by itself: its limits, its list of jobs, what its webhooks say."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from providers.hover_account import TOKEN, make

from processor.errors import Refused, Usage
from processor.model import Ignored, Notification, Request
from processor.ports import Answer, Lists
from processor.providers.hover.notices import ESTIMATE_EVENTS, ESTIMATE_ID, JOB_EVENTS
from processor.providers.hover.simulator import MOST_ROWS, RATES, HoverSimulator
from processor.simulation import changed
from processor.testing.fakes import FakeHttp, Sent, answer

UPDATED = "2025-03-17T00:{:02}:00.000Z"


def simulator(**how: Any) -> HoverSimulator:
    how = {"rates": (), **how}
    return HoverSimulator(client_id="client", client_secret="app-secret", refresh_token="refresh-0", **how)


def access(hover: HoverSimulator) -> dict[str, str]:
    body = {
        "grant_type": "refresh_token",
        "refresh_token": hover.refresh_token,
        "client_id": "client",
        "client_secret": "app-secret",
    }
    token = hover.app.test_client().post("/oauth/token", json=body).json["access_token"]
    return {"Authorization": f"Bearer {token}"}


def wired(hover: HoverSimulator) -> FakeHttp:
    """A client whose far end is the simulator, without a socket."""
    client, headers = hover.app.test_client(), access(hover)

    def far_end(sent: Sent) -> Answer:
        parts = urlsplit(sent.url)
        if parts.path == "/oauth/token":
            return answer(json=TOKEN)
        said = client.open(f"{parts.path}?{parts.query}", method=sent.method, headers=headers, json=sent.json)
        return Answer(said.status_code, {k.lower(): v for k, v in said.headers.items()}, said.data)

    return FakeHttp(always=far_end)


def fill(hover: HoverSimulator, count: int, **change: Any) -> None:
    for n in range(count):
        keys = {"id": n + 1, "updated_at": UPDATED.format(n % 60), "created_at": UPDATED.format((count - n) % 60)}
        hover.put_job(changed(hover.sample("hover-2"), {**keys, **change}))


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200
    return [row["id"] for row in answer.json["results"]]


# --- limits -----------------------------------------------------------------------------------------------------------


def test_every_call_but_that_for_a_token_counts_against_the_published_limits() -> None:
    assert RATES == ((120, 60.0), (7200, 3600.0))
    parts = {"job_id": "7", "id": "7", "code": "5e0c2a8e-7d0b-4b43-9f3c-0d9b1c1d6b11"}
    rules = [rule for rule in simulator().app.url_map.iter_rules() if rule.endpoint not in ("static", "token")]
    assert len(rules) == 8
    for rule in rules:
        hover = simulator(rates=[(2, 60.0), (100, 3600.0)])
        client, headers = hover.app.test_client(), access(hover)
        path = rule.rule.replace("<int:id>", "7")
        for name, value in parts.items():
            path = path.replace(f"<{name}>", value)
        [method] = rule.methods - {"HEAD", "OPTIONS"}
        said = [client.open(path, method=method, headers=headers, json={}) for _ in range(3)]
        assert [s.status_code == 429 for s in said] == [False, False, True], path
        assert 0 < int(said[2].headers["Retry-After"]) <= 60
        other = client.get("/api/v3/jobs/7", headers=headers)
        assert other.status_code == 429, "one allowance for everything"


def test_a_request_without_a_good_token_takes_nothing_of_the_allowance() -> None:
    hover = simulator(rates=[(1, 60.0)])
    client = hover.app.test_client()
    for _ in range(3):
        assert client.get("/api/v3/jobs/7", headers={"Authorization": "Bearer made up"}).status_code == 401
    assert client.get("/api/v3/jobs/7", headers=access(hover)).status_code == 404


# --- the list of jobs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query", ["page=x", "per=many", "updated_since=2025-03-17", "updated_since=9e99", "sort_by=name", "page=1.5"]
)
def test_a_parameter_that_cannot_be_meant_is_refused(query: str) -> None:
    hover = simulator()
    assert hover.app.test_client().get(f"/api/v3/jobs?{query}", headers=access(hover)).status_code == 422


def test_the_list_is_sorted_filtered_and_paged_as_it_is_said_to_be() -> None:
    hover = simulator()
    fill(hover, 30)
    client, headers = hover.app.test_client(), access(hover)

    def get(query: str) -> Any:
        return client.get(f"/api/v3/jobs?{query}", headers=headers)

    assert len(ids(get(""))) == 25
    assert ids(get("per=2"))[0] == 1, "the newest first, by when they were made"
    assert ids(get("sort_by=updated_at&sort_order=ASC&per=3")) == [1, 2, 3]
    assert ids(get("sort_by=updated_at&per=3")) == [30, 29, 28]
    assert ids(get("sort_by=updated_at&sort_order=ASC&per=3&page=10")) == [28, 29, 30]
    assert get("per=3&page=9").json["pagination"] == {"current_page": 9, "next_page": 10}
    assert get("per=3&page=10").json["pagination"] == {"current_page": 10, "next_page": None}
    assert ids(get("per=3&page=11")) == []
    since = 1742169600 + 28 * 60  # 2025-03-17T00:28:00Z
    assert sorted(ids(get(f"updated_since={since}"))) == [29, 30]
    assert sorted(ids(get(f"updated_since={since + 1}"))) == [30]
    assert ids(get("reconstruction_state=failed")) == []


def test_a_page_has_no_more_than_a_hundred_rows() -> None:
    hover = simulator()
    fill(hover, MOST_ROWS + 1)
    said = hover.app.test_client().get("/api/v3/jobs?per=1000", headers=access(hover))
    assert len(ids(said)) == MOST_ROWS == 100


def test_archived_jobs_are_in_a_list_of_their_own() -> None:
    hover = simulator()
    fill(hover, 3)
    hover.put_job(changed(hover.job("2"), {"archived_at": "2025-04-01T00:00:00Z"}))
    client, headers = hover.app.test_client(), access(hover)
    assert sorted(ids(client.get("/api/v3/jobs", headers=headers))) == [1, 3]
    assert ids(client.get("/api/v3/jobs?archived=true", headers=headers)) == [2]


def test_we_read_all_of_it_however_short_its_pages() -> None:
    hover = simulator(most_rows=7)
    fill(hover, 100)
    http = wired(hover)
    provider, seen, at, calls = make(http), set(), None, 0
    assert isinstance(provider, Lists)
    while at is not None or not calls:
        listed = provider.page("current", since=None, at=at, http=http)
        seen, at, calls = seen | {job.id for job in listed.jobs}, listed.next, calls + 1
        assert calls < 60
    assert len(seen) == 100


def test_a_touch_dates_the_job_and_the_models_that_are_not_as_they_were() -> None:
    hover = simulator()
    hover.put_job(hover.sample("hover-2"))
    before = hover.job("15254733")
    hover.put_job(changed(before, {"models.0.state": "failed"}), touch=True)
    after = hover.job("15254733")
    assert after["updated_at"] > before["updated_at"]
    assert after["models"][0]["updated_at"] == after["updated_at"]
    assert after["models"][1] == before["models"][1]
    assert before == hover.sample("hover-2"), "what was given stays as it was"


# --- users ------------------------------------------------------------------------------------------------------------


def test_an_organisations_token_has_to_say_for_whom() -> None:
    hover = simulator(wanted_user=123)
    hover.put_job(hover.sample("hover-2"))
    hover.put_estimate(55643, hover.estimate_sample("siding"))
    http = wired(hover)
    for user in (None, 7):
        provider = make(http, **({} if user is None else {"current_user_id": user}))
        for ask in (
            lambda p: p.fetch("15254733", api="v3", http=http),
            lambda p: p.page("current", since=None, at=None, http=http),
            lambda p: p.fetch_estimate("55643", http=http),
        ):
            with pytest.raises(Refused, match="422"):
                ask(provider)
    allowed = make(http, current_user_id=123)
    assert allowed.fetch("15254733", api="v3", http=http)["id"] == 15254733
    assert len(allowed.page("current", since=None, at=None, http=http).jobs) == 1
    assert allowed.fetch_estimate("55643", http=http)["totalPrice"] == 2457.8
    assert allowed.subscriptions(http=http) == [], "webhooks are the organisation's"


# --- webhooks ---------------------------------------------------------------------------------------------------------


def sent(hover: HoverSimulator, job_id: str, **what: Any) -> dict[str, Any]:
    [webhook] = hover.webhooks(job_id, **what)
    body: dict[str, Any] = json.loads(webhook.body)
    return body


@pytest.fixture
def hover() -> HoverSimulator:
    hover = simulator()
    hover.connect("http://127.0.0.1:9/webhooks/hover-main", "secret")
    hover.put_job(hover.sample("hover-1"))
    return hover


def test_nothing_is_sent_to_a_webhook_that_is_not_verified(hover: HoverSimulator) -> None:
    hover.registrations[0].verified_at = None
    assert hover.webhooks("15084303") == []


@pytest.mark.parametrize(("name", "word"), [("job-state-changed", "complete"), ("job-state-changed-v2", "completed")])
def test_each_generation_of_job_events_has_its_word_for_the_end(hover: HoverSimulator, name: str, word: str) -> None:
    assert name in JOB_EVENTS
    assert sent(hover, "15084303", event=name)["state"] == word
    assert sent(hover, "15084303", event=name, state="working")["state"] == "working"


def test_a_models_event_has_the_models_state(hover: HoverSimulator) -> None:
    body = sent(hover, "15084303", event="model-state-changed", model_id=15081686)
    assert (body["state"], body["model_id"], body["job_id"]) == ("failed", 15081686, 15084303)
    assert "state" not in sent(hover, "15084303", event="model-created", model_id=15081686)


@pytest.mark.parametrize("name", sorted(ESTIMATE_EVENTS))
def test_an_estimates_event_has_its_id_and_may_lack_the_job(hover: HoverSimulator, name: str) -> None:
    for without in ((), ("job_id",)):
        [webhook] = hover.webhooks("15084303", event=name, without=without, **{ESTIMATE_ID: 55643})
        body = json.loads(webhook.body)
        assert set(body) == {"event", "job_id", ESTIMATE_ID, "webhook_id"} - set(without)
        headers = {key.lower(): value for key, value in webhook.headers.items()}
        request = Request("POST", "/webhooks/hover-main", "", headers, webhook.body, make().api.clock())
        assert isinstance(make().parse(request), Notification)


def test_any_other_event_can_be_sent(hover: HoverSimulator) -> None:
    [webhook] = hover.webhooks("15084303", event="inspection-state-changed", state="submitted")
    headers = {key.lower(): value for key, value in webhook.headers.items()}
    request = Request("POST", "/webhooks/hover-main", "", headers, webhook.body, make().api.clock())
    assert isinstance(make().parse(request), Ignored)


def test_webhooks_are_listed_a_page_at_a_time() -> None:
    hover = simulator()
    for n in range(60):
        hover.connect(f"https://jobs.example.com/webhooks/{n}", "secret")
    http = wired(hover)
    found = make(http).subscriptions(http=http)
    assert [s.url.rpartition("/")[2] for s in found] == [str(n) for n in range(60)]
    assert hover.stage.counts["webhooks"] == 3


def test_an_estimate_that_is_no_sample_is_named() -> None:
    with pytest.raises(Usage, match="there are siding"):
        simulator().estimate_sample("roofing")
    with pytest.raises(Usage, match="there are hover-1, hover-2"):
        simulator().sample("siding")
