"""What about a Redis server would break a promise, or soon will, and what to do about it: for `check --online`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import redis

from processor.cli.asking import Finding
from processor.connect import Room, safety
from processor.store.scripts import ours

CLOCKS = 2.0  # seconds that they may be apart: signed times, leases and windows are told by them
ALMOST_FULL = 0.75  # of maxmemory


def redis_state(client: Any, *, wait_replicas: int) -> Iterator[Finding]:
    """All there is to say of a server that answers. Raises Unavailable when it does not."""
    warnings = safety(client)
    apart = clocks_apart(client)
    with ours():
        info: dict[str, Any] = client.info()
    yield Finding("", "redis", _summary(info, apart))
    for said in warnings:
        # too old a server cannot even run the scripts
        yield Finding("FAULT" if said.startswith("version ") else "warning", "redis", said)
    if info.get("aof_enabled") and info.get("aof_last_write_status", "ok") != "ok":
        yield Finding("FAULT", "redis", "its append-only file cannot be written: see whether its disk is full")
    if info.get("aof_enabled") and _setting(client, "appendfsync") == "no":
        said = "appendfsync is no: a crash of its machine loses what was accepted; use everysec or always"
        yield Finding("warning", "redis", said)
    yield from _memory(client, info)
    replicas = info.get("connected_slaves", 0)
    if replicas < wait_replicas:
        said = f"has {replicas} replicas, and redis.wait_replicas is {wait_replicas}: each webhook is answered 503"
        yield Finding("FAULT", "redis", said)
    if abs(apart) > CLOCKS:
        which = "ahead of" if apart > 0 else "behind"
        said = f"the clock of this machine is {abs(apart):.0f} s {which} that of Redis: set both by NTP"
        yield Finding("warning", "redis", said)


def clocks_apart(client: Any) -> float:
    """How many seconds this machine's clock is ahead of the server's. Raises Unavailable."""
    with ours():
        before = time.time()
        seconds, micros = client.time()
        after = time.time()
    return (before + after) / 2 - float(seconds + micros / 1e6)


def _summary(info: dict[str, Any], apart: float) -> str:
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version") or "of an unknown version"
    used, most = info.get("used_memory_human", "?"), info.get("maxmemory_human", "0B")
    of = f" of {most}" if info.get("maxmemory") else ""
    return f"answers: {name} {version}, {used}{of} used, clocks {abs(apart):.1f} s apart"


def _memory(client: Any, info: dict[str, Any]) -> Iterator[Finding]:
    what_to_do = "raise maxmemory, or shorten retention.events"
    if full := Room(client).full():
        yield Finding("FAULT", "redis", f"{full[0]}; {what_to_do}")
    elif info.get("maxmemory") and info.get("used_memory", 0) > ALMOST_FULL * info["maxmemory"]:
        share = info["used_memory"] / info["maxmemory"]
        yield Finding("warning", "redis", f"{share:.0%} of its maxmemory is used; {what_to_do}")


def _setting(client: Any, name: str) -> str | None:
    """A setting of the server, None where it hides them."""
    try:
        found: dict[str, str] = client.config_get(name)
    except redis.RedisError:
        return None
    return found.get(name)
