"""Both simulators over real HTTP: what they ask for, what they refuse, and that our own check takes what they sign."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import flask
import pytest
import requests

from processor.errors import NotYet, RateLimited, ReconnectNeeded, Unreachable, Unreadable, Usage
from processor.http import HttpClient
from processor.model import Handshake, Ignored, ModelState, Notification, Request
from processor.ports import Tools
from processor.providers.bentley import Bentley
from processor.providers.bentley.simulator import BentleySimulator
from processor.providers.hover import Hover
from processor.providers.hover.simulator import HoverSimulator
from processor.simulation import Fault, Served, changed, notify, play, serve
from processor.testing.fakes import MemoryTokenStore, some_tools

HOVER_SECRET = "dGVzdC1zZWNyZXQtbm90LXJlYWw="
BENTLEY_SECRET = "e2c1b7a1d6f04b0c9a5b8e7f6d5c4b3a29181706f5e4d3c2b1a09f8e7d6c5b4a"
JOB = "cc3d35cc-416a-4262-9714-b359da70b419"


class Receiver:
    """Keeps what is posted to it as the Requests a real receiver would hand on."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.app = flask.Flask("receiver")
        self.app.add_url_rule("/webhooks/<source>", "receive", self.receive, methods=["POST"])

    def receive(self, source: str) -> Any:
        headers = {name.lower(): value for name, value in flask.request.headers.items()}
        body = flask.request.get_data()
        self.requests.append(Request("POST", flask.request.path, "", headers, body, datetime.now(UTC)))
        return {}, 202

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 5
        while len(self.requests) < count:
            assert time.monotonic() < deadline, "nothing came"
            time.sleep(0.01)


class Wire:
    """A provider, its simulator and a receiver, each behind its own port."""

    def __init__(self, start: Callable[[Any], Served], http: HttpClient, simulator: Any, provider: Any) -> None:
        self.receiver = Receiver()
        self.simulator, self.http = simulator, http
        self.tokens = MemoryTokenStore()
        self.provider = provider(
            start(simulator.app).url, some_tools(http=http, tokens=self.tokens, clock=lambda: datetime.now(UTC))
        )
        self.callback = f"{start(self.receiver.app).url}/webhooks/{self.provider.source}"

    def fetch(self, job_id: str, api: str = "v3") -> Any:
        return self.provider.translate(self.provider.fetch(job_id, api=api, http=self.http), api=api)


@pytest.fixture
def start() -> Iterator[Callable[[Any], Served]]:
    running: list[Served] = []

    def start(app: Any) -> Served:
        running.append(serve(app))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def http() -> Iterator[HttpClient]:
    client = HttpClient(timeout=5)
    yield client
    client.close()


@pytest.fixture
def hover(start: Callable[[Any], Served], http: HttpClient) -> Wire:
    simulator = HoverSimulator(client_id="client", client_secret="app-secret", refresh_token="refresh-0")

    def provider(url: str, tools: Tools) -> Hover:
        options = {"provider": "hover", "client_id": "client", "client_secret": "app-secret", "api_url": url}
        secrets = {"refresh_token": "refresh-0", "webhook_secrets": [HOVER_SECRET]}
        return Hover.from_config("hover-main", Hover.Options().load({**options, **secrets}), tools)

    return Wire(start, http, simulator, provider)


@pytest.fixture
def bentley(start: Callable[[Any], Served], http: HttpClient) -> Wire:
    simulator = BentleySimulator(client_id="client", client_secret="app-secret")

    def provider(url: str, tools: Tools) -> Bentley:
        options = {"provider": "bentley", "client_id": "client", "client_secret": "app-secret", "api_url": url}
        more = {"token_url": f"{url}/connect/token", "webhook_secrets": [BENTLEY_SECRET]}
        return Bentley.from_config("itwin", Bentley.Options().load({**options, **more}), tools)

    return Wire(start, http, simulator, provider)


