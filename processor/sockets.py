"""The connections beneath the HTTP client: they keep one exchange's time, and go only where it may go.

The time-outs of `requests` count each read anew, so an answer that drips one byte at a time would hold a thread for
ever. Here each wait of a socket ends when the whole exchange must. An address is checked and then connected to, so a
name that resolves differently the next time gains nothing; TLS and the Host header keep the name.
"""

from __future__ import annotations

import errno
import functools
import socket
import ssl
import time
from contextvars import ContextVar, Token
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from processor.errors import Shut

_HOSTS, _CONNECTIONS = 32, 64  # kept open at most: hosts, and connections to each
_SLACK = 0.05  # seconds by which a wait may miss its end
_ONCE = urllib3.Retry(False)  # who sends again, and what, is decided above


class Exchange:
    """What the sockets must keep to while it is entered; `connected` tells whether a connection was opened for it."""

    def __init__(self, seconds: float, *, allow_private: bool) -> None:
        self.allow_private = allow_private
        self.connected = False
        self._deadline = time.monotonic() + seconds

    def __enter__(self) -> Exchange:
        self._token: Token[Exchange] = _present.set(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _present.reset(self._token)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._deadline

    def remaining(self) -> float:
        """The seconds left, more than none. Raises TimeoutError."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


# A kept connection outlives an exchange, so its socket asks for the present one at each wait.
_present: ContextVar[Exchange] = ContextVar("exchange")


class _Socket(socket.socket):
    """A socket that waits no longer than the exchange may last. http.client waits in these three methods only."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_present.get().remaining())
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_present.get().remaining())
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(_present.get().remaining())
        super().sendall(*args, **kwargs)

    def settimeout(self, value: float | None, /) -> None:
        """Asks the kernel and lets other threads go first, so a time-out that is right but for a little stays."""
        now = self.gettimeout()
        if value is None or now is None or abs(now - value) > min(_SLACK, value / 10):
            super().settimeout(value)


class TlsSocket(_Socket, ssl.SSLSocket):
    """For `SSLContext.sslsocket_class`: the same deadline under TLS."""


# --- where to --------------------------------------------------------------------------------------------------------

# What not every Python's `is_global` knows of https://www.iana.org/assignments/iana-ipv4-special-registry, and a public
# address inside Azure: https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16
_INSIDE = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv4Network("168.63.129.16/32"))
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291: all that IANA gives out
_TUNNELS = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))  # 6to4, Teredo: obsolete, and may lead anywhere
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; an IPv4 address within an IPv6 one counts as itself."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        inner = IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped
        if inner is None:
            return ip.is_global and ip in _GLOBAL_UNICAST and not any(ip in tunnel for tunnel in _TUNNELS)
        ip = inner
    return ip.is_global and not ip.is_multicast and not any(ip in inside for inside in _INSIDE)


def _resolve(host: str, port: int, *, allow_private: bool) -> list[tuple[Any, ...]]:
    """The addresses of a name, as getaddrinfo tells them: the one step that only its own time-out can interrupt."""
    found: list[tuple[Any, ...]] = list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    usable = [entry for entry in found if allow_private or is_public(entry[4][0])]
    if not usable:
        addresses = ", ".join(sorted({entry[4][0] for entry in found}))
        raise Shut(f"{host}: {addresses} is not a public address; set `allow_private = true` if it is meant")
    return usable


def open_socket(host: str, port: int) -> _Socket:
    """Connect to the first address of a name that answers."""
    exchange = _present.get()
    exchange.connected = True
    found = _resolve(host, port, allow_private=exchange.allow_private)
    error: OSError = ConnectionRefusedError()
    for untried, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        connection = _Socket(family, kind, protocol)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(exchange.remaining() / untried)  # a silent address leaves time for the others
            connection.connect(address)
            connection.settimeout(exchange.remaining())  # for the TLS handshake, which counts as one wait
        except OSError as e:
            connection.close()
            # urllib3 takes a reset to have come after the request was sent, and goes on without a connection
            error = ConnectionAbortedError(errno.ECONNABORTED, "reset") if isinstance(e, ConnectionResetError) else e
        else:
            return connection
    raise error


# --- how urllib3 is told -------------------------------------------------------------------------------

# `_new_conn` is urllib3's seam for this: its own contrib/socks.py overrides it too.


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return open_socket(self._dns_host, self.port)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return open_socket(self._dns_host, self.port)


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


@functools.cache
def _tls_context(ca_bundle: str) -> ssl.SSLContext:
    """One context for all connections: urllib3 would read the bundle, some 10 ms, for each of them."""
    context = ssl.create_default_context(cafile=ca_bundle)
    context.sslsocket_class = TlsSocket
    return context


class Pools:
    """Kept connections to many hosts. Threads may share them: urllib3's pools are made for that."""

    def __init__(self, ca_bundle: str) -> None:
        self._manager = urllib3.PoolManager(_HOSTS, maxsize=_CONNECTIONS, ssl_context=_tls_context(ca_bundle))
        self._manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(self, request: requests.PreparedRequest, exchange: Exchange) -> urllib3.BaseHTTPResponse:
        """Send it within the exchange; the body of the answer is still to be read. Raises what urllib3 raises."""
        url = urlsplit(request.url or "")
        return self._manager.connection_from_host(url.hostname, url.port, url.scheme).urlopen(
            request.method or "",
            request.path_url,
            body=request.body,
            headers=request.headers,
            timeout=exchange.remaining(),
            retries=_ONCE,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )

    def close(self) -> None:
        """Close those that are not in use."""
        self._manager.clear()
