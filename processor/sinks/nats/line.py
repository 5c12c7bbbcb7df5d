"""One connection to a server, on which any number of questions wait for their answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from nats import errors as theirs
from nats.aio.client import Client
from nats.js import errors as streams
from nats.js.api import PubAck

from processor import tracing
from processor.model import CLOUDEVENTS_JSON, JSON
from processor.sinks.nats.address import Address
from processor.sinks.nats.answers import Denied, Garbled, Over, said
from processor.sizing import fitted

TIMEOUT = 8.0  # seconds, for a whole delivery
_CONNECTING = 2.0  # seconds, for each step of it
_PULSE = 5.0  # seconds; a server that leaves one ping unanswered for so long is left
_GLANCE = 0.1  # seconds, from one look at whether an answer may still come to the next
GOODBYE = 1.0  # seconds, for taking leave of a server

_T = TypeVar("_T")


class _Client(Client):
    """Where the address says tls:// and the server offers none, the client would go on in the clear, password and all:
    this one does not."""

    wants_tls = False

    def _connect_command(self) -> bytes:
        if self.wants_tls and not self._server_info.get("tls_required"):
            raise theirs.SecureConnWantedError
        return super()._connect_command()


class Line:
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

    async def open(self, server: Address, name: str, *, tls: ssl.SSLContext | None, **keys: Any) -> None:
        """Raises OSError or an error of the client's; those of the library for `keys` may be any."""
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
        """Where the stream has stored it. Raises Refused for a document that is too large, or the client's errors."""
        headers = {"Nats-Msg-Id": str(event["id"]), "Content-Type": CLOUDEVENTS_JSON, **tracing.outgoing()}
        body = fitted(event, self._client.max_payload - _size(headers))
        return await self._asked(subject, self._client.jetstream().publish(subject, body, TIMEOUT, headers=headers))

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
                await asyncio.wait_for(self._client.close(), GOODBYE)
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
                    raise Over(self._deaf or self._client.last_error)
                if denial in self._denials:
                    raise Denied(theirs.Error(denial))
            return answer.result()
        except theirs.ConnectionClosedError:
            raise Over from None
        except (ValueError, LookupError, TypeError, AttributeError):  # of the client, which expects a stream's answer
            raise Garbled from None
        finally:
            answer.cancel()

    async def _hear(self, error: Exception) -> None:
        """Called with whatever goes wrong, also with what is nobody's answer. That our user may not do something comes
        here only."""
        self._heard = error
        words = said(error)
        if words.startswith("permissions violation for subscription"):  # no answer will ever come
            self._deaf = error
        elif words.startswith("permissions violation"):
            self._denials.add(words)


def _size(headers: Mapping[str, str]) -> int:
    """As they are counted in a message: https://docs.nats.io/reference/reference-protocols/nats-protocol#hpub."""
    return len("NATS/1.0\r\n\r\n") + sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())
