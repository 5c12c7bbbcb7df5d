"""Appends events to a topic of Kafka by an idempotent producer, and waits for the word of all its replicas."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from marshmallow import ValidationError, fields, validate, validates_schema

from processor.errors import Busy, ProcessorError, Refused, Shut, Unreachable
from processor.model import CLOUDEVENTS_JSON, JSON
from processor.options import SecretField, SinkOptions
from processor.ports import Tools
from processor.sizing import fitted

# The client's own limit on a message, key and headers included (message.max.bytes in
# https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md); a broker's is 1,048,588 unless changed.
_LARGEST = 1_000_000
_ENVELOPE = 1000  # what headers and framing take of it, amply

_TIMEOUT = 8.0  # seconds, for the client to deliver; it looks at its watch once a second
_GRACE = 2.0  # seconds more until we wait no longer for what it has to say
_ASKING = 5.0  # seconds, for a question
_ENDING = 3.0  # seconds at most, for closing

_Meaning = tuple[type[ProcessorError], str]

_NO_TOPIC: _Meaning = (Shut, "there is no such topic: create it, or name another")
_NOT_ALLOWED: _Meaning = (Shut, "our user may not write to the topic (ACL: Describe and Write)")
_NOT_US: _Meaning = (Shut, "the brokers refuse our login: check username, password, sasl_mechanism, security_protocol")
_TOO_LARGE: _Meaning = (Refused, "the document is larger than the topic takes (its max.message.bytes)")
_TOO_OLD: _Meaning = (Shut, "brokers or topic are too old for us: Kafka 0.11 or later is needed")
_MOVING: _Meaning = (Busy, "its replicas do not take it now")
_OUT_OF_STEP: _Meaning = (Busy, "the producer lost step with the brokers; the next delivery makes a new one")
_SILENCE: _Meaning = (Unreachable, "no acknowledgement in time")

# What the errors mean: https://kafka.apache.org/protocol#protocol_error_codes, and those of the client itself, with an
# underscore. Their texts are not quoted. Passing errors of brokers are repeated by the client until its time is over,
# so most of them come here as _MSG_TIMED_OUT. Any other is Unreachable.
_MEANINGS: Mapping[int, _Meaning] = {
    KafkaError.MSG_SIZE_TOO_LARGE: _TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE: _TOO_LARGE,
    KafkaError.INVALID_MSG_SIZE: _TOO_LARGE,
    KafkaError.INVALID_RECORD: (Refused, "the broker finds the record invalid; does the topic check a schema?"),
    KafkaError.UNKNOWN_TOPIC_OR_PART: _NO_TOPIC,
    KafkaError.TOPIC_EXCEPTION: _NO_TOPIC,
    KafkaError._UNKNOWN_TOPIC: _NO_TOPIC,
    KafkaError._UNKNOWN_PARTITION: _NO_TOPIC,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: _NOT_ALLOWED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: (Shut, "our user may not be idempotent (ACL: IdempotentWrite on Cluster)"),
    KafkaError.SASL_AUTHENTICATION_FAILED: _NOT_US,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: _NOT_US,
    KafkaError.ILLEGAL_SASL_STATE: _NOT_US,
    KafkaError._AUTHENTICATION: _NOT_US,
    KafkaError._SSL: (Shut, "TLS failed: check ca_file and security_protocol"),
    KafkaError._INVALID_ARG: (Shut, "the client cannot use our settings: check ca_file and sasl_mechanism"),
    KafkaError.INVALID_TIMESTAMP: (Shut, "the topic refuses the time of our clock"),
    KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT: _TOO_OLD,
    KafkaError.UNSUPPORTED_VERSION: _TOO_OLD,
    KafkaError._UNSUPPORTED_FEATURE: _TOO_OLD,
    KafkaError.NOT_ENOUGH_REPLICAS: _MOVING,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: _MOVING,
    KafkaError.LEADER_NOT_AVAILABLE: _MOVING,
    KafkaError.NOT_LEADER_FOR_PARTITION: _MOVING,
    KafkaError.KAFKA_STORAGE_ERROR: _MOVING,
    KafkaError.THROTTLING_QUOTA_EXCEEDED: (Busy, "our quota is used up"),
    KafkaError._QUEUE_FULL: (Busy, "the client's queue is full"),
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER: _OUT_OF_STEP,
    KafkaError.UNKNOWN_PRODUCER_ID: _OUT_OF_STEP,
    KafkaError.INVALID_PRODUCER_EPOCH: _OUT_OF_STEP,
    KafkaError.PRODUCER_FENCED: _OUT_OF_STEP,
    KafkaError._FENCED: _OUT_OF_STEP,
    KafkaError._FATAL: _OUT_OF_STEP,
    KafkaError._PURGE_QUEUE: (Busy, "the producer was closed"),
    KafkaError._PURGE_INFLIGHT: (Busy, "the producer was closed"),
    KafkaError._RESOLVE: (Unreachable, "no broker's name can be resolved"),
    KafkaError.REQUEST_TIMED_OUT: _SILENCE,
    KafkaError._MSG_TIMED_OUT: _SILENCE,
    KafkaError._TIMED_OUT: _SILENCE,
}
# These say that nothing came of it, but not why: what was heard of the connections meanwhile says more.
_VAGUE = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._FATAL,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._PURGE_QUEUE,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
    }
)

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
        self._settings = {**_settings(brokers, timeout), **(login or {})}
        self._shown = f"kafka {brokers}, topic {topic}"
        self._line: _Line | None = None
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
        body = fitted(event, _LARGEST - _ENVELOPE - len(key))
        line = self._open()
        try:
            return line.send(self._topic, key or None, body).result(self._timeout + _GRACE)
        except KafkaException as e:
            raise self._translated(_code(e), line) from None
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
            raise self._translated(_code(e), line) from None
        if error is not None:
            raise self._translated(error, line)
        return f"{self._shown}: it is there, with {partitions} partition{'' if partitions == 1 else 's'}"

    def close(self) -> None:
        """Let go of the producer. What is on its way is given up; the next delivery makes a new one."""
        line = self._let_go()
        if line:
            line.close()

    def _open(self) -> _Line:
        with self._lock:
            if self._line is None:
                try:
                    self._line = _Line(self.name, self._settings)
                except KafkaException as e:
                    raise self._translated(_code(e)) from None
            return self._line

    def _let_go(self, line: _Line | None = None) -> _Line | None:
        """Take leave of the producer that there is, if it is `line` where that is given."""
        with self._lock:
            if line is not None and self._line is not line:
                return None
            line, self._line = self._line, None
            return line

    def _translated(self, code: int, line: _Line | None = None) -> ProcessorError:
        """What to raise. A producer that cannot go on is let go of, and so is one that would not notice for minutes
        that a door has been opened: it keeps what it was told of a topic until it asks again."""
        if line and code in _VAGUE and line.trouble is not None:
            code = line.trouble
        ours, words = _MEANINGS.get(code, (Unreachable, "the brokers cannot be reached"))
        if line and (ours is Shut or line.broken) and (mine := self._let_go(line)):
            mine.retire()
        return ours(f"{self._shown}: {words} ({KafkaError(code).name()})")


def _settings(brokers: str, timeout: float) -> dict[str, Any]:
    whole = int(timeout * 1000)
    half = whole // 2  # so that a kept connection that is dead without a word is opened anew within one delivery
    return {
        "bootstrap.servers": brokers,
        "client.id": "jobwire",
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 0,  # everybody waits for his one message
        "message.timeout.ms": whole,
        "request.timeout.ms": half,
        "socket.timeout.ms": half,
        "socket.connection.setup.timeout.ms": max(half, 1000),
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1000,  # by default 10 s: some deliveries would not even try
        "message.max.bytes": _LARGEST,
        "partitioner": "murmur2_random",  # a key's partition is the one that Java's clients compute
        "allow.auto.create.topics": False,  # a misspelt topic is told, not made
        "topic.metadata.propagation.max.ms": 0,  # and told at once
    }


def _code(error: KafkaException) -> int:
    return int(error.args[0].code())


# --- one producer ----------------------------------------------------------------------------------------------------


class _Quiet:
    """Where the client's own log lines go, which it would write to stderr: what matters of them is raised."""

    def log(self, _level: int, text: str, *args: object) -> None:
        logging.getLogger("confluent_kafka").debug(text, *args)


