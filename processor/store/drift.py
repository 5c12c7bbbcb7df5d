"""Contract drift: words of a provider's that we do not know, counted, and told once each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from processor.store import keys
from processor.store.scripts import ours

MOST = 100  # different ones of a source that are kept; what comes beyond counts as BEYOND
BEYOND = "and more"
_FIRST = "@"  # before a word: when it was first met


@dataclass(frozen=True, slots=True)
class Met:
    """A word that is not known, and how often since when."""

    word: str
    times: int
    since: datetime


class Drift:
    """`client` decodes answers. Raises Unavailable when Redis cannot do it now."""

    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client

    def note(self, source: str, words: Sequence[str]) -> None:
        """Count what was met. The words are the provider's own names of things, never what somebody filled in."""
        key = keys.key("drift", source)
        with ours():
            for word in words:
                full = self._client.hlen(key) >= 2 * MOST and not self._client.hexists(key, word)
                word = BEYOND if full else word
                self._client.hsetnx(key, _FIRST + word, time.time())
                self._client.hincrby(key, word, 1)
            if words:
                self._client.hincrby(keys.key("cnt"), f"drift:{source}", len(words))

    def untold(self, source: str) -> list[Met]:
        """What was met and not told yet."""
        with ours():
            met = self._client.hgetall(keys.key("drift", source))
            told = self._client.smembers(keys.key("drifttold", source)) if met else set()
        return [
            Met(word, int(times), datetime.fromtimestamp(float(met[_FIRST + word]), UTC))
            for word, times in met.items()
            if _FIRST + word in met and word not in told
        ]

    def told(self, source: str, word: str) -> None:
        with ours():
            self._client.sadd(keys.key("drifttold", source), word)
