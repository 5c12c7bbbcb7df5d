"""A stream of NATS JetStream as a sink, against real servers that are killed, halted, guarded and full."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import nats as theirs
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from consumers import DOCS, configurations, consuming
from marshmallow import ValidationError
from nats.js import errors as streams
from nats.js.api import DiscardPolicy, RawStreamMsg
from running import wait_for
from sinks.nats_server import Server, guarded_by_keys

from processor import tracing
from processor.errors import Busy, ProcessorError, Refused, Shut, Unreachable, Unreadable, Usage
from processor.model import JSON, EventType, Image
from processor.sinks import nats
from processor.sinks.nats import Nats, line
from processor.sinks.nats.answers import Garbled
from processor.sinks.nats.subject import filled, probe
from processor.testing.builders import a_job, a_model, an_alarm, an_event
from processor.testing.fakes import some_tools
from processor.testing.sink import CanBeAway, CanBeShut, CarriesDocuments, RefusesDocuments, SurvivesRestarts, TriesOut

PAGE = DOCS / "nats.md"
PASSWORD, WRONG = "s3cret-of-nats", "s3cret-that-is-wrong"
CERTIFICATE = Path(__file__).parent.parent / "data/tls/server.pem"  # for localhost
ME = f"jobwire:{PASSWORD}@"

USERS = """
authorization {
  users = [
    {user: tests, password: tests}
    {user: jobwire, password: "PASSWORD"}
    {user: reader, password: "PASSWORD", permissions: {publish: {deny: "jobwire.>"}}}
    {user: deaf, password: "PASSWORD", permissions: {subscribe: {deny: "_INBOX.>"}}}
    {user: writer, password: "PASSWORD", permissions: {publish: "jobwire.>", subscribe: "_INBOX.>"}}
  ]
}
""".replace("PASSWORD", PASSWORD)
TLS = f'tls {{ cert_file: "{CERTIFICATE}", key_file: "{CERTIFICATE}" }}'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(USERS, login="tests:tests@").start()
    yield server
    server.remove()


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts servers for one test."""
    servers = []

    def started(more: str = "", **options: Any) -> Server:
        servers.append(Server(more, **options))
        return servers[-1].start()

    yield started
    for server in servers:
        server.remove()


@pytest.fixture
def stream(server: Server) -> Iterator[str]:
    stream = server.create("jobwire.>")
    yield stream
    server.delete(stream)


@pytest.fixture
def make() -> Iterator[Callable[..., Nats]]:
    """Makes sinks, and closes them."""
    sinks = []

    def made(url: str, **options: Any) -> Nats:
        sinks.append(Nats("orders", url, **options))
        return sinks[-1]

    yield made
    for sink in sinks:
        sink.close()


@pytest.fixture
def sink(server: Server, stream: str, make: Make) -> Nats:
    return make(f"nats://{ME}{server.host}")


@pytest.fixture
def sent(server: Server, stream: str) -> Sent:
    return lambda: server.messages(stream)


