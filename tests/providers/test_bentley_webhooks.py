"""Bentley's webhooks as we manage them: registered, activated, listed, mended, removed."""

from __future__ import annotations

from typing import Any

import pytest
from providers.bentley_source import TOKEN, load, make

from processor.errors import Busy, Forbidden, NotYet, RateLimited, Refused, Shut, Unreachable, Unreadable
from processor.model import Secret
from processor.ports import Answer, Subscribes, Subscription
from processor.providers.bentley import Bentley
from processor.providers.bentley.families import FAMILIES
from processor.testing.fakes import FakeHttp, answer
from processor.testing.provider import NONSENSE

ID = "e6989b43-53ab-45e2-a610-560c6f7e879e"
URL = "https://jobs.example.com/webhooks/itwin"
SECRET = "f" * 64
EVENTS = [family.event for family in FAMILIES]
DOCUMENTED = [name for name in EVENTS if name != "realityAnalysis.jobCompleted.v2"]
ALL = "https://api.bentley.com/webhooks/"


def at(*answers: Answer | Exception) -> tuple[Bentley, FakeHttp]:
    """The source at a platform that gives a token and then these answers."""
    http = FakeHttp(answer(json=TOKEN), *answers)
    return make(http), http


def made(**keys: Any) -> dict[str, Any]:
    """The answer to a creation."""
    flat = {"id": ID, "scope": "Account", "scopeId": "5c9d64cf", "active": False, "callbackUrl": URL, "secret": SECRET}
    return {**flat, "eventTypes": EVENTS, **keys}


def listed(*webhooks: Any, **keys: Any) -> Answer:
    return answer(json={"webhooks": list(webhooks), **keys})


def one(**keys: Any) -> dict[str, Any]:
    """A webhook as the list has it."""
    webhook = made(**{"active": True, **keys})
    del webhook["secret"]
    return webhook


STATUSES = [
    (answer(302, location="https://elsewhere.example"), Unreadable),
    (answer(403, {"error": {"code": "InsufficientPermissions"}}), Forbidden),
    (answer(404), NotYet),
    (answer(409), Refused),
    (answer(429, retry_after="7"), RateLimited),
    (answer(500), Busy),
    (Unreachable("cut"), Unreachable),
]


