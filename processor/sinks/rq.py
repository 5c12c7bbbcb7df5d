"""Enqueues events as RQ jobs: a function in somebody's own worker gets the event, a dict, as its one argument."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema
from redis import exceptions as theirs
from rq import Queue, Worker
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from processor.connect import connect, is_address
from processor.errors import Busy, Retryable, Shut, Unreachable, Usage
from processor.http import shown
from processor.model import JSON, Secret
from processor.options import SecretField, SinkOptions
from processor.ports import Tools
from processor.text import headline

OURS = "jobwire"  # our own queue in our own Redis, whose workers would not know what to do with such a job
_NOT_OURS = f"{OURS!r} is jobwire's own queue in its own Redis: choose another one, or name another Redis as url"
_TIMEOUT = 3.0  # seconds, for connecting and for each of three or four answers

# The first row that fits. Redis repeats arguments in some of its own messages, so ours say it in our words.
_MEANINGS: tuple[tuple[tuple[type[theirs.RedisError], ...], type[Retryable], str], ...] = (
    ((theirs.OutOfMemoryError,), Busy, "its memory is full"),
    ((theirs.BusyLoadingError,), Busy, "it is still loading its data"),
    ((theirs.ClusterDownError,), Busy, "it has no master now"),
    ((theirs.ReadOnlyError,), Busy, "it is a replica that takes no writes; a failover may be under way"),
    ((theirs.AuthenticationError, theirs.AuthorizationError), Shut, "it refuses our user name or password"),
    ((theirs.NoPermissionError,), Shut, "our user may not write what RQ writes (keys rq:*)"),
    ((theirs.TimeoutError,), Unreachable, "no answer in time"),
    ((theirs.ConnectionError,), Unreachable, "no connection"),
    ((theirs.ResponseError,), Shut, "it refuses the job"),
)


class Address(SecretField):
    """The address of a Redis, which may hold its password."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        secret = super()._deserialize(value, attr, data, **kwargs)
        if not is_address(secret.reveal()):
            raise ValidationError("must be an address of Redis: redis://, rediss:// or unix://")
        return secret


def _place(url: str | None) -> tuple[str, ...]:
    """Where an address leads, however it is spelled."""
    if not url:
        return ()
    try:
        with connect(url, patient=False) as client:
            where = client.connection_pool.connection_kwargs
    except ValueError:
        return (url,)
    host = str(where.get("host", "localhost")).replace("127.0.0.1", "localhost").replace("::1", "localhost")
    return str(where.get("path") or host), str(where.get("port", 6379)), str(where.get("db") or 0)


def _printable(name: str) -> None:
    if not name.strip() or not name.isprintable():
        raise ValidationError("must be the name of a queue")


def _dotted(path: str) -> None:
    """Whether the function is there only its worker knows."""
    if "." not in path or not all(step.isidentifier() for step in path.split(".")):
        raise ValidationError('must be the dotted path of a function, such as "crm.tasks.handle"')


class Options(SinkOptions):
    queue = fields.String(required=True, validate=_printable)
    function = fields.String(required=True, validate=_dotted)
    url = Address(load_default=None)
    serializer = fields.String(load_default="pickle", validate=validate.OneOf(["pickle", "json"]))

    @validates_schema
    def _a_queue_of_their_own(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if data.get("queue") == OURS and not data.get("url"):
            raise ValidationError(_NOT_OURS, "queue")


class Rq:
    """A queue of RQ's as a sink; the reference of a delivery is the job's id."""

    Options = Options

    def __init__(
        self,
        name: str,
        queue: str,
        function: str,
        *,
        url: str,
        serializer: str = "pickle",
        timeout: float = _TIMEOUT,
    ) -> None:
        self.name = name
        self._function = function
        self._shown = f"{shown(url)}, queue {queue}"
        # A Redis may have several such sinks, and RQ's ids are those of all its queues.
        self._suffix = hashlib.sha256(f"{queue}\0{function}".encode()).hexdigest()[:8]
        self._redis = connect(url, patient=False, text=False, timeout=timeout)  # RQ packs its jobs
        self._queue = Queue(queue, connection=self._redis, serializer=serializer)

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Rq:
        url = options["url"].reveal() if options["url"] else tools.redis_url
        if options["queue"] == OURS and _place(url) == _place(tools.redis_url):
            raise Usage(f"sinks.{name}.queue: {_NOT_OURS}")
        try:
            return cls(name, options["queue"], options["function"], url=url or "", serializer=options["serializer"])
        except ValueError:  # there is no Redis of ours either
            raise Usage(f"sinks.{name}.url: name the Redis of the queue, as redis://, rediss:// or unix://") from None

    def deliver(self, event: Mapping[str, JSON]) -> str:
        """A job of this event that waits, runs or ended well is left alone; one that failed makes way for a new one."""
        job_id = f"{event['id']}-{self._suffix}"
        try:
            try:
                self._enqueue(job_id, event)
            except DuplicateJobError:
                self._enqueue_again(job_id, event)
        except theirs.RedisError as error:
            raise self._translated(error) from None
        return job_id

    def try_out(self) -> str:
        """Looks at the queue, and deletes a part of a job that is not there: only who may write may do that."""
        try:
            self._redis.hdel(Job.key_for(f"none-{self._suffix}"), "none")
            waiting, workers = self._queue.count, Worker.count(queue=self._queue)
        except theirs.RedisError as error:
            raise self._translated(error) from None
        return f"{self._shown}: jobs that wait: {waiting}, workers that listen: {workers}"

    def close(self) -> None:
        """Let go of the connections."""
        self._redis.close()

    def _enqueue(self, job_id: str, event: Mapping[str, JSON]) -> None:
        """The description is given because RQ would make one of the argument, and its workers log it."""
        self._queue.enqueue_call(
            self._function, args=(dict(event),), job_id=job_id, description=headline(event), unique=True
        )

    def _enqueue_again(self, job_id: str, event: Mapping[str, JSON]) -> None:
        try:
            # read as JSON, whatever it is packed in: nothing that their Redis holds is unpickled here
            job = Job.fetch(job_id, connection=self._redis, serializer=JSONSerializer)
            if job.get_status(refresh=False) == JobStatus.FAILED:
                job.delete()
                self._enqueue(job_id, event)
        except (NoSuchJobError, DuplicateJobError):
            pass  # it has run in the meantime; somebody else was first

    def _translated(self, error: theirs.RedisError) -> Retryable:
        if str(error).startswith("WRONGTYPE"):
            return Shut(f"{self._shown}: a key that RQ uses holds something else")
        for kinds, ours, words in _MEANINGS:
            if isinstance(error, kinds):
                return ours(f"{self._shown}: {words} ({type(error).__name__})")
        return Unreachable(f"{self._shown}: {type(error).__name__}")
