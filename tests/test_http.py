"""The HTTP client against servers that misbehave in every way we know, on real sockets."""

from __future__ import annotations

import contextlib
import gzip
import inspect
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from processor import __version__, sockets
from processor.errors import ProcessorError, Retryable, Shut, Unreachable, Unreadable
from processor.http import HttpClient, http_date, retry_after, shown, translate
from processor.sockets import is_public

CERTIFICATE = Path(__file__).parent / "data" / "tls" / "server.pem"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Script = Callable[[socket.socket], None]


def read_request(connection: socket.socket) -> bytes:
    """One request with its body, or nothing when the client has gone."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return b""
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(*answers: bytes) -> Script:
    """One answer a request, then the connection is closed."""

    def script(connection: socket.socket) -> None:
        for answer in answers:
            read_request(connection)
            connection.sendall(answer)

    return script


def dripping(start: bytes, drop: bytes) -> Script:
    """The start of an answer at once, then a drop every few milliseconds for as long as anybody listens."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return script


class Server:
    """Gives each connection to the next script; the last one serves all that come after."""

    def __init__(self, *scripts: Script, tls: bool = False) -> None:
        self._scripts = scripts
        self._context: ssl.SSLContext | None = None
        self.names: list[str | None] = []  # what TLS clients called us
        self.patience = 0.0  # seconds before it shakes hands
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(CERTIFICATE)
            self._context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https://localhost' if self._context else 'http://127.0.0.1'}:{self.port}/jobs/1"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(len(self.connections), len(self._scripts) - 1)]
            self.connections.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection, script)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket, script: Script) -> None:
        try:
            time.sleep(self.patience)
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
                self.connections.append(connection)
            script(connection)
        except OSError:
            pass  # the client has gone, or the test is over
        finally:
            connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*scripts: Script, tls: bool = False) -> Server:
        servers.append(Server(*scripts, tls=tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def client() -> Iterator[HttpClient]:
    client = HttpClient(ca_bundle=str(CERTIFICATE))
    yield client
    client.close()


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def deaf(connection: socket.socket) -> None:
    time.sleep(1)


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(silent, id="no answer"),
        pytest.param(dripping(b"", b"H"), id="a status line without an end"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\nA: ", b"b"), id="a header without an end"),
        pytest.param(dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="interim answers without an end"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"b"), id="a dripping body"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"b"), id="a dripping body of unknown length"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nb\r\n"), id="chunks"),
    ],
)
def test_an_exchange_ends_in_time_whatever_the_server_does(
    serve: Callable[..., Server], client: HttpClient, script: Script, tls: bool
) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"no whole answer in 0\.3 s"):
        client.request("GET", serve(script, tls=tls).url, timeout=0.3)
    assert 0.25 < time.monotonic() - began < 1


def test_a_server_that_never_shakes_hands_costs_no_more_than_the_time(
    serve: Callable[..., Server], client: HttpClient
) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable, match="no whole answer"):
        client.request("GET", f"https://localhost:{serve(silent).port}/", timeout=0.3)
    assert time.monotonic() - began < 1


def test_a_server_that_does_not_listen_to_a_large_request_costs_no_more_than_the_time(
    serve: Callable[..., Server], client: HttpClient
) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable, match="no whole answer"):
        client.request("POST", serve(deaf).url, body=bytes(50_000_000), timeout=0.3)
    assert time.monotonic() - began < 0.9


def test_the_time_begins_anew_with_each_exchange_on_a_kept_connection(
    serve: Callable[..., Server], client: HttpClient
) -> None:
    server = serve(answering(OK, OK))
    client.request("GET", server.url, timeout=0.2)
    time.sleep(0.25)
    assert client.request("GET", server.url, timeout=0.2).status == 200
    assert len(server.connections) == 1


# --- size ------------------------------------------------------------------------------------------------------------


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def sized(body: bytes, extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (extra, len(body), body)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(sized(bytes(1001)), id="of stated length"),
        pytest.param(chunked(bytes(1001)), id="chunked"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1001), id="until the end"),
        pytest.param(sized(gzip.compress(bytes(10_000_000)), b"Content-Encoding: gzip\r\n"), id="after decompression"),
        pytest.param(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1001\r\n\r\n" + bytes(1001), id="redirect"),
    ],
)
def test_a_body_over_the_cap_is_unreadable(serve: Callable[..., Server], answer: bytes) -> None:
    with pytest.raises(Unreadable, match="larger than 1000 bytes"):
        HttpClient(max_body=1000).request("GET", serve(answering(answer)).url)