class TestSubscribe:
    @pytest.mark.parametrize(
        "url", ["", "http://jobs.example.com/webhooks/itwin", "https://", "jobs.example.com", "https://[", "ftp://x"]
    )
    def test_an_address_that_is_not_https_reaches_nobody(self, url: str) -> None:
        provider, http = at()
        with pytest.raises(Refused, match="only addresses that begin with https://"):
            provider.subscribe(url, http=http)
        assert http.sent == []

    @pytest.mark.parametrize(("trouble", "error"), STATUSES)
    def test_what_is_refused_is_said(self, trouble: Answer | Exception, error: Any) -> None:
        provider, http = at(trouble)
        with pytest.raises(error) as caught:
            provider.subscribe(URL, http=http)
        assert len(http.sent) == 2
        if error is Forbidden:
            assert "needs webhooks_maintainer" in str(caught.value)
        if error is RateLimited:
            assert caught.value.retry_after == 7

    @pytest.mark.parametrize("body", NONSENSE, ids=lambda body: repr(body)[:20])
    def test_nonsense_cannot_be_read(self, body: bytes) -> None:
        provider, http = at(answer(201, body=body))
        with pytest.raises(Unreadable):
            provider.subscribe(URL, http=http)

    def test_one_that_came_without_a_secret_is_not_activated(self) -> None:
        provider, http = at(answer(201, made(secret=None)))
        with pytest.raises(Unreadable, match=f"webhook {ID} was made, but no secret came with it"):
            provider.subscribe(URL, http=http)
        assert len(http.sent) == 2

    def test_an_id_that_can_be_none_is_not_repeated(self) -> None:
        provider, http = at(answer(201, made(secret=None, id=10**4000)))
        with pytest.raises(Unreadable) as caught:
            provider.subscribe(URL, http=http)
        assert len(caught.value.message) < 300

    @pytest.mark.parametrize("status", [400, 422])
    def test_where_the_list_of_events_is_refused_it_is_tried_without_the_one_that_no_page_names(
        self, status: int
    ) -> None:
        provider, http = at(answer(status), answer(201, made(eventTypes=DOCUMENTED)), answer(json=made()))
        subscription = provider.subscribe(URL, http=http)
        assert [sent.json["eventTypes"] for sent in http.sent[1:3] if sent.json] == [EVENTS, DOCUMENTED]
        assert (subscription.events, subscription.trouble) == (tuple(DOCUMENTED), "")

    def test_what_is_refused_even_then_is_refused(self) -> None:
        provider, http = at(answer(422), answer(422, {"error": {"code": "InvalidWebhooksRequest"}}))
        with pytest.raises(Refused, match=r"\(InvalidWebhooksRequest\): answered 422"):
            provider.subscribe(URL, http=http)
        assert len(http.sent) == 3

    @pytest.mark.parametrize("trouble", [answer(403), answer(404), answer(422), answer(503), Unreachable("cut")])
    def test_an_activation_that_fails_does_not_lose_the_secret(self, trouble: Answer | Exception) -> None:
        provider, http = at(answer(201, made()), trouble)
        subscription = provider.subscribe(URL, http=http)
        assert subscription.secret == Secret(SECRET)
        assert subscription.state == "inactive"
        assert subscription.trouble.startswith("is not active: ")

    def test_a_token_that_ended_is_renewed(self) -> None:
        provider, http = at(answer(401), answer(json=TOKEN), answer(201, made()), answer(json=made(active=True)))
        assert provider.subscribe(URL, http=http).trouble == ""
        provider, http = at(answer(401), answer(json=TOKEN), answer(401))
        with pytest.raises(Shut):
            provider.subscribe(URL, http=http)

    @pytest.mark.parametrize("activated", [answer(json=made(active=True)), answer(204, body=b""), answer(body=b"ok")])
    @pytest.mark.parametrize("wrapped", [False, True])
    def test_it_is_registered_for_all_we_act_on_and_activated(self, activated: Answer, wrapped: bool) -> None:
        provider, http = at(answer(201, {"webhook": made()} if wrapped else made()), activated)
        assert isinstance(provider, Subscribes)
        assert provider.subscribe(URL, http=http) == Subscription(ID, URL, "active", "", tuple(EVENTS), Secret(SECRET))
        _, create, activate = http.sent
        assert (create.method, create.url) == ("POST", ALL)
        assert create.json == {"callbackUrl": URL, "scope": "Account", "eventTypes": EVENTS}
        assert (activate.method, activate.url, activate.json) == ("PATCH", f"{ALL}{ID}", {"active": True})
        for sent in (create, activate):
            assert sent.headers["Accept"] == "application/vnd.bentley.itwin-platform.v2+json"
            assert sent.headers["Authorization"] == "Bearer access-1"

    def test_an_answer_that_does_not_say_what_it_tells_of_is_no_trouble(self) -> None:
        provider, http = at(answer(201, made(eventTypes=None)), answer(json={}))
        assert provider.subscribe(URL, http=http).trouble == ""

    def test_events_that_were_left_out_are_told(self) -> None:
        provider, http = at(answer(201, made(eventTypes=EVENTS[1:])), answer(json={}))
        assert provider.subscribe(URL, http=http).trouble == "does not tell of realityModeling.jobCompleted.v1"

    def test_the_secret_is_not_shown(self) -> None:
        provider, http = at(answer(201, made()), answer(json=made()))
        assert SECRET not in repr(provider.subscribe(URL, http=http))


