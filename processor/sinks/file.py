"""Appends events to a file: one JSON document a line, on the disk before it counts as delivered."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from typing import Any

from marshmallow import fields, validate

from processor.errors import Shut, Unreachable
from processor.model import JSON
from processor.options import SinkOptions
from processor.ports import Tools
from processor.text import json_line

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
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
            try:
                self._append(descriptor, line)
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            folder = os.path.dirname(os.path.abspath(self._path))
            raise Shut(f"{self._path}: the folder {folder} does not exist; create it") from None
        except (PermissionError, IsADirectoryError) as e:
            raise Shut(f"{self._path}: {e.strerror}; events need a file that may be written") from e
        except OSError as e:
            raise Unreachable(f"{self._path}: {e.strerror}") from e

    def close(self) -> None:
        """Nothing to let go of: no file stays open."""

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
