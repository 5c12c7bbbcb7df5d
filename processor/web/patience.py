"""Closes connections that have had no answer for too long: the server underneath gives a request's body no time.

A client that announces a body and sends only half of it holds a thread until it goes away, and a thousand of them hold
all there are. granian leaves that to whoever stands in front of it
(https://github.com/emmett-framework/granian/issues/728), and tells an application neither the connection of a request
nor how long it has been waiting for it. But connections are this process's own, and Linux knows of each when something
was last sent on it. We answer within seconds: who has had nothing for half a minute has a request that is not whole, or
none.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator

import structlog

log = structlog.get_logger(__name__)

_OPEN_FILES = "/proc/self/fd"
_LAST_SENT = struct.Struct("=44x I")  # tcpi_last_data_sent of struct tcp_info in linux/tcp.h, in milliseconds
_LOOKS = 10  # in the time that a connection has: how late it is closed


def watch(port: int, seconds: float) -> None:
    """From now on close every connection to our `port` on which nothing was sent for so many seconds.

    Where the system does not tell (other than Linux) nothing is closed.
    """
    if os.path.isdir(_OPEN_FILES) and hasattr(socket, "TCP_INFO"):
        threading.Thread(target=_watch, args=(port, seconds), name="patience", daemon=True).start()


def _watch(port: int, seconds: float) -> None:
    while True:
        time.sleep(seconds / _LOOKS)
        closed = sum(_close(connection, port, seconds) for connection in _sockets())
        if closed:
            log.warning("connections closed that stalled", connections=closed, seconds=seconds)


def _sockets() -> Iterator[socket.socket]:
    """Every socket of this process, each as a second handle on it."""
    for name in os.listdir(_OPEN_FILES):
        try:
            if not os.readlink(f"{_OPEN_FILES}/{name}").startswith("socket:"):
                continue
            handle = os.dup(int(name))
        except OSError:  # closed meanwhile
            continue
        try:
            found = socket.socket(fileno=handle)
        except OSError:  # closed meanwhile, and its number given to something else
            os.close(handle)
            continue
        with found:
            yield found


def _close(connection: socket.socket, port: int, seconds: float) -> bool:
    """Close it if it is a connection to our port that has stalled; whether it was."""
    try:
        ours = connection.family in (socket.AF_INET, socket.AF_INET6) and connection.getsockname()[1] == port
        if not ours:
            return False
        connection.getpeername()  # the socket that listens has none
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_SENT.size)
        if _LAST_SENT.unpack(info)[0] < seconds * 1000:
            return False
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # closed meanwhile
        return False
    return True
