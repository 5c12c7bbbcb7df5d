"""The server under the application: granian, with room for clients that stall."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from processor.listening import check_free
from processor.web import patience

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

TARGET = "processor.web:create_app"
WORKERS = 2
# A client that stalls in its body keeps one thread waiting; a thread that waits costs little, and threads are started
# only when they are needed.
THREADS = 512
CONNECTIONS = 1024  # of each worker at once; more wait in the backlog
HEADER_SECONDS = 10  # for a request's headers, and for the next request on an open connection
HEADER_BYTES = 64 * 1024  # a provider's have some hundreds; each connection may make us keep so much
ANSWER_SECONDS = 30  # for a whole request, its answer included, since the last one: well above what we ever take
DRAIN_SECONDS = 5  # what is in hand at SIGTERM has so long; a client that stalls would hold the process for ever
LEASH_SECONDS = 0.3  # how often a worker looks whether its master is still there
# granian gives each request the environment of the process too, where these would pass for headers that it came with.
_LIKE_A_HEADER = ("HTTP_", "CONTENT_TYPE", "CONTENT_LENGTH")
LOG = {"version": 1, "handlers": {}, "formatters": {}, "loggers": {"_granian": {}, "granian.access": {}}}


def serve(
    host: str, port: int, *, workers: int = WORKERS, target: str = TARGET, answer_seconds: float = ANSWER_SECONDS
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in hand.

    A connection on which nothing was answered for `answer_seconds` is closed: see patience.py.
    Raises Usage when the address cannot be had, and what the application raises when it cannot be built.
    """
    address = check_free(host, port)
    _build(target)  # a fault is found here, not as a traceback of each worker
    server = Server(
        target,
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS,
        backpressure=CONNECTIONS,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=HEADER_BYTES),
        websockets=False,
        workers_kill_timeout=DRAIN_SECONDS,
        respawn_failed_workers=True,
        log_level=LogLevels.error,  # its warnings are about THREADS, which are meant
        log_dictconfig=LOG,
    )
    server.serve(target_loader=partial(_build_in_worker, target, os.getpid(), port, answer_seconds), wrap_loader=False)
    logging.getLogger(__name__).info("stopped")


def _build(target: str) -> WSGIApplication:
    module, _, factory = target.partition(":")
    application: WSGIApplication = getattr(import_module(module), factory)()
    return application


def _build_in_worker(target: str, master: int, port: int, answer_seconds: float) -> WSGIApplication:
    """Called in each of granian's workers, which would outlive a killed master and keep its port."""
    threading.Thread(target=_end_without, args=(master,), name="leash", daemon=True).start()
    patience.watch(port, answer_seconds)
    application = _build(target)
    for name in [name for name in os.environ if name.startswith(_LIKE_A_HEADER)]:
        del os.environ[name]
    return application


def _end_without(master: int) -> None:
    while os.getppid() == master:
        time.sleep(LEASH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(DRAIN_SECONDS)
    os._exit(1)
