"""Every call to Hover against a far end that misbehaves, through the real client on real sockets.

What each call says of a status, and that the access token goes to Hover's address and to no other.
"""

from __future__ import annotations

import ast
import inspect
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import flask
import pytest
from providers.hover_account import TOKEN, make, sample

import processor
import workers
from processor.errors import (
    Busy,
    Forbidden,
    NotYet,
    ProcessorError,
    RateLimited,
    Refused,
    Shut,
    Unreachable,
    Unreadable,
)
from processor.http import MAX_BODY, HttpClient
from processor.ports import Http, Subscription
from processor.providers.hover import Hover
from processor.providers.hover import api as api_module
from processor.simulation import serve
from processor.testing.fakes import FakeHttp, Sent, answer

CODE = "5e0c2a8e-7d0b-4b43-9f3c-0d9b1c1d6b11"
URL = "https://jobs.example.com/webhooks/hover-main"
WEBHOOK = {"id": 7, "url": URL, "hmac_secret": "bm90LXJlYWw="}
UNVERIFIED = Subscription("7", URL, "not verified")
SECRETS = ("app-secret", "refresh-0", "access-1", "refresh-1", "bm90LXJlYWw=")
Call = Callable[[Hover, Http], Any]
# what is called, and a good answer to it
READING: dict[str, tuple[Call, Any]] = {
    "job": (lambda hover, http: hover.fetch("7", api="v3", http=http), sample()),
    "current": (lambda hover, http: hover.page("current", since=None, at=None, http=http), {"results": [sample()]}),
    "archived": (lambda hover, http: hover.page("archived", since=None, at=None, http=http), {"results": []}),
    "estimate": (lambda hover, http: hover.fetch_estimate("7", http=http), {"totalPrice": 1}),
    "subscriptions": (lambda hover, http: hover.subscriptions(http=http), {"results": [WEBHOOK]}),
    "subscribe": (lambda hover, http: hover.subscribe(URL, http=http), WEBHOOK),
}
DOING: dict[str, tuple[Call, Any]] = {
    "unsubscribe": (lambda hover, http: hover.unsubscribe("7", http=http), {}),
    "mend": (lambda hover, http: hover.mend(UNVERIFIED, http=http), {}),
    "confirm": (lambda hover, http: hover.confirm(CODE, http=http), {}),
}
CALLS = {**READING, **DOING}


class FarEnd:
    """Gives tokens to whoever asks, and `say` to anything else; `served` are the requests with what they carried."""

    def __init__(self, say: Callable[[], Any]) -> None:
        self.say = say
        self.tokens = 0
        self.served: list[tuple[str, str, str | None]] = []
        self.app = flask.Flask("far end")
        methods = ["GET", "POST", "PUT", "DELETE"]
        self.app.add_url_rule("/", "root", lambda: self.take(""), methods=methods)
        self.app.add_url_rule("/<path:path>", "any", self.take, methods=methods)

    def take(self, path: str) -> Any:
        if path == "oauth/token":
            self.tokens += 1
            return {**TOKEN, "access_token": f"access-{self.tokens}", "refresh_token": f"refresh-{self.tokens}"}
        self.served.append((flask.request.method, flask.request.path, flask.request.headers.get("Authorization")))
        return self.say()


class Line:
    """A Hover whose far end says something; the client gives up after `deadline` seconds."""

    def __init__(self, say: Callable[[], Any], deadline: float = 10.0) -> None:
        self.far_end = FarEnd(say)
        self.server = serve(self.far_end.app)
        self.http = HttpClient()
        provider = make(self.http, api_url=self.server.url)
        self.hover = replace(provider, api=replace(provider.api, deadline=deadline))

    def close(self) -> None:
        self.http.close()
        self.server.close()


@pytest.fixture
def line() -> Iterator[Callable[..., Line]]:
    lines: list[Line] = []

    def connect(say: Callable[[], Any], **how: Any) -> Line:
        lines.append(Line(say, **how))
        return lines[-1]

    yield connect
    for each in lines:
        each.close()