@pytest.mark.parametrize("answer", [sized(bytes(1000)), chunked(bytes(1000))])
def test_a_body_of_just_the_cap_is_read(serve: Callable[..., Server], answer: bytes) -> None:
    assert HttpClient(max_body=1000).request("GET", serve(answering(answer)).url).body == bytes(1000)


# --- everything else that goes wrong ---------------------------------------------------------------------------------

MISBEHAVIOUR = [
    pytest.param(lambda c: None, Unreachable, "cut", id="closes at once"),
    pytest.param(answering(b""), Unreachable, "cut", id="closes without an answer"),
    pytest.param(
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), Unreachable, "cut", id="cut in the body"
    ),
    pytest.param(
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        Unreachable,
        "cut",
        id="cut in a chunk",
    ),
    pytest.param(answering(b"SECRET nonsense\r\n\r\n"), Unreadable, "not HTTP", id="not HTTP"),
    pytest.param(answering(b"HTTP/1.1 SECRET\r\n\r\n"), Unreadable, "not HTTP", id="no status"),
    pytest.param(answering(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200), Unreadable, "not HTTP", id="200 headers"),
    pytest.param(answering(b"HTTP/1.1 200 " + b"a" * 70_000), Unreadable, "not HTTP", id="an endless line"),
    pytest.param(
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        Unreadable,
        "header",
        id="two lengths",
    ),
    pytest.param(
        answering(sized(b"SECRET", b"Content-Encoding: gzip\r\n")), Unreadable, "content is malformed", id="not gzip"
    ),
]


@pytest.mark.parametrize(("script", "error", "words"), MISBEHAVIOUR)
def test_a_failure_is_one_of_ours_and_tells_no_secret(
    serve: Callable[..., Server], client: HttpClient, script: Script, error: type[ProcessorError], words: str
) -> None:
    url, query = serve(script).url, "?token=SECRET#SECRET"
    headers, form = {"Authorization": "SECRET"}, {"password": "SECRET"}
    with pytest.raises(error, match=words) as raised:
        client.request("POST", url + query, headers=headers, form=form)
    assert url in raised.value.message
    assert "SECRET" not in "".join(traceback.format_exception(raised.value))


def test_nobody_there_is_unreachable(client: HttpClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match="refused"):
        client.request("GET", f"http://127.0.0.1:{port}/")


