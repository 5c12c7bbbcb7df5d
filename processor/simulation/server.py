"""A WSGI server in a thread of this process, for simulated providers."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes


class Served:
    """A running server; close it when done."""

    def __init__(self, app: Callable[..., Any], host: str, port: int) -> None:
        self._server = _Server((host, port), app)
        self.host, self.port = self._server.server_address[0], self._server.server_address[1]
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="simulator", daemon=True).start()

    def close(self) -> None:
        """Stop taking connections, and cut those that are open."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()


def serve(app: Callable[..., Any], host: str = "127.0.0.1", port: int = 0) -> Served:
    """Serve a WSGI application from threads of this process; port 0 is any that is free. Raises OSError."""
    return Served(app, host, port)


class _Server(ThreadingHTTPServer):
    """werkzeug's own server answers one request a connection; providers keep them open, and so does this one."""

    request_queue_size = 128

    def __init__(self, address: tuple[str, int], app: Callable[..., Any]) -> None:
        self.app = app
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to talk about."""

    def cut(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it went away by itself


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the client's delayed acknowledgement costs 40 ms on a connection that is kept
    timeout = 60

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers = "", [("", "")]

        def start_response(given: str, given_headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            nonlocal status, headers
            status, headers = given, given_headers

        content = b"".join(self.server.app(self._environ(body), start_response))
        code, reason = status.split(" ", 1)
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        declared = next((int(value) for name, value in headers if name.lower() == "content-length"), None)
        if declared is None and int(code) not in (204, 304):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = self.close_connection or (declared or 0) > len(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815  # names of http.server

    def _environ(self, body: bytes) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": str(self.server.server_address[0]),
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            if name.lower() not in ("content-type", "content-length"):
                environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        return environ

    def log_message(self, *said: Any, **also: Any) -> None:
        """What there is to say, the application says."""
