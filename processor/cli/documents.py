"""Events that a person has in a file: one JSON document, or several, one a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import IO

import click

from processor.errors import Usage
from processor.model import JSON


def documents(file: str) -> Iterator[Mapping[str, JSON]]:
    """The events in a file, `-` for standard input. Raises Usage for what is none, with its line."""
    name = "standard input" if file == "-" else file
    try:
        with click.open_file(file, encoding="utf-8-sig") as lines:
            for number, document in _parsed(name, lines):
                yield _event(f"{name}: line {number}" if number else name, document)
    except UnicodeDecodeError:
        raise Usage(f"{name}: is not UTF-8") from None
    except OSError as e:
        raise Usage(f"{name}: cannot be read: {e.strerror}") from None


def _parsed(name: str, lines: IO[str]) -> Iterator[tuple[int, JSON]]:
    """Each document and its line; 0 for one that goes over several."""
    first = lines.readline()
    try:
        yield 1, json.loads(first)
    except (ValueError, RecursionError):
        yield 0, _json(name, first + lines.read())
        return
    for number, line in enumerate(lines, 2):
        if line.strip():
            yield number, _json(f"{name}: line {number}", line)


def _json(where: str, text: str) -> JSON:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Usage(f"{where}: is not JSON") from None


def _event(where: str, document: JSON) -> Mapping[str, JSON]:
    """As much of an event as rules ask for. Raises Usage."""
    if not isinstance(document, dict):
        raise Usage(f"{where}: is not a JSON object")
    kind, source = document.get("type"), document.get("source")
    if not (isinstance(kind, str) and kind):
        raise Usage(f"{where}: is no event: it has no type")
    about, _, name = source.removeprefix("/").partition("/") if isinstance(source, str) else ("", "", "")
    if about not in ("sources", "sinks") or not name:
        raise Usage(f"{where}: is no event of ours: its source is not /sources/NAME or /sinks/NAME")
    return document
