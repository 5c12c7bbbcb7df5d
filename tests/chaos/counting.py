"""What must hold when the storm is over, counted. Pure: evidence in, counts and complaints out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chaos.endpoint import Arrival

SHOWN = 5  # of each kind of complaint


@dataclass
class Evidence:
    """`expected` and `journal` are event ids by job, in their order; `kinds` are the types of which everything is
    expected. `sinks` are arrivals in their order; `accepted` are the ids that were answered 202 and how each
    notification stands; `dead` is whatever is dead, in words; `waiting` is what is still to be done."""

    expected: Mapping[str, Sequence[str]]
    kinds: frozenset[str]
    journal: Mapping[str, Sequence[str]]
    types: Mapping[str, str]
    sinks: Mapping[str, Sequence[Arrival]]
    accepted: Mapping[str, str]
    dead: Sequence[str] = ()
    waiting: Sequence[str] = ()


@dataclass
class Count:
    """`complaints` is empty when every promise held."""

    figures: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def note(self, what: str, those: Iterable[str]) -> None:
        """A figure that must be 0."""
        found = list(those)
        self.figures[what] = len(found)
        self.complaints += [f"{what}: {one}" for one in found[:SHOWN]]
        if len(found) > SHOWN:
            self.complaints.append(f"{what}: and {len(found) - SHOWN} more")


def count(evidence: Evidence) -> Count:
    """Accepted = explained, lost = 0, outside = 0, order kept, nobody dead."""
    counted = Count()
    wanted = {event: job for job, events in evidence.expected.items() for event in events}
    found = {event: job for job, events in evidence.journal.items() for event in events}
    counted.figures["jobs"] = len(evidence.expected)
    counted.figures["accepted"] = len(evidence.accepted)
    counted.figures["explained"] = sum(state in ("done", "dead") for state in evidence.accepted.values())
    counted.figures["expected ends"] = len(wanted)
    counted.figures["events"] = len(found)
    unexplained = (f"{ntf} is {state}" for ntf, state in evidence.accepted.items() if state not in ("done", "dead"))
    counted.note("accepted and not explained", unexplained)
    counted.note("never found", (f"{event} of {job}" for event, job in wanted.items() if event not in found))
    strange = (e for e in found if evidence.types[e] in evidence.kinds and e not in wanted)
    counted.note("outside the expected set", (f"{evidence.types[e]} {e} of {found[e]}" for e in strange))
    counted.note("found twice", (e for events in evidence.journal.values() for e in _twice(events)))
    counted.note("found out of order", _disorder(evidence.expected, evidence.journal))
    for sink, arrivals in evidence.sinks.items():
        _count_sink(counted, sink, arrivals, evidence.journal, found)
    counted.note("dead", evidence.dead)
    counted.note("still waiting", evidence.waiting)
    return counted


def _count_sink(
    counted: Count,
    sink: str,
    arrivals: Sequence[Arrival],
    journal: Mapping[str, Sequence[str]],
    found: Mapping[str, str],
) -> None:
    here = {a.id for a in arrivals}
    counted.figures[f"arrivals at {sink}"] = len(arrivals)
    counted.figures[f"repeats at {sink}"] = len(arrivals) - len(here)
    counted.note(f"lost at {sink}", (f"{event} of {job}" for event, job in found.items() if event not in here))
    strangers = (a for a in arrivals if a.id not in found)
    counted.note(f"at {sink} and never found", (f"{a.type} {a.id} of {a.job}" for a in strangers))
    first: dict[str, list[str]] = {}
    for arrival in arrivals:
        if arrival.id not in (events := first.setdefault(arrival.job, [])):
            events.append(arrival.id)
    counted.note(f"out of order at {sink}", _disorder(journal, first))


def _twice(events: Sequence[str]) -> list[str]:
    return [event for event, times in Counter(events).items() if times > 1]


def _disorder(right: Mapping[str, Sequence[str]], shown: Mapping[str, Sequence[str]]) -> list[str]:
    """The jobs whose events are `shown` in another order, as far as both have them."""
    wrong = []
    for job, events in right.items():
        there = shown.get(job, ())
        place = {event: n for n, event in enumerate(there)}
        places = [place[event] for event in events if event in place]
        if places != sorted(places):
            wrong.append(job)
    return wrong
