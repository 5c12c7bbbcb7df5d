"""A web address as a sink, against a real server that answers by script."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from consumers import DOCS, Consuming, configurations, consuming
from marshmallow import ValidationError
from running import free_port, wait_for
from standardwebhooks import Webhook as Verifier

from processor import tracing
from processor.errors import Busy, ProcessorError, RateLimited, Refused, Shut, Unreachable
from processor.http import HttpClient
from processor.model import JSON, Secret
from processor.sinks.webhook import Webhook
from processor.testing.builders import a_job, an_event
from processor.testing.fakes import StandingClock, some_tools
from processor.testing.sink import CanBeAway, CanBeShut, CarriesDocuments, RefusesDocuments, TriesOut

OLD = "whsec_" + base64.b64encode(b"the old secret of 32 bytes......").decode()
NEW = "whsec_" + base64.b64encode(b"the new secret of 32 bytes......").decode()
TOKEN = "t0ken-of-the-operator"


class FarEnd:
    """A server that keeps what it is sent. `status`, `headers` and `body` are its answer; None as body: an echo."""

    def __init__(self) -> None:
        self.status, self.headers, self.delay = 204, {}, 0.0
        self.body: bytes | None = b""
        self.received: list[tuple[Mapping[str, str], bytes]] = []
        self.asked: list[Mapping[str, str]] = []  # by OPTIONS
        self.connections = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/1?key=SECRET-IN-QUERY"
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()

    def _handler(far_end) -> type[BaseHTTPRequestHandler]:  # `self` is the handler below
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                far_end.connections += 1
                super().setup()

            def do_OPTIONS(self) -> None:
                far_end.asked.append(self.headers)
                self.do_POST()

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["content-length"] or 0))
                if self.command == "POST":
                    far_end.received.append((self.headers, sent))
                time.sleep(far_end.delay)
                body = far_end.body if far_end.body is not None else str(self.headers).encode() + sent
                self.send_response(far_end.status)
                for name, value in far_end.headers.items():
                    self.send_header(name, value)
                if far_end.status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if far_end.status != 204:
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        return Handler

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def far_end() -> Iterator[FarEnd]:
    far_end = FarEnd()
    yield far_end
    far_end.close()


def webhook(url: str, **options: Any) -> Webhook:
    """The sink as the configuration makes it, with what it may be configured with."""
    table = {"type": "webhook", "url": url, "allow_private": True, "timeout": 0.5, "headers": {"X-Key": TOKEN}}
    loaded = Webhook.Options().load({**table, "secrets": [NEW, OLD], **options})
    tools = some_tools(clock=lambda: datetime.now(UTC))
    return Webhook.from_config("orders", loaded, tools)


class TestWebhook(CarriesDocuments, RefusesDocuments, CanBeShut, CanBeAway):
    plugin = Webhook
    least: ClassVar = {"type": "webhook", "url": "https://example.com/hook"}
    secrets = (OLD, NEW, OLD[6:], NEW[6:], TOKEN, "SECRET-IN-QUERY", "/hooks/1", "v1,")

    @pytest.fixture
    def sink(self, far_end: FarEnd) -> Iterator[Webhook]:
        sink = webhook(far_end.url, timeout=10)
        yield sink
        sink.close()

    @pytest.fixture
    def taken(self, far_end: FarEnd) -> Callable[[], list[JSON]]:
        return lambda: [json.loads(body) for _, body in far_end.received]

    @pytest.fixture
    def refusing(self, far_end: FarEnd, sink: Webhook) -> Webhook:
        far_end.status, far_end.body = 422, None
        return sink

    @pytest.fixture
    def shut(self, far_end: FarEnd, sink: Webhook) -> Webhook:
        far_end.status, far_end.body = 401, None
        return sink

    @pytest.fixture
    def away(self) -> Webhook:
        return webhook("http://127.0.0.1:9/?key=SECRET-IN-QUERY")

    @pytest.fixture
    def stalled(self, far_end: FarEnd, sink: Webhook) -> Webhook:
        far_end.delay = 0.5
        return webhook(far_end.url, timeout=0.2)


class TestAskingWebhook(TriesOut):
    """Its door is shut where the address itself may not be used: a key can only be tried with an event."""

    plugin = Webhook
    least = TestWebhook.least
    secrets = TestWebhook.secrets
    sink = TestWebhook.sink
    taken = TestWebhook.taken
    away = TestWebhook.away

    @pytest.fixture
    def shut(self, far_end: FarEnd) -> Webhook:
        return webhook(far_end.url, allow_private=False)

    def test_nobody_who_answers_costs_a_limited_time(self, far_end: FarEnd) -> None:
        far_end.delay = 0.5
        with pytest.raises(Unreachable, match=r"no whole answer in 0\.2 s"):
            webhook(far_end.url, timeout=0.2).try_out()

    @pytest.mark.parametrize("status", [200, 204, 302, 401, 405, 500, 501])
    def test_whoever_answers_is_there_and_has_got_no_event(self, far_end: FarEnd, status: int) -> None:
        """Few receivers are made for a request but POST, so its status is told and not judged."""
        far_end.status, far_end.body = status, None
        address = far_end.url.partition("/hooks")[0] + "/…"
        said = webhook(far_end.url).try_out()
        assert said == f"{address} answers (OPTIONS: {status}); whether it takes events, only one can tell"
        assert far_end.received == []

    @pytest.mark.parametrize("status", [404, 410])
    def test_an_address_that_is_not_there_is_a_fault(self, far_end: FarEnd, status: int) -> None:
        far_end.status, far_end.body = status, None
        with pytest.raises(Shut, match=f"answered OPTIONS with {status}: is the url right"):
            webhook(far_end.url).try_out()

    def test_the_operators_headers_are_sent_and_no_signature(self, far_end: FarEnd) -> None:
        webhook(far_end.url).try_out()
        [headers] = far_end.asked
        assert headers["x-key"] == TOKEN
        assert "webhook-id" not in headers


# --- what an answer means --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_delivery(far_end: FarEnd, status: int) -> None:
    far_end.status = status
    assert webhook(far_end.url).deliver(an_event()) is None


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ([400, 410, 413, 415, 422], Refused),
        ([429], RateLimited),
        ([408, 425, 500, 501, 502, 503, 504, 507, 599], Busy),
        ([301, 302, 303, 304, 307, 308], Shut),
        ([401, 402, 403, 404, 405, 406, 407, 409, 411, 414, 418, 423, 426, 431, 451], Shut),
    ],
)
def test_any_other_answer_has_its_meaning(far_end: FarEnd, statuses: list[int], kind: type[ProcessorError]) -> None:
    sink = webhook(far_end.url)
    for status in statuses:
        far_end.status, far_end.headers = status, {"Location": "/elsewhere"}
        with pytest.raises(kind, match=f"answered {status}: without a word") as raised:
            sink.deliver(an_event())
        assert type(raised.value) is kind
    assert len(far_end.received) == len(statuses)


@pytest.mark.parametrize("status", [429, 503, 408, 404, 302])
def test_a_retry_after_is_told(far_end: FarEnd, status: int) -> None:
    far_end.status, far_end.headers = status, {"Retry-After": "17"}
    with pytest.raises(ProcessorError) as raised:
        webhook(far_end.url).deliver(an_event())
    assert raised.value.retry_after == 17


# --- what a message says ---------------------------------------------------------------------------------------------


def test_a_message_quotes_the_beginning_of_the_answer_made_harmless(far_end: FarEnd) -> None:
    far_end.status = 400
    far_end.body = b"\x1b[31mno such\r\nfield: \xff\xe2\x80\xae" + b"x" * 1000
    with pytest.raises(Refused) as raised:
        webhook(far_end.url).deliver(an_event())
    address = far_end.url.partition("/hooks")[0] + "/…"
    said = raised.value.message.removeprefix(f"{address} answered 400: ")
    assert said.startswith("[31mno such field: \N{REPLACEMENT CHARACTER}xxx")
    assert len(said) == 200


@pytest.mark.parametrize("echo", [TOKEN, "Bearer x {}", "{}\\/"])
def test_an_answer_that_repeats_a_secret_is_not_quoted(far_end: FarEnd, echo: str) -> None:
    """Some servers answer with what they were sent; in JSON a slash may be written as backslash and slash."""
    key = "a/b-key"
    far_end.status, far_end.body = 403, echo.format(key.replace("/", "\\/")).encode()
    headers = {"X-Key": TOKEN, "Authorization": f"Bearer {key}"}
    with pytest.raises(Shut, match="its answer repeats what we sent") as raised:
        webhook(far_end.url, headers=headers).deliver(an_event())
    assert "key" not in raised.value.message


def test_an_answer_that_repeats_our_signature_is_not_quoted(far_end: FarEnd) -> None:
    far_end.status, far_end.body = 403, None
    with pytest.raises(Shut, match="its answer repeats what we sent"):
        webhook(far_end.url, headers={}).deliver(an_event())


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_the_document_is_a_cloudevent(far_end: FarEnd) -> None:
    """Judged by the specification's own library."""
    webhook(far_end.url).deliver(an_event())
    headers, body = far_end.received[0]
    assert headers["content-type"] == "application/cloudevents+json"
    event = from_structured_event(HTTPMessage(dict(headers), body))
    assert event.get_id() == an_event()["id"]
    assert event.get_type() == "model.failed"
    assert event.get_data() == an_event()["data"]


