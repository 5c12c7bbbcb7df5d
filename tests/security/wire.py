"""The receiver in a process of its own, spoken to over bare sockets: what clients send that are none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from web.stand_in import signature

BODY = b'{"job": 1}'
_TESTS = Path(__file__).parents[1]
_SCRIPT = """
import sys
from processor import observe
from processor.web.server import serve
observe.set_up("json", None)
port, workers, seconds = sys.argv[1:]
serve("127.0.0.1", int(port), workers=int(workers), target="web.stand_in:app", answer_seconds=float(seconds))
"""


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def receiver(log: Path, *, workers: int = 1, answer_seconds: float = 30, **environ: str) -> Iterator[int]:
    """The port of a receiver that writes to `log`. It must end well when it is told to."""
    port = free_port()
    command = [sys.executable, "-c", _SCRIPT, str(port), str(workers), str(answer_seconds)]
    with log.open("wb") as file:
        server = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(_TESTS), **environ}, stderr=file)
    try:
        _wait_for(port)
        yield port
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    finally:
        server.kill()
        server.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            assert send(port, b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")[0] == 200
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def head(*lines: str, signed: bytes | None = BODY, path: str = "/webhooks/plain") -> bytes:
    """The head of a request with these lines, signed for a body unless it is None."""
    own = [f"POST {path} HTTP/1.1", "Host: here", "Content-Type: application/json"]
    if signed is not None:
        own.append(f"Signature: {signature(signed)}")
    return "\r\n".join([*own, *lines, "", ""]).encode("latin-1")


def whole(*lines: str, body: bytes = BODY, signed: bool = True) -> bytes:
    """A request that is as it should be, with these further lines in its head."""
    return head(f"Content-Length: {len(body)}", *lines, signed=body if signed else None) + body


def read(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of one answer. Status 0: the connection was closed without one."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            piece = b""
        if not piece:
            return 0, answer
        answer += piece
    top, _, body = answer.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in top.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while lengths and len(body) < lengths[0]:
        body += connection.recv(65536)
    return int(top.split()[1]), body


def send(port: int, request: bytes, *, timeout: float = 10) -> tuple[int, bytes]:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=timeout)) as connection:
        connection.sendall(request)
        return read(connection)
