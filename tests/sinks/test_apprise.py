"""Places that Apprise knows, as a sink: real plugins that post to a real server."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

import apprise
import pytest
from apprise.plugins.ntfy import NotifyNtfy
from consumers import DOCS, configurations
from golden import cases, compare, together
from marshmallow import ValidationError

from processor.errors import Busy, RateLimited, Retryable, Shut, Unavailable, Unreachable
from processor.model import JSON, EventType, Secret
from processor.ports import Occasion
from processor.sinks import apprise as module
from processor.sinks.apprise import THIN, Apprise
from processor.telling import Link, Mood, Telling, tell
from processor.testing.builders import a_job, a_model, an_alarm, an_event
from processor.testing.fakes import ShortMemory, some_tools
from processor.testing.sink import CanBeAway, CanBeShut, SurvivesRestarts, TellsPeople
from processor.text import headline

PAGE = DOCS / "apprise.md"
SECRET = "s3cret-password"


class FarEnd:
    """A web server that keeps what it is sent. `statuses` is its answer for a path, 200 for any other."""

    def __init__(self) -> None:
        self.statuses: dict[str, int] = {}
        self.headers: dict[str, str] = {}
        self.said = b""
        self.delay = 0.0
        self.asked = 0
        self.received: list[tuple[str, str, bytes]] = []  # path, content type, body
        self._port = 0
        self.start()

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()

    def _handler(far_end) -> type[BaseHTTPRequestHandler]:  # `self` is the handler below
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                path = self.path.partition("?")[0]
                far_end.asked += 1
                time.sleep(far_end.delay)
                status = far_end.statuses.get(path, 200)
                if status == 200:
                    far_end.received.append((path, self.headers["content-type"], body))
                self.send_response(status)
                for name, value in far_end.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(far_end.said)

            def do_GET(self) -> None:  # what a redirect would lead to
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        return Handler

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def restart(self) -> None:
        self.close()
        time.sleep(0.3)  # long enough for deliveries to find nobody there
        self.start()

    def url(self, schema: str = "json", path: str = "/a", query: str = "") -> str:
        return f"{schema}://user:{SECRET}@127.0.0.1:{self._port}{path}{query}"

    def payloads(self, path: str = "/a") -> list[dict[str, Any]]:
        return [json.loads(body) for where, _, body in self.received if where == path]


@pytest.fixture
def far_end() -> Iterator[FarEnd]:
    far_end = FarEnd()
    yield far_end
    far_end.close()


class Listener(logging.Handler):
    """What the root logger hears. (pytest's own handlers listen to the loggers that keep to themselves, too.)"""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record)


@pytest.fixture(autouse=True)
def silence(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing that Apprise logs is seen by anybody: its lines hold addresses, and what far ends answered."""
    root, listener = logging.getLogger(), Listener()
    monkeypatch.setattr(root, "handlers", [*root.handlers, listener])
    yield
    assert not [record for record in listener.heard if record.name.startswith("apprise")]
    assert SECRET not in "".join(capfd.readouterr())


def made(*urls: str, **tools: Any) -> Apprise:
    """The sink as the configuration makes it."""
    loaded = Apprise.Options().load({"type": "apprise", "urls": list(urls)})
    return Apprise.from_config("orders", loaded, some_tools(**tools))


def as_read(payload: dict[str, Any]) -> str:
    """A message as people see it: the thin space that takes the life from a mention is none to the eye."""
    return f"{payload['title']}\n{payload['message']}".replace(THIN, "")


class TestApprise(TellsPeople, CanBeShut, CanBeAway, SurvivesRestarts):
    plugin = Apprise
    least: ClassVar = {"type": "apprise", "urls": ["json://127.0.0.1:9/a"]}
    secrets = (SECRET, "user:", "127.0.0.1")

    @pytest.fixture
    def sink(self, far_end: FarEnd) -> Apprise:
        return made(far_end.url())

    @pytest.fixture
    def told(self, far_end: FarEnd) -> Callable[[], list[str]]:
        return lambda: [as_read(payload) for payload in far_end.payloads()]

    @pytest.fixture
    def shut(self, far_end: FarEnd, sink: Apprise) -> Apprise:
        far_end.statuses, far_end.said = {"/a": 401}, SECRET.encode()
        return sink

    @pytest.fixture
    def away(self) -> Apprise:
        return made(f"json://user:{SECRET}@127.0.0.1:9/a")

    @pytest.fixture
    def stalled(self) -> Iterator[Apprise]:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield made(f"json://user:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/a?rto=0.2")

    @pytest.fixture
    def taken_ids(self, far_end: FarEnd) -> Callable[[], list[str]]:
        """Messages for people have no ids; each has its job's number."""
        events = [an_event(job=a_job(id=str(number))) for number in range(500)]
        ids = {headline(event): event["id"] for event in events}
        return lambda: [ids[payload["title"]] for payload in far_end.payloads()]

    @pytest.fixture
    def restart(self, far_end: FarEnd) -> Callable[[], None]:
        return far_end.restart


class TestForm(TellsPeople):
    """The same through another plugin."""

    plugin = Apprise
    least = TestApprise.least
    secrets = TestApprise.secrets

    @pytest.fixture
    def sink(self, far_end: FarEnd) -> Apprise:
        return made(far_end.url("form"))

    @pytest.fixture
    def told(self, far_end: FarEnd) -> Callable[[], list[str]]:
        return lambda: [as_read(form(kind, body)) for _, kind, body in far_end.received]


def form(kind: str, body: bytes) -> dict[str, str]:
    """The fields of a form, in either of its two encodings."""
    if kind.startswith("multipart/"):
        parts = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=HTTP).iter_parts()
        return {part.get_param("name", header="content-disposition"): part.get_content() for part in parts}
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}


