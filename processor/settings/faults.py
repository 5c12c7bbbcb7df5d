"""marshmallow's complaints in words that say what to change."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from marshmallow import Schema, fields

_PLAIN = {  # marshmallow's words -> ours
    "Missing data for required field.": "is missing",
    "Not a valid string.": "must be a text",
    "Not a valid integer.": "must be a whole number",
    "Not a valid number.": "must be a number",
    "Not a valid boolean.": "must be true or false",
    "Not a valid list.": "must be a list",
    "Not a valid mapping type.": "must be a table",
    "Invalid input type.": "must be a table",
}


def faults_of(messages: Any, schema: Schema | None, key: str) -> Iterator[tuple[str, str]]:
    """marshmallow's nested messages as pairs of key and reason."""
    if isinstance(messages, str):
        yield key, _PLAIN.get(messages, messages)
    elif isinstance(messages, list):
        for message in messages:
            yield from faults_of(message, schema, key)
    else:
        inside = {f.data_key or name: f for name, f in schema.fields.items()} if schema else {}
        for name, inner in messages.items():
            where = key if name == "_schema" else f"{key}[{name}]" if isinstance(name, int) else f"{key}.{name}"
            if inner == ["Unknown field."]:
                yield where, unknown(name, inside)
            else:
                nested = inside.get(name)
                yield from faults_of(inner, nested.schema if isinstance(nested, fields.Nested) else None, where)


def unknown(key: str, known: Iterable[str]) -> str:
    return f"is not a key here{nearest(key, known)}"


def nearest(word: str, known: Iterable[str]) -> str:
    names = sorted(str(name) for name in known)
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(names) or 'none'}"
