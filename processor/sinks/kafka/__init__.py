"""Appends events to a topic of Kafka by an idempotent producer, and waits for the word of all its replicas."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from marshmallow import ValidationError, fields, validate, validates_schema

from processor.errors import ProcessorError, Shut
from processor.model import JSON
from processor.options import SecretField, SinkOptions
from processor.ports import Tools
from processor.sinks.kafka.answers import VAGUE, code_of, meaning
from processor.sinks.kafka.line import LARGEST, Line, settings
from processor.sizing import fitted

_ENVELOPE = 1000  # bytes of a message that headers and framing take, amply
_TIMEOUT = 8.0  # seconds, for the client to deliver; it looks at its watch once a second
_GRACE = 2.0  # seconds more until we wait no longer for what it has to say
_ASKING = 5.0  # seconds, for a question

_BROKER = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?")
_TOPIC = r"(?!\.{1,2}\Z)[a-zA-Z0-9._-]{1,249}\Z"  # org.apache.kafka.common.internals.Topic


class Brokers(fields.Field[str]):
    """Addresses of brokers, as a text with commas or as a list."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
        brokers = [str(part).strip() for part in parts]
        if not brokers or not all(_BROKER.fullmatch(broker) for broker in brokers):
            raise ValidationError('must be addresses of brokers: "kafka-1:9092,kafka-2:9092", or a list of such')
        return ",".join(brokers)


class Options(SinkOptions):
    bootstrap_servers = Brokers(required=True)
    topic = fields.String(
        required=True,
        validate=validate.Regexp(_TOPIC, error="must be the name of a topic: letters, digits, dot, _ and -"),
    )
    security_protocol = fields.String(
        load_default="PLAINTEXT", validate=validate.OneOf(["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
    )
    sasl_mechanism = fields.String(
        load_default="PLAIN", validate=validate.OneOf(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    )
    username = fields.String(load_default=None, validate=validate.Length(min=1))
    password = SecretField(load_default=None)
    ca_file = fields.String(load_default=None, validate=validate.Length(min=1))

    @validates_schema
    def _login_fits(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        protocol = data["security_protocol"]
        for key in ("username", "password"):
            if protocol.startswith("SASL_") and data[key] is None:
                raise ValidationError(f"is missing: security_protocol {protocol} logs in", key)
            if not protocol.startswith("SASL_") and data[key] is not None:
                raise ValidationError(f"would not be used: security_protocol {protocol} does not log in", key)
        if data["ca_file"] is not None and not protocol.endswith("SSL"):
            raise ValidationError(f"would not be used: security_protocol {protocol} is without TLS", "ca_file")


class Kafka:
    """A topic as a sink; the reference of a delivery is where it is, "topic[partition]@offset".

    A delivery that was given up may still arrive, since nobody can take back what is on its way. That loses no order:
    the next event of its job is sent only after a copy of this one was acknowledged. The brokers drop the late one, or
    it is a repeat with the same id.
    """

    Options = Options

    def __init__(
        self,
        name: str,
        topic: str,
        *,
        brokers: str,
        login: Mapping[str, str] | None = None,
        timeout: float = _TIMEOUT,
    ) -> None:
        self.name = name
        self._topic = topic
        self._timeout = timeout
        self._settings = {**settings(brokers, timeout), **(login or {})}
        self._shown = f"kafka {brokers}, topic {topic}"
        self._line: Line | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Kafka:
        login = {"security.protocol": options["security_protocol"]}
        if options["password"]:
            login["sasl.mechanism"] = options["sasl_mechanism"]
            login["sasl.username"] = options["username"]
            login["sasl.password"] = options["password"].reveal()
        if options["ca_file"]:
            login["ssl.ca.location"] = options["ca_file"]
        return cls(name, options["topic"], brokers=options["bootstrap_servers"], login=login)

    def deliver(self, event: Mapping[str, JSON]) -> str:
        key = str(event.get("partitionkey") or "").encode(errors="replace")
        body = fitted(event, LARGEST - _ENVELOPE - len(key))
        line = self._open()
        try:
            return line.send(self._topic, key or None, body).result(self._timeout + _GRACE)
        except KafkaException as e:
            raise self._translated(code_of(e), line) from None
        except BufferError:
            raise self._translated(KafkaError._QUEUE_FULL, line) from None
        except TimeoutError:
            raise self._translated(KafkaError._TIMED_OUT, line) from None

    def try_out(self) -> str:
        """Asks for the topic. Whether our user may write to it, only an event can tell."""
        line = self._open()
        try:
            error, partitions = line.look_at(self._topic, min(self._timeout, _ASKING))
        except KafkaException as e:
            raise self._translated(code_of(e), line) from None
        if error is not None:
            raise self._translated(error, line)
        return f"{self._shown}: it is there, with {partitions} partition{'' if partitions == 1 else 's'}"

    def close(self) -> None:
        """Let go of the producer. What is on its way is given up; the next delivery makes a new one."""
        line = self._let_go()
        if line:
            line.close()

    def _open(self) -> Line:
        with self._lock:
            if self._line is None:
                try:
                    self._line = Line(self.name, self._settings)
                except KafkaException as e:
                    raise self._translated(code_of(e)) from None
            return self._line

    def _let_go(self, line: Line | None = None) -> Line | None:
        """Take leave of the producer that there is, if it is `line` where that is given."""
        with self._lock:
            if line is not None and self._line is not line:
                return None
            line, self._line = self._line, None
            return line

    def _translated(self, code: int, line: Line | None = None) -> ProcessorError:
        """What to raise. A producer that cannot go on is let go of, and so is one that would not notice for minutes
        that a door has been opened: it keeps what it was told of a topic until it asks again."""
        if line and code in VAGUE and line.trouble is not None:
            code = line.trouble
        ours, words = meaning(code)
        if line and (ours is Shut or line.broken) and (mine := self._let_go(line)):
            mine.retire()
        return ours(f"{self._shown}: {words} ({KafkaError(code).name()})")
