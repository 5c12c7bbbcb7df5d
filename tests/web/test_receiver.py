"""`/webhooks/{source}`: the table of the contract, row by row."""

import json
from dataclasses import replace

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from web.stand_in import CODE, MAX_BODY, SECRET, Signs, StandIn, signature

from processor import tracing
from processor.model import Ignored, Notification, Request
from processor.web import create_app

BODY = b'{"job": "15084303"}'
JSON_TYPE = "application/json"


@pytest.fixture
def core() -> StandIn:
    return StandIn()


@pytest.fixture
def client(core):
    return create_app(core).test_client()


@pytest.fixture
def post(client):
    def send(body=BODY, source="plain", content_type=JSON_TYPE, signed=True, **kwargs):
        headers = {"Signature": signature(body)} if signed else {}
        return client.post(f"/webhooks/{source}", data=body, content_type=content_type, headers=headers, **kwargs)

    return send


def assert_problem(answer, status, detail):
    """RFC 9457, and nothing of the request or of our insides in it."""
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    document = json.loads(answer.data)
    assert document.keys() == {"type", "title", "status", "detail"}
    assert document["status"] == status
    assert detail in document["detail"]
    assert not any(leak in answer.text for leak in (SECRET, signature(BODY), "15084303", "hush", "Traceback"))


# --- refused ---------------------------------------------------------------------------------------------------------


def test_a_request_without_the_right_signature_is_401(post, client):
    assert_problem(post(signed=False), 401, "Signature header")
    forged = client.post("/webhooks/plain", data=BODY, headers={"Signature": signature(b"other")})
    assert_problem(forged, 401, "Signature header")


def test_an_unsigned_request_is_401_whatever_else_is_wrong_with_it(post):
    assert_problem(post(b"", content_type="text/plain", signed=False), 401, "Signature")
    assert_problem(post(b"\xff\x00", content_type=None, signed=False), 401, "Signature")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b'"text"', b"null"])
def test_a_signed_body_that_is_no_json_object_is_400(core, body):
    core.settings = replace(core.settings, server=replace(core.settings.server, max_body=1_000_000))
    answer = (
        create_app(core)
        .test_client()
        .post("/webhooks/plain", data=body, content_type=JSON_TYPE, headers={"Signature": signature(body)})
    )
    assert_problem(answer, 400, "the body is not")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"])
def test_another_content_type_is_415(post, content_type):
    assert_problem(post(content_type=content_type), 415, "application/json")


@pytest.mark.parametrize("source", ["nobody", "plain/", "PLAIN", "%2e%2e", "%00", "%E2%82%AC", "x" * 3000])
def test_an_unknown_source_is_404(post, source):
    assert_problem(post(source=source), 404, "")


@pytest.mark.parametrize("path", ["/", "/webhooks", "/webhooks/", "//webhooks/plain", "/webhooks//plain"])
def test_an_unknown_address_is_404_and_no_redirect(client, path):
    assert_problem(client.post(path, data=BODY), 404, "nothing at this address")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "BREW"])
def test_another_method_is_405(client, method):
    answer = client.open("/webhooks/plain", method=method)
    assert_problem(answer, 405, "POST")
    assert "POST" in answer.headers["Allow"]


def test_head_is_405_too(client):
    assert client.head("/webhooks/plain").status_code == 405


def test_a_body_over_the_limit_is_413_and_one_at_the_limit_is_read(post):
    assert_problem(post(b" " * (MAX_BODY + 1)), 413, "max_body")
    assert_problem(post(b" " * MAX_BODY), 400, "not JSON")


def test_what_the_inbox_cannot_take_is_503_with_the_time_to_come_back(core, post):
    core.inbox.down = True
    answer = post()
    assert_problem(answer, 503, "send it again")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_bug_is_500_without_its_insides(core):
    class Buggy(Signs):
        def parse(self, request: Request) -> Notification | Ignored:
            raise RuntimeError(f"hush {request.body!r}")

    core.providers = {"plain": Buggy("plain")}
    answer = create_app(core).test_client().post("/webhooks/plain", data=BODY, headers={"Signature": signature(BODY)})
    assert_problem(answer, 500, "it has been logged")


# --- taken -----------------------------------------------------------------------------------------------------------


def test_a_notification_is_202_once_it_is_stored_and_200_duplicate_after(core, post):
    first = post()
    assert (first.status_code, first.content_type) == (202, JSON_TYPE)
    (key,) = core.inbox.kept
    assert first.text == f'{{"status":"accepted","id":"n-{key[:8]}"}}'
    again = post()
    assert (again.status_code, again.json) == (200, {"status": "duplicate", "id": first.json["id"]})
    assert len(core.inbox.kept) == 1


def test_an_event_we_do_not_act_on_is_200_ignored_with_the_reason(core, post):
    answer = post(b"{}")
    assert (answer.status_code, answer.json) == (200, {"status": "ignored", "reason": "an event without a job"})
    assert not core.inbox.kept


def test_a_verification_code_is_202_while_it_is_awaited_and_200_ignored_else(core, post):
    code = b"code:" + CODE.encode()
    ignored = post(code, source="codes", signed=False)
    assert (ignored.status_code, ignored.json["status"]) == (200, "ignored")
    core.inbox.waiting.add("codes")
    assert post(code, source="codes", signed=False).status_code == 202