@pytest.fixture(autouse=True)
def silence(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Neither the client nor asyncio has anything to say that is not raised."""
    yield
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


Make = Callable[..., Nats]
Start = Callable[..., Server]
Sent = Callable[[], list[RawStreamMsg]]


def document(message: RawStreamMsg) -> Any:
    return json.loads(message.data or b"")


class TestNats(CarriesDocuments, RefusesDocuments, CanBeShut, CanBeAway, SurvivesRestarts, TriesOut):
    plugin = Nats
    least: ClassVar = {"type": "nats", "url": "nats://nats.example"}
    secrets = (PASSWORD, WRONG)

    @pytest.fixture
    def sink(self, sink: Nats) -> Nats:
        return sink

    @pytest.fixture
    def taken(self, sent: Sent) -> Callable[[], list[JSON]]:
        return lambda: [document(message) for message in sent()]

    @pytest.fixture
    def taken_ids(self, taken: Callable[[], list[Any]]) -> Callable[[], list[str]]:
        return lambda: [document["id"] for document in taken()]

    @pytest.fixture
    def restart(self, server: Server) -> Callable[[], None]:
        return server.restart

    @pytest.fixture
    def refusing(self, server: Server, make: Make) -> Iterator[Nats]:
        small = server.create("small.>", max_msg_size=1000)
        yield make(f"nats://{ME}{server.host}", subject="small.{type}")
        server.delete(small)

    @pytest.fixture
    def shut(self, server: Server, stream: str, make: Make) -> Nats:
        return make(f"nats://jobwire:{WRONG}@{server.host}")

    @pytest.fixture
    def away(self, make: Make) -> Nats:
        return make(f"nats://{ME}127.0.0.1:9")

    @pytest.fixture
    def stalled(self, server: Server, stream: str, make: Make) -> Iterator[Nats]:
        """One that has a connection, and gets no answers any more."""
        sink = make(f"nats://{ME}{server.host}", timeout=1)
        sink.deliver(an_event())
        server.halt()
        yield sink
        server.go_on()


# --- what an answer means --------------------------------------------------------------------------------------------


def both(sink: Nats) -> tuple[Callable[[], object], ...]:
    """The two ways to find out that something is wrong."""
    return sink.try_out, lambda: sink.deliver(an_event())


def test_without_a_stream_the_door_is_shut_until_somebody_makes_one(server: Server, make: Make) -> None:
    sink = make(f"nats://{ME}{server.host}", subject="elsewhere.{type}")
    for ask in both(sink):
        with pytest.raises(Shut, match=r"subject elsewhere\..*: no stream takes this: create one for the subject"):
            ask()
    stream = server.create("elsewhere.>")
    assert sink.try_out().endswith(f"subject elsewhere.{{type}}: stream {stream}")
    assert sink.deliver(an_event()) == f"{stream}@1"
    server.delete(stream)


def test_without_jetstream_the_door_is_shut(start: Start, make: Make) -> None:
    plain = start(jetstream=False)
    sink = make(f"nats://{plain.host}")
    with pytest.raises(Shut, match="JetStream is not enabled"):
        sink.try_out()
    with pytest.raises(Shut, match="no stream takes this"):
        sink.deliver(an_event())


def test_a_full_stream_is_tried_again(server: Server, make: Make) -> None:
    stream = server.create("full.>", max_msgs=1, discard=DiscardPolicy.NEW)
    sink = make(f"nats://{ME}{server.host}", subject="full.{type}")
    sink.deliver(an_event())
    with pytest.raises(Busy, match=r"the stream cannot store it now; is it full\? \(10077\)"):
        sink.deliver(an_event(EventType.JOB_FAILED))
    server.delete(stream)


def test_a_sealed_stream_is_a_shut_door(server: Server, make: Make) -> None:
    stream = server.create("sealed.>")
    server.ask(lambda js: js.update_stream(name=stream, subjects=["sealed.>"], sealed=True))
    with pytest.raises(Shut, match=r"the stream is sealed \(10109\)"):
        make(f"nats://{ME}{server.host}", subject="sealed.{type}").deliver(an_event())
    server.delete(stream)


def test_who_may_not_publish_is_told_at_once(server: Server, stream: str, make: Make) -> None:
    """The server says so beside the answers, of which there is none."""
    sink = make(f"nats://reader:{PASSWORD}@{server.host}")
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(Shut, match=r"subject jobwire\.model\.failed: our user may not publish here"):
            sink.deliver(an_event())
        assert time.monotonic() - began < 2


def test_who_may_not_hear_answers_is_told_at_once(server: Server, stream: str, make: Make) -> None:
    sink = make(f"nats://deaf:{PASSWORD}@{server.host}")
    for ask in (*both(sink), *both(sink)):
        began = time.monotonic()
        with pytest.raises(Shut, match=r"our user may not subscribe to _INBOX\.>"):
            ask()
        assert time.monotonic() - began < 2


def test_who_may_only_publish_can_do_that(server: Server, stream: str, make: Make) -> None:
    sink = make(f"nats://writer:{PASSWORD}@{server.host}")
    assert sink.try_out().endswith("it answers, and does not let us ask for streams")
    assert sink.deliver(an_event()) == f"{stream}@1"


def test_somebody_else_who_answers_is_no_stream(server: Server, make: Make) -> None:
    answers = [b"hello", b'{"ok": true}', b"[]", b"null", b"\xff"]
    ready, told = threading.Event(), threading.Event()

    async def answer(js: Any) -> None:
        async def say(message: Any) -> None:
            await message.respond(answers.pop())

        await js._nc.subscribe("chat.>", cb=say)
        await js._nc.flush()
        ready.set()
        await asyncio.to_thread(told.wait)

    somebody = threading.Thread(target=server.ask, args=(answer,))
    somebody.start()
    ready.wait(10)
    sink = make(f"nats://{ME}{server.host}", subject="chat.{type}")
    while answers:
        with pytest.raises(Unreadable, match=r"subject chat\.model\.failed: the answer is none of JetStream's"):
            sink.deliver(an_event())
    told.set()
    somebody.join()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (streams.BadRequestError(code=400, err_code=10054, description="SECRET"), Refused),
        (streams.BadRequestError(code=400, err_code=10060, description="SECRET"), Shut),
        (streams.APIError(code=409, err_code=10158, description="SECRET"), Busy),
        (streams.APIError(code=429, err_code=10167, description="SECRET"), Busy),
        (streams.ServerError(code=500, err_code=10047, description="SECRET"), Busy),
        (streams.ServiceUnavailableError(code=503, err_code=10008, description="SECRET"), Busy),
        (streams.ServiceUnavailableError(), Busy),
        (theirs.errors.Error("nats: 'Authorization Violation'"), Shut),
        (theirs.errors.Error("nats: user authentication expired"), Shut),
        (theirs.errors.Error("nats: 'maximum connections exceeded'"), Busy),
        (theirs.errors.Error("nats: 'Maximum Payload Violation'"), Busy),
        (theirs.errors.MaxPayloadError(), Refused),
        (theirs.errors.StaleConnectionError(), Unreachable),
        (theirs.errors.Error("nats: SECRET"), Unreachable),
        (Garbled("SECRET"), Unreadable),
    ],
)
def test_an_error_has_its_meaning_and_is_not_quoted(error: Exception, kind: type[ProcessorError], make: Make) -> None:
    made = make("nats://nats.example")._translated(error, "jobwire.model.failed")
    assert type(made) is kind
    assert "SECRET" not in made.message


# --- connections -----------------------------------------------------------------------------------------------------


@contextmanager
def pretending(*lines: str) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says these lines to whoever comes, one after each that it hears; its address and what it heard."""
    heard: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            while True:
                client, _ = listening.accept()
                with client, client.makefile("rwb") as file:
                    for line in lines:
                        file.write(line.encode() + b"\r\n")
                        file.flush()
                        heard.append(file.readline())
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}", heard
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["SSH-2.0-OpenSSH_9.2"],
        ["INFO {"],
        ["INFO {}", "-ERR 'What?'"],
        ["INFO {}", ""],
        ["INFO []"],
        ['INFO {"connect_urls": 5}'],
    ],
)
def test_a_server_that_makes_no_sense_is_tried_again(lines: list[str], make: Make) -> None:
    with pretending(*lines) as (host, _), pytest.raises(Unreachable, match=f"nats://{host}: "):
        make(f"nats://{ME}{host}").deliver(an_event())