def failure(line: Line, call: str, kind: type[ProcessorError]) -> ProcessorError:
    with pytest.raises(kind) as caught:
        CALLS[call][0](line.hover, line.http)
    said = "".join(traceback.format_exception(caught.value))
    assert not [secret for secret in SECRETS if secret in said]
    assert caught.value.message.isprintable()
    return caught.value


# --- answers that are none --------------------------------------------------------------------------------------------


def says(body: bytes) -> FakeHttp:
    return FakeHttp(answer(json=TOKEN), answer(200, body=body))


@pytest.mark.parametrize("call", READING)
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b'{"results": [', b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_is_not_json_cannot_be_read(call: str, body: bytes) -> None:
    http = says(body)
    with pytest.raises(Unreadable, match="is not JSON"):
        CALLS[call][0](make(http), http)


@pytest.mark.parametrize("call", ["current", "archived", "estimate", "subscriptions", "subscribe"])
@pytest.mark.parametrize("shape", [b"null", b"[]", b'"a text"', b"7", b"true"])
def test_an_answer_of_another_shape_cannot_be_read(call: str, shape: bytes) -> None:
    http = says(shape)
    with pytest.raises(Unreadable, match="must be an object"):
        CALLS[call][0](make(http), http)


@pytest.mark.parametrize("call", DOING)
@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]"])
def test_where_nothing_is_read_any_answer_will_do(call: str, body: bytes) -> None:
    http = says(body)
    CALLS[call][0](make(http), http)


@pytest.mark.parametrize("call", READING)
def test_an_answer_of_more_than_16_mib_is_not_read(line: Callable[..., Line], call: str) -> None:
    body = b" " * (MAX_BODY + 1)
    said = failure(line(lambda: flask.Response(body, 200)), call, Unreadable)
    assert "larger than 16777216 bytes" in said.message


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_that_is_cut_off_is_no_answer(line: Callable[..., Line], call: str) -> None:
    def cut() -> Any:
        response = flask.Response(b'{"results"', 200)
        response.headers["Content-Length"] = "4000"
        return response

    failure(line(cut), call, Unreachable)


@pytest.mark.parametrize("call", CALLS)
def test_a_far_end_that_takes_its_time_is_given_up(line: Callable[..., Line], call: str) -> None:
    def slow() -> Any:
        time.sleep(0.5)
        return {}

    at = line(slow, deadline=0.15)
    began = time.monotonic()
    assert "no whole answer in 0.15 s" in failure(at, call, Unreachable).message
    assert time.monotonic() - began < 5


