"""What in a job is not as Bentley's documentation has it: unknown states, fields that are not there or not readable.

Only words of theirs are told, never values. Kinds of job are not looked at: their lists change from release to release
of Bentley's own SDK (https://github.com/iTwin/reality-capture), so a new one says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from processor.errors import Refused
from processor.model import JSON
from processor.providers.bentley.families import Family, family
from processor.providers.bentley.payload import COST_ESTIMATION, V1, V2
from processor.providers.bentley.states import is_known

MOST = 10  # things told of one document
_LONGEST = 100  # characters of each
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")


def strange(original: JSON, *, api: str) -> tuple[str, ...]:
    """See ports.NoticesDrift. Each thing once, at most MOST."""
    try:
        row = family(api)
    except Refused:
        return ()
    job = original.get("job") if isinstance(original, Mapping) else None
    if not isinstance(job, Mapping):
        return ("no field job",)
    found = dict.fromkeys(said[:_LONGEST] for said in _all(original, job, row))
    return tuple(found)[:MOST]


def _all(original: JSON, job: Mapping[str, JSON], row: Family) -> Iterator[str]:
    state = job.get("state")
    if isinstance(state, str) and not is_known(state, version=row.version):
        yield f'job state "{state}"' if _WORD.fullmatch(state) else "a job state that is no word"
    missing = [path for path in row.always if _at(job, path) is None]
    yield from (f"no field {path}" for path in missing)
    for path in _unreadable(original, job, row):
        if path not in missing:
            yield f"field {path} cannot be read"


def _at(job: Mapping[str, JSON], path: str) -> JSON:
    """What is there, None where nothing is; an empty text is nothing."""
    value: JSON = job
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if value == "" else value


def _unreadable(original: JSON, job: Mapping[str, JSON], row: Family) -> Iterator[str]:
    """The paths, as `translate` would complain of them."""
    schema = V1 if row.version == 1 else V2
    yield from (path.removeprefix("job.") for path in _paths(schema.validate(original)))
    together = job.get("costEstimation")
    if row.version == 1 and isinstance(together, Mapping):
        yield from (f"costEstimation.{path}" for path in _paths(COST_ESTIMATION.validate(together)))


def _paths(faults: JSON) -> Iterator[str]:
    """The keys that lead to each of marshmallow's messages; an item of a list is a [], so that many make one."""
    if not isinstance(faults, Mapping):
        yield ""
        return
    for key, below in faults.items():
        step = "[]" if isinstance(key, int) else "" if key == "_schema" else str(key)
        for path in _paths(below):
            yield ".".join(part for part in (step, path) if part).replace(".[]", "[]")
