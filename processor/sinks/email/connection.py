"""smtplib on our sockets: each wait ends when the whole exchange must, and what goes wrong is one of our errors."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl

from processor.errors import Retryable, Unreachable, Unreadable
from processor.http import translate
from processor.sinks.email.server import Server, Tls
from processor.sockets import TlsSocket, open_socket


def system_trust() -> ssl.SSLContext:
    """The certificates that the system trusts, or those in SSL_CERT_FILE. Reading them takes some 10 ms."""
    context = ssl.create_default_context()
    context.sslsocket_class = TlsSocket
    return context


class Smtp(smtplib.SMTP):
    """smtplib on our sockets, each wait of which ends when the whole exchange must."""

    def __init__(self, server: Server, trust: ssl.SSLContext) -> None:
        self._tls = trust if server.tls is Tls.FROM_THE_START else None
        super().__init__(server.host, server.port, local_hostname="localhost")  # unset, it is looked up: for seconds
        self.local_hostname = _own_name(self.sock) if self.sock else "localhost"

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Called when a connection is opened; SMTP_SSL overrides it too."""
        connection = open_socket(host, port)
        return self._tls.wrap_socket(connection, server_hostname=host) if self._tls else connection


def _own_name(connection: socket.socket) -> str:
    """How we introduce ourselves: by our name if it is a full one, else by our address (RFC 5321, section 4.1.4)."""
    name = socket.gethostname()
    if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name):
        return name
    address = connection.getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def translated(error: Exception, server: Server) -> Retryable:
    """What smtplib, ssl or socket raised, as one of our errors."""
    if isinstance(error, smtplib.SMTPResponseException):  # a line that does not end
        return Unreadable(f"{server}: what it says is not SMTP")
    if isinstance(error, smtplib.SMTPServerDisconnected) and not error.__context__:
        return Unreachable(f"{server}: the connection was cut")
    if server.tls is Tls.FROM_THE_START and isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return Unreachable(f"{server}: TLS failed; a port that begins without it is smtp://…?starttls=true")
    return translate(error, str(server))