class TestSubscriptions:
    @pytest.mark.parametrize(("trouble", "error"), STATUSES)
    def test_what_is_refused_is_said(self, trouble: Answer | Exception, error: Any) -> None:
        provider, http = at(trouble)
        with pytest.raises(error):
            provider.subscriptions(http=http)

    @pytest.mark.parametrize("body", NONSENSE, ids=lambda body: repr(body)[:20])
    def test_nonsense_cannot_be_read(self, body: bytes) -> None:
        provider, http = at(answer(body=body))
        with pytest.raises(Unreadable):
            provider.subscriptions(http=http)

    @pytest.mark.parametrize(
        "webhook", [None, 7, {}, {"id": None}, one(active="perhaps"), one(eventTypes=7), one(callbackUrl=[])]
    )
    def test_a_webhook_of_another_shape_is_not_passed_over(self, webhook: Any) -> None:
        provider, http = at(listed(one(), webhook))
        with pytest.raises(Unreadable):
            provider.subscriptions(http=http)

    @pytest.mark.parametrize("links", [{"next": {"href": "https://x.example"}}, {"next": 7}])
    def test_a_list_that_breaks_off_is_not_taken_for_the_whole(self, links: Any) -> None:
        provider, http = at(listed(one(), _links=links))
        with pytest.raises(Unreadable, match="webhooks: the link to the next page"):
            provider.subscriptions(http=http)

    def test_neither_is_one_that_never_ends(self) -> None:
        numbers = iter(range(1000))

        def endless(sent: Any) -> Answer:
            if sent.method == "POST":
                return answer(json=TOKEN)
            return listed(_links={"next": {"href": f"{ALL}?continuationToken=x{next(numbers)}"}})

        http = FakeHttp(always=endless)
        with pytest.raises(Unreadable, match="more than 50 pages"):
            make(http).subscriptions(http=http)

    @pytest.mark.parametrize(
        ("webhook", "state", "trouble"),
        [
            (one(active=False), "inactive", "is not active"),
            (one(eventTypes=EVENTS[:3]), "active", f"does not tell of {', '.join(EVENTS[4:])}"),
            (one(eventTypes=[]), "active", f"does not tell of {', '.join(DOCUMENTED)}"),
            (
                one(eventTypes=EVENTS[1:], active=False),
                "inactive",
                "is not active; does not tell of realityModeling.jobCompleted.v1",
            ),
            (
                one(expirationDateTime="2025-03-18T00:00:00Z"),
                "active",
                "expired at 2025-03-18T00:00:00Z: register it anew",
            ),
            (
                one(expirationDateTime="2025-03-19T00:00:00"),
                "active",
                "expires at 2025-03-19T00:00:00Z: register it anew",
            ),
        ],
    )
    def test_what_keeps_one_from_telling_us_is_said(self, webhook: Any, state: str, trouble: str) -> None:
        provider, http = at(listed(webhook))
        [subscription] = provider.subscriptions(http=http)
        assert (subscription.state, subscription.trouble) == (state, trouble)

    @pytest.mark.parametrize(
        "webhook",
        [
            one(),
            one(eventTypes=DOCUMENTED),
            one(eventTypes=[name.upper() for name in EVENTS]),
            one(eventTypes=None),
            one(expirationDateTime=None),
            one(expirationDateTime="never"),
            one(expirationDateTime=7),
            one(expirationDateTime="0001-01-01T00:00:00+14:00"),  # no time that there is in UTC
            one(expirationDateTime="2026-03-18T00:00:00Z"),
        ],
    )
    def test_nothing_that_is_not_known_is_held_against_one(self, webhook: Any) -> None:
        provider, http = at(listed(webhook))
        [subscription] = provider.subscriptions(http=http)
        assert (subscription.state, subscription.trouble) == ("active", "")

    def test_one_that_does_not_say_whether_it_is_active_is_of_unknown_state(self) -> None:
        provider, http = at(listed(one(active=None)))
        [subscription] = provider.subscriptions(http=http)
        assert (subscription.state, subscription.trouble) == ("unknown", "")

    def test_the_documented_list_is_read(self) -> None:
        provider, http = at(answer(json=load("webhooks-list.json")))
        [subscription] = provider.subscriptions(http=http)
        assert (subscription.id, subscription.url) == (ID, "https://some-callback.example.com")
        assert (subscription.events, subscription.secret) == (("iModels.iModelDeleted.v1",), None)
        assert http.sent[1].url == ALL
        assert http.sent[1].headers["Accept"] == "application/vnd.bentley.itwin-platform.v2+json"

    def test_pages_are_followed_by_their_token_only(self) -> None:
        links = {"next": {"href": "https://elsewhere.example/?continuationToken=a%2Fb&x=1"}}
        provider, http = at(listed(one(), _links=links), listed(one(id="b")))
        assert [subscription.id for subscription in provider.subscriptions(http=http)] == [ID, "b"]
        assert [sent.url for sent in http.sent[1:]] == [ALL, f"{ALL}?continuationToken=a%2Fb"]


class TestMend:
    def subscription(self, **keys: Any) -> Subscription:
        return Subscription(ID, URL, **{"state": "inactive", "trouble": "is not active", **keys})

    @pytest.mark.parametrize(("trouble", "error"), STATUSES)
    def test_what_is_refused_is_said(self, trouble: Answer | Exception, error: Any) -> None:
        provider, http = at(trouble)
        with pytest.raises(error):
            provider.mend(self.subscription(), http=http)

    @pytest.mark.parametrize("state", ["active", "unknown"])
    def test_for_any_other_trouble_there_is_no_call(self, state: str) -> None:
        provider, http = at()
        assert provider.mend(self.subscription(state=state, trouble="does not tell of x"), http=http) is False
        assert http.sent == []

    def test_one_that_is_inactive_is_activated(self) -> None:
        provider, http = at(answer(json=made(active=True)))
        assert provider.mend(self.subscription(), http=http) is True
        assert (http.sent[1].method, http.sent[1].url, http.sent[1].json) == ("PATCH", f"{ALL}{ID}", {"active": True})


class TestUnsubscribe:
    @pytest.mark.parametrize(("trouble", "error"), STATUSES)
    def test_what_is_refused_is_said(self, trouble: Answer | Exception, error: Any) -> None:
        provider, http = at(trouble)
        with pytest.raises(error):
            provider.unsubscribe(ID, http=http)

    @pytest.mark.parametrize("webhook_id", ["", "..", "a/b", "7?x", "7#", "7\n", "%2e", "é"])
    def test_an_id_that_cannot_be_one_reaches_no_address(self, webhook_id: str) -> None:
        provider, http = at()
        with pytest.raises(NotYet):
            provider.unsubscribe(webhook_id, http=http)
        assert http.sent == []

    def test_one_is_removed(self) -> None:
        provider, http = at(answer(204, body=b""))
        provider.unsubscribe(ID, http=http)
        assert (http.sent[1].method, http.sent[1].url, http.sent[1].json) == ("DELETE", f"{ALL}{ID}", None)