@pytest.mark.parametrize("tls", ["false", "null"])
def test_who_wants_tls_sends_nothing_without_it(tls: str, make: Make) -> None:
    """Or somebody in between who takes the offer of TLS out of the server's greeting would get the password."""
    with pretending(f'INFO {{"tls_required": {tls}}}', "PONG") as (host, heard):
        sink = make(f"tls://{ME}{host}")
        with pytest.raises(Shut, match=f"tls://{host}: it offers no TLS: write nats://"):
            sink.deliver(an_event())
    assert not b"".join(heard)


@pytest.mark.parametrize("scheme", ["tls", "nats"])
def test_tls_with_a_certificate_of_our_own(scheme: str, start: Start, make: Make) -> None:
    context = ssl.create_default_context(cafile=CERTIFICATE)
    guarded = start(TLS, tls=context, tls_hostname="localhost")
    stream = guarded.create("jobwire.>")
    sink = make(f"{scheme}://localhost:{guarded.port}", ca_file=str(CERTIFICATE))
    assert sink.deliver(an_event()) == f"{stream}@1"
    for ask in both(make(f"{scheme}://localhost:{guarded.port}")):
        with pytest.raises(Unreachable, match="the certificate is not trusted"):
            ask()


def test_a_file_of_certificates_that_is_none_is_named(tmp_path: Path, make: Make) -> None:
    (tmp_path / "empty").touch()
    for name in ("nowhere", "empty"):
        with pytest.raises(Shut, match=f"{name}: this file, named in ca_file, has no certificates"):
            make("tls://127.0.0.1:9", ca_file=str(tmp_path / name)).deliver(an_event())


