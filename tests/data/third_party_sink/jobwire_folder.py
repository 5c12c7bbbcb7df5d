"""Puts each event into a folder as a file of its own; the order of the names is the order of the events."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import fields, validate

from processor.errors import Busy, Retryable, Shut
from processor.model import JSON
from processor.options import SinkOptions
from processor.ports import Tools


class Options(SinkOptions):
    path = fields.String(required=True, validate=validate.Length(min=1))
    indent = fields.Integer(load_default=None, validate=validate.Range(min=0))


class Folder:
    """A folder as a sink; the reference of a delivery is the file's name."""

    Options = Options

    def __init__(self, name: str, path: Path, *, indent: int | None = None) -> None:
        self.name = name
        self._path = path
        self._indent = indent

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Folder:
        return cls(name, Path(options["path"]), indent=options["indent"])

    def deliver(self, event: Mapping[str, JSON]) -> str:
        name = f"{time.time_ns()}-{event['id']}.json"
        unfinished = self._path / f"{name}.part"
        try:
            with unfinished.open("w") as file:
                json.dump(event, file, indent=self._indent)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self._path / name)  # a file that can be seen is whole
        except OSError as error:
            raise self._translated(error) from None
        return name

    def try_out(self) -> str:
        """How many events are there."""
        try:
            found = [name for name in os.listdir(self._path) if name.endswith(".json")]
        except OSError as error:
            raise self._translated(error) from None
        return f"folder {self._path}, {len(found)} events"

    def close(self) -> None:
        """Nothing is held open."""

    def _translated(self, error: OSError) -> Retryable:
        """Nothing here says that a document will never be taken, so nothing is Refused."""
        shut = isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError)
        return (Shut if shut else Busy)(f"{self._path}: {error.strerror}")
