"""Whether an address can be listened at, asked before anything is started there."""

from __future__ import annotations

import errno
import socket

from processor.errors import Usage


def check_free(host: str, port: int) -> str:
    """The numeric address of `host` if `port` can be had there; granian itself would share a port that is taken."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except (OSError, UnicodeError) as e:
        reason = "is taken" if getattr(e, "errno", None) == errno.EADDRINUSE else f"cannot be had ({e})"
        raise Usage(f"port {port} on {host} {reason}; choose another with --port or --host") from None
    return str(address[0])
