"""Appends events to a Redis stream, for consumers that read one: fields `id`, `type` and `event`, the document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate
from redis import exceptions as theirs
from redis.typing import EncodableT, FieldT

from processor.connect import connect, is_address
from processor.errors import Busy, Retryable, Shut, Unreachable, Usage
from processor.http import shown
from processor.model import JSON, Secret
from processor.options import SecretField, SinkOptions
from processor.ports import Tools
from processor.text import json_line

_TIMEOUT = 5.0  # seconds, for connecting and for each answer

# The first row that fits. Redis repeats arguments in some of its own messages, so ours say it in our words.
_MEANINGS: tuple[tuple[tuple[type[theirs.RedisError], ...], type[Retryable], str], ...] = (
    ((theirs.OutOfMemoryError,), Busy, "its memory is full"),
    ((theirs.BusyLoadingError,), Busy, "it is still loading its data"),
    ((theirs.ClusterDownError,), Busy, "it has no master now"),
    ((theirs.ReadOnlyError,), Busy, "it is a replica that takes no writes; a failover may be under way"),
    ((theirs.AuthenticationError, theirs.AuthorizationError), Shut, "it refuses our user name or password"),
    ((theirs.NoPermissionError,), Shut, "our user may not write this stream"),
    ((theirs.TimeoutError,), Unreachable, "no answer in time"),
    ((theirs.ConnectionError,), Unreachable, "no connection"),
    ((theirs.ResponseError,), Shut, "it refuses to append"),
)


class Address(SecretField):
    """The address of a Redis, which may hold its password."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        secret = super()._deserialize(value, attr, data, **kwargs)
        if not is_address(secret.reveal()):
            raise ValidationError("must be an address of Redis: redis://, rediss:// or unix://")
        return secret


class Options(SinkOptions):
    stream = fields.String(required=True, validate=validate.Length(min=1))
    max_length = fields.Integer(load_default=None, validate=validate.Range(min=1))
    url = Address(load_default=None)


class RedisStream:
    """A stream as a sink; the reference of a delivery is the entry's id."""

    Options = Options

    def __init__(
        self, name: str, stream: str, *, url: str, max_length: int | None = None, timeout: float = _TIMEOUT
    ) -> None:
        self.name = name
        self._stream = stream
        self._max_length = max_length
        self._shown = f"{shown(url)}, stream {stream}"
        self._redis = connect(url, patient=False, timeout=timeout)  # time and repetition belong to the workers

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> RedisStream:
        url = options["url"].reveal() if options["url"] else tools.redis_url
        try:
            return cls(name, options["stream"], url=url or "", max_length=options["max_length"])
        except ValueError:  # there is no Redis of ours either
            raise Usage(f"sinks.{name}.url: name the Redis of the stream, as redis://, rediss:// or unix://") from None

    def deliver(self, event: Mapping[str, JSON]) -> str:
        entry: dict[FieldT, EncodableT] = {
            "id": str(event["id"]),
            "type": str(event["type"]),
            "event": json_line(event),
        }
        try:
            # Approximately: trimming whole nodes is what Redis does cheaply, and a few entries too many hurt nobody.
            reference = self._redis.xadd(self._stream, entry, maxlen=self._max_length, approximate=True)
        except theirs.RedisError as error:
            raise self._translated(error) from None
        return str(reference)

    def try_out(self) -> str:
        """Appends an entry that no stream takes, because of its id: whoever may not append is told that instead."""
        try:
            self._redis.xadd(self._stream, {"id": ""}, id="0-0", nomkstream=True)
        except theirs.RedisError as error:
            if type(error) is not theirs.ResponseError or "greater than 0-0" not in str(error):
                raise self._translated(error) from None
        try:
            return f"{self._shown}: entries: {self._redis.xlen(self._stream)}"
        except theirs.NoPermissionError:
            return f"{self._shown}: we may append"
        except theirs.RedisError as error:
            raise self._translated(error) from None

    def close(self) -> None:
        """Let go of the connections."""
        self._redis.close()

    def _translated(self, error: theirs.RedisError) -> Retryable:
        if str(error).startswith("WRONGTYPE"):
            return Shut(f"{self._shown}: the key holds something other than a stream")
        for kinds, ours, words in _MEANINGS:
            if isinstance(error, kinds):
                return ours(f"{self._shown}: {words} ({type(error).__name__})")
        return Unreachable(f"{self._shown}: {type(error).__name__}")