class _Line:
    """A producer for all threads, with a thread of its own that hears what it has to say.

    `trouble` is the last error of its connections that says why they fail, `broken` that it cannot go on.
    """

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        """Raises KafkaException when the settings cannot be used."""
        self.trouble: int | None = None
        self.broken = False
        self._ending = threading.Event()
        self._patience = settings["message.timeout.ms"] / 1000
        self._producer: Producer | None = Producer({**settings, "error_cb": self._hear, "logger": _Quiet()})
        self._thread = threading.Thread(target=self._serve, name=f"kafka-{name}", daemon=True)
        self._thread.start()

    def send(self, topic: str, key: bytes | None, body: bytes) -> Future[str]:
        """Where the message is, once that is known. Raises KafkaException and BufferError, here or there."""
        answer: Future[str] = Future()

        def reported(error: KafkaError | None, message: Message) -> None:
            if error:
                answer.set_exception(KafkaException(error))
            else:
                self.trouble = None
                answer.set_result(_place(message))

        # No timestamp but the time of sending: by an old one, of an event that is replayed, a topic would expire it.
        self._alive().produce(
            topic, value=body, key=key, headers={"content-type": CLOUDEVENTS_JSON}, on_delivery=reported
        )
        return answer

    def look_at(self, topic: str, seconds: float) -> tuple[int | None, int]:
        """What is wrong with a topic, and how many partitions it has. Raises KafkaException."""
        found = self._alive().list_topics(topic, timeout=seconds).topics[topic]
        return (found.error.code() if found.error else None), len(found.partitions)

    def retire(self) -> None:
        """Accept no more; what is on its way still gets its answer."""
        self._ending.set()

    def close(self) -> None:
        """Give up what is on its way, and wait a little until all is gone."""
        self._alive().purge(blocking=False)
        self._ending.set()
        self._thread.join(_ENDING)

    def _alive(self) -> Producer:
        if self._producer is None:
            raise KafkaException(KafkaError(KafkaError._PURGE_QUEUE))
        return self._producer

    def _serve(self) -> None:
        """The calls to `_hear` and `reported` come from here. The producer ends with this thread, which alone waits for
        that: it may take as long as the system needs to resolve a name."""
        assert self._producer is not None
        while not self._ending.is_set():
            self._poll(self._producer.poll, 0.1)
        self._poll(self._producer.flush, self._patience)
        self._producer = None

    def _poll(self, listen: Any, seconds: float) -> None:
        try:
            listen(seconds)
        except KafkaException as e:  # only of an error that is fatal to the producer
            self.trouble, self.broken = _code(e), True

    def _hear(self, error: KafkaError) -> None:
        if self.trouble is None or error.code() not in _VAGUE:
            self.trouble = error.code()


def _place(message: Message) -> str:
    """Without an offset where the brokers only said that they had it already."""
    where = f"{message.topic()}[{message.partition()}]"
    offset = message.offset()
    return f"{where}@{offset}" if offset is not None and offset >= 0 else where
