"""The producer that all threads share, set to have each message stored once and in order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor import tracing
from processor.model import CLOUDEVENTS_JSON
from processor.sinks.kafka.answers import VAGUE, code_of

# The client's own limit on a message, key and headers included (message.max.bytes in
# https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md); a broker's is 1,048,588 unless changed.
LARGEST = 1_000_000
_ENDING = 3.0  # seconds at most, for closing


def settings(brokers: str, timeout: float) -> dict[str, Any]:
    """What the client is told, in its own words."""
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
        "message.max.bytes": LARGEST,
        "partitioner": "murmur2_random",  # a key's partition is the one that Java's clients compute
        "allow.auto.create.topics": False,  # a misspelt topic is told, not made
        "topic.metadata.propagation.max.ms": 0,  # and told at once
    }


class _Quiet:
    """Where the client's own log lines go, which it would write to stderr: what matters of them is raised."""

    def log(self, _level: int, text: str, *args: object) -> None:
        logging.getLogger("confluent_kafka").debug(text, *args)


class Line:
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
        headers: Any = {"content-type": CLOUDEVENTS_JSON, **tracing.outgoing()}
        self._alive().produce(topic, value=body, key=key, headers=headers, on_delivery=reported)
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
            self.trouble, self.broken = code_of(e), True

    def _hear(self, error: KafkaError) -> None:
        if self.trouble is None or error.code() not in VAGUE:
            self.trouble = error.code()


def _place(message: Message) -> str:
    """Without an offset where the brokers only said that they had it already."""
    where = f"{message.topic()}[{message.partition()}]"
    offset = message.offset()
    return f"{where}@{offset}" if offset is not None and offset >= 0 else where
