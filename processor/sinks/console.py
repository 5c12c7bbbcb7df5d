"""Writes events to standard output: as text that a person likes to read, or as a line of JSON."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Mapping
from typing import Any, TextIO

from marshmallow import fields, validate
from rich.console import Console as Terminal
from rich.text import Text

from processor.errors import Unreachable
from processor.model import JSON
from processor.options import SinkOptions
from processor.ports import Tools
from processor.telling import Link, tell
from processor.text import json_line

_STYLES = {"succeeded": "green", "failed": "bold red", "cancelled": "yellow", "available": "cyan"}
_ALARM = "bold magenta"


class Options(SinkOptions):
    format = fields.String(load_default="text", validate=validate.OneOf(["text", "json"]))


class Console:
    """Standard output as a sink. Nothing but its being closed can go wrong."""

    Options = Options

    def __init__(self, name: str, *, as_json: bool = False) -> None:
        self.name = name
        self._as_json = as_json
        self._writing = threading.Lock()

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Console:
        return cls(name, as_json=options["format"] == "json")

    def deliver(self, event: Mapping[str, JSON]) -> None:
        stream = sys.stdout
        try:
            said = f"{json_line(event)}\n" if self._as_json else _told(event, stream)
            with self._writing:
                _write(stream, said)
        except (OSError, ValueError) as e:  # ValueError: "I/O operation on closed file"
            raise Unreachable(f"standard output cannot be written: {type(e).__name__}") from e

    def close(self) -> None:
        """Nothing to let go of: standard output is not ours to close."""


def _told(event: Mapping[str, JSON], stream: TextIO) -> str:
    """The event as people read it, in colour where there is a terminal that wants it (see https://no-color.org)."""
    said = tell(event)
    facts = [*said.facts, *map(_shown, said.links)]
    width = max((len(label) for label, _ in facts), default=0)
    # Text, unlike a str given to rich, is never read as markup.
    told = Text().append(f"{said.when}  ", style="dim")
    told.append(f"{said.headline}\n", style=_style(str(event.get("type"))))
    for label, value in facts:
        told.append(f"    {label:{width}}  ", style="dim").append(f"{value}\n")
    page = io.StringIO()
    terminal = Terminal(file=page, force_terminal=stream.isatty(), highlight=False, emoji=False, soft_wrap=True)
    terminal.print(told, end="")
    return page.getvalue()


def _shown(link: Link) -> tuple[str, str]:
    """ "Model", "Main House  https://…": names, which are longer than labels, stand with the values."""
    label, _, name = link.label.partition(" ")
    return label, f"{name}  {link.url}".strip()


def _style(kind: str) -> str:
    return _ALARM if kind.startswith("ops.") else _STYLES.get(kind.rpartition(".")[2], "bold")


def _write(stream: TextIO, said: str) -> None:
    """Write in one go, past the stream's own buffer, so that what several processes say does not mix."""
    stream.flush()
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:  # captured by a test, say
        stream.write(said)
        return
    left = said.encode(stream.encoding, "replace")
    while left:
        left = left[os.write(descriptor, left) :]