# --- what a no means -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Shut), (403, Shut), (404, Shut), (429, RateLimited), (400, Busy), (413, Busy), (500, Busy), (503, Busy)],
)
def test_a_status_has_its_meaning_and_is_told(far_end: FarEnd, status: int, kind: type[Retryable]) -> None:
    far_end.statuses = {"/a": status}
    with pytest.raises(kind, match=rf"^json \(urls\[0\]\): it answered {status}$") as raised:
        made(far_end.url()).deliver(an_event())
    assert type(raised.value) is kind


def test_a_redirect_is_not_followed(far_end: FarEnd) -> None:
    """The page that it leads to would answer 200, and nobody would have been told."""
    far_end.statuses, far_end.headers = {"/a": 302}, {"Location": "/sign-in"}
    with pytest.raises(Busy, match="it answered 302"):
        made(far_end.url()).deliver(an_event())


def test_a_no_without_a_status_is_busy(far_end: FarEnd) -> None:
    result = apprise.AppriseResult(status=apprise.AppriseResultStatus.FAILURE, results=[])
    failure = module._said_no(result)
    assert type(failure) is Busy
    assert failure.message == "it did not take the message"


def test_repetition_is_ours_and_a_failure_is_never_excused(far_end: FarEnd) -> None:
    """Whatever the address says: `retry` would send again at once, `optional` would call a failure a success."""
    far_end.statuses = {"/a": 500}
    with pytest.raises(Busy):
        made(far_end.url(query="?retry=3&wait=0&optional=yes")).deliver(an_event())
    assert far_end.asked == 1


def test_an_answer_that_drips_costs_a_limited_time_too(dripping: str) -> None:
    """A socket's time-out begins anew with each byte, so it does not end this."""
    sink = Apprise("orders", [Secret(dripping)], memory=ShortMemory(), patience=0.5)
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"json \(urls\[0\]\): no answer in 0\.5 s"):
        sink.deliver(an_event())
    assert time.monotonic() - began < 3


def test_calls_that_hang_do_not_pile_up(dripping: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    sink = Apprise("orders", [Secret(dripping)], memory=ShortMemory(), patience=0.05)
    for _ in range(2):
        with pytest.raises(Unreachable):
            sink.deliver(an_event())
    with pytest.raises(Busy, match="2 messages are already under way"):
        sink.deliver(an_event())


@pytest.fixture
def dripping() -> Iterator[str]:
    """The address of a server that answers with one header after another, until the test is over."""
    over = threading.Event()

    def drip() -> None:
        connections: list[socket.socket] = []
        while not over.is_set():
            try:
                connections.append(silent.accept()[0])
                connections[-1].sendall(b"HTTP/1.1 200 OK\r\n")
            except TimeoutError:
                for connection in connections:
                    connection.sendall(b"X-More: 1\r\n")
        for connection in connections:
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0.05)
        thread = threading.Thread(target=drip)
        thread.start()
        yield f"json://127.0.0.1:{silent.getsockname()[1]}/a"
        over.set()
        thread.join()
    for call in threading.enumerate():  # those that hung end now
        if call.name == "apprise":
            call.join(10)


