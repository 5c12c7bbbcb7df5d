"""Documents for the pages: without the customer, who is shown on the page of the job only; as text that is harmless."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from processor.model import JSON
from processor.text.lines import at

LEFT_OUT = "(shown on the job's page only)"
# What a browser would not show as it is, or what turns the text round: everything that is no visible character.
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)


def without_customer(event: Mapping[str, JSON], instead: JSON = None) -> dict[str, JSON]:
    """An event with `instead` in place of the job's customer; the event given is left as it is."""
    if at(event, "data", "job", "customer") is None:
        return dict(event)
    data = event["data"]
    return {**event, "data": {**data, "job": {**data["job"], "customer": instead}}}


def pretty(document: JSON) -> str:
    """A document as JSON on many lines; what is not visible in it is spelled out as JSON does."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return _UNSEEN.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
