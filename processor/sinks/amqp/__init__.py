"""Publishes events to an exchange of RabbitMQ, or of another broker that speaks AMQP 0-9-1, and waits for its word."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import pika  # type: ignore[import-untyped]  # it has annotations and does not say that they may be used
from marshmallow import ValidationError, fields, validate
from pika import exceptions as theirs

from processor import tracing
from processor.errors import Busy, ProcessorError, Refused, Shut, Unreachable
from processor.http import shown, translate
from processor.model import CLOUDEVENTS_JSON, JSON, Secret
from processor.options import SecretField, SinkOptions
from processor.ports import Tools
from processor.sinks.amqp.line import Broken, Line, Verdict, parameters
from processor.sizing import fitted

# RabbitMQ's default since 4.0; it was 128 MiB before: https://www.rabbitmq.com/release-information (4.0.1, "Default
# Maximum Message Size Reduced to 16 MiB"), and the setting is max_message_size
_LARGEST = 16 * 1024**2
_TIMEOUT = 10.0  # seconds, for a whole delivery
_KEPT = 16  # idle connections at most: as many as a sink may have in hand

_Meaning = tuple[type[ProcessorError], str]

_LOST: _Meaning = (Unreachable, "it ended the connection")
_NO_EXCHANGE: _Meaning = (Shut, "there is no such exchange: create it, or set declare = true")
_TOO_LARGE: _Meaning = (Refused, "the document is larger than the broker takes (its max_message_size)")

# What the codes mean with which a broker ends a channel or a connection (https://www.rabbitmq.com/amqp-0-9-1-reference),
# while we connect and declare, and while we publish. Its own words are not quoted. Any other code is _LOST.
_ALWAYS: Mapping[int, _Meaning] = {
    404: _NO_EXCHANGE,
    506: (Busy, "it lacks the resources now"),
    530: (Shut, "the virtual host is not there, is full, or is not for our user: see the path of url"),
    541: (Busy, "it has an internal error"),
}
_OPENING: Mapping[int, _Meaning] = {
    **_ALWAYS,
    403: (
        Shut,
        "our user may not declare the exchange: let it, or create the exchange and set declare = false",
    ),
    406: (Shut, "the exchange has another type or is not durable: see exchange_type, or set declare = false"),
    503: (Shut, "it knows no exchange_type of this name"),
}
_PUBLISHING: Mapping[int, _Meaning] = {
    **_ALWAYS,
    311: _TOO_LARGE,
    403: (Shut, "our user may not write to the exchange"),
    406: _TOO_LARGE,
}

# What pika concludes from where in the handshake the connection ended. With the code it is certain.
_LOGIN: tuple[tuple[type[theirs.AMQPConnectionError], str, _Meaning], ...] = (
    (theirs.AuthenticationError, "", (Shut, "it offers no login by user name and password")),
    (theirs.ProbableAuthenticationError, "(403)", (Shut, "it refuses our user name or password")),
    (
        theirs.ProbableAuthenticationError,
        "",
        (Unreachable, "it hung up while we logged in; are user and password right?"),
    ),
    (theirs.ProbableAccessDeniedError, "(530)", _ALWAYS[530]),
    (theirs.ProbableAccessDeniedError, "", (Unreachable, "it hung up as we asked for the virtual host")),
    (
        theirs.IncompatibleProtocolError,
        "",
        (Unreachable, "it does not answer in AMQP 0-9-1; is this its port, or amqps?"),
    ),
)


class Address(SecretField):
    """The address of a broker, which may hold its password."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        secret = super()._deserialize(value, attr, data, **kwargs)
        try:
            parameters(secret.reveal())
        except ValueError:
            raise ValidationError("must be an address: amqp://user:password@host:5672/vhost, or amqps://") from None
        return secret


def _short(name: str) -> None:
    if not name.isprintable() or not 0 < len(name.encode()) <= 255:
        raise ValidationError("must be the name of an exchange: 1 to 255 bytes")


class Options(SinkOptions):
    url = Address(required=True)
    exchange = fields.String(required=True, validate=_short)
    exchange_type = fields.String(
        load_default="topic",
        validate=validate.Regexp(
            r"(topic|direct|fanout|headers|x-[a-z-]{1,200})\Z",
            error="must be topic, direct, fanout, headers, or a type of a plugin: x-…",
        ),
    )
    declare = fields.Boolean(load_default=True)