# --- several places --------------------------------------------------------------------------------------------------


def test_a_retry_tells_only_those_that_were_not_told(far_end: FarEnd) -> None:
    far_end.statuses = {"/b": 503}
    sink = made(far_end.url(path="/a"), far_end.url(path="/b"), far_end.url("form", path="/c"))
    with pytest.raises(Busy, match=r"^json \(urls\[1\]\): it answered 503$"):
        sink.deliver(an_event())
    far_end.statuses = {}
    sink.deliver(an_event())
    assert [path for path, _, _ in far_end.received].count("/a") == 1
    assert [path for path, _, _ in far_end.received].count("/b") == 1
    assert [path for path, _, _ in far_end.received].count("/c") == 1


def test_another_process_knows_who_has_been_told(far_end: FarEnd) -> None:
    far_end.statuses, memory = {"/b": 503}, ShortMemory()
    urls = [far_end.url(path="/a"), far_end.url(path="/b")]
    with pytest.raises(Busy):
        made(*urls, memory=memory).deliver(an_event())
    with pytest.raises(Busy):
        made(*urls, memory=memory).deliver(an_event())
    assert len(far_end.payloads("/a")) == 1
    assert not [value for value in memory.known.values() if SECRET in value]


def test_another_message_is_told_to_all(far_end: FarEnd) -> None:
    far_end.statuses = {"/b": 503}
    sink = made(far_end.url(path="/a"), far_end.url(path="/b"))
    for number in range(2):
        with pytest.raises(Busy):
            sink.deliver(an_event(job=a_job(id=str(number))))
    with pytest.raises(Busy):
        sink.deliver_together([an_event(), an_alarm()], Occasion.GROUP)
    assert len(far_end.payloads("/a")) == 3


def test_once_all_have_been_told_a_replay_tells_all_again(far_end: FarEnd) -> None:
    sink = made(far_end.url(path="/a"), far_end.url(path="/b"))
    far_end.statuses = {"/b": 503}
    with pytest.raises(Busy):
        sink.deliver(an_event())
    far_end.statuses = {}
    sink.deliver(an_event())
    sink.deliver(an_event())
    assert (len(far_end.payloads("/a")), len(far_end.payloads("/b"))) == (2, 2)


def test_without_its_memory_somebody_is_told_twice_rather_than_never(far_end: FarEnd) -> None:
    class Forgetful(ShortMemory):
        def remember(self, sink: str, key: str, value: str, *, seconds: float) -> None:
            raise Unavailable("Redis does not answer")

    sink = made(far_end.url(path="/a"), far_end.url(path="/b"), memory=Forgetful())
    far_end.statuses = {"/b": 503}
    with pytest.raises(Busy, match="it answered 503"):
        sink.deliver(an_event())
    far_end.statuses = {}
    sink.deliver(an_event())
    assert (len(far_end.payloads("/a")), len(far_end.payloads("/b"))) == (2, 1)


def test_failures_of_one_kind_stay_that_kind_and_each_is_told(far_end: FarEnd) -> None:
    urls = [far_end.url(path="/a"), far_end.url(path="/b")]
    far_end.statuses = {"/a": 401, "/b": 404}
    with pytest.raises(Shut, match=r"^json \(urls\[0\]\): it answered 401; json \(urls\[1\]\): it answered 404$"):
        made(*urls).deliver(an_event())
    far_end.statuses = {"/a": 401, "/b": 500}
    with pytest.raises(Busy, match=r"it answered 401; .* it answered 500"):
        made(*urls).deliver(an_event())


def test_several_places_are_told_at_the_same_time(far_end: FarEnd) -> None:
    far_end.delay = 0.4
    began = time.monotonic()
    made(*[far_end.url(path=f"/{n}") for n in range(8)]).deliver(an_event())
    assert time.monotonic() - began < 2.5
    assert len(far_end.received) == 8


