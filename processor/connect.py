"""Connections to Redis: one URL in, clients with the patience that each kind of process needs out."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from processor.errors import Unavailable

OLDEST = 7  # scripts with flags came with it
SENTINEL_SCHEME = "redis+sentinel"


def connect(url: str, *, patient: bool, text: bool = True, timeout: float | None = None) -> redis.Redis:
    """A client for `url` (redis://, rediss://, unix://, redis+sentinel://host:port,host:port/service?db=0).

    Impatient clients (the receiver's) give up after a second or two and never re-send, so that a 503 comes while the
    provider still listens. Patient ones (the workers') re-send: every script is idempotent. `text` decodes answers,
    `timeout` replaces the usual seconds. Nothing is connected yet. Raises ValueError for what is no address.
    """
    options: dict[str, Any] = {
        "decode_responses": text,
        "socket_connect_timeout": timeout or (2 if patient else 1),
        "socket_timeout": timeout or (10 if patient else 2),
        "retry": Retry(ExponentialBackoff(cap=1, base=0.05), 3) if patient else Retry(NoBackoff(), 0),
        "health_check_interval": 0,
    }
    if url.startswith(SENTINEL_SCHEME + "://"):
        return _by_sentinel(url, options)
    return redis.Redis.from_url(url, **options)


def _by_sentinel(url: str, options: dict[str, Any]) -> redis.Redis:
    parts = urlsplit(url)
    hosts = [h.rpartition(":") for h in parts.netloc.rpartition("@")[2].split(",")]
    sentinel: Any = Sentinel([(h or p, int(p) if h else 26379) for h, _, p in hosts], socket_timeout=1)  # type: ignore[no-untyped-call]  # redis-py has not typed it
    query = parse_qs(parts.query)
    client: redis.Redis = sentinel.master_for(
        parts.path.strip("/") or "mymaster",
        db=int(query.get("db", ["0"])[0]),
        username=parts.username,
        password=parts.password,
        **options,
    )
    return client


def safety(client: redis.Redis) -> list[str]:
    """What about this server would break a promise: too old, no append-only file, or keys that may be evicted.

    Raises Unavailable when it does not answer. A server that hides its configuration is not blamed.
    """
    try:
        server: dict[str, Any] = client.info("server")
        persistence: dict[str, Any] = client.info("persistence")
        memory: dict[str, Any] = client.info("memory")
    except redis.RedisError as e:
        raise Unavailable(f"Redis does not answer ({type(e).__name__})") from e
    warnings = []
    if int(str(server.get("redis_version", OLDEST)).partition(".")[0]) < OLDEST:
        warnings.append(f"version {server['redis_version']} is too old: {OLDEST} or later is needed")
    if not persistence.get("aof_enabled"):
        warnings.append("no append-only file (appendonly yes): a restart loses what was accepted")
    policy = memory.get("maxmemory_policy", "noeviction")
    if memory.get("maxmemory") and policy != "noeviction":
        warnings.append(f"maxmemory-policy is {policy}: work may be evicted; use noeviction")
    return warnings
