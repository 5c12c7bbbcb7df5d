"""Publishes events to a stream of NATS JetStream, and waits until the stream has stored them."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import re
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from marshmallow import ValidationError, fields, validate
from nats import errors as theirs
from nats.aio.client import Client, RawCredentials
from nats.js import errors as streams
from nats.js.api import PubAck

from processor.errors import Busy, ProcessorError, Refused, Shut, Unreachable, Unreadable, Usage
from processor.http import translate
from processor.model import CLOUDEVENTS_JSON, JSON, Secret
from processor.options import SecretField, SinkOptions
from processor.ports import Tools
from processor.sizing import fitted

_TIMEOUT = 8.0  # seconds, for a whole delivery
_GRACE = 2.0  # seconds more until we wait no longer for our own thread
_CONNECTING = 2.0  # seconds, for each step of it
_PULSE = 5.0  # seconds; a server that leaves one ping unanswered for so long is left
_GLANCE = 0.1  # seconds, from one look at whether an answer may still come to the next
_GOODBYE = 1.0  # seconds, for taking leave of a server

_T = TypeVar("_T")
_Meaning = tuple[type[ProcessorError], str]


class _Over(theirs.Error):
    """The connection ended before there was an answer; with the reason where one was given."""

    def __init__(self, reason: BaseException | None = None) -> None:
        super().__init__()
        self.reason = reason


class _Denied(_Over):
    """There will be no answer, since the server does not let us ask. The connection goes on."""


class _Garbled(theirs.Error):
    """Somebody answered, but not JetStream."""


_FULL: _Meaning = (Busy, "the stream cannot store it now; is it full?")
_NO_JETSTREAM: _Meaning = (Shut, "JetStream is not enabled for our account")
_TOO_LARGE: _Meaning = (Refused, "the document is larger than the stream takes (its max_msg_size)")
_REFUSED: _Meaning = (Shut, "JetStream refuses it")
_UNABLE: _Meaning = (Busy, "JetStream cannot take it now")
_CUT: _Meaning = (Unreachable, "the connection was cut")

# What JetStream's own codes mean (https://github.com/nats-io/nats-server/blob/main/server/errors.json). Of the others
# those that are like HTTP's 4xx are somebody's configuration, the rest passes.
_CODES: Mapping[int, _Meaning] = {
    10002: _FULL,
    10023: _FULL,
    10028: _FULL,
    10047: _FULL,
    10077: _FULL,
    10039: _NO_JETSTREAM,
    10076: _NO_JETSTREAM,
    10054: _TOO_LARGE,
    10097: _TOO_LARGE,
    10109: (Shut, "the stream is sealed"),
    10158: (Busy, "it is just storing the first copy"),
    10167: (Busy, "it has too much to do"),
}

# What a server says before it hangs up, as the client passes it on, in lower case: the first that it begins with.
_COMPLAINTS: tuple[tuple[str, _Meaning], ...] = (
    ("authorization violation", (Shut, "it refuses our login: check user, password or credentials")),
    ("user authentication", (Shut, "our login has expired or was revoked")),
    ("account authentication", (Shut, "our account has expired")),
    ("authentication timeout", (Busy, "it had no time for our login")),
    ("maximum connections", (Busy, "it has too many connections")),
    ("maximum account", (Busy, "our account has too many connections")),
    ("maximum payload", (Busy, "it takes less than it said (max_payload)")),  # perhaps of another who shared its end
    ("permissions violation for publish", (Shut, "our user may not publish here")),
    ("permissions violation for subscription", (Shut, "our user may not subscribe to _INBOX.>, where answers come")),
)

# What the client raises itself; the first row that fits. Anything else is what a connection ends with.
_MEANINGS: tuple[tuple[type[theirs.Error], _Meaning], ...] = (
    (streams.NoStreamResponseError, (Shut, "no stream takes this: create one for the subject")),
    (streams.NotFoundError, (Shut, "no stream takes this: create one for the subject")),
    (theirs.NoRespondersError, _NO_JETSTREAM),
    (_Garbled, (Unreadable, "the answer is none of JetStream's; who else listens to this subject?")),
    (theirs.MaxPayloadError, (Refused, "the document is larger than the server takes (its max_payload)")),
    (theirs.AuthorizationError, (Shut, "it refuses our login: check user, password or credentials")),
    (theirs.SecureConnWantedError, (Shut, "it offers no TLS: write nats:// if you do without")),
    (theirs.BadSubjectError, (Shut, "this is no subject")),
)

_PLACEHOLDER = re.compile(r"\{(type|source|provider)\}")
_SUBJECT = re.compile(r"(?!\$)[^\s.*>{}\x00-\x1f\x7f]+(\.[^\s.*>{}\x00-\x1f\x7f]+)*")
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
_CLOSED = "the sink was closed"
_NOTHING = "none"  # in a subject, where an alarm has no provider


@dataclass(frozen=True, slots=True)
class _Address:
    """A server, and how to log in to it."""

    url: str
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)  # None where `user` is a token
    tls: bool

    @classmethod
    def parse(cls, text: str) -> _Address:
        """Raises ValueError for what is none."""
        parts = urlsplit(text.strip())
        if parts.scheme not in ("nats", "tls") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError("no address of a server")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        user, password = parts.username, parts.password
        return cls(
            url=f"{parts.scheme}://{host}:{parts.port or 4222}",
            user=unquote(user) if user else None,
            password=unquote(password) if password is not None else None,
            tls=parts.scheme == "tls",
        )

    def login(self) -> dict[str, str]:
        if self.user is None:
            return {}
        return {"token": self.user} if self.password is None else {"user": self.user, "password": self.password}


def _addresses(text: str) -> list[_Address]:
    """Those that name no login have that of the first. Raises ValueError."""
    first, *others = [_Address.parse(part) for part in text.split(",")]
    named = [o if o.user else _Address(o.url, first.user, first.password, o.tls) for o in others]
    return [first, *named]


class Addresses(SecretField):
    """Where the servers are, with user name and password or a token."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        secret = super()._deserialize(value, attr, data, **kwargs)
        try:
            _addresses(secret.reveal())
        except ValueError:
            raise ValidationError(
                "must be an address, or several with commas: nats://user:password@host:4222, or tls://"
            ) from None
        return secret


