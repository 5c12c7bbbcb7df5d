"""What sinks want to know again, in Redis: the message that is a job's, who has had an event already."""

from __future__ import annotations

from typing import cast

import redis

from processor.store import keys
from processor.store.scripts import ours


class RedisMemory:
    """ports.Memory. Raises Unavailable when Redis cannot do it now. `client` decodes answers."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def recall(self, sink: str, key: str) -> str | None:
        with ours():
            return cast("str | None", self._client.get(keys.memory_key(sink, key)))

    def remember(self, sink: str, key: str, value: str, *, seconds: float) -> None:
        with ours():
            self._client.set(keys.memory_key(sink, key), value, px=max(1, int(seconds * 1000)))