def test_a_door_that_is_slammed_is_unreachable(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose queue of connections is thrown away resets ours before anything was sent."""
    monkeypatch.setattr(sockets._Socket, "connect", _raise(ConnectionResetError(104, "Connection reset by peer")))
    for scheme in ("http", "https"):
        with pytest.raises(Unreachable, match="cut"):
            client.request("POST", f"{scheme}://127.0.0.1:9/", json={})


def test_a_name_that_nobody_knows_is_unreachable(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _raise(socket.gaierror(-2, "Name or service not known")))
    with pytest.raises(Unreachable, match="name cannot be resolved"):
        client.request("GET", "http://nobody.example/")


def _raise(error: Exception) -> Callable[..., Any]:
    def raiser(*args: object, **kwargs: object) -> None:
        raise error

    return raiser


@pytest.mark.parametrize(
    "url",
    [
        "http://*.example/",
        "http://" + "a" * 64 + ".example/",
        "http://[::1/",
        "http://a:99999/",
        "http:///x",
        "http://:1",
    ],
)
def test_an_address_that_makes_no_sense_is_one_of_our_errors(client: HttpClient, url: str) -> None:
    with pytest.raises(Retryable):
        client.request("GET", url)


@pytest.mark.parametrize("url", ["ftp://a.example/", "file:///etc/passwd", "//a.example", "a.example", ""])
def test_another_scheme_is_refused(client: HttpClient, url: str) -> None:
    with pytest.raises(Shut, match="must begin with https"):
        client.request("GET", url)


@pytest.mark.parametrize("url", ["http://user:SECRET@a.example/", "http://a.example\\@b.example/"])
def test_an_address_with_a_user_is_refused(client: HttpClient, url: str) -> None:
    with pytest.raises(Shut, match="user name or password") as raised:
        client.request("GET", url)
    assert "SECRET" not in raised.value.message


@pytest.mark.parametrize("headers", [{"A": "b\r\nC: d"}, {"A\n": "b"}, {"A": "\N{SNOWMAN}"}])
def test_a_header_that_cannot_be_sent_is_one_of_our_errors(
    serve: Callable[..., Server], client: HttpClient, headers: dict[str, str]
) -> None:
    with pytest.raises(Retryable):
        client.request("GET", serve(answering(OK)).url, headers=headers)


THEIRS = {
    "RequestException": Unreachable,
    "ConnectionError": Unreachable,
    "ProxyError": Unreachable,
    "SSLError": Unreachable,
    "Timeout": Unreachable,
    "ConnectTimeout": Unreachable,
    "ReadTimeout": Unreachable,
    "HTTPError": Unreachable,
    "URLRequired": Unreachable,
    "TooManyRedirects": Unreachable,
    "MissingSchema": Unreachable,
    "InvalidSchema": Unreachable,
    "InvalidURL": Unreachable,
    "InvalidProxyURL": Unreachable,
    "ChunkedEncodingError": Unreachable,
    "StreamConsumedError": Unreachable,
    "RetryError": Unreachable,
    "UnrewindableBodyError": Unreachable,
    "InvalidHeader": Unreadable,
    "InvalidJSONError": Unreadable,
    "JSONDecodeError": Unreadable,
    "ContentDecodingError": Unreadable,
}


def test_every_error_of_requests_has_been_thought_of() -> None:
    """A new one fails here, so that somebody decides what it means."""
    theirs = {
        name: kind
        for name, kind in inspect.getmembers(requests.exceptions, inspect.isclass)
        if issubclass(kind, requests.RequestException)
    }
    assert theirs.keys() == THEIRS.keys()
    for name, kind in theirs.items():
        error = kind("SECRET", "", 0) if name == "JSONDecodeError" else kind("SECRET")
        ours = translate(error, "https://a.example/jobs/1?token=SECRET")
        assert type(ours) is THEIRS[name], name
        assert ours.message.startswith("https://a.example/jobs/1: ")
        assert "SECRET" not in ours.message


# --- TLS -------------------------------------------------------------------------------------------------------------


def test_a_certificate_that_nobody_vouches_for_is_refused(serve: Callable[..., Server]) -> None:
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        HttpClient().request("GET", serve(answering(OK), tls=True).url)


def test_a_certificate_for_another_name_is_refused(serve: Callable[..., Server], client: HttpClient) -> None:
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        client.request("GET", f"https://127.0.0.1:{serve(answering(OK), tls=True).port}/")


def test_a_port_that_speaks_no_tls_is_unreachable(serve: Callable[..., Server], client: HttpClient) -> None:
    plain = serve(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(Unreachable, match="TLS failed"):
        client.request("GET", f"https://localhost:{plain.port}/")


def test_a_trusted_certificate_is_accepted(serve: Callable[..., Server], client: HttpClient) -> None:
    assert client.request("GET", serve(answering(OK), tls=True).url).body == b"ok"


# --- where we may go -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
        ),
        *("224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
        *("::", "::1", "fe80::1", "fe80::1%2", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
        *("64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
    ],
)
def test_an_address_that_is_not_public_is_known_as_such(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_is_known_as_such(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4, network="127.0.0.0/8") | st.ip_addresses(v=4, network="10.0.0.0/8"))
def test_a_private_address_is_private_in_every_disguise(address: Any) -> None:
    for disguise in (f"::ffff:{address}", f"64:ff9b::{address}", f"::{address}"):
        assert not is_public(disguise)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_a_guarded_client_refuses_our_own_network_however_it_is_spelled(
    serve: Callable[..., Server], host: str
) -> None:
    server = serve(answering(OK))
    with pytest.raises(Shut, match="allow_private"):
        HttpClient(allow_private=False).request("GET", f"http://{host}:{server.port}/")
    assert server.connections == []


def test_the_address_that_was_checked_is_the_one_connected_to(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that changes its address between check and connection gains nothing: it is asked once. Here 127.0.0.1
    plays the public address."""
    server = serve(answering(OK, OK), tls=True)
    asked = []

    def getaddrinfo(host: str, port: int, **kwargs: object) -> list[Any]:
        asked.append(host)
        addresses = ["10.0.0.1", "127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, server.port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("processor.sockets.is_public", lambda address: address == "127.0.0.1")
    client = HttpClient(allow_private=False, ca_bundle=str(CERTIFICATE))
    for _ in range(2):
        assert client.request("GET", "https://hooks.example/").status == 200
    assert asked == ["hooks.example"]
    assert server.names == ["hooks.example"]


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    serve: Callable[..., Server], client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answering(OK))
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [_connecting(full.getsockname()) for _ in range(3)]  # a full backlog: what comes now is not answered
        entries = [full.getsockname(), ("127.0.0.1", server.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", entry) for entry in entries]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
        assert client.request("GET", "http://two.example/", timeout=0.8).status == 200
        for filler in fillers:
            filler.close()


def test_a_slow_handshake_has_all_the_time_that_is_left(
    serve: Callable[..., Server], client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answering(OK), tls=True)
    server.patience = 0.5
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))] * 2
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    assert client.request("GET", "https://hooks.example/", timeout=0.9).status == 200


