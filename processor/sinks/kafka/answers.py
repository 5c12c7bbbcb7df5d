"""What the errors of Kafka's brokers, and of its client, mean."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException

from processor.errors import Busy, ProcessorError, Refused, Shut, Unreachable

_Meaning = tuple[type[ProcessorError], str]

_NO_TOPIC: _Meaning = (Shut, "there is no such topic: create it, or name another")
_NOT_ALLOWED: _Meaning = (Shut, "our user may not write to the topic (ACL: Describe and Write)")
_NOT_US: _Meaning = (Shut, "the brokers refuse our login: check username, password, sasl_mechanism, security_protocol")
_TOO_LARGE: _Meaning = (Refused, "the document is larger than the topic takes (its max.message.bytes)")
_TOO_OLD: _Meaning = (Shut, "brokers or topic are too old for us: Kafka 0.11 or later is needed")
_MOVING: _Meaning = (Busy, "its replicas do not take it now")
_OUT_OF_STEP: _Meaning = (Busy, "the producer lost step with the brokers; the next delivery makes a new one")
_SILENCE: _Meaning = (Unreachable, "no acknowledgement in time")
_LOST: _Meaning = (Unreachable, "the brokers cannot be reached")

# What the errors mean: https://kafka.apache.org/protocol#protocol_error_codes, and those of the client itself, with an
# underscore. Their texts are not quoted. Passing errors of brokers are repeated by the client until its time is over,
# so most of them come here as _MSG_TIMED_OUT. Any other is _LOST.
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
VAGUE = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._FATAL,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._PURGE_QUEUE,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
    }
)


def meaning(code: int) -> _Meaning:
    """What to raise, and in which words."""
    return _MEANINGS.get(code, _LOST)


def code_of(error: KafkaException) -> int:
    """The number that the client gives the error that it raised."""
    return int(error.args[0].code())
