"""What the worlds of a test stand on: a Valkey with a database for each, lines to it, a nursery, providers' address."""

from __future__ import annotations

import shutil
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import flask
from faults.line import Exchange
from faults.nursery import Nursery
from running import wait_for
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from processor.simulation import serve

WORLDS = 80  # databases of the server
BUSY = 10  # worlds in which much happens at once; most wait for leases most of the time


class Ground:
    """`mounted` are the providers by their path; a world holds a `turn` while it is on the way to its point.

    As a context it is gone afterwards, with every process.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jw-"))  # not tmp_path: a socket's path must stay below 100 bytes
        self.socket = self.folder / "v.sock"
        self.turn = threading.BoundedSemaphore(BUSY)
        self._worlds = 0
        self._stack = ExitStack()
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.nursery = Nursery()
        self._stack.callback(self.nursery.close)
        self._start_server()
        self.exchange = Exchange()
        self._stack.callback(self.exchange.close)
        nothing = flask.Flask("nothing")
        self.mounted: dict[str, Any] = {"/": nothing}  # werkzeug takes no dictionary that is empty
        served = serve(DispatcherMiddleware(nothing, self.mounted))
        self._stack.callback(served.close)
        self.url = served.url

    def _start_server(self) -> None:
        """As `up` starts its own, but for the databases."""
        (self.folder / "data").mkdir()
        self.nursery.start(
            "server",
            *("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder / "data")),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--databases", str(WORLDS)),
            environ={},
            log=self.folder / "server.log",
        )
        wait_for(self.socket.exists)

    def next_world(self) -> int:
        """A number that no other world has, from 0."""
        self._worlds += 1
        return self._worlds - 1

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