class Amqp:
    """An exchange as a sink. A delivery is what the broker has confirmed, and what it had a queue for."""

    Options = Options

    def __init__(
        self,
        name: str,
        url: str,
        exchange: str,
        *,
        exchange_type: str = "topic",
        declare: bool = True,
        timeout: float = _TIMEOUT,
    ) -> None:
        self.name = name
        self._url = url
        self._exchange = exchange
        self._exchange_type = exchange_type
        self._declare = declare
        self._timeout = timeout
        self._shown = f"{shown(url)}, exchange {exchange}"
        self._idle: list[Line] = []
        self._lock = threading.Lock()

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Amqp:
        return cls(
            name,
            options["url"].reveal(),
            options["exchange"],
            exchange_type=options["exchange_type"],
            declare=options["declare"],
        )

    def deliver(self, event: Mapping[str, JSON]) -> None:
        body = fitted(event, _LARGEST)
        deadline = time.monotonic() + self._timeout
        try:
            if kept := self._take():
                try:
                    return self._publish(kept, event, body, deadline)
                except Broken as broken:
                    if not broken.was_old:
                        raise
            self._publish(self._open(deadline), event, body, deadline)
        except Broken as broken:
            raise self._translated(broken) from None

    def try_out(self) -> str:
        """Asks for the exchange; one that is not there yet is left to the first event, which would declare it."""
        deadline = time.monotonic() + self._timeout
        line = self._line()
        try:
            line.open(deadline)
            try:
                line.declare(self._exchange, None, deadline)
            except Broken as broken:
                if not self._declare or broken.code != 404:
                    raise
                return f"{self._shown}: not there yet, the first event makes it"
            if self._declare:  # what is there already stays as it is, and says so when it is of another type
                line.declare(self._exchange, self._exchange_type, deadline)
            return f"{self._shown}: it is there"
        except Broken as broken:
            raise self._translated(broken) from None
        finally:
            line.close()

    def close(self) -> None:
        """Let go of the connections."""
        while line := self._take():
            line.close()

    def _line(self) -> Line:
        try:
            return Line(self._url, self.name)
        except OSError as error:  # this machine's fault: no descriptors left
            raise translate(error, self._url) from None

    def _take(self) -> Line | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _keep(self, line: Line) -> None:
        with self._lock:
            if len(self._idle) < _KEPT:
                self._idle.append(line)
                return
        line.close()

    def _open(self, deadline: float) -> Line:
        line = self._line()
        try:
            line.open(deadline)
            line.declare(self._exchange, self._exchange_type if self._declare else None, deadline)
        except Broken:
            line.close()
            raise
        return line

    def _publish(self, line: Line, event: Mapping[str, JSON], body: bytes, deadline: float) -> None:
        kind = str(event["type"])
        try:
            verdict = line.publish(self._exchange, kind, body, _properties(event), deadline)
        except Broken:
            line.close()
            raise
        self._keep(line)
        if verdict == Verdict.RETURNED:
            raise Shut(f"{self._shown}: no queue takes {kind}: bind one to the exchange")
        if verdict == Verdict.BLOCKED:
            raise Busy(f"{self._shown}: the broker has raised its memory or disk alarm and takes nothing now")
        if verdict == Verdict.NACKED:
            raise Busy(f"{self._shown}: it did not take the event (nack); is a queue full?")

    def _translated(self, broken: Broken) -> ProcessorError:
        cause = broken.cause
        for kind, sign, (ours, words) in _LOGIN:
            if isinstance(cause, kind) and sign in str(cause):
                return ours(f"{self._shown}: {words}")
        if broken.code:
            ours, words = (_OPENING if broken.opening else _PUBLISHING).get(broken.code, _LOST)
            return ours(f"{self._shown}: {words} ({broken.code})")
        if isinstance(cause, theirs.StreamLostError):
            return Unreachable(f"{self._shown}: the connection was cut")
        return translate(cause, self._url)


def _properties(event: Mapping[str, JSON]) -> pika.BasicProperties:
    """Structured mode of the CloudEvents bindings for AMQP and RabbitMQ
    (https://github.com/knative-extensions/eventing-rabbitmq/blob/main/cloudevents-protocol-spec/spec.md), with two
    attributes beside it that an exchange of type `headers` may route by."""
    when = None
    with suppress(ValueError, OverflowError):  # `omit` may have replaced it by null
        when = int(datetime.fromisoformat(str(event["time"])).timestamp())
    return pika.BasicProperties(
        app_id="jobwire",
        content_type=CLOUDEVENTS_JSON,
        delivery_mode=2,
        headers={"ce-type": str(event["type"]), "ce-source": str(event["source"]), **tracing.outgoing()},
        message_id=str(event["id"]),
        timestamp=when,
        type=str(event["type"]),
    )
