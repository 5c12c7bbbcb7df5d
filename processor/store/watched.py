"""What the alarms have to know again: a number for a name, in one hash."""

from __future__ import annotations

from typing import Any

import redis

from processor.store import keys
from processor.store.scripts import ours


class Watched:
    """`client` decodes answers. Raises Unavailable when Redis cannot do it now."""

    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client

    def mark(self, name: str, value: int) -> int:
        """What stands under the name: `value`, unless there was something before."""
        with ours():
            self._client.hsetnx(keys.key("watched"), name, value)
            return int(self._client.hget(keys.key("watched"), name) or value)

    def put(self, name: str, value: int) -> None:
        with ours():
            self._client.hset(keys.key("watched"), name, value)

    def marks(self) -> dict[str, int]:
        with ours():
            return {name: int(value) for name, value in self._client.hgetall(keys.key("watched")).items()}

    def last_words(self, resource: str, *, lanes: int) -> str:
        """What was said last at one of the so many lanes of a source or sink that are due first; "" for nothing."""
        with ours():
            due = self._client.zrange(keys.key("due", resource), 0, lanes - 1)
            with self._client.pipeline(transaction=False) as pipe:
                for lane in due:
                    pipe.hget(keys.key("lane", lane), "err")
                return next((error for error in pipe.execute() if error), "")

    def forget(self, name: str) -> None:
        with ours():
            self._client.hdel(keys.key("watched"), name)