def _connecting(address: Any) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    connection.connect_ex(address)
    return connection


# --- connections -----------------------------------------------------------------------------------------------------


def test_a_connection_is_kept(serve: Callable[..., Server], client: HttpClient) -> None:
    server = serve(answering(OK, OK, OK))
    for _ in range(3):
        client.request("GET", server.url)
    assert len(server.connections) == 1


def test_closing_twice_is_fine_and_the_next_request_opens_anew(
    serve: Callable[..., Server], client: HttpClient
) -> None:
    server = serve(answering(OK, OK))
    client.request("GET", server.url)
    client.close()
    client.close()
    client.request("GET", server.url)
    assert len(server.connections) == 2


def closing_in_the_second_request(connection: socket.socket) -> None:
    """What a server does whose idle time ends just as the next request arrives."""
    read_request(connection)
    connection.sendall(OK)
    read_request(connection)


def test_a_get_on_a_connection_that_was_just_closed_is_sent_again(
    serve: Callable[..., Server], client: HttpClient
) -> None:
    server = serve(closing_in_the_second_request, answering(OK))
    client.request("GET", server.url)
    assert client.request("GET", server.url).status == 200
    assert len(server.connections) == 2


def test_a_get_is_sent_again_only_once(serve: Callable[..., Server], client: HttpClient) -> None:
    server = serve(closing_in_the_second_request, answering(b""))
    client.request("GET", server.url)
    with pytest.raises(Unreachable, match="cut"):
        client.request("GET", server.url)
    assert len(server.connections) == 2


def test_a_get_on_a_new_connection_is_not_sent_again(serve: Callable[..., Server], client: HttpClient) -> None:
    server = serve(answering(b""))
    with pytest.raises(Unreachable, match="cut"):
        client.request("GET", server.url)
    assert len(server.connections) == 1


def test_a_post_is_sent_again_only_where_a_repeat_is_harmless(serve: Callable[..., Server], client: HttpClient) -> None:
    server = serve(closing_in_the_second_request, answering(OK))
    client.request("POST", server.url)
    with pytest.raises(Unreachable, match="cut"):
        client.request("POST", server.url)

    server = serve(closing_in_the_second_request, answering(OK))
    repeating = HttpClient(repeatable={"POST"})
    repeating.request("POST", server.url, body=b"event")
    assert repeating.request("POST", server.url, body=b"event").status == 200


def test_threads_share_a_client(serve: Callable[..., Server], client: HttpClient) -> None:
    def echo(connection: socket.socket) -> None:
        while request := read_request(connection):
            connection.sendall(sized(request.split(b" ")[1]))

    server = serve(echo)
    paths = [f"/{n}" for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda path: client.request("GET", f"http://127.0.0.1:{server.port}{path}"), paths))
    assert [answer.body.decode() for answer in answers] == paths
    assert len(server.connections) <= 8


# --- what is sent and what comes back --------------------------------------------------------------------------------


def recording(requests_seen: list[bytes], answer: bytes = OK) -> Script:
    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            requests_seen.append(request)
            connection.sendall(answer)

    return script


