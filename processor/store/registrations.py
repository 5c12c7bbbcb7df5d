"""Registrations that we started at a provider and whose verification code we still wait for."""

from __future__ import annotations

import redis

from processor.store import keys
from processor.store.scripts import ours

WAITS = 3600  # seconds: the providers do not say how long a code lives


class Registrations:
    """Raises Unavailable when Redis cannot do it now."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def begin(self, source: str) -> None:
        """From now on a verification code for `source` is expected."""
        with ours():
            self._client.set(keys.key("reg", source), "1", ex=WAITS)

    def awaits_code(self, source: str) -> bool:
        with ours():
            return bool(self._client.exists(keys.key("reg", source)))

    def end(self, source: str) -> None:
        """The code was sent back."""
        with ours():
            self._client.delete(keys.key("reg", source))
