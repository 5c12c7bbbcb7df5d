"""A load generator: prepared requests over kept connections, as fast as they are answered or by a timetable."""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

CONNECTIONS = 16
REFUSED = b"503"  # not now, send it again
KNOWN = b"200"  # it was kept after all
STALLS = 4  # times that each connection's request may be refused in a run: a disk or a machine may stall for a moment
PATIENCE = 15.0  # seconds without any answer after which the server counts as hung

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Load:
    """How a run went. `latencies` are in seconds, in the order of the requests; `cpu` is what the generator used.

    `refused` were answered 503 and sent again at once.
    """

    began: float
    seconds: float
    cpu: float
    latencies: Sequence[float]
    refused: int = 0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


@dataclass
class _Connection:
    socket: socket.socket
    index: int = 0  # of the request that is under way
    since: float = 0.0
    again: bool = False
    received: bytes = field(default=b"", repr=False)

    def answered(self, expected: bytes) -> bytes:
        """Read what there is. The status once the answer is whole; raises RuntimeError for one that is unexpected."""
        chunk = self.socket.recv(65536)
        if not chunk:
            raise RuntimeError("the server closed a connection")
        self.received += chunk
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return b""
        status = head[9:12]
        if status not in (expected, REFUSED) and not (self.again and status == KNOWN):
            raise RuntimeError(f"the server answered {self.received[:500]!r}")
        length = _LENGTH.search(head)
        if len(body) < (int(length[1]) if length else 0):
            return b""
        self.received = b""
        return status


def drive(
    port: int,
    requests: Sequence[bytes],
    *,
    rate: float | None = None,
    status: int = 202,
    connections: int = CONNECTIONS,
) -> Load:
    """Send each of `requests` once. Without a `rate` a connection sends its next request once it has its answer.

    With one, request i is due at began + i / rate whatever became of the others, and its latency counts from then: a
    server that stalls is not spared the requests it kept waiting.
    """
    expected = str(status).encode()
    latencies = [0.0] * len(requests)
    ahead, refused = deque(range(len(requests))), list[int]()
    idle = deque(_Connection(socket.create_connection(("127.0.0.1", port))) for _ in range(connections))
    done = 0
    with selectors.DefaultSelector() as selector:
        for connection in idle:
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        cpu, began = time.process_time(), time.monotonic()
        while done < len(requests):
            wait = PATIENCE
            while idle and ahead:
                now = time.monotonic()
                due = began + ahead[0] / rate if rate else now
                if due > now:
                    wait = due - now
                    break
                connection = idle.popleft()  # in turn, so that none is idle for so long that the server closes it
                connection.index, connection.since = ahead.popleft(), due
                connection.again = connection.index in refused
                connection.socket.sendall(requests[connection.index])
            ready = selector.select(wait)
            if not ready and wait == PATIENCE:
                raise RuntimeError(f"no answer within {PATIENCE:g} s")
            for key, _ in ready:
                connection = key.data
                answer = connection.answered(expected)
                if answer == REFUSED:
                    refused.append(connection.index)
                    ahead.appendleft(connection.index)
                    if len(refused) > STALLS * connections:
                        raise RuntimeError(f"{len(refused)} of {len(requests)} requests were answered 503")
                elif answer:
                    latencies[connection.index] = time.monotonic() - connection.since
                    done += 1
                if answer:
                    idle.append(connection)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    for connection in idle:
        connection.socket.close()
    return Load(began, seconds, cpu, latencies, len(refused))
