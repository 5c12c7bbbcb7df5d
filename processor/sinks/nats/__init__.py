"""Publishes events to a stream of NATS JetStream, and waits until the stream has stored them."""

from __future__ import annotations

import importlib.util
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from marshmallow import fields, validate
from nats import errors as theirs
from nats.aio.client import RawCredentials
from nats.js import errors as streams

from processor.errors import ProcessorError, Shut, Unreachable, Usage
from processor.http import translate
from processor.model import JSON
from processor.options import SinkOptions
from processor.ports import Tools
from processor.sinks.nats.address import Address, Addresses, addresses
from processor.sinks.nats.answers import Denied, meaning
from processor.sinks.nats.desk import Desk
from processor.sinks.nats.line import TIMEOUT, Line
from processor.sinks.nats.subject import filled, probe, usable


class Options(SinkOptions):
    url = Addresses(required=True)
    subject = fields.String(load_default="jobwire.{type}", validate=usable)
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
        timeout: float = TIMEOUT,
    ) -> None:
        self.name = name
        self._servers = addresses(url)
        self._subject = subject
        self._credentials = credentials
        self._ca_file = ca_file
        self._timeout = timeout
        self._shown = ",".join(server.url for server in self._servers)
        self._desk: Desk | None = None
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
        subject = filled(self._subject, event)

        async def publish(line: Line) -> str:
            stored = await line.publish(subject, event)
            return f"{stored.stream}@{stored.seq}"

        return self._do(publish, subject)

    def try_out(self) -> str:
        """Asks which stream takes such subjects, if our user may ask that."""
        subject = probe(self._subject)

        async def ask(line: Line) -> str:
            try:
                return f"stream {await line.stream_of(subject)}"
            except Denied:
                return "it answers, and does not let us ask for streams"

        return f"{self._shown}, subject {self._subject}: {self._do(ask, subject)}"

    def close(self) -> None:
        """Let go of the connection. What waits for an answer is given up; the next delivery opens a new one."""
        with self._lock:
            desk, self._desk = self._desk, None
        if desk:
            desk.close()

    def _do(self, act: Callable[[Line], Awaitable[str]], subject: str) -> str:
        """Have it done by the thread that has the connection."""
        with self._lock:
            desk = self._desk = self._desk or Desk(f"nats-{self.name}", self._connect)
        try:
            return desk.run(act, self._timeout)
        except TimeoutError:
            raise Unreachable(f"{self._shown}, subject {subject}: no answer within {self._timeout:g} s") from None
        except theirs.Error as e:
            raise self._translated(e, subject) from None

    async def _connect(self) -> Line:
        """To the first server that lets us in; else raise what the most telling one said."""
        failures = []
        for server in self._servers:
            line = Line(server.tls)
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

    def _unconnected(self, error: Exception, server: Address) -> ProcessorError:
        if isinstance(error, OSError):  # TimeoutError is one, and that is all their TimeoutError says
            return translate(error, server.url)
        if isinstance(error, theirs.Error):
            ours, words = meaning(error)
            return ours(f"{server.url}: {words}")
        if not self._credentials:  # the client stumbled over a greeting of another shape
            return Unreachable(f"{server.url}: it does not answer like NATS")
        return Shut(f"{server.url}: no login can be made of {self._credentials}, named in credentials")

    def _translated(self, error: theirs.Error, subject: str) -> ProcessorError:
        ours, words = meaning(error)
        code = f" ({error.err_code})" if isinstance(error, streams.APIError) and error.err_code else ""
        return ours(f"{self._shown}, subject {subject}: {words}{code}")