def test_each_secret_verifies_while_they_are_rotated(far_end: FarEnd) -> None:
    webhook(far_end.url, secret=NEW, secrets=[OLD]).deliver(an_event())
    headers, body = far_end.received[0]
    assert headers["webhook-id"] == an_event()["id"]
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (NEW, OLD):
        assert Verifier(secret).verify(body, dict(headers)) == an_event()


def test_the_signature_is_that_of_the_specification(far_end: FarEnd) -> None:
    """HMAC-SHA256 over id, time and body, joined by dots, with the decoded secret as key."""
    clock = StandingClock(datetime(2025, 3, 18, 0, 0, 0, 900_000, tzinfo=UTC))
    Webhook("orders", far_end.url, http=HttpClient(), clock=clock, secrets=[Secret(OLD)]).deliver(an_event())
    headers, body = far_end.received[0]
    assert headers["webhook-timestamp"] == "1742256000"
    signed = f"{an_event()['id']}.1742256000.".encode() + body
    digest = hmac.new(b"the old secret of 32 bytes......", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_without_a_secret_there_is_no_signature(far_end: FarEnd) -> None:
    webhook(far_end.url, secrets=[]).deliver(an_event())
    headers, _ = far_end.received[0]
    assert "webhook-signature" not in headers
    assert headers["webhook-id"] == an_event()["id"]


def test_the_operators_headers_are_sent(far_end: FarEnd) -> None:
    webhook(far_end.url, headers={"Authorization": "Bearer é", "user-agent": "ours"}).deliver(an_event())
    headers, _ = far_end.received[0]
    assert headers["authorization"] == "Bearer é"
    assert headers.get_all("user-agent") == ["ours"]


def test_a_trace_goes_on_at_the_receiver_and_there_is_no_header_without_one(far_end: FarEnd) -> None:
    sink = webhook(far_end.url)
    with tracing.going_on(tracing.begun_by("ntf_1")):
        sink.deliver(an_event())
    sink.deliver(an_event())
    (traced, _), (untraced, _) = far_end.received
    assert tracing.trace_of(tracing.parse(traced["traceparent"])) == tracing.trace_of(tracing.begun_by("ntf_1"))
    assert "traceparent" not in untraced


def test_the_connection_is_kept(far_end: FarEnd) -> None:
    sink = webhook(far_end.url)
    for _ in range(3):
        sink.deliver(an_event())
    assert far_end.connections == 1


# --- configuration ---------------------------------------------------------------------------------------------------


def test_our_own_network_is_refused_unless_it_is_meant(far_end: FarEnd) -> None:
    with pytest.raises(Shut, match="allow_private = true"):
        webhook(far_end.url, allow_private=False).deliver(an_event())
    assert far_end.received == []


def test_the_guard_is_on_by_default() -> None:
    assert Webhook.Options().load(TestWebhook.least)["allow_private"] is False


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "ftp://a.example/"),
        ("url", "https://user:SECRET@a.example/"),
        ("url", "https://[::1/"),
        ("url", ""),
        ("secret", "SECRET"),
        ("secret", "whsec_"),
        ("secret", "whsec_===="),
        ("secret", "whsec_SECRET!SECRET="),
        ("secret", "WHSEC_" + OLD[6:]),
        ("secret", "whsec_SECRE"),
        ("secrets", [OLD, "whsec_é"]),
        ("secrets", OLD),
        ("headers", {"X-Key": "SECRET\r\nX-Other: 1"}),
        ("headers", {"X-Key": "SECRET\n"}),
        ("headers", {"X-Key": "SECRET \N{SNOWMAN}"}),
        ("headers", {"X-Key": ""}),
        ("headers", {"X Key": "SECRET"}),
        ("headers", {"X-Key\r\n": "SECRET"}),
        ("headers", {"": "SECRET"}),
        ("headers", {"Webhook-Signature": "SECRET"}),
        ("headers", {"webhook-id": "SECRET"}),
        ("headers", {"Content-Type": "SECRET"}),
        ("headers", {"content-length": "SECRET"}),
        ("headers", {"Transfer-Encoding": "SECRET"}),
        ("timeout", "soon"),
        ("timeout", 0),
        ("allow_private", "perhaps"),
    ],
)
def test_an_option_that_cannot_be_used_is_a_fault_that_tells_no_secret(key: str, value: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        Webhook.Options().load({**TestWebhook.least, key: value})
    assert list(raised.value.normalized_messages()) == [key]
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize("secret", [OLD, OLD.rstrip("="), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_a_signing_secret_may_lack_its_padding(secret: str) -> None:
    assert Webhook.Options().load({**TestWebhook.least, "secret": secret})["secret"] == Secret(secret)


def test_an_address_keeps_its_last_slash() -> None:
    assert Webhook.Options().load({**TestWebhook.least, "url": "https://a.example/b/"})["url"].endswith("/b/")


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_configuration_of_the_page_can_be_used(tmp_path: Path) -> None:
    settings = configurations(DOCS / "webhook.md", tmp_path)
    assert settings
    assert all(sink.type == "webhook" for found in settings for sink in found.sinks.values())


@pytest.fixture
def receiver() -> Iterator[tuple[str, Consuming]]:
    """The consumer of the page, at work, and its address."""
    port = free_port()
    with consuming(DOCS / "webhook.md", WEBHOOK_SECRET=NEW, PORT=str(port)) as running:
        wait_for(lambda: reachable(port))
        yield f"http://127.0.0.1:{port}/hooks/models", running


def reachable(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def told(running: Consuming) -> list[str]:
    """What the consumer has printed; Flask greets on the same stream."""
    return [line for line in running.printed(0) if not line.startswith(" * ")]


def test_the_consumer_of_the_page_takes_ours_once_and_refuses_others(receiver: tuple[str, Consuming]) -> None:
    url, running = receiver
    with pytest.raises(Shut, match="answered 401"):
        webhook(url, secrets=[OLD], timeout=10).deliver(an_event())
    forged = HttpClient()
    for headers in (
        {},
        {"webhook-id": "e", "webhook-timestamp": "x", "webhook-signature": "v1,AAAA"},
        {"webhook-id": "e", "webhook-timestamp": str(int(time.time())), "webhook-signature": "garbage"},
        {"webhook-id": "e", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,A"},
    ):
        assert forged.request("POST", url, headers=headers, body=b"\xff{}").status == 401
        assert forged.request("POST", url, headers=headers, body=b"{}").status == 401
    assert told(running) == []
    sink = webhook(url, timeout=10)
    for _ in range(2):
        sink.deliver(an_event())
    sink.deliver(an_event(job=a_job(id="2")))
    wait_for(lambda: len(told(running)) >= 2)
    assert told(running) == ["model.failed jobs/15084303/models/15081686", "model.failed jobs/2/models/15081686"]
    assert "(OPTIONS: 200)" in sink.try_out()
    for client in (sink, forged):
        client.close()