def _usable(subject: str) -> None:
    if not _SUBJECT.fullmatch(_PLACEHOLDER.sub("x", subject)) or len(subject) > 200:
        raise ValidationError(
            "must be a subject: words with dots in between, without spaces and wildcards, not beginning with $; "
            "{type}, {source} and {provider} are filled in"
        )


class Options(SinkOptions):
    url = Addresses(required=True)
    subject = fields.String(load_default="jobwire.{type}", validate=_usable)
    credentials = fields.String(load_default=None, validate=validate.Length(min=1))
    ca_file = fields.String(load_default=None, validate=validate.Length(min=1))


class Nats:
    """A subject as a sink; the reference of a delivery is where it is, "stream@sequence".

    A stream that gets an id again within its duplicate window stores nothing and says where the first copy is: that is
    a delivery too, and makes it harmless to send once more what a connection was lost with.
    """

    Options = Options

    def __init__(
        self,
        name: str,
        url: str,
        *,
        subject: str = "jobwire.{type}",
        credentials: str | None = None,
        ca_file: str | None = None,
        timeout: float = _TIMEOUT,
    ) -> None:
        self.name = name
        self._servers = _addresses(url)
        self._subject = subject
        self._credentials = credentials
        self._ca_file = ca_file
        self._timeout = timeout
        self._shown = ",".join(server.url for server in self._servers)
        self._desk: _Desk | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Nats:
        if options["credentials"] and not importlib.util.find_spec("nkeys"):
            raise Usage(f"sinks.{name}.credentials needs a library that is not installed: pip install 'nats-py[nkeys]'")
        return cls(
            name,
            options["url"].reveal(),
            subject=options["subject"],
            credentials=options["credentials"],
            ca_file=options["ca_file"],
        )

    def deliver(self, event: Mapping[str, JSON]) -> str:
        subject = _filled(self._subject, event)

        async def publish(line: _Line) -> str:
            stored = await line.publish(subject, event)
            return f"{stored.stream}@{stored.seq}"

        return self._do(publish, subject)

    def try_out(self) -> str:
        """Asks which stream takes such subjects, if our user may ask that."""
        subject = _probe(self._subject)

        async def ask(line: _Line) -> str:
            try:
                return f"stream {await line.stream_of(subject)}"
            except _Denied:
                return "it answers, and does not let us ask for streams"

        return f"{self._shown}, subject {self._subject}: {self._do(ask, subject)}"

    def close(self) -> None:
        """Let go of the connection. What waits for an answer is given up; the next delivery opens a new one."""
        with self._lock:
            desk, self._desk = self._desk, None
        if desk:
            desk.close()

    def _do(self, act: Callable[[_Line], Awaitable[str]], subject: str) -> str:
        """Have it done by the thread that has the connection, on a new one if the old one ends meanwhile."""

        async def bounded() -> str:
            async with asyncio.timeout(self._timeout):
                line, kept = await desk.line()
                try:
                    return await act(line)
                except _Over:
                    if not kept or line.is_open:
                        raise
                line, _ = await desk.line()
                return await act(line)

        with self._lock:
            desk = self._desk = self._desk or _Desk(f"nats-{self.name}", self._connect)
        try:
            return desk.run(bounded(), self._timeout + _GRACE)
        except TimeoutError:
            raise Unreachable(f"{self._shown}, subject {subject}: no answer within {self._timeout:g} s") from None
        except theirs.Error as e:
            raise self._translated(e, subject) from None

    async def _connect(self) -> _Line:
        """To the first server that lets us in; else raise what the most telling one said."""
        failures = []
        for server in self._servers:
            line = _Line(server.tls)
            try:
                await line.open(server, f"jobwire {self.name}", **self._keys(), tls=self._trusted())
                return line
            except ProcessorError as e:
                failures.append(e)
            except Exception as e:  # noqa: BLE001  # the library for the keys in `credentials` raises what it likes
                failures.append(self._unconnected(e, server))
            finally:
                if not line.is_open:
                    await line.close()
        raise next((failure for failure in failures if isinstance(failure, Shut)), failures[0])

    def _keys(self) -> dict[str, Any]:
        """The file with our user's JWT and seed, read anew each time. The client would look for either in vain, and
        for ever, in a file that has none."""
        if not self._credentials:
            return {}
        try:
            text = Path(self._credentials).read_text()
        except (OSError, ValueError):
            text = ""
        if "BEGIN NATS USER JWT" not in text or "BEGIN USER NKEY SEED" not in text:
            raise Shut(f"{self._credentials}: this file, named in credentials, has no user's JWT and seed")
        return {"user_credentials": RawCredentials(text)}

    def _trusted(self) -> ssl.SSLContext | None:
        try:
            return ssl.create_default_context(cafile=self._ca_file) if self._ca_file else None
        except OSError:  # ssl.SSLError is one
            raise Shut(f"{self._ca_file}: this file, named in ca_file, has no certificates") from None

    def _unconnected(self, error: Exception, server: _Address) -> ProcessorError:
        if isinstance(error, OSError):  # TimeoutError is one, and that is all their TimeoutError says
            return translate(error, server.url)
        if isinstance(error, theirs.Error):
            ours, words = _meaning(error)
            return ours(f"{server.url}: {words}")
        return Shut(f"{server.url}: no login can be made of {self._credentials}, named in credentials")

    def _translated(self, error: theirs.Error, subject: str) -> ProcessorError:
        ours, words = _meaning(error)
        code = f" ({error.err_code})" if isinstance(error, streams.APIError) and error.err_code else ""
        return ours(f"{self._shown}, subject {subject}: {words}{code}")


