"""Makes the subject of an event out of the template in the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping

from marshmallow import ValidationError

from processor.model import JSON

_PLACEHOLDER = re.compile(r"\{(type|source|provider)\}")
_SUBJECT = re.compile(r"(?!\$)[^\s.*>{}\x00-\x1f\x7f]+(\.[^\s.*>{}\x00-\x1f\x7f]+)*")
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
_NOTHING = "none"  # in a subject, where an alarm has no provider


def usable(subject: str) -> None:
    """Raises ValidationError for what makes no subject."""
    if not _SUBJECT.fullmatch(_PLACEHOLDER.sub("x", subject)) or len(subject) > 200:
        raise ValidationError(
            "must be a subject: words with dots in between, without spaces and wildcards, not beginning with $; "
            "{type}, {source} and {provider} are filled in"
        )


def filled(template: str, event: Mapping[str, JSON]) -> str:
    """The subject of an event. What is filled in can neither add a word nor be a wildcard; a type keeps its dots."""
    data = event.get("data")
    values = {
        "type": ".".join(_word(part) for part in str(event["type"]).split(".")),
        "source": _word(str(event["source"]).rpartition("/")[2]),
        "provider": _word((data.get("provider") if isinstance(data, Mapping) else None) or _NOTHING),
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def _word(value: JSON) -> str:
    return _UNFIT.sub("_", str(value)) or "_"


def probe(template: str) -> str:
    """A subject to ask for streams with: wildcards for what only events know. Every type has two words."""
    words = template.replace("{type}", "{type}.{type}").split(".")
    return ".".join("*" if "{" in word else word for word in words)
