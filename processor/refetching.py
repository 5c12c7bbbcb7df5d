"""A job asked for anew and put through today's code: how it differs from what is stored, and what would follow."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from processor.errors import Unreadable
from processor.model import JSON, Event, Notification, document
from processor.pipeline.facts import Facts
from processor.pipeline.reconcile import Teller
from processor.pipeline.refresh import Hinted, decide
from processor.ports import Finds, Http
from processor.wiring import App


class Absent(Enum):
    """What stands for a value that is not there; null is one that is."""

    ABSENT = "(nothing)"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is another now. `path` is dotted; an element of a list is named by its id if all of them have one,
    else by its place."""

    path: str
    old: JSON | Absent
    new: JSON | Absent


@dataclass(frozen=True, slots=True)
class Fresh:
    """A job as the provider shows it now. `known` says whether a snapshot was there to compare it with; `events` would
    come; `note` says why nothing would, where that is not plain."""

    source: str
    job_id: str
    api: str
    known: bool
    differences: tuple[Difference, ...]
    events: tuple[Event, ...]
    note: str = ""

    @property
    def new(self) -> bool:
        """Whether today's code has anything to write down."""
        return not self.note and bool(self.differences or self.events or not self.known)


def look(app: App, source: str, job_id: str, *, http: Http) -> Fresh:
    """Ask the provider for a job that we know. Nothing is written. Raises as ports.Provider.fetch does."""
    provider = app.providers[source]
    facts = Facts.load(app.journal.facts(source, [job_id])[0])
    stored = app.journal.snapshot(source, job_id)
    api = facts.api or (provider.find(job_id, http=http) if isinstance(provider, Finds) else "")
    job = provider.translate(provider.fetch(job_id, api=api, http=http), api=api)
    if job.id != job_id:
        raise Unreadable(f"asked for job {job_id}, the answer is about another one")
    told = Hinted(api, "", Teller.ANNOUNCE)
    found = decide(facts, job, api=api, hints=[told], now=app.tools.clock())
    differing = differences(stored, document(job)) if stored is not None else ()
    note = found.note if found.job is None else ""  # an answer that is older than what we knew
    return Fresh(source, job_id, api, stored is not None, differing, found.events, note)


def hint(app: App, fresh: Fresh) -> None:
    """Have the job looked at by a worker, through the door that webhooks use: only what is new comes of it."""
    key = f"refetch {secrets.token_hex(12)}"
    app.inbox.put(Notification(fresh.source, fresh.job_id, fresh.api, Teller.ANNOUNCE, key))


def differences(old: JSON, new: JSON) -> tuple[Difference, ...]:
    """What of `old` is another in `new`, in its order. Pure."""
    return tuple(_walk("", old, new))


def _walk(path: str, old: JSON | Absent, new: JSON | Absent) -> Iterator[Difference]:
    if isinstance(old, list) and isinstance(new, list):
        named = _has_ids(old) and _has_ids(new)
        old, new = _by_name(old, named=named), _by_name(new, named=named)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            yield from _walk(f"{path}.{name}" if path else name, old.get(name, ABSENT), new.get(name, ABSENT))
    elif old != new:
        yield Difference(path, old, new)


def _has_ids(elements: Sequence[JSON]) -> bool:
    ids = [element.get("id") for element in elements if isinstance(element, Mapping)]
    return len(ids) == len(elements) == len({i for i in ids if isinstance(i, str)})


def _by_name(elements: Sequence[JSON], *, named: bool) -> dict[str, JSON]:
    return {element["id"] if named else str(i): element for i, element in enumerate(elements)}