def _meaning(error: BaseException) -> _Meaning:
    """Ours. Their words are not quoted: who knows what is in them."""
    if isinstance(error, _Over):
        return _meaning(error.reason) if error.reason else _CUT
    for kind, meaning in _MEANINGS:
        if isinstance(error, kind):
            return meaning
    if isinstance(error, streams.APIError):
        refused = 400 <= (error.code or 500) < 500
        return _CODES.get(error.err_code or 0) or (_REFUSED if refused else _UNABLE)
    said = _said(error)
    return next((meaning for beginning, meaning in _COMPLAINTS if said.startswith(beginning)), _CUT)


def _said(error: BaseException) -> str:
    """What a server complains of: "nats: 'Authorization Violation'" as "authorization violation"."""
    return str(error).lower().removeprefix("nats: ").strip(" '")


# --- subjects --------------------------------------------------------------------------------------------------------


def _filled(template: str, event: Mapping[str, JSON]) -> str:
    """The subject of an event. What is filled in can neither add a word nor be a wildcard; a type keeps its dots."""
    data = event.get("data")
    values = {
        "type": ".".join(_word(part) for part in str(event["type"]).split(".")),
        "source": _word(str(event["source"]).rpartition("/")[2]),
        "provider": _word((data.get("provider") if isinstance(data, Mapping) else None) or _NOTHING),
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def _word(value: JSON) -> str:
    return _UNFIT.sub("_", str(value)) or "_"


def _probe(template: str) -> str:
    """A subject to ask for streams with: wildcards for what only events know. Every type has two words."""
    words = template.replace("{type}", "{type}.{type}").split(".")
    return ".".join("*" if "{" in word else word for word in words)


# --- one connection --------------------------------------------------------------------------------------------------


class _Client(Client):
    """Where the address says tls:// and the server offers none, the client would go on in the clear, password and all:
    this one does not."""

    wants_tls = False

    def _connect_command(self) -> bytes:
        if self.wants_tls and not self._server_info.get("tls_required"):
            raise theirs.SecureConnWantedError
        return super()._connect_command()


class _Line:
    """A connection, for any number of questions at a time. Used in its event loop only.

    The client's own way to reconnect is not used: it would send later what was given up meanwhile. And since it does
    not tell those who wait for an answer that none can come any more, they look for themselves.
    """

    def __init__(self, tls: bool) -> None:
        self._client = _Client()
        self._client.wants_tls = tls
        self._opened = False
        self._heard: Exception | None = None
        self._deaf: Exception | None = None
        self._denials: set[str] = set()

    @property
    def is_open(self) -> bool:
        return self._client.is_connected and self._deaf is None

    async def open(self, server: _Address, name: str, *, tls: ssl.SSLContext | None, **keys: Any) -> None:
        try:
            await self._client.connect(
                [server.url],
                name=name,
                error_cb=self._hear,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=_CONNECTING,  # type: ignore[arg-type]  # it may well be a float
                ping_interval=_PULSE,  # type: ignore[arg-type]
                max_outstanding_pings=1,
                tls=tls,
                **server.login(),  # type: ignore[arg-type]
                **keys,
            )
        except theirs.NoServersError:  # which hides why
            raise self._heard or ConnectionError() from None
        self._opened = True
        if not self.is_open:  # the client takes any line for a welcome
            raise ConnectionError

    async def publish(self, subject: str, event: Mapping[str, JSON]) -> PubAck:
        headers = {"Nats-Msg-Id": str(event["id"]), "Content-Type": CLOUDEVENTS_JSON}
        body = fitted(event, self._client.max_payload - _size(headers))
        return await self._asked(subject, self._client.jetstream().publish(subject, body, _TIMEOUT, headers=headers))

    async def stream_of(self, subject: str) -> str:
        """Raises NotFoundError when there is none, NoRespondersError when there is no JetStream."""
        question = self._client.jetstream().find_stream_name_by_subject(subject)
        try:
            return await self._asked("$JS.API.STREAM.NAMES", question)
        except streams.ServiceUnavailableError as e:
            raise e if e.code else theirs.NoRespondersError from None

    async def close(self) -> None:
        """Take leave of a server that listens, then hang up. Nothing is raised."""
        if self._opened:
            with suppress(Exception):
                await asyncio.wait_for(self._client.close(), _GOODBYE)
        # What a server that stands still has not read would keep the socket open; there is no public way to drop it.
        if writer := getattr(self._client._transport, "_io_writer", None):
            writer.transport.abort()
            await asyncio.sleep(0)

    async def _asked(self, subject: str, question: Coroutine[Any, Any, _T]) -> _T:
        denial = f'permissions violation for publish to "{subject.lower()}"'
        self._denials.discard(denial)
        answer = asyncio.ensure_future(question)
        try:
            while not (await asyncio.wait([answer], timeout=_GLANCE))[0]:
                if not self.is_open:
                    raise _Over(self._deaf or self._client.last_error)
                if denial in self._denials:
                    raise _Denied(theirs.Error(denial))
            return answer.result()
        except theirs.ConnectionClosedError:
            raise _Over from None
        except (ValueError, LookupError, TypeError, AttributeError):  # of the client, which expects a stream's answer
            raise _Garbled from None
        finally:
            answer.cancel()

    async def _hear(self, error: Exception) -> None:
        """Called with whatever goes wrong, also with what is nobody's answer. That our user may not do something comes
        here only."""
        self._heard = error
        said = _said(error)
        if said.startswith("permissions violation for subscription"):  # no answer will ever come
            self._deaf = error
        elif said.startswith("permissions violation"):
            self._denials.add(said)


def _size(headers: Mapping[str, str]) -> int:
    """As they are counted in a message: https://docs.nats.io/reference/reference-protocols/nats-protocol#hpub."""
    return len("NATS/1.0\r\n\r\n") + sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())


