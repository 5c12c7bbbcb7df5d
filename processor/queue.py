"""The only door to our own RQ queue: what the tasks are called, what they carry, how long RQ keeps them.

The lanes are the truth about work; a task only sets a hand to it. So a task that RQ loses, doubles or delays costs a
second, and RQ's retries, registries and failure hooks carry no promise.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import redis
from rq import Queue
from rq.exceptions import NoSuchJobError, StopRequested
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job
from rq.serializers import JSONSerializer

from processor.errors import Unavailable

QUEUE = "jobwire"
REFRESH = "workers.tasks.refresh"
DELIVER = "workers.tasks.deliver"
TASKS = {"r": REFRESH, "d": DELIVER}
SPELL = 10.0  # seconds that a task keeps drawing lanes before it makes room for another source or sink
TASK_TIMEOUT = 300  # RQ's own limit; a lane's deadline ends sooner
LEFT = 3600  # seconds that RQ keeps a task that waits, failed, or was lost with its worker
MOST = 10_000  # tasks that wait at most: they are sent anew for as long as no worker takes them
_ID = re.compile(rb"[A-Za-z0-9_-]{1,100}")  # what RQ and we call jobs


def new_hand() -> str:
    """A name for a task on its way."""
    return secrets.token_hex(6)


class Task(Job):
    """RQ's job as our workers take it: one of our two tasks, and nothing that RQ would do beside it.

    JSON alone does not keep who can write to Redis from running code: RQ imports and calls whatever function a job
    names, as its task or as a callback, and posts to any address that it names. A job that is none of ours, or cannot
    be read, counts as one that is gone: RQ passes on to the next.
    """

    _READ = frozenset(
        {"data", "origin", "description", "status", "timeout", "result_ttl", "failure_ttl", "created_at", "enqueued_at"}
    )

    @classmethod
    def fetch(cls, id: str, connection: redis.Redis | None = None, serializer: Any = None) -> Job:  # noqa: A002  # RQ's name
        """Called by RQ with what it found in its queue."""
        try:
            return super().fetch(id, connection=connection, serializer=serializer)
        except (redis.ConnectionError, redis.TimeoutError, StopRequested):
            raise
        except Exception as e:  # noqa: BLE001  # what garbage makes RQ raise is without end
            if connection is not None:
                connection.expire(cls.key_for(id), LEFT)  # nobody else would: one that cannot be read is passed over
            raise NoSuchJobError(f"job {id!r} cannot be read ({type(e).__name__})") from None

    @classmethod
    def fetch_many(cls, job_ids: Iterable[str], connection: redis.Redis, serializer: Any = None) -> list[Job | None]:
        """Called by RQ's housekeeping, for which one that is gone is None."""
        return [cls._found(job_id, connection, serializer) for job_id in job_ids]

    def restore(self, raw_data: dict[bytes, bytes]) -> None:
        """Called with the job's fields as Redis has them."""
        super().restore({name: value for name, value in raw_data.items() if name.decode() in self._READ})
        if self.func_name not in TASKS.values() or self.instance is not None:
            raise NoSuchJobError(f"job {self.id!r} is no task of ours")

    @classmethod
    def _found(cls, job_id: str, connection: redis.Redis, serializer: Any) -> Job | None:
        try:
            return cls.fetch(job_id, connection=connection, serializer=serializer)
        except NoSuchJobError:
            return None


class _Between(IntermediateQueue):
    """Where RQ has what a worker took and has not begun."""

    def get_job_ids(self) -> list[str]:
        """Called by RQ's housekeeping, which drops those that are gone, and stumbles over what is no text."""
        found: Any = self.connection.lrange(self.key, 0, -1)
        return [job_id.decode() for job_id in found if self.keeps(job_id)]

    def keeps(self, job_id: bytes) -> bool:
        """Whether this can be a job's id; what cannot is dropped."""
        if _ID.fullmatch(job_id):
            return True
        self.connection.lrem(self.key, 0, job_id)  # type: ignore[arg-type]  # redis-py's type is too narrow
        return False


class TaskQueue(Queue):
    """RQ's queue as our workers read it: over an id that is no text its loop would stumble, and begin anew."""

    @classmethod
    def lmove(cls, connection: redis.Redis, queue_key: str, timeout: int | None) -> Any:
        """Called by RQ for the next id in the queue."""
        between = _Between(queue_key, connection)
        while (taken := super().lmove(connection, queue_key, timeout)) and not between.keeps(taken[1]):
            pass
        return taken

    @property
    def intermediate_queue(self) -> IntermediateQueue:
        return _Between(self.key, self.connection)


class Tasks:
    """Sends tasks. `client` must not decode answers: RQ packs its jobs."""

    def __init__(self, client: redis.Redis) -> None:
        self._queue = Queue(QUEUE, connection=client, serializer=JSONSerializer)

    def send(self, hands: Sequence[tuple[str, str]]) -> None:
        """One task for each (resource name, hand). Raises Unavailable; what is not sent is found by the next tick."""
        if not hands:
            return
        rows = [
            Queue.prepare_data(
                TASKS[resource[0]],
                args=(resource[2:], hand),
                timeout=TASK_TIMEOUT,
                result_ttl=0,
                ttl=LEFT,
                failure_ttl=LEFT,
                description=f"{'refresh' if resource[0] == 'r' else 'deliver'} {resource[2:]}",
            )
            for resource, hand in hands
        ]
        try:
            with self._queue.connection.pipeline() as pipe:
                self._queue.enqueue_many(rows, pipeline=pipe)
                pipe.ltrim(self._queue.key, -MOST, -1)
                pipe.execute()
        except redis.RedisError as e:
            raise Unavailable(f"Redis cannot take it now ({type(e).__name__})") from e
