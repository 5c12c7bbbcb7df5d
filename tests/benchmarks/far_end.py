"""Hover's API and a webhook's receiver in one process: they answer after a fixed time and note when they were asked.

`python far_end.py PORT`; `PUT /manner` says how it answers. The simulator of the project does more, and so would be
what is measured.
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


def job_document(job_id: str, models: int) -> dict[str, Any]:
    """A job as Hover's page shows it, done: an event follows for each model, and job.succeeded."""
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
        "models": [_model(int(job_id) * 1000 + i) for i in range(models)],
    }


def _model(model_id: int) -> dict[str, Any]:
    """A model as Hover's page shows it, done."""
    base = f"https://hover.to/api/v3/models/{model_id}"
    return {
        "id": model_id,
        "name": "Main House",
        "state": "complete",
        "failure_reason": None,
        "three_d_experience": {"type": "complete", "url": f"https://hover.to/3d/{model_id}"},
        "images": [{"id": model_id * 10, "url": f"https://hover.to/api/v3/images/{model_id}0/image.jpg"}],
        "artifacts": {
            "measurements": {"pdf": f"{base}/artifacts/measurements.pdf", "json": f"{base}/artifacts/measurements.json"}
        },
        "created_at": "2025-03-16T21:02:58.411Z",
        "updated_at": "2025-03-17T00:02:58.411Z",
    }


class Notes:
    """When each job was asked for first, when its first event came in, and when each event did."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.fetches: dict[str, float] = {}
        self.arrivals: dict[str, float] = {}
        self.events: list[float] = []

    def fetched(self, job_id: str) -> None:
        self.fetches.setdefault(job_id, time.monotonic())

    def arrived(self, body: bytes) -> None:
        found, now = _JOB.search(body), time.monotonic()
        if found:
            self.arrivals.setdefault(found[1].decode(), now)
            self.events.append(now)


class Manner:
    """How the far end answers: after how many seconds, with how many models, whether the sink refuses."""

    def __init__(self) -> None:
        self.latency, self.models, self.refuse = 0.0, 0, 0


class Connection(asyncio.Protocol):
    """One kept connection; its clients wait for an answer before they ask again."""

    def __init__(self, notes: Notes, manner: Manner) -> None:
        self._notes = notes
        self._manner = manner
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
        notes, job_id = self._notes, path.rpartition("/")[2]
        if path == "/sink" and self._manner.refuse:
            self._write({"no": "this document is refused"}, "422 Unprocessable Content")
        elif path == "/sink":
            notes.arrived(body)
            self._later({"ok": True})
        elif path.startswith("/api/v3/jobs/"):
            notes.fetched(job_id)
            self._later(job_document(job_id, self._manner.models))
        elif path.startswith("/at-once/"):
            self._write(job_document(job_id, 0))
        elif path == "/oauth/token":
            self._write(TOKEN)
        elif path == "/manner":
            vars(self._manner).update(json.loads(body))
            self._write(vars(self._manner))
        elif path == "/count":
            self._write(len(notes.events))
        else:
            self._write({"fetches": notes.fetches, "arrivals": notes.arrivals, "events": notes.events})
            if method == "DELETE":
                notes.forget()

    def _later(self, document: Any) -> None:
        if self._manner.latency:
            asyncio.get_running_loop().call_later(self._manner.latency, self._write, document)
        else:
            self._write(document)

    def _write(self, document: Any, status: str = "200 OK") -> None:
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def serve(port: int) -> None:
    notes, manner = Notes(), Manner()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(notes, manner), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