# --- the thread ------------------------------------------------------------------------------------------------------


class _Desk:
    """An event loop in a thread of its own, with one connection for all other threads."""

    def __init__(self, name: str, connect: Callable[[], Coroutine[Any, Any, _Line]]) -> None:
        self._connect = connect
        self._opening: asyncio.Task[_Line] | None = None
        self._ending = False
        self._loop = asyncio.new_event_loop()
        # What a task ends with that nobody waits for any more is no news.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        logging.getLogger("asyncio").addFilter(_is_news)
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T], seconds: float) -> _T:
        """What `work` returns or raises. Raises Busy when this is closed meanwhile."""
        try:
            done = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # of a loop that is closed
            work.close()
            raise Busy(_CLOSED) from None
        try:
            return done.result(seconds)
        except CancelledError:
            raise Busy(_CLOSED) from None

    async def line(self) -> tuple[_Line, bool]:
        """The connection, and whether it was there before. Those who come while it is opened wait for that."""
        if self._ending:
            raise Busy(_CLOSED)
        kept = self._opening
        if kept and kept.done() and not kept.cancelled() and not kept.exception() and kept.result().is_open:
            return kept.result(), True
        if not kept or kept.done():
            self._opening = asyncio.ensure_future(self._reopen(kept))
        assert self._opening
        return await asyncio.shield(self._opening), False

    def close(self) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_GOODBYE + _GRACE)

    async def _reopen(self, old: asyncio.Task[_Line] | None) -> _Line:
        await _left(old)
        return await self._connect()

    def _serve(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        self._ending = True
        await _left(self._opening)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_GOODBYE)


def _is_news(record: logging.LogRecord) -> bool:
    """Not so what asyncio has to say, at each end of a connection with TLS, of the way in which the client made it."""
    return not str(record.msg).startswith("returning true from eof_received()")


async def _left(opened: asyncio.Task[_Line] | None) -> None:
    if opened and opened.done() and not opened.cancelled() and not opened.exception():
        await opened.result().close()