def test_a_user_with_credentials_is_let_in(tmp_path: Path, start: Start, make: Make) -> None:
    configuration, credentials = guarded_by_keys()
    file = tmp_path / "jobwire.creds"
    file.write_text(credentials)
    guarded = start(configuration, user_credentials=str(file))
    stream = guarded.create("jobwire.>")
    assert make(f"nats://{guarded.host}", credentials=str(file)).deliver(an_event()) == f"{stream}@1"
    _, others = guarded_by_keys()
    file.write_text(others)
    with pytest.raises(Shut, match="it refuses our login: check user, password or credentials"):
        make(f"nats://{guarded.host}", credentials=str(file)).deliver(an_event())
    file.write_text(others.replace("\nSU", "\n??"))
    with pytest.raises(Shut, match=r"no login can be made of .*jobwire\.creds, named in credentials"):
        make(f"nats://{guarded.host}", credentials=str(file)).deliver(an_event())


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"-----BEGIN NATS USER JWT-----\n"])
def test_a_file_of_credentials_that_is_none_is_named(content: bytes | None, tmp_path: Path, make: Make) -> None:
    """The client itself would look for the JWT for ever."""
    file = tmp_path / "jobwire.creds"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Shut, match=r"jobwire\.creds: this file, named in credentials, has no user's JWT and seed"):
        make("nats://127.0.0.1:9", credentials=str(file)).deliver(an_event())


def test_credentials_need_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats.importlib.util, "find_spec", lambda name: None)
    options = Nats.Options().load({**TestNats.least, "credentials": "jobwire.creds"})
    with pytest.raises(Usage, match=r"sinks\.orders\.credentials .* pip install 'nats-py\[nkeys\]'"):
        Nats.from_config("orders", options, some_tools())


def test_a_token_is_a_login_too(start: Start, make: Make) -> None:
    guarded = start(f'authorization {{ token: "{PASSWORD}/%" }}', token=f"{PASSWORD}/%")
    stream = guarded.create("jobwire.>")
    assert make(f"nats://{PASSWORD}%2F%25@{guarded.host}").deliver(an_event()) == f"{stream}@1"


def test_of_several_servers_one_is_enough(server: Server, stream: str, make: Make) -> None:
    sink = make(f"nats://{ME}127.0.0.1:9, nats://{server.host}")  # the second with the login of the first
    assert sink.deliver(an_event()) == f"{stream}@1"


def test_of_several_failures_the_most_telling_is_told(server: Server, make: Make) -> None:
    for ask in both(make(f"nats://127.0.0.1:9,nats://jobwire:{WRONG}@{server.host}")):
        with pytest.raises(Shut, match=f"nats://{server.host}: it refuses our login"):
            ask()


def test_a_kept_connection_that_was_cut_is_opened_again(server: Server, sink: Nats, sent: Sent) -> None:
    sink.deliver(an_event())
    server.restart()
    sink.deliver(an_event(EventType.JOB_FAILED))
    assert len(sent()) == 2


def deliver(sink: Nats) -> tuple[threading.Thread, list[ProcessorError]]:
    """A delivery in a thread of its own, which is about to wait for its answer, and what it fails with."""
    failures: list[ProcessorError] = []

    def delivery() -> None:
        try:
            sink.deliver(an_event())
        except ProcessorError as error:
            failures.append(error)

    thread = threading.Thread(target=delivery)
    thread.start()
    time.sleep(0.2)
    return thread, failures


def test_who_waits_for_an_answer_notices_that_none_can_come(server: Server, sink: Nats) -> None:
    sink.deliver(an_event())
    server.halt()
    waiting, failures = deliver(sink)
    began = time.monotonic()
    server.kill()
    waiting.join()
    server.start()
    assert time.monotonic() - began < 4
    assert [type(failure) for failure in failures] == [Unreachable]


