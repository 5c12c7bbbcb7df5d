"""Both simulators over real HTTP: what they ask for, what they refuse, and that our own check takes what they sign."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import pytest
import requests

from processor.errors import (
    Forbidden,
    NotYet,
    RateLimited,
    ReconnectNeeded,
    Refused,
    Unreachable,
    Unreadable,
    Unverified,
    Usage,
)
from processor.http import HttpClient
from processor.model import Handshake, Ignored, ModelState, Notification, Request, estimate_of
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
ITWIN = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


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
        more = {"token_url": f"{url}/connect/token", "webhook_secrets": [BENTLEY_SECRET], "itwin_ids": [ITWIN]}
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

    def test_a_subscription_is_registered_confirmed_mended_and_deleted_by_us(self, hover: Wire) -> None:
        provider, http = hover.provider, hover.http
        made = provider.subscribe(hover.callback, http=http)
        assert (made.state, made.trouble, bool(made.secret)) == ("not verified", "not verified", True)
        assert notify(hover.simulator, "15084303") == [], "nothing before the code came back"
        hover.receiver.wait_for(1)
        provider.confirm(provider.handshake(hover.receiver.requests[0]).code, http=http)
        assert provider.subscriptions(http=http) == [replace(made, state="verified", trouble="")]

        notify(hover.simulator, "15084303")
        with pytest.raises(Unverified):
            provider.verify(hover.receiver.requests[-1])
        replace(provider, registered=lambda: [made.secret]).verify(hover.receiver.requests[-1])

        hover.simulator.registrations[0].last_error = "502"
        [failing] = provider.subscriptions(http=http)
        assert (failing.trouble, provider.mend(failing, http=http)) == ("last error: 502", False)
        hover.simulator.registrations[0].verified_at = None
        [asleep] = provider.subscriptions(http=http)
        assert provider.mend(asleep, http=http)
        assert hover.simulator.registrations[0].verified_at
        hover.receiver.wait_for(3)  # the code came to the address as well

        provider.unsubscribe(made.id, http=http)
        assert provider.subscriptions(http=http) == []
        with pytest.raises(NotYet):
            provider.unsubscribe(made.id, http=http)

    def test_a_third_registration_of_one_address_is_refused(self, hover: Wire) -> None:
        for _ in range(2):
            hover.provider.subscribe(hover.callback, http=hover.http)
        with pytest.raises(Refused, match="twice already"):
            hover.provider.subscribe(hover.callback, http=hover.http)
        hover.receiver.wait_for(2)

    def test_a_job_that_no_webhook_told_of_is_in_the_list(self, hover: Wire) -> None:
        play(hover.simulator, [{"job": {"sample": "hover-1"}}, {"job": {"sample": "hover-2"}, "how": {"touch": True}}])
        listed = hover.provider.page("current", since=None, at=None, http=hover.http)
        assert [job.id for job in listed.jobs] == ["15084303", "15254733"], "the one that was touched comes last"
        assert (listed.next, listed.unread) == (None, ())
        again = hover.provider.page("current", since=listed.reached, at=None, http=hover.http)
        assert [job.id for job in again.jobs] == ["15254733"]

    def test_an_estimate_is_told_by_id_and_shown(self, hover: Wire) -> None:
        hover.simulator.connect(hover.callback, HOVER_SECRET)
        hover.simulator.put_estimate(55643, hover.simulator.estimate_sample("siding"))
        what = {"event": "project-management-production-list-manual-sync"}
        key = {"project_management_production_list_id": 55643}
        play(hover.simulator, [{"notify": {"job_id": 15084303, **what, **key}}])
        hover.provider.verify(hover.receiver.requests[0])
        estimate_id = estimate_of(hover.provider.parse(hover.receiver.requests[0]).job_id)
        document = hover.provider.fetch_estimate(estimate_id, http=hover.http)
        job_id, estimate = hover.provider.translate_estimate(document)
        assert (job_id, estimate.id, estimate.amount) == ("15084303", "55643", 2457.8)
        with pytest.raises(NotYet):
            hover.provider.fetch_estimate("1", http=hover.http)

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

        headers = {"Authorization": f"Bearer {bentley.provider.api.oauth.token()}"}
        refusal = bentley.simulator.app.test_client().get(f"/reality-modeling/jobs/{JOB}", headers=headers)
        assert {name: value for name, value in refusal.headers.items() if name.startswith("ITwinPlatform-")} == {
            "ITwinPlatform-RateLimited-Tier": "Community",
            "ITwinPlatform-RateLimited-API": "reality-modeling",
            "ITwinPlatform-RateLimited-Operation": "job",
            "ITwinPlatform-RateLimited-Application": "client",
        }

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
            for scope in ({"scope": "Galaxy"}, {"scope": "iTwin"}, {"scope": None}):
                body = {**wanted, "secret": BENTLEY_SECRET, **scope}
                assert session.post(url, json=body, timeout=5).status_code == 422
            wanted |= {"secret": BENTLEY_SECRET, "eventTypes": ["realityModeling.jobCompleted.v1"]}
            made = session.post(url, json=wanted, timeout=5).json()
            assert (made["active"], made["secret"]) == (False, BENTLEY_SECRET)
            assert notify(bentley.simulator, JOB) == []

            one = f"{url}{made['id']}"
            assert session.patch(one, json={"active": True}, timeout=5).json()["active"] is True
            (listed,) = session.get(url, timeout=5).json()["webhooks"]
            assert "secret" not in listed
            assert session.get(one, timeout=5).json() == listed
            assert [sent.status for sent in notify(bentley.simulator, JOB)] == [202]
            assert notify(bentley.simulator, JOB, eventType="realityModeling.jobCompleted.v2") == [], "not subscribed"
            bentley.provider.verify(bentley.receiver.requests[0])

            assert session.delete(one, timeout=5).status_code == 204
            assert session.delete(one, timeout=5).status_code == 404
            assert session.patch(one, json={"active": True}, timeout=5).status_code == 404
            assert session.get(one, timeout=5).status_code == 404

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

    def test_a_list_that_cannot_be_understood_is_refused(self, bentley: Wire) -> None:
        client, headers = bentley.simulator.app.test_client(), self.headers(bentley)
        for api, status, code in (
            ("contextcapture", 422, "InvalidContextCaptureRequest"),
            ("realityconversion", 422, "InvalidRealityConversionRequest"),
            ("reality-modeling", 400, "InvalidRequest"),
        ):
            for query in (
                "",
                "$filter=",
                "$filter=lastModifiedDateTime ge 2025-01-01T00:00:00Z",
                f"$filter=iTwinId eq {ITWIN} or iTwinId eq {ITWIN}",
                f"$filter=iTwinId eq {ITWIN} and createdDateTime ge yesterday",
                f"$filter=iTwinId eq {ITWIN} and createdDateTime ge 2025-01-01T00:00:00",
                f"$filter=iTwinId eq '{ITWIN}'",
                f"$filter=iTwinId eq {ITWIN}&$top=many",
                f"$filter=iTwinId eq {ITWIN}&continuationToken=made up",
            ):
                answer = client.get(f"/{api}/jobs?{query}", headers=headers)
                assert (answer.status_code, answer.json["error"]["code"]) == (status, code), query
        assert client.get(f"/teleport/jobs?$filter=iTwinId eq {ITWIN}", headers=headers).status_code == 404
        assert client.get(f"/contextcapture/jobs?$filter=iTwinId eq {ITWIN}").status_code == 401

    def test_a_token_belongs_to_the_list_that_gave_it(self, bentley: Wire) -> None:
        for number in range(3):
            self.add(bentley, number)
        client, headers = bentley.simulator.app.test_client(), self.headers(bentley)
        first = client.get(f"/contextcapture/jobs?$filter=iTwinId eq {ITWIN}&$top=2", headers=headers).json
        query = first["_links"]["next"]["href"].partition("?")[2]
        assert client.get(f"/contextcapture/jobs?{query}", headers=headers).status_code == 200
        assert client.get(f"/realityconversion/jobs?{query}", headers=headers).status_code == 422
        narrower = query.replace("&", " and createdDateTime ge 2025-01-01T00:00:00Z&", 1)
        assert client.get(f"/contextcapture/jobs?{narrower}", headers=headers).status_code == 422

    @pytest.mark.parametrize(
        ("top", "size"), [("", 5), ("&$top=1", 2), ("&$top=0", 2), ("&$top=3", 3), ("&$top=9999", 5)]
    )
    def test_a_page_has_two_rows_at_least_and_a_link_unless_it_is_the_last(
        self, bentley: Wire, top: str, size: int
    ) -> None:
        for number in range(5):
            self.add(bentley, number)
        client, headers = bentley.simulator.app.test_client(), self.headers(bentley)
        url, seen = f"/contextcapture/jobs?$filter=iTwinId eq {ITWIN}{top}", []
        while url:
            page = client.get(url, headers=headers).json
            assert len(page["jobs"]) == min(size, 5 - len(seen))
            seen += [job["id"] for job in page["jobs"]]
            assert ("_links" in page) == (len(seen) < 5)
            url = page["_links"]["next"]["href"] if "_links" in page else ""
        assert seen == [f"job-{number}" for number in range(5)]

    def test_a_list_is_of_one_api_one_itwin_and_the_times_asked_for(self, bentley: Wire) -> None:
        for number in range(4):
            self.add(bentley, number)
        self.add(bentley, 7, iTwinId="another")
        run = {"createdDateTime": "2025-01-01T00:02:00Z"}
        second = {"id": "second", "iTwinId": ITWIN, "type": "Reconstruction", "state": "Success", "executionInfo": run}
        play(bentley.simulator, [{"job": {"job": second}, "how": {"api": "reality-modeling"}}])
        client, headers = bentley.simulator.app.test_client(), self.headers(bentley)

        def ids(wanted: str, api: str = "contextcapture") -> list[str]:
            page = client.get(f"/{api}/jobs?$filter={wanted}", headers=headers).json
            return [job["id"].removeprefix("job-") for job in page["jobs"]]

        assert ids(f"iTwinId eq {ITWIN}") == ["0", "1", "2", "3"]
        assert ids("iTwinId eq another") == ["7"]
        assert ids("iTwinId eq nowhere") == ids("createdDateTime ge 2025-01-01T00:00:00Z") == []
        assert ids(f"iTwinId eq {ITWIN} and createdDateTime ge 2025-01-01T00:02:00Z") == ["2", "3"]
        assert ids(f"createdDateTime gt 2025-01-01T00:02:00Z and iTwinId eq {ITWIN}") == ["3"]
        after, before = "createdDateTime gt 2025-01-01T00:00:00Z", "createdDateTime lt 2025-01-01T00:02:00Z"
        assert ids(f"iTwinId eq {ITWIN} and {after} and {before}") == ["1"]
        assert ids(f"iTwinId eq {ITWIN} and createdDateTime le 2025-01-01T00:02:00Z", "reality-modeling") == ["second"]

    def test_our_lists_read_every_page_of_it(self, bentley: Wire) -> None:
        """1,203 jobs are two pages of ours; the next pass finds what is new and what the overlap repeats."""
        for number in range(1203):
            self.add(bentley, number)
        name = f"contextcapture/{ITWIN}"
        assert name in bentley.provider.lists()
        first = bentley.provider.page(name, since=None, at=None, http=bentley.http)
        last = bentley.provider.page(name, since=None, at=first.next, http=bentley.http)
        assert [len(page.jobs) for page in (first, last)] == [1000, 203]
        assert {job.id for page in (first, last) for job in page.jobs} == {f"job-{number}" for number in range(1203)}
        assert (first.reached, last.next, first.unread, last.unread) == (None, None, (), ())

        self.add(bentley, 1300)
        later = bentley.provider.page(name, since=last.reached, at=None, http=bentley.http)
        assert [job.id for job in later.jobs] == [*(f"job-{number}" for number in range(1192, 1203)), "job-1300"]

    def test_an_api_that_the_plan_does_not_include_shuts_its_own_list_only(self, bentley: Wire) -> None:
        self.add(bentley, 1)
        bentley.simulator.forbidden.add("reality-analysis")
        outcomes = {}
        for name in bentley.provider.lists():
            try:
                outcomes[name.partition("/")[0]] = len(
                    bentley.provider.page(name, since=None, at=None, http=bentley.http).jobs
                )
            except Forbidden as e:
                outcomes[name.partition("/")[0]] = e.message
        assert "(InsufficientPermissions)" in str(outcomes.pop("reality-analysis"))
        assert outcomes == {
            "contextcapture": 1,
            "reality-modeling": 0,
            "realitydataanalysis": 0,
            "realityconversion": 0,
            "reality-conversion": 0,
        }

    def test_a_job_is_found_without_knowing_its_api(self, bentley: Wire) -> None:
        with pytest.raises(NotYet):
            bentley.provider.find(JOB, http=bentley.http)
        job = {"job": {"id": JOB, "type": "PointCloudConversion", "state": "Queued"}}
        play(bentley.simulator, [{"job": job, "how": {"api": "reality-conversion"}}])
        bentley.simulator.forbidden.add("contextcapture")
        assert bentley.provider.find(JOB, http=bentley.http) == "reality-conversion"

    def test_our_registration_works_once_it_was_activated(self, bentley: Wire) -> None:
        """Bentley takes https addresses only, so the simulator's is bent to the receiver here."""
        bentley.simulator.hooks.unheard_of.add("realityAnalysis.jobCompleted.v2")
        bentley.simulator.stage.fault(Fault(on="update", status=503))
        made = bentley.provider.subscribe("https://jobs.example.com/webhooks/itwin", http=bentley.http)
        assert (made.state, made.events.count("realityAnalysis.jobCompleted.v2")) == ("inactive", 0)
        [registration] = bentley.simulator.registrations
        registration.url = bentley.callback
        play(bentley.simulator, [{"job": {"sample": "bentley-1"}}])
        assert notify(bentley.simulator, JOB) == [], "it is not active"

        [listed] = bentley.provider.subscriptions(http=bentley.http)
        assert (listed.id, listed.trouble, listed.secret) == (made.id, "is not active", None)
        assert bentley.provider.mend(listed, http=bentley.http)
        [listed] = bentley.provider.subscriptions(http=bentley.http)
        assert (listed.state, listed.trouble) == ("active", "")

        assert [sent.status for sent in notify(bentley.simulator, JOB)] == [202]
        [request] = bentley.receiver.requests
        with pytest.raises(Unverified):
            bentley.provider.verify(request)
        assert made.secret
        replace(bentley.provider, registered=lambda: [made.secret]).verify(request)

        bentley.provider.unsubscribe(made.id, http=bentley.http)
        assert bentley.provider.subscriptions(http=bentley.http) == ()
        with pytest.raises(NotYet):
            bentley.provider.unsubscribe(made.id, http=bentley.http)

    def test_a_cost_estimate_comes_by_a_change_that_nobody_announces(self, bentley: Wire) -> None:
        unsubmitted = {"job.state": "unsubmitted", "job.executionInformation": None, "job.estimatedCost": None}
        unsubmitted["job.costEstimationParameters"] = None
        estimated = {"job.costEstimationParameters": {"gigaPixels": 2.1}, "job.estimatedCost": 3.5}
        play(bentley.simulator, [{"job": {"sample": "bentley-1", "change": unsubmitted}}])
        before = bentley.fetch(JOB, "contextcapture")
        assert (before.provider_state, before.cost_estimate) == ("unsubmitted", None)
        play(bentley.simulator, [{"job": {"id": JOB, "change": estimated}}])
        after = bentley.fetch(JOB, "contextcapture").cost_estimate
        assert (after.amount, after.basis) == (3.5, {"gigaPixels": 2.1})

    def test_a_cancelled_job_is_announced_by_nobody(self, bentley: Wire) -> None:
        bentley.simulator.connect(bentley.callback, BENTLEY_SECRET)
        cancelled = {"sample": "bentley-1", "change": {"job.state": "cancelled"}}
        assert play(bentley.simulator, [{"job": cancelled, "notify": {"job_id": JOB}}]) == []
        told = {"job_id": JOB, "eventType": "realityModeling.jobCompleted.v1"}
        assert len(play(bentley.simulator, [{"notify": told}])) == 1, "unless the script insists"

    @pytest.mark.parametrize(
        ("api", "code"),
        [
            ("contextcapture", "JobNotFound"),
            ("realityconversion", "ProgressNotFound"),
            ("reality-modeling", "JobProgressNotFound"),
        ],
    )
    def test_a_running_job_has_the_progress_that_the_script_says(self, bentley: Wire, api: str, code: str) -> None:
        job = {"job": {"id": JOB, "type": "Full", "state": "Active"}}
        play(bentley.simulator, [{"job": job, "how": {"api": api}}])
        path, client = f"/{api}/jobs/{JOB}/progress", bentley.simulator.app.test_client()
        refusal = client.get(path, headers=self.headers(bentley))
        assert (refusal.status_code, refusal.json["error"]["code"]) == (404, code)
        assert bentley.fetch(JOB, api).progress is None
        play(bentley.simulator, [{"job": {**job, "progress": {"percentage": 56, "state": "Active"}}}])
        assert bentley.fetch(JOB, api).progress == 56
        play(bentley.simulator, [{"job": {"id": JOB, "change": {"progress.percentage": 57.5}}}])
        assert bentley.fetch(JOB, api).progress == 57.5

    def headers(self, bentley: Wire) -> dict[str, str]:
        return {"Authorization": f"Bearer {bentley.provider.api.oauth.token()}"}

    def add(self, bentley: Wire, number: int, **keys: Any) -> None:
        """A job of the first API that was created `number` minutes into 2025."""
        created = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        job = {"id": f"job-{number}", "iTwinId": ITWIN, "type": "Full", "state": "active", **keys}
        bentley.simulator.put_job({"job": {**job, "createdDateTime": created.isoformat()}})
