"""A job as it is listed and found: its card in a catalogue, with the words that people look for. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from processor.model import Job

MOST_WORDS = 40
LONGEST_WORD = 40
LONGEST_TEXT = 200
_SEPARATORS = re.compile(r"[\W_]+")


def card(job: Job) -> str:
    """JSON of what a list shows of a job (`state`, and what it has of `name`, `external_id`, `kind`, `address`), and
    `words`, the lower-case words by whose beginnings it is found."""
    shown = {
        "state": str(job.state),
        "name": job.name,
        "external_id": job.external_id,
        "kind": job.kind,
        "address": _address(job),
    }
    texts = [job.id, *(text for name, text in shown.items() if name not in ("state", "kind"))]
    if job.customer:
        texts += [job.customer.name, job.customer.email]
    found = list(dict.fromkeys(word for text in texts if text for word in words(text)))[:MOST_WORDS]
    return json.dumps({name: text[:LONGEST_TEXT] for name, text in shown.items() if text} | {"words": found})


def words(text: str) -> Iterator[str]:
    """The words of a text as they are compared: lower case, without what stands between them; and the whole, if it is
    one word to a person (an id with dashes, an address of mail)."""
    text = text.casefold()
    whole = text.strip()
    if whole and not re.search(r"\s", whole):
        yield whole[:LONGEST_WORD]
    yield from (word[:LONGEST_WORD] for word in _SEPARATORS.split(text) if word)


def _address(job: Job) -> str | None:
    a = job.address
    if a is None:
        return None
    return ", ".join(part for part in (a.line1, a.line2, a.city, a.region, a.postal_code) if part) or None
