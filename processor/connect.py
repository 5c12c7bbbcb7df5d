"""Connections to Redis, with the patience that each kind of process needs, and whether the server is one to rely on."""

from __future__ import annotations

import math
import os
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection

from processor.errors import Unavailable

ROOM = 0.9  # of `maxmemory`; the rest is for working off what is there
ROOM_SECONDS = 1.0
OLDEST = 7  # scripts with flags came with it
SENTINEL_SCHEME = "redis+sentinel"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for a connection, for an answer, and for a Sentinel's answer; how often a command is sent again."""

    connect: float
    answer: float
    sentinel: float
    again: int


# The receiver's: whoever sends is told within a second that nothing can be kept now, also by a server that stands still
# or that is behind a Sentinel of which one in two does not answer.
HASTY = Patience(connect=0.4, answer=0.6, sentinel=0.2, again=0)
# The workers': a server that stands still is given up before a lease ends, so that the lanes in hand can still be kept
# at the one that takes its place. Once more is for a connection that was cut; who can wait longer asks again himself.
PATIENT = Patience(connect=2.0, answer=5.0, sentinel=1.0, again=1)


def connect(
    url: str, *, patient: bool, text: bool = True, timeout: float | None = None, resident: bool = False
) -> redis.Redis:
    """A client for `url` (redis://, rediss://, unix://, redis+sentinel://host:port,host:port/service?db=0).

    Impatient clients (the receiver's) give up within a second and never re-send, so that a 503 comes while the provider
    still listens. Patient ones (the workers') re-send: every script is idempotent. `text` decodes answers, `timeout`
    replaces the usual seconds. With `resident` threads that stay keep a connection each; one that was closed meanwhile
    is found out by sending, so such a client must be patient. Nothing is connected yet. Raises ValueError for what is
    no address.
    """
    patience = PATIENT if patient else HASTY
    options: dict[str, Any] = {
        "decode_responses": text,
        "socket_connect_timeout": timeout or patience.connect,
        "socket_timeout": timeout or patience.answer,
        "retry": Retry(ExponentialBackoff(cap=1, base=0.05), patience.again),
        "health_check_interval": 0,
    }
    if url.startswith(SENTINEL_SCHEME + "://"):
        return _by_sentinel(url, options, patience.sentinel)
    if resident:
        return redis.Redis.from_pool(_Resident.from_url(url, **options))
    return redis.Redis.from_url(url, **options)


class _Resident(redis.ConnectionPool):
    """Each thread has a connection of its own to come back to. Taking one out of redis-py's own pool, which asks the
    kernel whether it is still good, and giving it back costs three times what a command does."""

    def reset(self) -> None:
        super().reset()
        self._own = threading.local()

    def get_connection(self, *arguments: Any, **options: Any) -> Any:
        mine, self._own.connection = getattr(self._own, "connection", None), None
        return mine if mine and mine.pid == os.getpid() else super().get_connection()

    def release(self, connection: Any) -> None:
        if getattr(self._own, "connection", None) is None and connection.pid == os.getpid():
            self._own.connection = connection
        else:
            super().release(connection)


def is_address(url: str) -> bool:
    """Whether `connect` has a use for all of it: redis-py looks at some of the options when it connects, not before."""
    try:
        connect(url, patient=False).connection_pool.make_connection()
    except (ValueError, TypeError, redis.RedisError):
        return False
    return True


def _by_sentinel(url: str, options: dict[str, Any], timeout: float) -> redis.Redis:
    """Each Sentinel is asked once, in turn: by itself redis-py asks one that is away again and again, for seconds."""
    parts = urlsplit(url)
    hosts = [h.rpartition(":") for h in parts.netloc.rpartition("@")[2].split(",")]
    once = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry": Retry(NoBackoff(), 0)}
    sentinel: Any = Sentinel([(h or p, int(p) if h else 26379) for h, _, p in hosts], sentinel_kwargs=once)  # type: ignore[no-untyped-call]  # redis-py has not typed it
    query = parse_qs(parts.query)
    client: redis.Redis = sentinel.master_for(
        parts.path.strip("/") or "mymaster",
        db=int(query.get("db", ["0"])[0]),
        username=parts.username,
        password=parts.password,
        connection_class=_AsksAgain,
        **options,
    )
    return client


class _AsksAgain(SentinelManagedConnection):
    """Asks the Sentinels before every connection. By itself redis-py, sending a command again, goes back to the master
    that it had, also to one that stands still: https://github.com/redis/redis-py/issues/3874."""

    def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        if self._sock is not None:
            return  # type: ignore[unreachable]  # redis-py has typed it as None
        self.host, self.port = self.connection_pool.get_master_address()
        super().connect_check_health(check_health, retry_socket_connect=False)


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


class Room:
    """Whether a server has room for more: from 90 % of its `maxmemory` on nothing is let in, so that what is there
    already can be worked off. It is looked at once a second at most; the threads of a process share one of these."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._looked = -math.inf
        self._full: list[str] = []

    def check(self) -> None:
        """Raise Unavailable when nothing is to be let in, or the server does not answer."""
        if time.monotonic() - self._looked > ROOM_SECONDS:
            self._full = self.full()
            self._looked = time.monotonic()
        if self._full:
            raise Unavailable(self._full[0])

    def full(self) -> list[str]:
        """What to say when it is full. Raises Unavailable; a server that hides its memory is never full."""
        try:
            memory: dict[str, Any] = self._client.info("memory")
        except redis.ResponseError:
            return []
        except redis.RedisError as e:
            raise Unavailable(f"Redis does not answer ({type(e).__name__})") from e
        most = memory.get("maxmemory", 0)
        used = memory.get("used_memory", 0) - memory.get("mem_not_counted_for_evict", 0)  # as the server itself counts
        if not most or used < most * ROOM:
            return []
        return [f"Redis has used {used / most:.0%} of its maxmemory: notifications are refused from {ROOM:.0%} on"]
