"""Documents for the pages: without the customer, who is shown on the page of the job only; as text that is harmless."""

from __future__ import annotations

import json
from collections.abc import Mapping

from processor.model import JSON
from processor.text.lines import at

LEFT_OUT = "(shown on the job's page only)"


def without_customer(event: Mapping[str, JSON], instead: JSON = None) -> dict[str, JSON]:
    """An event with `instead` in place of the job's customer; the event given is left as it is."""
    if at(event, "data", "job", "customer") is None:
        return dict(event)
    data = event["data"]
    return {**event, "data": {**data, "job": {**data["job"], "customer": instead}}}


def pretty(document: JSON) -> str:
    """A document as JSON on many lines; what cannot be seen in it, or turns it round, is spelled out as JSON does."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return "\n".join(line if line.isprintable() else "".join(map(_seen, line)) for line in text.split("\n"))


def _seen(character: str) -> str:
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
