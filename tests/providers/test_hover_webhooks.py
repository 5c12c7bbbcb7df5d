"""Hover's webhooks as subscriptions: what is wrong with one, how one is registered, mended and deleted."""

from __future__ import annotations

from typing import Any

import pytest
from providers.hover_account import TOKEN, make

from processor.errors import NotYet, Refused, Unreadable
from processor.model import Secret
from processor.ports import Subscribes, Subscription
from processor.testing.fakes import FakeHttp, answer

CODE = "5e0c2a8e-7d0b-4b43-9f3c-0d9b1c1d6b11"
URL = "https://jobs.example.com/webhooks/hover-main"
HMAC = "bm90LXJlYWwtYXQtYWxs"


def webhook(**keys: Any) -> dict[str, Any]:
    """As the documentation shows one, https://developers.hover.to/reference/list-webhooks; the values are invented."""
    return {
        "id": 10536,
        "owner_type": "Org",
        "owner_id": 492855,
        "url": URL,
        "created_at": "2023-03-23T16:49:48.452Z",
        "updated_at": "2023-03-23T16:49:48.452Z",
        "verified_at": "2023-03-23T16:50:00.000Z",
        "hmac_secret": HMAC,
        "last_error": None,
        "content_type": "json",
        **keys,
    }


def page(*webhooks: Any, number: int = 1, of: int = 1) -> dict[str, Any]:
    pagination = {"current_page": number, "total_pages": of, "total": len(webhooks)}
    return {"pagination": pagination, "results": list(webhooks)}


def listed(*pages: Any) -> list[Subscription]:
    http = FakeHttp(answer(json=TOKEN), *[answer(json=page) for page in pages])
    return list(make(http).subscriptions(http=http))


def broken(**keys: Any) -> Subscription:
    return listed(page(webhook(**keys)))[0]


# --- the list ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [None, [], "x", {}, {"results": None}, {"results": {}}, page(None), page({}), page({"id": 7}), page({"url": URL})],
)
def test_a_list_of_another_shape_cannot_be_read(shape: Any) -> None:
    with pytest.raises(Unreadable):
        listed(shape)


def test_a_secret_that_is_none_is_not_shown_either() -> None:
    with pytest.raises(Unreadable, match="hmac_secret") as caught:
        broken(hmac_secret=[HMAC])
    assert HMAC not in str(caught.value)


def test_a_webhook_that_was_never_verified_is_in_trouble() -> None:
    """Hover sends it nothing."""
    found = broken(verified_at=None)
    assert (found.state, found.trouble) == ("not verified", "not verified")


def test_what_our_address_answered_is_told_as_one_short_line() -> None:
    found = broken(last_error="502 Bad\nGateway \x1b[31m" + "x" * 10_000)
    assert found.trouble.startswith("last error: 502 Bad Gateway [31mxxx")
    assert len(found.trouble) <= 220
    assert found.trouble.isprintable()
    assert broken(last_error={"status": 500}).trouble == "last error: of a form that is not known"
    assert broken(verified_at=None, last_error="500").trouble == "not verified; last error: 500"


def test_a_webhook_in_order_has_no_trouble_and_its_secret_prints_as_stars() -> None:
    found = broken()
    assert found == Subscription("10536", URL, "verified", "", (), Secret(HMAC))
    assert HMAC not in repr(found)
    assert broken(last_error="").trouble == ""
    assert broken(hmac_secret=None).secret is None


def test_all_pages_are_read() -> None:
    pages = [page(webhook(id=n), number=n, of=3) for n in (1, 2, 3)]
    http = FakeHttp(answer(json=TOKEN), *[answer(json=page) for page in pages])
    provider = make(http)
    assert isinstance(provider, Subscribes)
    assert [found.id for found in provider.subscriptions(http=http)] == ["1", "2", "3"]
    assert [sent.url for sent in http.sent[1:]] == [f"https://hover.to/api/v2/webhooks?page={n}" for n in (1, 2, 3)]