def test_the_provider_sees_the_request_as_it_came(core):
    seen = []

    class Sees(Signs):
        def verify(self, request: Request) -> None:
            seen.append(request)

    core.providers = {"plain": Sees("plain")}
    create_app(core).test_client().post(
        "/webhooks/plain?a=%20b&c",
        data=BODY,
        headers=[("X-Odd-Name", "Ä b"), ("Date", "now"), ("Content-Type", "application/json; charset=UTF-8")],
    )
    (request,) = seen
    assert (request.method, request.path, request.query, request.body) == ("POST", "/webhooks/plain", "a=%20b&c", BODY)
    assert request.headers["x-odd-name"] == "Ä b"
    assert request.headers["content-type"] == "application/json; charset=UTF-8"
    assert request.headers["content-length"] == str(len(BODY))
    assert request.received_at.utcoffset() is not None


# --- the older handshake ---------------------------------------------------------------------------------------------


def test_options_with_an_origin_is_answered_by_the_provider_that_asks_so(client):
    answer = client.options("/webhooks/asks", headers={"WebHook-Request-Origin": "eventgrid.example.com"})
    assert answer.status_code == 200
    assert answer.headers["Allow"] == "POST"
    assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.example.com"


def test_options_is_405_without_an_origin_or_at_another_provider_and_404_at_none(client):
    assert_problem(client.options("/webhooks/asks"), 405, "POST")
    assert_problem(client.options("/webhooks/plain", headers={"WebHook-Request-Origin": "x"}), 405, "POST")
    assert_problem(client.options("/webhooks/nobody"), 404, "no source")


# --- what is logged --------------------------------------------------------------------------------------------------


def test_each_request_is_one_line_without_body_and_signature(core, post):
    with structlog.testing.capture_logs() as lines:
        accepted = post()
        post()
        post(b"{}")
        post(signed=False)
        post(b" " * (MAX_BODY + 1))
        post(source="nobody")
        core.inbox.down = True
        post(b'{"job": 2}')
    told = [(line["source"], line["status"], line.get("id"), line.get("reason")) for line in lines]
    assert told == [
        ("plain", "accepted", accepted.json["id"], None),
        ("plain", "duplicate", accepted.json["id"], None),
        ("plain", "ignored", None, "an event without a job"),
        ("plain", "rejected", None, "Unverified"),
        ("plain", "rejected", None, "RequestEntityTooLarge"),
        ("nobody", "rejected", None, "UnknownSource"),
        ("plain", "rejected", None, "Unavailable"),
    ]
    assert all(line["event"] == "notification" and line["ms"] >= 0 for line in lines)
    assert "15084303" not in str(lines)
    assert signature(BODY) not in str(lines)


def test_what_is_turned_away_or_asks_for_nothing_is_counted_by_its_reason(core, post):
    post(signed=False)
    post(b"{")
    post(content_type="text/plain")
    post(b" " * (MAX_BODY + 1))
    post(source="nobody")
    post(b"{}")
    core.inbox.down = True
    post()
    assert core.inbox.turned_away == [
        ("plain", "Unverified"),
        ("plain", "Malformed"),
        ("plain", "UnsupportedType"),
        ("plain", "RequestEntityTooLarge"),
        ("nobody", "UnknownSource"),
        ("plain", "Unavailable"),
    ]
    assert core.inbox.idle == [("plain", True)]


def test_a_code_that_nobody_waits_for_is_no_sign_of_life(core, client):
    client.post("/webhooks/codes", data=f"code:{CODE}")
    client.post("/webhooks/codes", data="code:none")
    assert core.inbox.idle == [("codes", False), ("codes", False)]


def test_a_bug_counts_too(core):
    class Buggy(Signs):
        def parse(self, request: Request) -> Notification | Ignored:
            raise RuntimeError

    core.providers = {"plain": Buggy("plain")}
    create_app(core).test_client().post("/webhooks/plain", data=BODY, headers={"Signature": signature(BODY)})
    assert core.inbox.turned_away == [("plain", "Bug")]


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_request_that_belongs_to_a_trace_goes_on_in_it(core, client):
    with structlog.testing.capture_logs() as lines:
        signed = {"Signature": signature(BODY), "traceparent": TRACE}
        client.post("/webhooks/plain", data=BODY, content_type=JSON_TYPE, headers=signed)
    (kept,) = core.inbox.kept.values()
    assert kept.trace == TRACE
    assert [line["trace"] for line in lines] == [TRACE[3:35]]


@pytest.mark.parametrize("header", ["", "00-1-2-3", TRACE.upper(), "x" * 10_000, "\u00e9"])
def test_what_is_no_trace_context_begins_none_and_its_notification_begins_one(core, client, header):
    with structlog.testing.capture_logs() as lines:
        signed = {"Signature": signature(BODY), "traceparent": header}
        answer = client.post("/webhooks/plain", data=BODY, content_type=JSON_TYPE, headers=signed)
    (kept,) = core.inbox.kept.values()
    assert kept.trace == ""
    assert [line["trace"] for line in lines] == [tracing.trace_of(tracing.begun_by(answer.json["id"]))]


# --- anything --------------------------------------------------------------------------------------------------------

_header = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20)


@settings(max_examples=150, deadline=None)
@given(
    body=st.binary(max_size=MAX_BODY + 10),
    source=st.sampled_from(["plain", "codes", "asks"]),
    method=st.sampled_from(["POST", "OPTIONS"]),
    signed=st.booleans(),
    headers=st.dictionaries(st.sampled_from(["Content-Type", "Date", "Signature", "WebHook-Request-Origin"]), _header),
)
def test_no_request_whatever_makes_the_receiver_fail(body, source, method, signed, headers):
    if signed:
        headers["Signature"] = signature(body)
    core = StandIn()
    core.inbox.waiting.add("codes")
    answer = create_app(core).test_client().open(f"/webhooks/{source}", method=method, data=body, headers=headers)
    assert answer.status_code < 500
    assert bool(core.inbox.kept) == (answer.status_code == 202)
