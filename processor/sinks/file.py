"""Appends events to a file: one JSON document a line, on the disk before it counts as delivered."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from marshmallow import fields, validate

from processor.errors import Shut, Unreachable
from processor.model import JSON
from processor.options import SinkOptions
from processor.ports import Tools
from processor.text import json_line

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
_MODE = 0o600  # events hold people's names and addresses; a file that is there already keeps its mode


class Options(SinkOptions):
    path = fields.String(required=True, validate=[validate.Length(min=1), validate.ContainsNoneOf("\0")])


class File:
    """A file as a sink.

    It is opened for each event: next to an fsync that costs nothing, and a file that was rotated away is noticed.
    """

    Options = Options

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self._path = os.path.expanduser(path)

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> File:
        return cls(name, options["path"])

    def deliver(self, event: Mapping[str, JSON]) -> None:
        line = json_line(event).encode() + b"\n"
        with self._ours():
            descriptor = os.open(self._path, _FLAGS | os.O_CREAT, _MODE)
            try:
                self._append(descriptor, line)
            finally:
                os.close(descriptor)

    def try_out(self) -> str:
        """Whether the file may be appended to, or begun where there is none: it is left as it is.

        Raises as `deliver` does.
        """
        with self._ours():
            try:
                os.close(os.open(self._path, _FLAGS))
            except FileNotFoundError:
                folder = self._folder
                if not os.path.isdir(folder):
                    raise
                if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
                    raise Shut(f"{self._path}: no file may be made in the folder {folder}") from None
                return f"{self._path} is not there yet, and may be made"
        return f"{self._path} may be appended to"

    def close(self) -> None:
        """Nothing to let go of: no file stays open."""

    @property
    def _folder(self) -> str:
        return os.path.abspath(os.path.dirname(self._path))

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """The system's errors as ours."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise Shut(f"{self._path}: the folder {self._folder} does not exist; create it") from None
        except (PermissionError, IsADirectoryError) as e:
            raise Shut(f"{self._path}: {e.strerror}; events need a file that may be written") from e
        except OSError as e:
            raise Unreachable(f"{self._path}: {e.strerror}") from e

    def _append(self, descriptor: int, line: bytes) -> None:
        """Append whole lines only. The lock is the open file's own: it keeps out other threads and other processes."""
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line  # somebody died, or the disk was full, in the middle of a line
        written = os.write(descriptor, line)
        if written < len(line):
            raise Unreachable(f"{self._path}: only {written} of {len(line)} bytes could be written; is the disk full?")
        os.fsync(descriptor)
