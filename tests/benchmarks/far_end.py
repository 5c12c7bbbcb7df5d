"""Hover's API and a webhook's receiver in one process: they answer after a fixed time and note when they were asked.

`python far_end.py PORT SECONDS`. The simulator of the project does more, and so would be what is measured.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_JOB = re.compile(rb'"partitionkey": ?"[^"/]*/(\d+)"')

TOKEN = {"access_token": "access", "token_type": "Bearer", "expires_in": 7200, "refresh_token": "refresh"}


def job_document(job_id: str) -> dict[str, Any]:
    """A job as Hover's page shows it, done, without models: exactly one event follows, job.succeeded."""
    return {
        "id": int(job_id),
        "name": "Main House",
        "reconstruction_state": "completed",
        "external_identifier": f"ext-{job_id}",
        "url": f"https://hover.to/3d/{job_id}",
        "org": {"id": 463605, "name": "Example Org"},
        "address": {
            "location_line_1": "634 2nd Street",
            "location_line_2": "",
            "city": "San Francisco",
            "region": "CA",
            "postal_code": "94107",
            "country": "US",
            "latitude": "37.7810",
            "longitude": "-122.3932",
        },
        "customer": {"name": "Jane Roe", "email": "jane@example.com", "phone": "+1 555 0100"},
        "created_at": "2025-03-16T21:02:58.411Z",
        "updated_at": "2025-03-17T00:02:58.411Z",
        "archived_at": None,
        "models": [],
    }


class Notes:
    """When the first job was asked for, and when the event of each job came in first."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.first_fetch = 0.0
        self.arrivals: dict[str, float] = {}

    def fetched(self) -> None:
        self.first_fetch = self.first_fetch or time.monotonic()

    def arrived(self, body: bytes) -> None:
        found = _JOB.search(body)
        if found:
            self.arrivals.setdefault(found[1].decode(), time.monotonic())


class Connection(asyncio.Protocol):
    """One kept connection; its clients wait for an answer before they ask again."""

    def __init__(self, notes: Notes, latency: float) -> None:
        self._notes = notes
        self._latency = latency
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        method, target, _ = head.split(b" ", 2)
        self._answer(method.decode(), target.decode(), body)

    def _answer(self, method: str, path: str, body: bytes) -> None:
        notes = self._notes
        if path == "/sink":
            notes.arrived(body)
            self._later({"ok": True})
        elif path.startswith("/api/v3/jobs/"):
            notes.fetched()
            self._later(job_document(path.rpartition("/")[2]))
        elif path.startswith("/at-once/"):
            self._write(job_document(path.rpartition("/")[2]))
        elif path == "/oauth/token":
            self._write(TOKEN)
        elif path == "/count":
            self._write(len(notes.arrivals))
        else:
            self._write({"first_fetch": notes.first_fetch, "arrivals": notes.arrivals})
            if method == "DELETE":
                notes.forget()

    def _later(self, document: Any) -> None:
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._write, document)
        else:
            self._write(document)

    def _write(self, document: Any) -> None:
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def serve(port: int, latency: float) -> None:
    notes = Notes()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(notes, latency), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
