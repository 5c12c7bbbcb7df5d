"""Bentley over real connections: whatever comes back, the access token stays with its host."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from providers.bentley_source import ITWIN, JOB, TOKEN, sample

from processor.errors import (
    Busy,
    Forbidden,
    NotYet,
    ProcessorError,
    RateLimited,
    Retryable,
    Shut,
    Unreachable,
    Unreadable,
)
from processor.http import MAX_BODY, HttpClient
from processor.ports import Subscription
from processor.providers.bentley import Bentley
from processor.providers.bentley import api as asking
from processor.simulation import Served, serve
from processor.testing.fakes import MemoryTokenStore, some_tools

OPTIONS = {"provider": "bentley", "client_id": "client", "client_secret": "app-secret"}
SMALL_CAP = 64 * 1024  # what an answer may have here, so that no test moves 16 MiB six times
WEBHOOK = {"id": "w1", "callbackUrl": "https://jobs.example.com", "active": False, "eventTypes": [], "secret": "f" * 64}

# Each call to Bentley, and the answer that would do for it.
Call = Callable[[Bentley, HttpClient], Any]
CALLS: dict[str, tuple[Call, Any]] = {
    "fetch": (lambda p, http: p.fetch(JOB, api="contextcapture", http=http), sample()),
    "find": (lambda p, http: p.find(JOB, http=http), sample()),
    "page": (lambda p, http: p.page(f"contextcapture/{ITWIN}", since=None, at=None, http=http), {"jobs": []}),
    "subscriptions": (lambda p, http: p.subscriptions(http=http), {"webhooks": []}),
    "subscribe": (lambda p, http: p.subscribe("https://jobs.example.com/webhooks/itwin", http=http), WEBHOOK),
    "mend": (lambda p, http: p.mend(Subscription("w1", "", "inactive"), http=http), WEBHOOK),
    "unsubscribe": (lambda p, http: p.unsubscribe("w1", http=http), {}),
}
BODY_COUNTS = ("fetch", "find", "page", "subscriptions", "subscribe")  # the others go by the status alone
calls = pytest.mark.parametrize("call", CALLS)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Far:
    """A host that answers as it is told and keeps what it was asked; `stalls` keeps it from answering."""

    replies: list[Reply] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path with query, Authorization
    tokens: int = 0
    stalls: threading.Event | None = None
    url: str = ""

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/connect/token":
            self.tokens += 1
            reply = Reply(body=json.dumps({**TOKEN, "access_token": f"access-{self.tokens}"}).encode())
        else:
            query = environ["QUERY_STRING"]
            path = environ["PATH_INFO"] + (f"?{query}" if query else "")
            self.asked.append((environ["REQUEST_METHOD"], path, environ.get("HTTP_AUTHORIZATION", "")))
            if self.stalls:
                self.stalls.wait(20)
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        start_response(f"{reply.status} x", list(reply.headers.items()))
        return [reply.body]


@pytest.fixture
def host() -> Iterator[Callable[[], Far]]:
    running: list[tuple[Far, Served]] = []

    def start() -> Far:
        far = Far()
        server = serve(far)
        far.url = server.url
        running.append((far, server))
        return far

    yield start
    for far, server in running:
        if far.stalls:
            far.stalls.set()
        server.close()


@pytest.fixture
def bentley(host: Callable[[], Far]) -> Far:
    return host()


@pytest.fixture
def http() -> Iterator[HttpClient]:
    client = HttpClient(max_body=SMALL_CAP)
    yield client
    client.close()


def source(far: Far, http: HttpClient) -> Bentley:
    """The source at that host, with a token store of its own."""
    tools = some_tools(http=http, tokens=MemoryTokenStore())
    options = {"api_url": far.url, "token_url": f"{far.url}/connect/token", "itwin_ids": [ITWIN]}
    return Bentley.from_config("itwin", Bentley.Options().load(OPTIONS | options), tools)


def failing(call: str, far: Far, http: HttpClient, *replies: Reply) -> ProcessorError:
    """What `call` raises at a host that answers so, the last reply again and again. It tells no secret."""
    far.replies = list(replies)
    with pytest.raises(ProcessorError) as caught:
        CALLS[call][0](source(far, http), http)
    said = f"{caught.value} {caught.value!r}"
    assert "access-" not in said
    assert "app-secret" not in said
    return caught.value


class TestBadAnswers:
    @pytest.mark.parametrize("call", BODY_COUNTS)
    @pytest.mark.parametrize("body", [b"<html>", b"", b"{", b"[]", b"7", b"null", b'{"jobs": 7}', b'{"webhooks": 7}'])
    def test_what_is_not_json_or_of_the_wrong_shape_cannot_be_read(
        self, call: str, body: bytes, bentley: Far, http: HttpClient
    ) -> None:
        assert isinstance(failing(call, bentley, http, Reply(body=body)), Unreadable)

    @calls
    def test_an_answer_that_is_cut_off_is_none(self, call: str, bentley: Far, http: HttpClient) -> None:
        cut = Reply(body=b'{"jobs": [', headers={"Content-Length": "1000"})
        assert isinstance(failing(call, bentley, http, cut), Unreachable)

    @calls
    def test_an_answer_above_the_cap_is_not_read_to_its_end(self, call: str, bentley: Far, http: HttpClient) -> None:
        error = failing(call, bentley, http, Reply(body=b" " * (SMALL_CAP + 1)))
        assert isinstance(error, Unreadable)
        assert "larger than" in str(error)

    def test_the_cap_is_16_mebibytes(self, bentley: Far) -> None:
        client = HttpClient()
        whole = b'{"jobs": []}'.ljust(MAX_BODY)
        try:
            error = failing("page", bentley, client, Reply(body=whole + b" "))
            assert "larger than 16777216 bytes" in str(error)
            bentley.replies = [Reply(body=whole)]
            assert CALLS["page"][0](source(bentley, client), client).jobs == ()
        finally:
            client.close()

    @calls
    def test_a_host_that_does_not_answer_is_not_waited_for(
        self, call: str, bentley: Far, http: HttpClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "_DEADLINE", 0.2)
        bentley.stalls = threading.Event()
        error = failing(call, bentley, http, Reply())
        assert isinstance(error, Unreachable)
        assert "in 0.2 s" in str(error)
        assert len(bentley.asked) <= 1, "the next job API would be no quicker"

    @calls
    @pytest.mark.parametrize(
        ("status", "error"), [(403, Forbidden), (404, NotYet), (408, Busy), (429, RateLimited), (500, Busy)]
    )
    def test_a_status_says_what_happens_next(
        self, call: str, status: int, error: type[ProcessorError], bentley: Far, http: HttpClient
    ) -> None:
        raised = failing(call, bentley, http, Reply(status, headers={"Retry-After": "7"}))
        if call == "page" and status == 404:  # for this list only, and for good
            error = Forbidden
        if call == "find" and status == 403:  # told, and no reason to think that one of them has the job
            error = NotYet
            assert str(raised).count("answered 403") == 6
        assert type(raised) is error
        if status == 429:
            assert isinstance(raised, Retryable)
            assert raised.retry_after == 7
            assert len(bentley.asked) == 1

    @calls
    def test_a_token_that_ended_is_renewed_once(self, call: str, bentley: Far, http: HttpClient) -> None:
        do, good = CALLS[call]
        bentley.replies = [Reply(401), Reply(body=json.dumps(good).encode())]
        do(source(bentley, http), http)
        assert [token for _, _, token in bentley.asked[:2]] == ["Bearer access-1", "Bearer access-2"]
        assert bentley.tokens == 2

        assert isinstance(failing(call, bentley, http, Reply(401)), Shut)


class TestTheTokenStays:
    @calls
    @pytest.mark.parametrize("status", [302, 307])
    def test_a_redirect_to_another_host_is_not_followed(
        self, call: str, status: int, bentley: Far, host: Callable[[], Far], http: HttpClient
    ) -> None:
        foreign = host()
        moved = Reply(status, headers={"Location": f"{foreign.url}/steal"})
        assert isinstance(failing(call, bentley, http, moved), Unreadable)
        assert bentley.asked
        assert foreign.asked == []
        assert foreign.tokens == 0

    @pytest.mark.parametrize("token", ["x1", "a%2Fb%3D%3D", "a+b/c==", '{"token":"-RID:~x==","n":1}'])
    def test_a_link_to_another_host_is_used_for_nothing_but_its_token(
        self, token: str, bentley: Far, host: Callable[[], Far], http: HttpClient
    ) -> None:
        foreign = host()
        href = f"{foreign.url}/contextcapture/jobs?$filter=x&continuationToken={token}"
        pages = [{"jobs": [sample()["job"]], "_links": {"next": {"href": href}}}, {"jobs": []}]
        bentley.replies = [Reply(body=json.dumps(page).encode()) for page in pages]
        provider = source(bentley, http)
        first = provider.page(f"contextcapture/{ITWIN}", since=None, at=None, http=http)
        last = provider.page(f"contextcapture/{ITWIN}", since=None, at=first.next, http=http)
        assert (len(first.jobs), last.next, foreign.asked) == (1, None, [])
        escaped = token.replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
        assert bentley.asked[1] == (
            "GET",
            f"/contextcapture/jobs?$filter=iTwinId%20eq%20{ITWIN}&$top=1000&continuationToken={escaped}",
            "Bearer access-1",
        )

    def test_nor_does_a_list_of_webhooks_lead_there(
        self, bentley: Far, host: Callable[[], Far], http: HttpClient
    ) -> None:
        foreign = host()
        links = {"next": {"href": f"{foreign.url}/webhooks/?continuationToken=x1"}}
        pages = [{"webhooks": [WEBHOOK], "_links": links}, {"webhooks": []}]
        bentley.replies = [Reply(body=json.dumps(page).encode()) for page in pages]
        assert [one.id for one in source(bentley, http).subscriptions(http=http)] == ["w1"]
        assert [path for _, path, _ in bentley.asked] == ["/webhooks/", "/webhooks/?continuationToken=x1"]
        assert foreign.asked == []


def test_what_would_do_for_each_call_does(bentley: Far, http: HttpClient) -> None:
    """What is asserted above is not for want of an answer that is good."""
    for do, good in CALLS.values():
        bentley.replies = [Reply(body=json.dumps(good).encode())]
        do(source(bentley, http), http)
