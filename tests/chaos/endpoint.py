"""Somebody's webhook receiver, which writes down what it took in which order, and may be in any of several bad ways."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLawg"
TIMEOUT = 2.0  # seconds that a delivery to it may take, as configured


@dataclass(frozen=True)
class Arrival:
    """An event that was taken."""

    id: str
    type: str
    job: str  # source/id

    @classmethod
    def of(cls, event: Any) -> Arrival:
        return cls(event["id"], event["type"], f"{event['data']['source']}/{event['data']['job']['id']}")


class Endpoint:
    """`mood` is "" or one of plan.ENDPOINT. `lose` makes it forget what it has taken."""

    def __init__(self) -> None:
        self.mood = ""
        self._swallows = 0
        self._lost: set[str] = set()
        self.arrivals: list[Arrival] = []
        self.answers: dict[str, int] = {}
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 30

            def do_POST(self) -> None:
                endpoint.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *said: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that went away, or was killed, is nothing to talk about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/in"

    def configuration(self, name: str) -> str:
        """A sink that tells this endpoint."""
        return (
            f'[sinks.{name}]\ntype = "webhook"\nurl = "{self.url}"\nsecret = "{SECRET}"\n'
            f'timeout = "{TIMEOUT:.0f}s"\nallow_private = true\n'
        )

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        mood = self.mood
        with self._lock:
            self.answers[mood or "fine"] = self.answers.get(mood or "fine", 0) + 1
        if mood == "hang":
            time.sleep(TIMEOUT + 1)
        if mood == "slow":
            time.sleep(TIMEOUT / 4)
        if mood in ("hang", "cut"):
            return self._hang_up(handler)
        if mood in ("", "slow", "lost answer"):
            self._take(Webhook(SECRET).verify(body, dict(handler.headers)))
        if mood == "lost answer":
            return self._hang_up(handler)
        if mood == "garbled":
            handler.wfile.write(b"\x00\xff not HTTP at all\r\n\r\n")
            return self._hang_up(handler)
        handler.send_response(int(mood) if mood.isdigit() else 204)
        if mood == "429":
            handler.send_header("Retry-After", "1")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return None

    def lose(self, many: int) -> None:
        """The next so many events that are new here are answered 204 and never seen again."""
        self._swallows += many

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, event: Any) -> None:
        with self._lock:
            arrival = Arrival.of(event)
            if self._swallows and arrival not in self.arrivals:
                self._swallows -= 1
                self._lost.add(arrival.id)
            if arrival.id not in self._lost:
                self.arrivals.append(arrival)

    @staticmethod
    def _hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        try:
            handler.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was quicker
