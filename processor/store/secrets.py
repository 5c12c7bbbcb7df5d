"""The secrets of webhooks that we registered ourselves, in Redis: accepted beside the configured ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import redis

from processor.model import Secret
from processor.store import keys
from processor.store.scripts import ours

FRESH = 0.2  # seconds that what was read is believed: a storm of wrong signatures costs no storm of reads


class RedisSecrets:
    """`client` decodes answers. Raises Unavailable when Redis cannot do it now."""

    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client
        self._lock = threading.Lock()
        self._read: dict[str, tuple[float, tuple[Secret, ...]]] = {}

    def __call__(self, source: str) -> tuple[Secret, ...]:
        """All of a source's, as ports.Tools.secrets wants them."""
        with self._lock:
            at, known = self._read.get(source, (0.0, ()))
            if time.monotonic() - at < FRESH:
                return known
            known = tuple(self.by_subscription(source).values())
            self._read[source] = time.monotonic(), known
            return known

    def by_subscription(self, source: str) -> Mapping[str, Secret]:
        with ours():
            return {id_: Secret(text) for id_, text in self._client.hgetall(keys.key("sec", source)).items()}

    def keep(self, source: str, subscription_id: str, secret: Secret) -> None:
        with ours():
            self._client.hset(keys.key("sec", source), subscription_id, secret.reveal())

    def forget(self, source: str, subscription_id: str) -> None:
        with ours():
            self._client.hdel(keys.key("sec", source), subscription_id)
