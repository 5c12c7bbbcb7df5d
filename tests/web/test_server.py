"""The application behind the real server, over sockets that misbehave."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from web.stand_in import MAX_BODY, signature

from processor.errors import ConfigError, Usage
from processor.listening import check_free
from processor.web.server import serve

BODY = b'{"job": 1}'
STALLED = 200
SCRIPT = (
    "import sys; from processor.web.server import serve; serve('127.0.0.1', int(sys.argv[1]), target='stand_in:app')"
)


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def _running(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server of its own, which must end well when it is told to."""
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    server = subprocess.Popen([sys.executable, "-c", SCRIPT, str(port)], env=environ, stdout=subprocess.DEVNULL)
    try:
        _until_it_answers(port)
        yield server
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0
    finally:
        server.kill()


def _until_it_answers(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
                assert _read(connection)[0] == 200
                return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = _free_port()
    with _running(port):
        yield port


def _head(*lines: str, body: bytes = BODY) -> bytes:
    """The head of a request signed for `body`, with `lines` saying how long it is."""
    head = ("POST /webhooks/plain HTTP/1.1", "Host: here", "Content-Type: application/json")
    return "\r\n".join([*head, f"Signature: {signature(body)}", *lines, "", ""]).encode()


def _read(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of one answer."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65536)
        assert piece, "closed without an answer"
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1]), body


def _send(port: int, *pieces: bytes) -> tuple[int, bytes]:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return _read(connection)


def _chunks(body: bytes, size: int = 1000) -> bytes:
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_an_upload_in_chunks_is_taken(port):
    status, answer = _send(port, _head("Transfer-Encoding: chunked"), b"4\r\n" + BODY[:4] + b"\r\n", _chunks(BODY[4:]))
    assert status in (202, 200)  # 200 when another test sent the same before
    assert json.loads(answer)["id"]


@pytest.mark.parametrize("size", [MAX_BODY, MAX_BODY + 1])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_the_limit_holds_to_the_byte_however_the_body_comes(port, size, chunked):
    body = b"[" + b" " * (size - 2) + b"]"
    if chunked:
        status, _ = _send(port, _head("Transfer-Encoding: chunked", body=body), _chunks(body))
    else:
        status, _ = _send(port, _head(f"Content-Length: {size}", body=body), body)
    assert status == (400 if size == MAX_BODY else 413)  # 400: read whole, genuine, and no JSON object


def test_an_endless_upload_is_refused_while_it_is_still_coming(port):
    status, answer = _send(port, _head("Transfer-Encoding: chunked"), b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
    assert status == 413
    assert json.loads(answer)["title"] == "Request Entity Too Large"


def test_a_client_that_waits_to_be_told_to_continue_is_told(port):
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        connection.sendall(_head(f"Content-Length: {len(BODY)}", "Expect: 100-continue"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(BODY)
        assert _read(connection)[0] in (202, 200)


def test_a_client_that_announces_too_much_is_refused_before_it_sends(port):
    status, _ = _send(port, _head(f"Content-Length: {MAX_BODY + 1}", "Expect: 100-continue"))
    assert status == 413


def test_chunks_that_break_off_or_are_none_are_not_genuine(port):
    status, _ = _send(port, _head("Transfer-Encoding: chunked"), b"4\r\n" + BODY[:4] + b"\r\nzz\r\n")
    assert status == 401


def test_a_signature_given_twice_is_none(port):
    assert _send(port, _head(f"Signature: {signature(BODY)}", f"Content-Length: {len(BODY)}"), BODY)[0] == 401


def test_clients_that_stall_in_head_or_body_delay_no_other(port):
    with ExitStack() as stalled:
        for i in range(STALLED):
            connection = stalled.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=5)))
            connection.sendall(_head("Content-Length: 1000") + b"{" if i % 4 else b"POST /webhooks/plain HT")
        began = time.monotonic()
        for _ in range(20):
            assert _send(port, _head(f"Content-Length: {len(BODY)}"), BODY)[0] in (202, 200)
        assert time.monotonic() - began < 5


def test_a_server_told_to_stop_does_so_although_clients_stall():
    port = _free_port()
    with ExitStack() as stack:
        stalled = stack.enter_context(closing(socket.socket()))
        stack.enter_context(_running(port))  # told to stop while the client is still there
        stalled.connect(("127.0.0.1", port))
        stalled.sendall(_head("Content-Length: 1000") + b"{")
        assert _send(port, _head(f"Content-Length: {len(BODY)}"), BODY)[0] == 202


def test_an_application_that_cannot_be_built_is_a_fault_before_anything_serves():
    with pytest.raises(ConfigError, match="wrong"):
        serve("127.0.0.1", _free_port(), target="web.stand_in:faulty")


def _worker(port: int) -> int:
    """The process that answered."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: here\r\n\r\n")
        return int(json.loads(_read(connection)[1])["parts"]["pid"]["detail"])


def test_a_worker_that_is_killed_is_replaced():
    port = _free_port()
    with _running(port):
        killed = {_worker(port) for _ in range(50)}  # both, as good as always
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        _until_it_answers(port)
        assert _worker(port) not in killed


def test_when_the_server_is_killed_its_workers_let_go_of_the_port():
    port = _free_port()
    with _running(port) as server:
        server.kill()
        server.wait()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except ConnectionRefusedError:
                break
            time.sleep(0.1)
        check_free("127.0.0.1", port)


def test_a_port_that_is_taken_is_said_in_one_line(port):
    with pytest.raises(Usage, match=f"^port {port} on 127.0.0.1 is taken; choose another with --port or --host$"):
        serve("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "a" * 300])
def test_an_address_that_is_not_ours_is_said_in_one_line(host):
    with pytest.raises(Usage, match="cannot be had") as caught:
        serve(host, _free_port())
    assert "\n" not in caught.value.message
