"""Hands a mail to a mail server: whole within its time, encrypted as configured, the server's answers in our words.

Each mail has a connection of its own: servers close idle ones after some minutes, which would show only in the middle
of the next mail, and mails are far apart.
"""

from __future__ import annotations

import base64
import functools
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum

from processor.errors import Busy, ProcessorError, Refused, Shut, Unreachable, Unreadable
from processor.sinks.email.connection import Smtp, system_trust, translated
from processor.sinks.email.server import Server, Tls
from processor.sockets import Exchange
from processor.text import clean

TIMEOUT = 20.0  # seconds for a mail in all; RFC 5321 would wait minutes for each answer, and hold a thread as long
_GOODBYE = 1.0  # seconds for QUIT, when everything has been said
_EXCERPT = 200  # characters of an answer that are quoted
_NAMED = 3  # refused recipients that a message quotes the server about


class _Step(StrEnum):
    """What the server answers to, as a message names it."""

    CONNECTION = "our connection"
    HELLO = "our EHLO"
    TLS = "STARTTLS"
    LOGIN = "the user and password in `smtp_url`"
    SENDER = "the sender in `from`"
    RECIPIENT = "a recipient in `to`"
    DATA = "DATA"
    TEXT = "the text of the mail"


# What an answer means. A server has seen the mail only when it has its text: before, a refusal is about what somebody
# has configured, here or there.
_REFUSALS: Mapping[_Step, type[ProcessorError]] = {_Step.TEXT: Refused}  # at all other steps: Shut
_LOGIN_CODES = frozenset({530, 534, 535, 538})  # RFC 4954, section 6: another login is wanted, whatever the step


def _meaning(step: _Step, code: int) -> type[ProcessorError]:
    if 400 <= code < 500:
        return Busy
    if 500 <= code < 600:
        return Shut if code in _LOGIN_CODES else _REFUSALS.get(step, Shut)
    return Unreadable


class Transport:
    """One mail server. Threads may share it; there is nothing to close."""

    def __init__(self, server: Server, *, timeout: float = TIMEOUT) -> None:
        self._server = server
        self._timeout = timeout

    @functools.cached_property
    def _trust(self) -> ssl.SSLContext:
        return system_trust()

    def send(self, sender: str, recipients: Sequence[str], mail: bytes) -> str:
        """Hand over one mail; return what the server said of it, and which recipients it refused.

        A mail that one recipient gets is delivered: to try it again would send the others a second one.
        """
        with self._talk() as talk:
            refused = talk.envelope(sender, recipients)
            if len(refused) == len(recipients):
                raise talk.without(refused, of=len(recipients))
            said = talk.text(mail)
        return "; ".join(part for part in (said, f"refused: {_listed(refused)}" if refused else "") if part)

    def try_out(self, sender: str, recipients: Sequence[str]) -> None:
        """Go as far as one can without a mail. Raises as `send` does, and when a single recipient is refused."""
        with self._talk() as talk:
            refused = talk.envelope(sender, recipients)
            if refused:
                raise talk.without(refused, of=len(recipients))

    @contextmanager
    def _talk(self) -> Iterator[_Talk]:
        """A connection that is ready for a mail; whatever goes wrong with it is one of our errors."""
        with Exchange(self._timeout, allow_private=True) as exchange:  # the server is the operator's own choice
            try:
                talk = _Talk(self._server, self._trust)
                try:
                    talk.open()
                    yield talk
                finally:
                    talk.close()
            except (OSError, ValueError) as error:  # `from None`: theirs may quote what the server said
                if exchange.is_over:
                    raise Unreachable(f"{self._server}: no whole answer in {self._timeout:g} s") from None
                raise translated(error, self._server) from None


