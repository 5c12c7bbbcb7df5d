"""The only door to our own RQ queue: what the tasks are called, what they carry, how long RQ keeps them.

The lanes are the truth about work; a task only sets a hand to it. So a task that RQ loses, doubles or delays costs a
second, and RQ's retries, registries and failure hooks carry no promise.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from processor.errors import Unavailable

QUEUE = "jobwire"
REFRESH = "workers.tasks.refresh"
DELIVER = "workers.tasks.deliver"
TASKS = {"r": REFRESH, "d": DELIVER}
SPELL = 10.0  # seconds that a task keeps drawing lanes before it makes room for another source or sink
TASK_TIMEOUT = 300  # RQ's own limit; a lane's deadline ends sooner


def new_hand() -> str:
    """A name for a task on its way."""
    return secrets.token_hex(6)


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
                failure_ttl=3600,
                description=f"{'refresh' if resource[0] == 'r' else 'deliver'} {resource[2:]}",
            )
            for resource, hand in hands
        ]
        try:
            self._queue.enqueue_many(rows)
        except redis.RedisError as e:
            raise Unavailable(f"Redis cannot take it now ({type(e).__name__})") from e