@pytest.mark.parametrize("again", [page(webhook(id=1), of=10), page(of=10)])
def test_pages_that_show_nothing_new_end_it(again: Any) -> None:
    """That `page` means a page in this list is not documented."""
    assert [found.id for found in listed(page(webhook(id=1), of=10), again)] == ["1"]


def test_an_account_without_webhooks_has_none() -> None:
    assert listed(page()) == []
    assert listed({"results": []}) == []


# --- registering ------------------------------------------------------------------------------------------------------


def test_an_address_that_is_not_taken_is_told_with_the_likely_reason() -> None:
    http = FakeHttp(answer(json=TOKEN), answer(422, {"error": {"url": "x"}}))
    with pytest.raises(Refused, match="registration: answered 422: Hover may not take this address, or have it twice"):
        make(http).subscribe(URL, http=http)


@pytest.mark.parametrize("shape", [None, [], {}, {"id": 7}, {"webhook": webhook()}, webhook(url=7), webhook(id="")])
def test_an_answer_of_another_shape_to_a_registration_cannot_be_read(shape: Any) -> None:
    http = FakeHttp(answer(json=TOKEN), answer(201, shape))
    with pytest.raises(Unreadable) as caught:
        make(http).subscribe(URL, http=http)
    assert HMAC not in str(caught.value)


def test_a_registration_is_sent_nested_and_brings_the_secret() -> None:
    http = FakeHttp(answer(json=TOKEN), answer(201, webhook(verified_at=None)))
    made = make(http).subscribe(URL, http=http)
    assert made == Subscription("10536", URL, "not verified", "not verified", (), Secret(HMAC))
    sent = http.sent[1]
    assert (sent.method, sent.url) == ("POST", "https://hover.to/api/v2/webhooks")
    assert sent.json == {"webhook": {"url": URL, "content_type": "json"}}
    assert sent.headers["Authorization"] == "Bearer access-1"


# --- deleting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("webhook_id", ["", "..", "../jobs", "7?x=1", "7\n", "٧"])
def test_an_id_that_cannot_be_one_reaches_no_address(webhook_id: str) -> None:
    http = FakeHttp()
    with pytest.raises(NotYet):
        make(http).unsubscribe(webhook_id, http=http)
    with pytest.raises(NotYet):
        make(http).mend(Subscription(webhook_id, URL, "not verified"), http=http)
    assert http.sent == []


@pytest.mark.parametrize("status", [200, 204])
def test_a_webhook_is_deleted_whatever_the_answer_holds(status: int) -> None:
    http = FakeHttp(answer(json=TOKEN), answer(status, body=b""))
    make(http).unsubscribe("10536", http=http)
    assert (http.sent[1].method, http.sent[1].url) == ("DELETE", "https://hover.to/api/v2/webhooks/10536")


# --- mending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["", "last error: 500"])
def test_a_verified_webhook_cannot_be_mended_from_here(trouble: str) -> None:
    http = FakeHttp()
    assert make(http).mend(Subscription("10536", URL, "verified", trouble), http=http) is False
    assert http.sent == []


@pytest.mark.parametrize(
    "said", [answer(body=b""), answer(json={}), answer(json=[CODE]), answer(json={"code": "../../v3/jobs"})]
)
def test_a_code_that_is_not_in_the_answer_comes_to_the_address(said: Any) -> None:
    http = FakeHttp(answer(json=TOKEN), said)
    assert make(http).mend(Subscription("10536", URL, "not verified"), http=http) is True
    assert [(sent.method, sent.url) for sent in http.sent[1:]] == [
        ("POST", "https://hover.to/api/v2/webhooks/10536/request_verification")
    ]


def test_a_code_in_hovers_own_answer_is_sent_back_at_once() -> None:
    """https://developers.hover.to/reference/resendwebhookverificationcode shows it there."""
    said = answer(json={"event": "webhook-verification-code", "code": CODE, "webhook_id": 10536})
    http = FakeHttp(answer(json=TOKEN), said, answer(body=b""))
    assert make(http).mend(Subscription("10536", URL, "not verified"), http=http) is True
    assert (http.sent[2].method, http.sent[2].url) == ("PUT", f"https://hover.to/api/v2/webhooks/{CODE}/verify")
