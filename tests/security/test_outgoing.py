"""What whoever answers us may try: a sink's name that moves, a provider's answer, an address that leads elsewhere."""

from __future__ import annotations

import gzip
import socket
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from providers import bentley_source, hover_account
from security.far_end import far_end
from security.hostile import IDS

from processor.errors import NotYet, Refused, Retryable, Shut, Unreadable
from processor.http import HttpClient
from processor.model import Secret
from processor.oauth import ClientCredentials, OAuth
from processor.ports import Provider
from processor.providers.bentley.families import FAMILIES
from processor.sinks.webhook import Webhook
from processor.sockets import is_public
from processor.testing.builders import an_event
from processor.testing.fakes import FakeHttp, StandingClock, answer, some_tools

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def webhook(url: str, **client: Any) -> Webhook:
    http = HttpClient(timeout=2, repeatable={"POST"}, **client)
    return Webhook("out", url, http=http, clock=StandingClock())


# --- where to --------------------------------------------------------------------------------------------------------


def test_a_name_that_moves_into_our_network_is_refused_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: first the address is public, which 127.0.0.1 plays, then 127.0.0.2, where somebody listens."""
    with far_end(OK) as public, far_end(OK, host="127.0.0.2", port=public.port) as inside:
        addresses = iter(["127.0.0.1", "127.0.0.2", "127.0.0.2"])

        def getaddrinfo(host: str, port: int, **kwargs: object) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(addresses), port))]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr("processor.sockets.is_public", lambda address: address == "127.0.0.1")
        sink = webhook(f"http://hooks.example:{public.port}/", allow_private=False)
        sink.deliver(an_event())
        for _ in range(2):
            with pytest.raises(Shut, match=r"127\.0\.0\.2 is not a public address"):
                sink.deliver(an_event())
        sink.close()
        assert (len(public.heard), inside.heard) == (1, [])


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1"),
        *(
            "169.254.169.254",
            "192.0.0.192",
            "168.63.129.16",
            "192.88.99.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
        ),
        *("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
        *("64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    ],
)
def test_no_address_of_ours_or_of_a_clouds_metadata_is_public(address: str) -> None:
    assert not is_public(address)


def test_a_redirect_into_our_network_is_not_followed() -> None:
    with far_end(OK) as inside:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {inside.url}\r\nContent-Length: 0\r\n\r\n".encode()
        with far_end(moved) as outside:
            sink = webhook(outside.url)
            with pytest.raises(Shut, match="answered 307"):
                sink.deliver(an_event())
            sink.close()
            assert (len(outside.heard), inside.heard) == (1, [])


# --- what comes back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "encodings"),
    [
        (gzip.compress(bytes(60_000_000), 6), "gzip"),
        (gzip.compress(gzip.compress(bytes(60_000_000), 6)), "gzip, gzip"),
    ],
    ids=["60 MB in 60 KB", "60 MB in some hundred bytes"],
)
def test_a_compressed_answer_costs_no_more_memory_than_the_cap_allows(body: bytes, encodings: str) -> None:
    top = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encodings}\r\nContent-Length: {len(body)}\r\n\r\n"
    with far_end(top.encode() + body) as bomb:
        client = HttpClient(max_body=1_000_000)
        tracemalloc.start()
        try:
            with pytest.raises(Unreadable):
                client.request("GET", bomb.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            client.close()
    assert peak < 25_000_000


def test_a_token_that_would_make_a_header_is_not_taken() -> None:
    for hostile in ("a\r\nX-Admin: 1", "a b", "\u2028", "", None, {"a": 1}):
        http = FakeHttp(always=answer(json={"access_token": hostile, "expires_in": 3600}))
        grant = ClientCredentials("id", Secret("s"), "scope")
        with pytest.raises(Unreadable):
            OAuth("itwin", "https://ims.example/token", grant, some_tools(http=http)).token()


# --- ids in addresses ------------------------------------------------------------------------------------------------


def _bentley(http: FakeHttp) -> tuple[Provider, list[str]]:
    return bentley_source.make(http), [family.api for family in FAMILIES]


def _hover(http: FakeHttp) -> tuple[Provider, list[str]]:
    return hover_account.make(http), ["v3"]


@pytest.mark.parametrize("make", [_bentley, _hover])
@pytest.mark.parametrize("job_id", [*IDS, "~estimate-1/../../2"], ids=ascii)
def test_a_hostile_id_reaches_no_address(make: Callable[[FakeHttp], tuple[Provider, list[str]]], job_id: str) -> None:
    http = FakeHttp()
    provider, apis = make(http)
    for api in apis:
        with pytest.raises(NotYet):
            provider.fetch(job_id, api=api, http=http)
    assert http.sent == []


@pytest.mark.parametrize("api", ["", "..", "//evil.example", "https://evil.example", "realitymodeling/../x", "\r\n"])
def test_a_job_api_that_is_none_of_bentleys_reaches_no_address(api: str) -> None:
    http = FakeHttp()
    with pytest.raises(Refused, match="no job API of this name"):
        bentley_source.make(http).fetch(bentley_source.JOB, api=api, http=http)
    assert http.sent == []


def test_no_value_makes_a_second_header() -> None:
    """What could make a second header out of a value is refused before anything is sent."""
    with far_end(OK) as listener:
        client = HttpClient()
        for value in ("Bearer x\r\nX-Admin: 1", "Bearer x\nX-Admin: 1", "Bearer \u2028"):
            with pytest.raises(Retryable):
                client.request("GET", listener.url, headers={"Authorization": value})
        client.request("GET", f"{listener.url}a b?c=\r\nX-Admin: 1#d")
        client.close()
    assert len(listener.heard) == 1
    assert b"\r\nX-Admin" not in listener.heard[0]