def test_a_redirect_is_an_answer_and_no_cookie_is_kept(serve: Callable[..., Server], client: HttpClient) -> None:
    seen: list[bytes] = []
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /other\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    url = serve(recording(seen, redirect)).url
    answer = client.request("GET", url)
    client.request("GET", url)
    assert (answer.status, answer.headers["location"]) == (302, "/other")
    assert len(seen) == 2
    assert b"ookie" not in seen[1]


def test_the_environment_is_not_read(
    serve: Callable[..., Server], client: HttpClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password SECRET")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    seen: list[bytes] = []
    assert client.request("GET", serve(recording(seen)).url).status == 200
    assert b"authorization" not in seen[0].lower()


@pytest.mark.parametrize(
    ("arguments", "content_type", "body"),
    [
        ({"json": {"a": None}}, b"application/json", b'{"a": null}'),
        ({"form": {"grant_type": "x y"}}, b"application/x-www-form-urlencoded", b"grant_type=x+y"),
        ({"body": b"\x00\xff", "headers": {"Content-Type": "image/png"}}, b"image/png", b"\x00\xff"),
    ],
    ids=["json", "form", "bytes"],
)
def test_what_is_sent(
    serve: Callable[..., Server], client: HttpClient, arguments: dict[str, Any], content_type: bytes, body: bytes
) -> None:
    seen: list[bytes] = []
    client.request("POST", serve(recording(seen)).url + "?a=b%2Fc", **arguments)
    head, _, sent = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /jobs/1?a=b%2Fc HTTP/1.1\r\n")
    assert b"Content-Type: " + content_type in head
    assert b"User-Agent: jobwire/" + __version__.encode() in head
    assert sent == body


def test_an_answer_has_lower_case_headers_and_the_decompressed_body(
    serve: Callable[..., Server], client: HttpClient
) -> None:
    body = gzip.compress(b'{"a": 1}')
    answer = sized(body, b"Content-Encoding: gzip\r\nX-Twice: a\r\nX-Twice: b\r\n")
    received = client.request("GET", serve(answering(answer)).url)
    assert received.headers["x-twice"] == "a, b"
    assert received.json() == {"a": 1}


def test_an_error_status_is_an_answer(serve: Callable[..., Server], client: HttpClient) -> None:
    url = serve(answering(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")).url
    assert client.request("GET", url).status == 500


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:SECRET@a.example:8443/x/y?token=SECRET#SECRET", "https://a.example:8443/x/y"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("http://[::1", "an address that cannot be read"),
    ],
)
def test_an_address_in_a_message_has_nothing_secret(url: str, expected: str) -> None:
    assert shown(url) == expected


# --- Retry-After -----------------------------------------------------------------------------------------------------

NOW = datetime(2025, 3, 18, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "nan", "inf", "-inf", "Tue, 99 Mar 2025 00:00:00 GMT", "1e999", "18 Mar 9999999 00:00:00"]
)
def test_a_retry_after_that_nobody_can_read_counts_as_none(text: str) -> None:
    assert retry_after({"retry-after": text}, now=NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 1.5 ", 1.5),
        ("-3", 0),
        ("86400", 3600),
        ("Tue, 18 Mar 2025 00:01:30 GMT", 90),
        ("Tuesday, 18-Mar-25 00:01:30 GMT", 90),
        ("Mon, 17 Mar 2025 00:00:00 GMT", 0),
        ("Tue, 18 Mar 2035 00:00:00 GMT", 3600),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_within_an_hour(text: str, seconds: float) -> None:
    assert retry_after({"retry-after": text}, now=NOW) == seconds


def test_without_a_retry_after_there_is_none() -> None:
    assert retry_after({}) is None


@given(st.text() | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [+-]?\w+", fullmatch=True))
def test_no_retry_after_makes_us_fail(text: str) -> None:
    seconds = retry_after({"retry-after": text}, now=NOW)
    assert seconds is None or 0 <= seconds <= 3600


@pytest.mark.parametrize(
    "text", ["", "yesterday", "18 Mar 99999999999999999999 00:00:00", "31 Dec 9999 23:59:00 -2359"]
)
def test_a_date_that_is_none_is_none(text: str) -> None:
    assert http_date(text) is None


def test_a_date_without_a_zone_is_in_utc() -> None:
    assert http_date("Tue, 18 Mar 2025 00:00:00") == http_date("Tue, 18 Mar 2025 02:00:00 +0200") == NOW