def test_a_server_that_answers_no_ping_is_left(server: Server, sink: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_PULSE", 0.2)
    monkeypatch.setattr(line, "_CONNECTING", 0.2)
    sink.deliver(an_event())
    server.halt()
    try:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="no answer in time"):  # of a new connection
            sink.deliver(an_event(job=a_job(name="n" * 900_000)))  # more than the sockets between us hold
        assert time.monotonic() - began < 6
    finally:
        server.go_on()
    assert sink.deliver(an_event())


def test_closing_gives_up_what_is_on_its_way(server: Server, sink: Nats) -> None:
    sink.deliver(an_event())
    server.halt()
    try:
        waiting, failures = deliver(sink)
        began = time.monotonic()
        sink.close()
        waiting.join()
        assert time.monotonic() - began < 4
    finally:
        server.go_on()
    assert [type(failure) for failure in failures] == [Busy]


def test_a_sink_that_was_closed_opens_again(sink: Nats, sent: Sent) -> None:
    sink.deliver(an_event())
    sink.close()
    sink.deliver(an_event(EventType.JOB_FAILED))
    assert len(sent()) == 2


def test_no_thread_outlives_a_sink(sink: Nats) -> None:
    sink.deliver(an_event())
    assert [thread for thread in threading.enumerate() if thread.name == "nats-orders"]
    sink.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "nats-orders"]


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_a_trace_goes_on_in_a_header(sink: Nats, sent: Sent) -> None:
    with tracing.going_on(tracing.begun_by("ntf_1")):
        sink.deliver(an_event())
    [message] = sent()
    context = tracing.parse((message.headers or {})["traceparent"])
    assert tracing.trace_of(context) == tracing.trace_of(tracing.begun_by("ntf_1"))


def test_a_message_is_a_cloudevent(sink: Nats, sent: Sent) -> None:
    """Judged by the specification's own library; the binding names the header as HTTP does."""
    sink.deliver(an_event())
    [message] = sent()
    assert message.subject == "jobwire.model.failed"
    assert message.headers == {"Nats-Msg-Id": an_event()["id"], "Content-Type": "application/cloudevents+json"}
    event = from_structured_event(HTTPMessage(message.headers, message.data or b""))
    assert event.get_id() == an_event()["id"]
    assert event.get_data() == an_event()["data"]


def test_a_repeat_is_a_delivery_and_is_stored_once(stream: str, sink: Nats, sent: Sent) -> None:
    assert sink.deliver(an_event()) == f"{stream}@1"
    assert sink.deliver(an_event()) == f"{stream}@1"
    assert len(sent()) == 1


@pytest.mark.parametrize(
    ("template", "event", "subject"),
    [
        ("jobwire.{type}", an_event(), "jobwire.model.failed"),
        ("{provider}.{source}.{type}", an_event(), "hover.hover-main.model.failed"),
        ("{provider}.{source}", an_alarm(), "none.orders"),
        ("all", an_event(), "all"),
        ("a-{source}", {**an_event(), "source": "/sources/a b.*.>\r\né"}, "a-a_b______é".replace("é", "_")),
        ("a.{source}", {**an_event(), "source": ""}, "a._"),
        ("{type}", {**an_event(), "type": "a..*.>"}, "a._._._"),
        ("{provider}", {**an_event(), "data": None}, "none"),
        ("{provider}", {**an_event(), "data": {"provider": "{type}"}}, "_type_"),
    ],
)
def test_what_is_filled_in_cannot_change_the_form_of_a_subject(template: str, event: Any, subject: str) -> None:
    assert filled(template, event) == subject


@pytest.mark.parametrize(
    ("template", "asked"),
    [
        ("jobwire.{type}", "jobwire.*.*"),
        ("a-{source}.{provider}.b", "*.*.b"),
        ("all", "all"),
    ],
)
def test_a_stream_is_asked_for_with_what_is_known(template: str, asked: str) -> None:
    assert probe(template) == asked


def test_a_stream_for_some_types_only_is_found(server: Server, make: Make) -> None:
    stream = server.create("some.job.*")
    assert make(f"nats://{ME}{server.host}", subject="some.{type}").try_out().endswith(f"stream {stream}")
    server.delete(stream)