def test_threads_share_a_sink(far_end: FarEnd) -> None:
    sink = made(far_end.url(path="/a"), far_end.url(path="/b"))
    events = [an_event(job=a_job(id=str(number))) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sink.deliver, events))
    for path in ("/a", "/b"):
        titles = sorted(payload["title"] for payload in far_end.payloads(path))
        assert titles == sorted(headline(event) for event in events)


def test_nothing_is_held_back_by_apprise(far_end: FarEnd) -> None:
    """Its plugins sleep between messages, and between the targets of one; how fast to tell is what `rate` says."""
    assert NotifyNtfy.request_rate_per_sec > 5
    sink = made(far_end.url("ntfy", "/jobs/phones"))
    began = time.monotonic()
    for number in range(3):
        sink.deliver(an_event(job=a_job(id=str(number))))
    assert time.monotonic() - began < 4
    assert len(far_end.received) == 6


# --- what is sent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", cases())
def test_each_type_of_event_reads_as_it_should(far_end: FarEnd, event: JSON, request: pytest.FixtureRequest) -> None:
    made(far_end.url(), public_url="https://jobs.example.com").deliver(event)
    [payload] = far_end.payloads()
    compare("apprise", request.node.callspec.id, as_golden(payload), "txt")


@pytest.mark.parametrize("several", together())
def test_several_events_read_as_they_should(far_end: FarEnd, several: Any, request: pytest.FixtureRequest) -> None:
    events, occasion = several
    made(far_end.url(), public_url="https://jobs.example.com").deliver_together(events, occasion)
    [payload] = far_end.payloads()
    compare("apprise", request.node.callspec.id, as_golden(payload), "txt")


def as_golden(payload: dict[str, Any]) -> str:
    return f"[{payload['type']}] {payload['title']}\n\n{payload['message']}\n"


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (an_event(EventType.MODEL_SUCCEEDED), "success"),
        (an_event(EventType.MODEL_FAILED), "failure"),
        (an_event(EventType.JOB_CREATED), "info"),
        (an_alarm(), "warning"),
    ],
)
def test_the_mood_is_a_type_of_apprise(far_end: FarEnd, event: JSON, kind: str) -> None:
    made(far_end.url()).deliver(event)
    assert far_end.payloads()[0]["type"] == kind


def test_a_message_about_nothing_but_its_headline_is_sent(far_end: FarEnd) -> None:
    telling = Telling(key="k", mood=Mood.NEWS, headline="Something happened", when="None", thread=None)
    made(far_end.url())._tell(telling)
    assert far_end.payloads()[0]["message"] == "Something happened"


def test_what_is_too_long_for_a_place_is_cut_there(far_end: FarEnd) -> None:
    """Apprise would send it as it is, to be refused for ever; an address may ask for several messages instead."""
    telling = Telling("k", Mood.NEWS, "Something happened", "", None, facts=(("Reason", "x" * 10_000),))
    made(far_end.url("ntfy", "/jobs"))._tell(telling)
    [(_, _, body)] = far_end.received
    assert 5000 < len(json.loads(body)["message"]) <= NotifyNtfy.body_maxlen < 10_000
    made(far_end.url("ntfy", "/jobs", "?overflow=split"))._tell(telling)
    assert len(far_end.received) > 2


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("@everyone and @here", f"@{THIN}everyone and @{THIN}here"),
        ("foo@everyone", f"foo@{THIN}everyone"),
        ("@**all** @anna @_@", f"@{THIN}**all** @{THIN}anna @{THIN}_@"),
        ("<!channel> <@U1|x> <#C1> <users/all>", f"<{THIN}!channel> <{THIN}@{THIN}U1|x> <{THIN}#C1> <{THIN}users/all>"),
        ("<script>", f"<{THIN}script>"),
        ("[Garage](https://evil.example)", f"[Garage]{THIN}(https://evil.example)"),
        ("anna.b+c@example.com", "anna.b+c@example.com"),
        ("3 < 4, 5 > 4, a @ b, [x] (y)", "3 < 4, 5 > 4, a @ b, [x] (y)"),
    ],
)
def test_a_strangers_text_calls_nobody_and_hides_no_address(far_end: FarEnd, text: str, sent: str) -> None:
    made(far_end.url()).deliver(an_event(job=a_job(name=text, models=(a_model(failure_reason=text),))))
    assert sent in far_end.payloads()[0]["title"]
    event = an_event(job=a_job(name=text))
    made(far_end.url()).deliver_together([event, event | {"id": "evt_2"}], Occasion.DIGEST)
    assert sent in far_end.payloads()[1]["message"]


