"""Tokens in Redis, shared by all processes: read, replaced by compare-and-set, one refresher at a time."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, cast

import redis

from processor.errors import Unavailable
from processor.ports import StoredToken
from processor.store import keys
from processor.store.scripts import REPLICA_MS, ours

_SWAP = """
local old = redis.call('GET', KEYS[1]) or ''
if old ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
_UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RedisTokens:
    """ports.TokenStore. `wait_replicas` is how many replicas must have a new token before it is used.

    Raises Unavailable when Redis, or too few of its replicas, cannot do it now.
    """

    def __init__(self, client: redis.Redis, *, wait_replicas: int = 0) -> None:
        self._client = client
        self._wait_replicas = wait_replicas
        self._swap = client.register_script(_SWAP)
        self._unlock = client.register_script(_UNLOCK)

    def get(self, source: str) -> StoredToken | None:
        with ours():
            text = cast("str | None", self._client.get(keys.key("tok", source)))
        return StoredToken(**json.loads(text)) if text else None

    def put(self, source: str, token: StoredToken, *, expected: StoredToken | None) -> bool:
        with ours(), self._client.pipeline(transaction=False) as pipe:
            self._swap(keys=[keys.key("tok", source)], args=[_text(expected), _text(token)], client=pipe)
            if self._wait_replicas:
                pipe.wait(self._wait_replicas, REPLICA_MS)
            swapped, *reached = pipe.execute()
        if swapped and reached and reached[0] < self._wait_replicas:
            raise Unavailable(f"only {reached[0]} of {self._wait_replicas} replicas have the new token")
        return bool(swapped)

    @contextmanager
    def lock(self, source: str, *, seconds: float) -> Iterator[bool]:
        name, mine = keys.key("lock", f"token:{source}"), secrets.token_hex(8)
        deadline = time.monotonic() + seconds
        with ours():
            while not (held := self._client.set(name, mine, nx=True, px=int(seconds * 1000))):
                if time.monotonic() >= deadline:
                    break
                time.sleep(0.05)  # another process is at the token endpoint; its answer is ours too
        try:
            yield bool(held)
        finally:
            if held:
                with ours():
                    self._unlock(keys=[name], args=[mine])


def _text(token: StoredToken | None) -> str:
    return json.dumps(cast(Any, asdict(token)), sort_keys=True) if token else ""