def test_what_is_too_large_goes_without_its_images(sink: Nats, sent: Sent) -> None:
    images = tuple(Image(id=str(number), url="https://hover.to/" + "x" * 1000) for number in range(1200))
    sink.deliver(an_event(job=a_job(models=(a_model(images=images, image_count=1200),))))
    [message] = sent()
    assert document(message)["truncated"] is True
    model = document(message)["data"]["model"]
    assert (model["images"], model["image_count"]) == ([], 1200)


def test_the_largest_document_arrives_and_one_byte_more_is_refused(sink: Nats, sent: Sent) -> None:
    """The server counts the headers too, and hangs up on whoever sends more."""
    event = an_event(job=a_job(name=""))
    headers = f"NATS/1.0\r\nNats-Msg-Id: {event['id']}\r\nContent-Type: application/cloudevents+json\r\n\r\n"
    room = 1024**2 - len(headers) - len(json.dumps(event, separators=(",", ":")))
    sink.deliver(an_event(job=a_job(name="n" * room)))
    with pytest.raises(Refused, match="is the most that is taken"):
        sink.deliver(an_event(job=a_job(name="n" * (room + 1))))
    assert len(sent()) == 1


# --- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", ""),
        ("url", "nats.example"),
        ("url", "http://s3cret@nats.example"),
        ("url", "ws://s3cret@nats.example"),
        ("url", "nats://"),
        ("url", "nats://user:s3cret@"),
        ("url", "nats://nats.example:s3cret"),
        ("url", "nats://nats.example:70000"),
        ("url", "nats://[::1"),
        ("url", "nats://nats.example/path"),
        ("url", "nats://nats.example?tls=s3cret"),
        ("url", "nats://a.example,"),
        ("url", "nats://user:s3c,ret@a.example"),
        ("subject", ""),
        ("subject", "job wire"),
        ("subject", "jobwire."),
        ("subject", ".jobwire"),
        ("subject", "job..wire"),
        ("subject", "jobwire.*"),
        ("subject", "jobwire.>"),
        ("subject", "$JS.API"),
        ("subject", "jobwire.{kind}"),
        ("subject", "jobwire.{type"),
        ("subject", "jobwire.{type!r}"),
        ("subject", "jobwire\r\n"),
        ("subject", "jobwire\x00"),
        ("subject", "n" * 201),
        ("credentials", ""),
        ("ca_file", ""),
    ],
)
def test_an_option_that_cannot_be_used_is_a_fault_that_tells_no_secret(key: str, value: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Nats.Options().load({**TestNats.least, key: value})
    assert list(raised.value.normalized_messages()) == [key]
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["nats://a", "tls://[::1]:4223", "nats://token@a", "nats://u:p%2Cq@a:1, tls://b"])
def test_an_address_may_say_little(url: str) -> None:
    assert Nats.Options().load({**TestNats.least, "url": url})["url"].reveal() == url


def test_the_configuration_reaches_the_sink(server: Server, stream: str) -> None:
    table = {**TestNats.least, "url": f"nats://{ME}{server.host}", "subject": "jobwire.all"}
    sink = Nats.from_config("orders", Nats.Options().load(table), some_tools())
    sink.deliver(an_event())
    assert [message.subject for message in server.messages(stream)] == ["jobwire.all"]
    sink.close()


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_configurations_of_the_page_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats.importlib.util, "find_spec", lambda name: object())
    found = configurations(PAGE, tmp_path)
    assert len(found) == 2
    for settings in found:
        [sink] = settings.sinks.values()
        Nats.from_config(sink.name, sink.options, some_tools()).close()


def test_the_consumer_of_the_page_reads_and_acknowledges(server: Server, stream: str, sink: Nats) -> None:
    first, second = an_event(), an_event(job=a_job(id="2"))
    sink.deliver(first)
    with consuming(PAGE, NATS_URL=f"nats://tests:tests@{server.host}") as consumer:
        consumer.printed(1)
        sink.deliver(second)
        assert consumer.printed(2) == [f"{e['id']} model.failed {e['subject']}" for e in (first, second)]
        wait_for(lambda: server.ask(lambda js: js.consumer_info(stream, "billing")).ack_floor.stream_seq == 2, 10)
