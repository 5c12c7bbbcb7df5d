"""The simulator's lists of jobs: filters, pages and continuation tokens as Bentley documents them.

https://developer.bentley.com/apis/contextcapture/operations/jobs-get-all: values are unquoted, a page has 100 rows
unless `$top` says otherwise and 1000 at most. Of the filter's language it knows what has to do with iTwins and times.
Without an iTwin a list is of what the caller created, and a service application has created nothing here.
"""

from __future__ import annotations

import base64
import json
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from processor.model import JSON
from processor.providers.bentley.families import Family

_DEFAULT_TOP, _LEAST, _MOST = 100, 2, 1000
_ITWIN = re.compile(r"iTwinId eq (?P<id>[0-9A-Za-z-]+)")
_CREATED = re.compile(r"createdDateTime (?P<operator>ge|gt|le|lt) (?P<time>\S+)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
}
_Place = tuple[str, str]  # when a job was created, and its id


class Unclear(ValueError):
    """What is asked for cannot be understood; the text says what of it."""


@dataclass(frozen=True, slots=True)
class Page:
    """`jobs` in the order in which they were created; `token` leads to the next ones, None: there are none."""

    jobs: Sequence[JSON]
    token: str | None


def page(family: Family, jobs: Iterable[JSON], *, wanted: str, top: str | None, token: str | None) -> Page:
    """The jobs of one API that a filter lets through, from where `token` leads. Raises Unclear."""
    passes = _filter(wanted)
    rows = sorted(((_place(family, job), job) for job in jobs if passes(family, job)), key=lambda row: row[0])
    begin = _opened(token, family, wanted) if token else ("", "")
    rest = [row for row in rows if row[0] > begin]
    shown = rest[: _size(top)]
    more = len(rest) > len(shown)
    return Page([job for _, job in shown], _closed(family, wanted, shown[-1][0]) if more else None)


def link(address: str, *, wanted: str, top: str | None, token: str) -> str:
    """The address of the next page, as `_links.next` has it."""
    size = f"&$top={quote(top)}" if top else ""
    return f"{address}?$filter={quote(wanted)}{size}&continuationToken={quote(token, safe='')}"


def created(family: Family, job: JSON) -> datetime | None:
    """When a job was created; the two generations keep it in different places. None where that is no time."""
    at = job if family.version == 1 else job.get("executionInfo") or {}
    try:
        return _moment(at.get("createdDateTime"))
    except Unclear:
        return None


def _filter(wanted: str) -> Callable[[Family, JSON], bool]:
    if not wanted:
        raise Unclear("$filter must name at least one criterion")
    parts = [part.strip() for part in wanted.split(" and ")]
    tests = [_test(part) for part in parts]
    of_an_itwin = any(_ITWIN.fullmatch(part) for part in parts)
    return lambda family, job: of_an_itwin and all(test(family, job) for test in tests)


def _test(criterion: str) -> Callable[[Family, JSON], bool]:
    if match := _ITWIN.fullmatch(criterion):
        itwin_id = match["id"]
        return lambda family, job: job.get("iTwinId") == itwin_id
    if match := _CREATED.fullmatch(criterion):
        compare, than = _COMPARE[match["operator"]], _moment(match["time"])
        return lambda family, job: (moment := created(family, job)) is not None and compare(moment, than)
    raise Unclear("$filter cannot be understood: iTwinId eq …, createdDateTime ge|gt|le|lt …, and")


def _moment(text: JSON) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise Unclear("createdDateTime must be a time") from None
    if moment.tzinfo is None:
        raise Unclear("createdDateTime must have a zone")
    return moment


def _place(family: Family, job: JSON) -> _Place:
    moment = created(family, job)
    return (f"{moment.timestamp():020.6f}" if moment else "", str(job["id"]))


def _size(top: str | None) -> int:
    try:
        return min(max(int(top), _LEAST), _MOST) if top else _DEFAULT_TOP
    except ValueError:
        raise Unclear("$top must be a number") from None


# --- tokens, which belong to the list that gave them -----------------------------------------------------------------


def _closed(family: Family, wanted: str, last: _Place) -> str:
    return base64.b64encode(json.dumps([family.api, wanted, *last]).encode()).decode()


def _opened(token: str, family: Family, wanted: str) -> _Place:
    try:
        api, its, time, job_id = json.loads(base64.b64decode(token, validate=True))
    except ValueError:
        raise Unclear("continuationToken is none of ours") from None
    if (api, its) != (family.api, wanted):
        raise Unclear("continuationToken is that of another list")
    return str(time), str(job_id)
