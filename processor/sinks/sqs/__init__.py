"""Sends events to an Amazon SQS queue, standard or FIFO: a message's body is the document."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]  # neither of the two ships types
import botocore.session  # type: ignore[import-untyped]
from botocore import exceptions as theirs
from botocore.config import Config  # type: ignore[import-untyped]
from marshmallow import ValidationError, fields, validate

from processor.errors import Busy, ProcessorError, Shut, Unreadable
from processor.http import check_address, shown
from processor.model import CLOUDEVENTS_JSON, JSON
from processor.options import SinkOptions
from processor.ports import Tools
from processor.sinks.sqs.answers import MAY_NOT, NONSENSE, code_of, failure
from processor.sizing import fitted
from processor.text import clean

_CONNECT, _READ = 2.0, 4.0  # seconds; a delivery is one exchange, the first one two

# A queue takes what its attribute MaximumMessageSize says, since 2025 up to 1 MiB; who may not read it goes by the
# size that has long been the usual one. A message's attributes count.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
_USUAL = 256 * 1024
_ATTRIBUTES = {"content-type": {"DataType": "String", "StringValue": CLOUDEVENTS_JSON}}
_WEIGHT = len("content-type" + "String" + CLOUDEVENTS_JSON)

_REGION = re.compile(r"(?:^|\.)([a-z]{2,4}(?:-[a-z]+)+-\d+)\.")  # sqs.eu-west-1.…, eu-west-1.queue.…, ….vpce.…
_GROUP = re.compile(r"[!-~]{1,128}")  # API_SendMessage: letters, digits and the punctuation of ASCII


class QueueUrl(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        url = super()._deserialize(value, attr, data, **kwargs).rstrip("/")
        try:
            check_address(url)
            usable = bool(urlsplit(url).path)
        except Shut:
            usable = False
        if not usable:
            raise ValidationError(
                "must be a queue's URL, such as https://sqs.eu-west-1.amazonaws.com/123456789012/NAME"
            )
        return url


def _usable(endpoint: str) -> None:
    try:
        check_address(endpoint)
    except Shut as e:
        raise ValidationError(e.message) from None


class Options(SinkOptions):
    queue_url = QueueUrl(required=True)
    region = fields.String(load_default=None, validate=validate.Length(min=1))
    endpoint_url = fields.String(load_default=None, validate=_usable)


class Sqs:
    """A queue as a sink; the reference of a delivery is the MessageId. The credentials are found by boto3's own rules:
    environment, files, a role of the container or the machine."""

    Options = Options

    def __init__(
        self,
        name: str,
        queue_url: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        timeouts: tuple[float, float] = (_CONNECT, _READ),
    ) -> None:
        self.name = name
        self._queue_url = queue_url
        self._region = region or _region(queue_url)
        self._endpoint = endpoint_url or "{0.scheme}://{0.netloc}".format(urlsplit(queue_url))
        self._timeouts = timeouts
        self._making = threading.Lock()
        self._client: Any = None
        self._most: int | None = None

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Sqs:
        own = {key: options[key] for key in ("region", "endpoint_url")}
        return cls(name, options["queue_url"], **own)

    def deliver(self, event: Mapping[str, JSON]) -> str:
        message = self._message(event, self._ask(self._limit))
        answer = self._ask(lambda client: client.send_message(**message))
        reference = answer.get("MessageId")
        if not reference:
            raise Unreadable(f"{shown(self._queue_url)}: its answer is not that of SQS: there is no MessageId")
        return str(reference)

    def try_out(self) -> str:
        """The queue, its kind and the largest message that it takes."""
        most = self._ask(self._attribute)
        kind = "FIFO queue" if self._is_fifo else "queue"
        size = f"messages of up to {most} bytes" if most else "it does not say how large a message may be"
        return f"{kind} {clean(urlsplit(self._queue_url).path.rpartition('/')[2], 80)}, {size}"

    def close(self) -> None:
        """Let go of the connections."""
        self._forget(self._client)

    @property
    def _is_fifo(self) -> bool:
        return self._queue_url.endswith(".fifo")

    def _message(self, event: Mapping[str, JSON], limit: int) -> dict[str, Any]:
        body = fitted(event, limit - _WEIGHT).decode()  # ASCII: SQS refuses what XML 1.0 cannot say
        message = {"QueueUrl": self._queue_url, "MessageBody": body, "MessageAttributes": _ATTRIBUTES}
        if self._is_fifo:
            message |= {"MessageGroupId": _group(event), "MessageDeduplicationId": str(event["id"])}
        return message

    def _limit(self, client: Any) -> int:
        """The largest message that the queue takes, asked once where that is allowed."""
        most = self._most
        if most is None:
            try:
                most = self._attribute(client) or _USUAL
            except theirs.ClientError as error:
                if code_of(error) not in MAY_NOT:
                    raise
                most = _USUAL
            self._most = most
        return most

    def _attribute(self, client: Any) -> int | None:
        answer = client.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["MaximumMessageSize"])
        try:
            return int(answer["Attributes"]["MaximumMessageSize"])
        except (KeyError, TypeError, ValueError):  # an implementation other than Amazon's that does not have it
            return None

    # --- the client

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        client = None
        try:
            client = self._opened()
            try:
                return question(client)
            except theirs.ConnectionClosedError:  # a kept connection may be closed at the very moment we write to it
                return question(client)
        except (theirs.BotoCoreError, theirs.ClientError, *NONSENSE) as error:
            ours = self._translated(error)
            if isinstance(ours, Shut):  # a client reads its credentials once, and they may be what is put right
                self._forget(client)
            raise ours from None

    def _opened(self) -> Any:
        """The one client, which threads share; made on first use, since that looks for the credentials."""
        if not self._making.acquire(timeout=_READ):
            raise Busy(f"{shown(self._queue_url)}: the AWS credentials are still being looked for")
        try:
            if self._client is None:
                self._client = self._made()
            return self._client
        finally:
            self._making.release()

    def _made(self) -> Any:
        connect, read = self._timeouts
        session = botocore.session.get_session()
        # For every client of the session: those that exchange a role for credentials are not made by us.
        session.set_default_client_config(
            Config(
                connect_timeout=connect,
                read_timeout=read,
                retries={"mode": "standard", "total_max_attempts": 1},  # repetition belongs to the workers
                max_pool_connections=16,  # as many as a sink may have in hand
            )
        )
        made = boto3.session.Session(botocore_session=session, region_name=self._region)
        return made.client("sqs", endpoint_url=self._endpoint)

    def _forget(self, client: Any) -> None:
        if client is not None and self._client is client:
            self._client = self._most = None
            client.close()

    def _translated(self, error: Exception) -> ProcessorError:
        return failure(shown(self._queue_url), error)


def _region(queue_url: str) -> str | None:
    """The region that the host names; None leaves it to boto3: AWS_DEFAULT_REGION, or the profile's."""
    found = _REGION.search(urlsplit(queue_url).hostname or "")
    return found[1] if found else None


def _group(event: Mapping[str, JSON]) -> str:
    """The job: SQS keeps the order within a group."""
    key = str(event.get("partitionkey"))
    return key if _GROUP.fullmatch(key) else hashlib.sha256(key.encode(errors="replace")).hexdigest()