def test_an_address_is_not_broken_by_that(far_end: FarEnd) -> None:
    link = Link("Open", "https://hover.to/@everyone/<!channel>?a=(1)&b=_x_")
    telling = Telling(key="k", mood=Mood.NEWS, headline="Something happened", when="", thread=None, links=(link,))
    made(far_end.url())._tell(telling)
    assert far_end.payloads()[0]["message"] == "Open: https://hover.to/%40everyone/%3C!channel%3E?a=(1)&b=_x_"


def test_the_text_is_declared_to_be_plain(far_end: FarEnd) -> None:
    """So a plugin that sends HTML or Markdown escapes it."""
    telling = Telling("k", Mood.NEWS, "Something happened", "", None, facts=(("Reason", "R&D *x*"),))
    made(far_end.url(query="?format=html"))._tell(telling)
    assert far_end.payloads()[0]["message"].replace("&nbsp;", " ") == "Reason: R&amp;D *x*"
    made(far_end.url(query="?format=markdown"))._tell(telling)
    assert far_end.payloads()[1]["message"] == r"Reason: R&D \*x\*"


def test_the_link_to_the_jobs_page_is_there(far_end: FarEnd) -> None:
    made(far_end.url(), public_url="https://jobs.example.com").deliver(an_event())
    links = tell(an_event(), public_url="https://jobs.example.com").links
    assert links
    for link in links:
        assert f"{link.label}: {link.url}" in far_end.payloads()[0]["message"]


# --- trying out and configuration ------------------------------------------------------------------------------------


def test_what_is_configured_is_told_and_that_nobody_was_asked(far_end: FarEnd) -> None:
    sink = made(far_end.url(), far_end.url("form"), "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
    assert sink.try_out() == (
        "3 services (JSON, Form, Discord); cannot be asked without sending: use `jobwire send-test orders`"
    )
    assert far_end.received == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("HUSH-no-schema", "must be an address such as discord://"),
        ("dscord://HUSH/HUSH", r"knows no service by this address; did you mean discord://\?"),
        ("HUSH://a", "knows no service by this address"),
        ("https://a.example/HUSH", "Apprise knows no service by this address"),
        ("discord://HUSH", "is no complete address of discord://; see https://"),
        ("json://user:HUSH@", "is no complete address of json://"),
        ("json://user:HUSH@a.example, json://b.example", "is no complete address of json://"),
        ("mailto://HUSH", "is no complete address of mailto://"),
        ("mqtt://HUSH@a.example/topic", "mqtt:// needs paho-mqtt"),
        ("json://\x00HUSH", "json"),
        ("json://[HUSH", "json"),
        ("", "must be a text that is not empty"),
    ],
)
def test_an_address_that_cannot_be_used_is_a_fault_that_does_not_show_it(url: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as raised:
        Apprise.Options().load({"type": "apprise", "urls": ["json://a.example", url]})
    assert list(raised.value.normalized_messages()["urls"]) == [1]
    assert "hush" not in str(raised.value).lower()


@pytest.mark.parametrize("urls", [[], ["json://HUSH", "json://HUSH"], "json://HUSH", [1], None])
def test_a_list_that_cannot_be_used_is_a_fault(urls: Any) -> None:
    with pytest.raises(ValidationError, match="urls") as raised:
        Apprise.Options().load({"type": "apprise", "urls": urls})
    assert "HUSH" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "  json://a.example  ",
        "JSON://a.example",
        "https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",  # as Discord itself shows it
        "ntfys://jobs",
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
    ],
)
def test_any_address_that_apprise_understands_can_be_used(url: str) -> None:
    assert Apprise.Options().load({"type": "apprise", "urls": [url]})["urls"] == [Secret(url.strip())]


def test_time_is_limited_whatever_the_address_says() -> None:
    service = module._service("json://a.example?cto=60&rto=60")
    assert service is not None
    assert (service.socket_connect_timeout, service.socket_read_timeout) == (4.0, 4.0)


def test_the_page_has_a_configuration_that_can_be_used(tmp_path: Path) -> None:
    [settings] = configurations(PAGE, tmp_path)
    assert [sink.type for sink in settings.sinks.values()] == ["apprise"]