def test_a_far_end_that_drips_is_given_up() -> None:
    """A byte now and then would hold a time-out that begins anew with each."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with closing(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
            while not heard.wait(0.02):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    with closing(HttpClient()) as http:
        provider = make(FakeHttp(answer(json=TOKEN)), api_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        provider = replace(provider, api=replace(provider.api, deadline=0.3))
        with pytest.raises(Unreachable, match="no whole answer"):
            provider.page("current", since=None, at=None, http=http)
    heard.set()
    thread.join(10)
    listener.close()
    assert not thread.is_alive()


# --- statuses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (403, Forbidden),
        (404, NotYet),
        (408, Busy),
        (422, Refused),
        (429, RateLimited),
        (500, Busy),
        (503, Busy),
    ],
)
def test_each_status_means_what_it_means_everywhere(call: str, status: int, kind: type[ProcessorError]) -> None:
    http = FakeHttp(answer(json=TOKEN), answer(status, body=b"<html>secret words</html>", retry_after="7"))
    with pytest.raises(kind, match=f"^Hover, .*: answered {status}") as caught:
        CALLS[call][0](make(http), http)
    assert "secret words" not in caught.value.message
    if isinstance(caught.value, (Busy, RateLimited)):
        assert caught.value.retry_after == 7
    assert len(http.sent) == 2


@pytest.mark.parametrize("call", CALLS)
def test_a_token_that_ended_is_renewed_once_and_the_call_repeated_once(call: str) -> None:
    ask, good = CALLS[call]
    second = {**TOKEN, "access_token": "access-2"}
    http = FakeHttp(answer(json=TOKEN), answer(401), answer(json=second), answer(json=good))
    ask(make(http), http)
    first, again = http.sent[1], http.sent[3]
    assert (first.headers["Authorization"], again.headers["Authorization"]) == ("Bearer access-1", "Bearer access-2")
    assert (first.method, first.url, first.json) == (again.method, again.url, again.json)

    http = FakeHttp(answer(json=TOKEN), answer(401), answer(json=second), answer(401))
    with pytest.raises(Shut):
        ask(make(http), http)
    assert len(http.sent) == 4


# --- the token stays with its host ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "status"), [*((call, 302) for call in CALLS), *(("current", status) for status in (301, 303, 307, 308))]
)
def test_no_redirect_is_followed_and_no_other_host_hears_anything(
    line: Callable[..., Line], call: str, status: int
) -> None:
    elsewhere = line(dict)
    host = elsewhere.server.url.replace("127.0.0.1", "localhost")
    at = line(lambda: flask.redirect(f"{host}/stolen", status))
    said = failure(at, call, Unreadable)
    assert f"answered {status}, which is no answer to this request: check api_url" in said.message
    assert elsewhere.far_end.served == []
    assert elsewhere.far_end.tokens == 0
    [(_, _, carried)] = at.far_end.served
    assert carried == "Bearer access-1"


def test_whatever_is_asked_goes_to_the_configured_address() -> None:
    """And no link in any answer is an address that is asked."""
    link = "https://elsewhere.example/next"

    def far_end(sent: Sent) -> Any:
        assert sent.url.startswith("https://hover.to/")
        if sent.url.endswith("/oauth/token"):
            return answer(json=TOKEN)
        pagination = {"next_page": link, "next": link, "total_pages": 3}
        rows = [{**WEBHOOK, "reconstruction_state": "working", "href": link}]
        return answer(json={**WEBHOOK, "results": rows, "pagination": pagination, "links": {"next": link}}, link=link)

    http = FakeHttp(always=far_end)
    hover = make(http)
    for ask, _ in CALLS.values():
        ask(hover, http)
    assert len(http.sent) > len(CALLS)


# --- nothing is bought ------------------------------------------------------------------------------------------------

_BUYING = ("deliverable_change_request", "upgrade_price", "/payments", "test_job", "capture_requests")


def test_no_call_that_charges_is_anywhere_in_the_code() -> None:
    """Hover charges for a changed deliverable as soon as it is asked for one."""
    for package in (processor, workers):
        for file in Path(package.__path__[0]).rglob("*.py"):
            text = file.read_text()
            if "hover" in text.lower():
                assert not [word for word in _BUYING if word in _strings(text).lower()], file


def _strings(text: str) -> str:
    """The texts of a module that are not documentation."""
    tree = ast.parse(text)
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    texts = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "\n".join(str(n.value) for n in texts if id(n) not in documentation)


def test_what_changes_anything_at_hover_is_about_webhooks_and_tokens_only() -> None:
    http = FakeHttp(always=lambda sent: answer(json=TOKEN if sent.url.endswith("/oauth/token") else _good(sent)))
    hover = make(http)
    for ask, _ in CALLS.values():
        ask(hover, http)
    changing = {(sent.method, urlsplit(sent.url).path) for sent in http.sent if sent.method != "GET"}
    assert changing == {
        ("POST", "/oauth/token"),
        ("POST", "/api/v2/webhooks"),
        ("POST", "/api/v2/webhooks/7/request_verification"),
        ("PUT", f"/api/v2/webhooks/{CODE}/verify"),
        ("DELETE", "/api/v2/webhooks/7"),
    }
    written = inspect.getsource(api_module)
    assert written.count('"POST"') == 2, "and no other call could be made"
    assert written.count('"PUT"') == written.count('"DELETE"') == 1
    assert '"PATCH"' not in written


def _good(sent: Sent) -> Any:
    return {**WEBHOOK, "results": [WEBHOOK]}


def test_the_deadline_of_a_call_is_shorter_than_hovers_own() -> None:
    http = FakeHttp(answer(json=TOKEN), answer(json=sample()))
    make(http).fetch("7", api="v3", http=http)
    assert http.sent[1].timeout == 30
