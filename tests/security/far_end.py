"""A server that gives every connection the same bytes, and remembers what it was asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field


@dataclass
class FarEnd:
    port: int
    heard: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def far_end(answer: bytes, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[FarEnd]:
    """One request and one answer a connection."""
    listener = socket.create_server((host, port))
    it = FarEnd(listener.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with closing(connection):
                connection.settimeout(5)
                try:
                    it.heard.append(_request(connection))
                    connection.sendall(answer)
                except OSError:
                    continue  # whoever asked has heard enough

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield it
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return received
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < lengths[0]:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