class _Talk:
    """One connection, from the greeting to QUIT."""

    def __init__(self, server: Server, trust: ssl.SSLContext) -> None:
        self._server = server
        self._trust = trust
        self._secrets = _secrets(server)
        try:
            self._smtp = Smtp(server, trust)
        except smtplib.SMTPConnectError as e:
            raise self._failure(_Step.CONNECTION, e.smtp_code, _bytes(e.smtp_error)) from None

    def open(self) -> None:
        self._hello()
        password, tls = self._server.password, self._server.tls
        if tls is Tls.STARTTLS or (tls is Tls.BEFORE_PASSWORD and password and not self._server.is_this_machine):
            self._encrypt()
        if password:
            self._login(self._server.user, password.reveal())

    def envelope(self, sender: str, recipients: Sequence[str]) -> dict[str, tuple[int, str]]:
        """From whom and to whom; who of the recipients was refused, with the code and what was said."""
        self._expect(_Step.SENDER, self._smtp.mail(sender, self._options(sender, *recipients)))
        refused = {}
        for recipient in recipients:
            code, said = self._smtp.rcpt(recipient)
            if code == 421:  # RFC 5321, section 3.8: it is closing the connection
                raise self._failure(_Step.RECIPIENT, code, said)
            if not 200 <= code < 300:
                refused[recipient] = (code, self._words(said))
        return refused

    def text(self, mail: bytes) -> str:
        """The mail itself; what the server said when it took it."""
        try:
            answer = self._smtp.data(mail)
        except smtplib.SMTPDataError as e:
            raise self._failure(_Step.DATA, e.smtp_code, _bytes(e.smtp_error)) from None
        return self._expect(_Step.TEXT, answer)

    def without(self, refused: Mapping[str, tuple[int, str]], *, of: int) -> ProcessorError:
        """The error that says that these recipients get nothing."""
        kinds = {_meaning(_Step.RECIPIENT, code) for code, _ in refused.values()}
        kind = Busy if Busy in kinds else kinds.pop()
        return kind(f"{self._server} refuses {len(refused)} of {of} recipients in `to`: {_listed(refused)}")

    def close(self) -> None:
        """Say goodbye, if there is still somebody, and do not insist: what counts has been answered."""
        with Exchange(_GOODBYE, allow_private=True), suppress(OSError):
            self._smtp.quit()
        self._smtp.close()

    def _hello(self) -> None:
        try:
            self._smtp.ehlo_or_helo_if_needed()
        except smtplib.SMTPHeloError as e:
            raise self._failure(_Step.HELLO, e.smtp_code, _bytes(e.smtp_error)) from None

    def _encrypt(self) -> None:
        if not self._smtp.has_extn("starttls"):
            needed = "" if self._server.tls is Tls.STARTTLS else ", and the password must not be read on the way"
            advice = "use smtps://, or say ?starttls=false in `smtp_url` if it is meant"
            raise Shut(f"{self._server} offers no STARTTLS{needed}: {advice}")
        try:
            self._smtp.starttls(context=self._trust)
        except smtplib.SMTPResponseException as e:
            raise self._failure(_Step.TLS, e.smtp_code, _bytes(e.smtp_error)) from None
        self._hello()  # RFC 3207, section 4.2: what was said before counts no more

    def _login(self, user: str, password: str) -> None:
        """By one mechanism, once: smtplib would try all of them, and three wrong passwords may lock an account; nor
        does it take one outside ASCII."""
        offered = self._smtp.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            self._expect(_Step.LOGIN, self._smtp.docmd("AUTH", f"PLAIN {_base64(_plain(user, password))}"))
        elif "LOGIN" in offered:
            for said in ("AUTH LOGIN", _base64(user)):
                self._expect(_Step.LOGIN, self._smtp.docmd(said), then=300)
            self._expect(_Step.LOGIN, self._smtp.docmd(_base64(password)))
        else:
            instead = f"only {' '.join(offered)}" if offered else "none at all"
            shown = clean(instead, _EXCERPT)
            raise Shut(f"{self._server} offers no login with a password, {shown}: another `smtp_url`, or no user in it")

    def _options(self, *addresses: str) -> tuple[str, ...]:
        if all(map(str.isascii, addresses)):
            return ()
        if not self._smtp.has_extn("smtputf8"):
            raise Shut(f"{self._server} takes no addresses outside ASCII (SMTPUTF8); a domain can be written as xn--…")
        return ("SMTPUTF8", "BODY=8BITMIME")

    def _expect(self, step: _Step, answer: tuple[int, bytes], *, then: int = 200) -> str:
        """What was said, if it is an answer of that hundred. Raises what it means otherwise."""
        code, said = answer
        if not then <= code < then + 100:
            raise self._failure(step, code, said)
        return self._words(said)

    def _failure(self, step: _Step, code: int, said: bytes) -> ProcessorError:
        if code < 0:
            return Unreadable(f"{self._server}: its answer to {step} is not SMTP")
        words = self._words(said) or "without a word"
        return _meaning(step, code)(f"{self._server} answered {code} to {step}: {words}")

    def _words(self, said: bytes) -> str:
        words = said.decode(errors="replace")
        if any(secret in words for secret in self._secrets):
            return "its answer repeats what we sent"
        return clean(words, _EXCERPT)


def _listed(refused: Mapping[str, tuple[int, str]]) -> str:
    """Their addresses are the operator's own configuration, so they may be told."""
    told = [f"{who} ({code} {said})" for who, (code, said) in list(refused.items())[:_NAMED]]
    more = len(refused) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


# --- secrets ---------------------------------------------------------------------------------------------------------


def _secrets(server: Server) -> tuple[str, ...]:
    """The password in every form in which we may send it."""
    if not server.password:
        return ()
    password = server.password.reveal()
    return (password, _base64(password), _base64(_plain(server.user, password)))


def _plain(user: str, password: str) -> str:
    return f"\0{user}\0{password}"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _bytes(said: bytes | str) -> bytes:
    """smtplib's errors hold what the server said as bytes; they are documented to hold a text too."""
    return said if isinstance(said, bytes) else said.encode()