class TestHover:
    def test_without_a_token_nothing_is_shown(self, hover: Wire) -> None:
        client = hover.simulator.app.test_client()
        for headers in ({}, {"Authorization": "Bearer made up"}, {"Authorization": "Basic x"}):
            assert client.get("/api/v3/jobs/15084303", headers=headers).status_code == 401

    def test_a_refresh_token_is_good_for_one_exchange(self, hover: Wire) -> None:
        client = hover.simulator.app.test_client()
        body = {"grant_type": "refresh_token", "client_id": "client", "client_secret": "app-secret"}
        first = client.post("/oauth/token", json={**body, "refresh_token": "refresh-0"})
        again = client.post("/oauth/token", json={**body, "refresh_token": "refresh-0"})
        next_one = client.post("/oauth/token", json={**body, "refresh_token": first.json["refresh_token"]})
        assert [answer.status_code for answer in (first, again, next_one)] == [200, 400, 200]
        assert again.json == {"error": "invalid_grant"}

    def test_a_spent_grant_needs_a_person(self, hover: Wire) -> None:
        hover.simulator.refresh_token = "exchanged elsewhere"
        with pytest.raises(ReconnectNeeded):
            hover.fetch("15084303")

    def test_an_unknown_job_is_not_there_yet(self, hover: Wire) -> None:
        with pytest.raises(NotYet):
            hover.fetch("15084303")

    def test_a_job_is_fetched_and_a_token_that_ended_is_renewed(self, hover: Wire) -> None:
        play(hover.simulator, [{"job": {"sample": "hover-1"}}])
        assert hover.fetch("15084303").models[0].failure_reason == "Lack of exterior shots"
        hover.simulator.expire_tokens()
        assert hover.fetch("15084303").name == "Main House"
        assert hover.simulator.stage.counts == {"token": 2, "job": 3, "401": 1}

    def test_beyond_its_limits_it_says_when_to_come_back(self, hover: Wire) -> None:
        play(hover.simulator, [{"job": {"sample": "hover-1"}}])
        for _ in range(120):
            assert hover.simulator.stage.retry_after() is None
        with pytest.raises(RateLimited) as caught:
            hover.fetch("15084303")
        assert 50 < (caught.value.retry_after or 0) <= 60

    @pytest.mark.parametrize(("fault", "error"), [("not-json", Unreadable), ("cut", Unreachable)])
    def test_answers_that_are_broken(self, hover: Wire, fault: str, error: Any) -> None:
        play(hover.simulator, [{"job": {"sample": "hover-1"}}, {"fault": {"on": "job", "body": fault}}])
        with pytest.raises(error):
            hover.fetch("15084303")
        assert hover.fetch("15084303").id == "15084303"

    def test_our_own_check_takes_what_it_signs(self, hover: Wire) -> None:
        hover.simulator.connect(hover.callback, HOVER_SECRET)
        play(hover.simulator, [{"job": {"sample": "hover-1"}, "notify": {"job_id": 15084303, "double": True}}])
        first, second = hover.receiver.requests
        hover.provider.verify(first)
        notification = hover.provider.parse(first)
        assert isinstance(notification, Notification)
        assert (notification.job_id, notification.claim) == ("15084303", "job")
        assert hover.provider.parse(second) == notification

    def test_a_registration_is_alive_once_its_code_came_back(self, hover: Wire) -> None:
        token = hover.provider.api.oauth.token()
        url = hover.provider.api.api_url + "/api/v2/webhooks"
        wanted = {"webhook": {"url": hover.callback, "content_type": "json"}}
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {token}"
            assert session.post(url, json=wanted["webhook"], timeout=5).status_code == 422, "the body must be nested"
            made = session.post(url, json=wanted, timeout=5)
            assert (made.status_code, made.json()["verified_at"]) == (201, None)
            assert notify(hover.simulator, "15084303") == []

            hover.receiver.wait_for(1)
            code = hover.provider.handshake(hover.receiver.requests[0])
            assert isinstance(code, Handshake)
            assert code.webhook_id == str(made.json()["id"])
            hover.provider.confirm(code.code, http=hover.http)
            (listed,) = session.get(url, timeout=5).json()["results"]
            assert listed["verified_at"]
            assert listed["hmac_secret"] == made.json()["hmac_secret"]
            assert [sent.status for sent in notify(hover.simulator, "15084303")] == [202]

            assert session.post(url, json=wanted, timeout=5).status_code == 201
            assert session.post(url, json=wanted, timeout=5).status_code == 422, "one address, two registrations"
            assert session.delete(f"{url}/{listed['id']}", timeout=5).status_code == 204
            assert session.delete(f"{url}/{listed['id']}", timeout=5).status_code == 404
        with pytest.raises(NotYet):
            hover.provider.confirm(code.code, http=hover.http)

    def test_a_code_can_be_asked_for_again(self, hover: Wire) -> None:
        hover.simulator.connect(hover.callback, HOVER_SECRET)
        headers = {"Authorization": f"Bearer {hover.provider.api.oauth.token()}"}
        client = hover.simulator.app.test_client()
        path = f"/api/v2/webhooks/{hover.simulator.registrations[0].id}/request_verification"
        assert client.post(path, headers=headers).status_code == 200
        hover.receiver.wait_for(1)
        assert isinstance(hover.provider.handshake(hover.receiver.requests[0]), Handshake)
        assert client.post("/api/v2/webhooks/1/request_verification", headers=headers).status_code == 404

    def test_a_sample_or_job_that_is_not_there_is_named(self, hover: Wire) -> None:
        with pytest.raises(Usage, match="there are hover-1, hover-2"):
            hover.simulator.sample("hover-3")
        with pytest.raises(Usage, match="no job 7"):
            hover.simulator.job("7")


