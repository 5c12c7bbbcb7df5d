"""Mail servers for the tests: a real one (aiosmtpd) that may be stopped and started, and one that answers by script."""

from __future__ import annotations

import asyncio
import contextlib
import email
import socketserver
import ssl
import threading
import time
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

CERTIFICATE = Path(__file__).parent.parent / "data/tls/server.pem"  # for localhost
USER, PASSWORD = "jobs", "s3cret-pässword"


class MailServer:
    """Keeps the mails that it takes. `tls` is "smtps", "starttls" or nothing.

    `answers` are refusals: {"MAIL": "550 no"}, or for one recipient {"ops@example.com": "550 no such user"}.
    """

    def __init__(self, *, tls: str = "", **parameters: Any) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self._tls = context if tls == "smtps" else None
        self._parameters = {"tls_context": context, "require_starttls": True} if tls == "starttls" else {}
        self._parameters |= {"authenticator": self._authenticate, "auth_require_tls": tls == "starttls"}
        self._parameters |= {"enable_SMTPUTF8": True, "hostname": "mx.example.com", **parameters}
        self.mails: list[Envelope] = []
        self.encrypted: list[bool] = []  # for each mail
        self.logins: list[str] = []
        self.answers: dict[str, str] = {}
        self.port = 0
        self.start()

    def messages(self) -> list[EmailMessage]:
        """The mails, as their readers' programs understand them. No property: aiosmtpd looks at those, each time."""
        return [email.message_from_bytes(mail.original_content, policy=default) for mail in self.mails]

    def start(self) -> None:
        """Listen; on the same port as before."""
        started = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(started),), daemon=True)
        self._thread.start()
        assert started.wait(10)

    def stop(self) -> None:
        """Cut every connection in the middle, and be gone."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        transports: set[asyncio.Transport] = set()

        class Protocol(SMTP):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                transports.add(transport)
                super().connection_made(transport)

            def connection_lost(self, error: Exception | None) -> None:
                transports.discard(self.transport)
                super().connection_lost(error)

        server = await self._loop.create_server(
            lambda: Protocol(self, **self._parameters), "127.0.0.1", self.port, ssl=self._tls
        )
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._stop.wait()
        # A connection that asyncio accepts while its server is closed stays open for ever, unserved
        # (https://github.com/python/cpython/issues/109564): so nothing is accepted, then all is closed.
        self._loop.remove_reader(server.sockets[0].fileno())
        await asyncio.sleep(0.02)
        server.close()
        for transport in list(transports):
            transport.abort()
        await asyncio.sleep(0.02)  # until they are closed

    # --- called by aiosmtpd

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.answers.get("MAIL", "250 2.1.0 Ok")

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers.get(address, self.answers.get("RCPT", "250 2.1.5 Ok"))
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.answers.get("DATA", f"250 2.0.0 Ok: queued as {len(self.mails) + 1:04X}")
        if answer.startswith("250"):
            self.mails.append(envelope)
            self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return answer

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, said: LoginPassword
    ) -> AuthResult:
        right = (said.login, said.password) == (USER.encode(), PASSWORD.encode())
        self.logins.append(f"{mechanism} {'right' if right else 'wrong'}")
        return AuthResult(success=right, handled=False)


STALL, HANG_UP = "(says nothing)", "(closes the connection)"


class Scripted:
    """A server that says "250 ok" to everything, or what is scripted for a verb: `Scripted(MAIL="550 no")`.

    The greeting's verb is CONNECT, that of a mail's text is TEXT. `commands` is what it was told; `drip` are the
    seconds between two bytes of an answer.
    """

    def __init__(self, *, drip: float = 0.0, **answers: str) -> None:
        self.commands: list[str] = []
        self.answers = {"CONNECT": "220 here", "DATA": "354 go on", "AUTH": "235 welcome", "QUIT": "221 bye"} | answers
        self._drip = drip
        self._over = threading.Event()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()

    def _handler(scripted) -> type[socketserver.StreamRequestHandler]:  # `self` is the handler below
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):  # the client may be gone
                    self._talk()

            def _talk(self) -> None:
                going_on = self._say("CONNECT")
                while going_on and (line := self.rfile.readline().decode().rstrip("\r\n")):
                    scripted.commands.append(line)
                    verb = line.split()[0].upper()
                    going_on = self._say(verb)
                    if verb == "DATA" and scripted.answers["DATA"].startswith("354"):
                        while self.rfile.readline() not in (b".\r\n", b""):
                            pass
                        going_on = self._say("TEXT")

            def _say(self, verb: str) -> bool:
                answer = scripted.answers.get(verb, "250 ok")
                if answer == STALL:
                    scripted._over.wait(30)
                    return False
                if answer == HANG_UP:
                    return False
                said = f"{answer}\r\n".encode(errors="surrogateescape")
                for piece in [said[i : i + 1] for i in range(len(said))] if scripted._drip else [said]:
                    time.sleep(scripted._drip)
                    self.wfile.write(piece)
                return verb != "QUIT"

        return Handler

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
