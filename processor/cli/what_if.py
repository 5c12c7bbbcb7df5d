"""What another configuration would have done: who would have got which events that he did not get, and the reverse."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import click

from processor.cli.chosen import Times
from processor.cli.many import counting, many
from processor.cli.showing import Column, Layout, Shower
from processor.model import timestamp
from processor.pipeline.route import route
from processor.replaying import outline
from processor.store.journal import Entry
from processor.text import moment
from processor.wiring import App

EXAMPLES = 3
SAME, MORE, FEWER = "same", "more", "fewer"


@dataclass(frozen=True, slots=True)
class Change:
    """How many events a sink would have got as it did, got more, or fewer; of one type, None for all. `configured`:
    the configuration has the sink at all. `examples` are ids."""

    sink: str
    change: str
    type: str | None
    count: int
    examples: tuple[str, ...] = ()
    configured: bool = True


@dataclass
class Comparison:
    """What came of events so far: `counts` and `examples` by sink, change and type; `events` that were compared, and
    those whose document, which a `where` asks about, is gone."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    examples: defaultdict[tuple[str, str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    events: int = 0
    gone: int = 0

    def add(self, entry: Entry, wanted: set[str], had: set[str]) -> None:
        """Count an event that these sinks would get, and those had."""
        self.events += 1
        for sink in wanted | had:
            change = MORE if sink not in had else FEWER if sink not in wanted else SAME
            at = (sink, change, entry.type)
            self.counts[at] += 1
            if change != SAME and len(self.examples[at]) < EXAMPLES:
                self.examples[at].append(entry.id)

    def changes(self, configured: Mapping[str, object]) -> Iterator[Change]:
        """By sink: what stays the same, then what is more and what is fewer, by type."""
        for sink in sorted({*configured, *(sink for sink, _, _ in self.counts)}):
            there = sink in configured
            same = sum(n for (name, change, _), n in self.counts.items() if (name, change) == (sink, SAME))
            if there:
                yield Change(sink, SAME, None, same)
            for change in (MORE, FEWER):
                for at in sorted(at for at in self.counts if at[:2] == (sink, change)):
                    yield Change(sink, change, at[2], self.counts[at], tuple(self.examples[at]), there)


_LAYOUT: Layout[Change] = Layout(
    columns=(
        Column("Sink", lambda c: c.sink),
        Column("Would get", lambda c: _change(c)),
        Column("Type", lambda c: c.type or ""),
        Column("Events", lambda c: f"{c.count:,}"),
        Column("Such as", lambda c: c.examples[0] if c.examples else ""),
    ),
    plain=lambda c: (c.sink, c.change, c.type, str(c.count), " ".join(c.examples)),
    document=asdict,
)


def _change(change: Change) -> str:
    told = {SAME: "as it did", MORE: "more", FEWER: "fewer"}[change.change]
    return told if change.configured else f"{told} (no sink here)"


def show_differences(app: App, span: Times, *, as_json: bool) -> None:
    """Put the events of a time through the configuration, and show who would get more or fewer. Raises Unavailable."""
    compared = compare(app, span)
    changes = list(compared.changes(app.settings.sinks))
    since = moment(timestamp(datetime.fromtimestamp(round(span.since or 0), UTC)))
    click.echo(f"{many(compared.events, 'event')} found since {since}, put through {app.settings.file}", err=True)
    Shower(_LAYOUT, as_json).show(changes)
    if compared.gone:
        click.echo(f"{many(compared.gone, 'event')} left out: the document is no longer kept", err=True)
    if all(one.change == SAME for one in changes):
        click.echo("every sink would get what it got", err=True)
    else:
        click.echo("why, for one: jobwire explain EVENT_ID with the same --config", err=True)


def compare(app: App, span: Times) -> Comparison:
    """What came of the events of a time, and what the configuration says of them."""
    compared, asks = Comparison(), any(rule.where is not None for rule in app.rules)
    with counting() as shown:
        for entries in app.journal.entries(app.journal.horizon(), since=span.since, until=span.until):
            ids = [entry.id for entry in entries]
            documents = app.journal.documents(ids) if asks else [outline(entry) for entry in entries]
            for entry, document, had in zip(entries, documents, app.index.deliveries(ids), strict=True):
                if document is None:
                    compared.gone += 1
                    continue
                wanted = {verdict.sink for verdict in route(document, app.rules) if verdict.wanted}
                compared.add(entry, wanted, set(had))
            shown(compared.events)
    return compared