class TestBentley:
    def test_their_refusals_have_their_shape(self, bentley: Wire) -> None:
        client = bentley.simulator.app.test_client()
        missing = client.get(f"/contextcapture/jobs/{JOB}")
        assert (missing.status_code, missing.json["error"]["code"]) == (401, "HeaderNotFound")
        made_up = client.get(f"/contextcapture/jobs/{JOB}", headers={"Authorization": "Bearer made up"})
        assert (made_up.status_code, made_up.json["error"]["code"]) == (401, "Unauthorized")
        headers = {"Authorization": f"Bearer {bentley.provider.api.oauth.token()}"}
        unknown = client.get(f"/contextcapture/jobs/{JOB}", headers=headers)
        assert (unknown.status_code, unknown.json["error"]["code"]) == (404, "JobNotFound")

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"client_secret": "wrong"}, "invalid_client"),
            ({"scope": "all"}, "invalid_request"),
            ({"grant_type": "password"}, "invalid_request"),
        ],
    )
    def test_credentials_must_be_right(self, bentley: Wire, change: dict[str, str], code: str) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": "client",
            "client_secret": "app-secret",
            "scope": "itwin-platform",
        }
        answer = bentley.simulator.app.test_client().post("/connect/token", data={**form, **change})
        assert (answer.status_code, answer.json) == (400, {"error": code})

    def test_a_job_is_known_to_its_own_api_only(self, bentley: Wire) -> None:
        play(bentley.simulator, [{"job": {"sample": "bentley-1"}}])
        with pytest.raises(NotYet):
            bentley.fetch(JOB, "reality-modeling")
        assert bentley.fetch(JOB, "contextcapture").cost_estimate.amount == 3.5

    def test_a_v2_job_has_its_messages_apart(self, bentley: Wire) -> None:
        job = {"id": JOB, "type": "Reconstruction", "state": "Failed", "executionInfo": {}}
        messages = {"errors": [{"code": "X", "message": "no %1", "params": ["photos"]}], "warnings": []}
        play(bentley.simulator, [{"job": {"job": job, "messages": messages}, "how": {"api": "reality-modeling"}}])
        (model,) = bentley.fetch(JOB, "reality-modeling").models
        assert (model.state, model.failure_reason) == (ModelState.FAILED, "no photos")
        assert bentley.simulator.stage.counts == {"token": 1, "job": 1, "messages": 1}

        play(bentley.simulator, [{"job": {"id": JOB, "change": {"job.state": "Active"}}}])
        assert bentley.fetch(JOB, "reality-modeling").models[0].state is ModelState.PROCESSING
        assert bentley.simulator.stage.counts["messages"] == 1

    def test_beyond_its_limits_it_says_when_to_come_back(self, bentley: Wire) -> None:
        play(bentley.simulator, [{"job": {"sample": "bentley-1"}}])
        for _ in range(500):
            assert bentley.simulator.stage.retry_after() is None
        with pytest.raises(RateLimited) as caught:
            bentley.fetch(JOB, "contextcapture")
        assert 50 < (caught.value.retry_after or 0) <= 60

    def test_our_own_check_takes_what_it_signs(self, bentley: Wire) -> None:
        bentley.simulator.connect(bentley.callback, BENTLEY_SECRET)
        play(bentley.simulator, [{"job": {"sample": "bentley-1"}, "notify": {"job_id": JOB, "double": True}}])
        first, second = bentley.receiver.requests
        bentley.provider.verify(first)
        notification = bentley.provider.parse(first)
        assert isinstance(notification, Notification)
        assert (notification.job_id, notification.api, notification.claim) == (JOB, "contextcapture", "job")
        assert bentley.provider.parse(second) == notification

    def test_a_registration_is_alive_once_it_was_activated(self, bentley: Wire) -> None:
        url = bentley.provider.api.api_url + "/webhooks/"
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {bentley.provider.api.oauth.token()}"
            assert session.post(url, json={}, timeout=5).status_code == 422
            wanted = {"callbackUrl": bentley.callback, "scope": "Account", "secret": "short"}
            assert session.post(url, json=wanted, timeout=5).status_code == 422
            wanted |= {"secret": BENTLEY_SECRET, "eventTypes": ["realityModeling.jobCompleted.v1"]}
            made = session.post(url, json=wanted, timeout=5).json()
            assert (made["active"], made["secret"]) == (False, BENTLEY_SECRET)
            assert notify(bentley.simulator, JOB) == []

            one = f"{url}{made['id']}"
            assert session.patch(one, json={"active": True}, timeout=5).json()["active"] is True
            (listed,) = session.get(url, timeout=5).json()["webhooks"]
            assert "secret" not in listed
            assert [sent.status for sent in notify(bentley.simulator, JOB)] == [202]
            assert notify(bentley.simulator, JOB, eventType="realityModeling.jobCompleted.v2") == [], "not subscribed"
            bentley.provider.verify(bentley.receiver.requests[0])

            assert session.delete(one, timeout=5).status_code == 204
            assert session.delete(one, timeout=5).status_code == 404
            assert session.patch(one, json={"active": True}, timeout=5).status_code == 404

    def test_another_event_is_ignored_by_us(self, bentley: Wire) -> None:
        bentley.simulator.connect(bentley.callback, BENTLEY_SECRET)
        bentley.simulator.registrations[0].events.append("iModels.iModelDeleted.v1")
        notify(bentley.simulator, JOB, eventType="iModels.iModelDeleted.v1")
        assert isinstance(bentley.provider.parse(bentley.receiver.requests[0]), Ignored)

    def test_a_receiver_that_is_away_is_tried_again(self, bentley: Wire) -> None:
        bentley.simulator.connect(bentley.provider.api.api_url + "/nobody", BENTLEY_SECRET)
        bentley.simulator.stage.fault(Fault(on="unknown", status=503))
        (sent,) = notify(bentley.simulator, JOB)
        assert (sent.status, sent.attempts) == (404, 4)

    def test_a_sample_can_be_changed_on_its_way_in(self, bentley: Wire) -> None:
        document = changed(bentley.simulator.sample("bentley-1"), {"job.state": "active", "job.estimatedCost": None})
        bentley.simulator.put_job(document)
        job = bentley.fetch(JOB, "contextcapture")
        assert (job.provider_state, job.cost_estimate) == ("active", None)
