"""What a replay shows a person: each delivery, or how many; the question; what came of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import click

from processor.cli.many import counting, many, putting_back
from processor.cli.one_source import said
from processor.errors import ProcessorError, Unavailable
from processor.model import JSON, EventType, timestamp
from processor.replaying import Delivery, Outcome, Replay, Tally
from processor.store import keys
from processor.store.journal import DeadItem
from processor.text import VALUE, clean, moment
from processor.wiring import App

REASONS = 10  # of events that go nowhere, told
_TYPE = max(map(len, EventType))


# --- only to be seen -------------------------------------------------------------------------------------------------


def show(selected: Replay, *, as_json: bool) -> None:
    """Print each delivery that would be made, and what would not be and why."""
    tally = Tally()
    for page in selected.pages():
        for deliveries in page:
            tally.add(deliveries)
            for one in deliveries:
                if one.outcome is Outcome.AGAIN:
                    click.echo(json.dumps(_document(one)) if as_json else _line(one))
    for items in selected.notifications():
        for item in _with_place(selected, items, tally):
            tally.notifications[keys.source_of(item.lane)] += 1
            click.echo(json.dumps(_dead_document(item)) if as_json else _dead_line(item))
    _tell_the_rest(tally)
    click.echo(f"{_total(tally)} would be repeated" if tally.total else _nothing(tally), err=True)


def _line(one: Delivery) -> str:
    entry = one.entry
    found = moment(_time(entry.found_at)) if entry.found_at is not None else ""
    about = f"{entry.source}/{entry.job_id}" if entry.job_id else entry.source
    cells = [clean(cell, VALUE) for cell in (found, entry.type, entry.id, about, one.sink, one.was or "new")]
    cells[1] = f"{cells[1]:<{_TYPE}}"
    return "  ".join(cell for cell in cells if cell)


def _document(one: Delivery) -> dict[str, JSON]:
    entry = one.entry
    return {
        "event_id": entry.id,
        "type": entry.type,
        "source": entry.source,
        "job_id": entry.job_id or None,
        "sink": one.sink,
        "state": one.was or None,
        "found_at": _time(entry.found_at) if entry.found_at is not None else None,
    }


def _dead_line(item: DeadItem) -> str:
    about = f"{keys.source_of(item.lane)}/{keys.job_of(item.lane)}"
    cells = (moment(_time(item.at)), "notification", item.item, about, item.detail)
    return "  ".join(clean(cell, VALUE) for cell in cells)


def _dead_document(item: DeadItem) -> dict[str, JSON]:
    return {
        "notification_id": item.item,
        "source": keys.source_of(item.lane),
        "job_id": keys.job_of(item.lane),
        "state": "dead",
        "last_error": item.detail,
        "died_at": _time(item.at),
    }


def _time(seconds: float) -> str:
    return timestamp(datetime.fromtimestamp(round(seconds, 3), UTC))


# --- to be delivered -------------------------------------------------------------------------------------------------


def repeat(app: App, selected: Replay, *, yes: bool) -> None:
    """Say how many there are, ask, and put them back. Raises Abort after a no, ProcessorError when it is cut off."""
    tally = _counted(selected)
    for line in _table(tally):
        click.echo(line)
    _tell_the_rest(tally)
    if not tally.total:
        click.echo(_nothing(tally))
        return
    if not yes:
        click.confirm(f"Repeat {_total(tally)}?", abort=True, err=True)
    became = Counter[str]()
    try:
        _put_back(selected, tally.total, became)
    except Unavailable as e:
        done = became["again"] + became["revived"]
        raise ProcessorError(
            f"{said(e)}; {done:,} of {tally.total:,} were put back; run it again: what waits is not doubled"
        ) from None
    click.echo(_result(became))
    if not app.journal.workers():
        click.echo("no worker was seen: it goes out as soon as one runs (`jobwire worker`)", err=True)


def _counted(selected: Replay) -> Tally:
    tally = Tally()
    with counting() as shown:
        for page in selected.pages():
            for deliveries in page:
                tally.add(deliveries)
            shown(tally.events)
    for items in selected.notifications():
        tally.notifications.update(keys.source_of(item.lane) for item in _with_place(selected, items, tally))
    return tally


def _put_back(selected: Replay, total: int, became: Counter[str]) -> None:
    with putting_back(total) as shown:
        for page in selected.pages():
            for some in selected.put_back(page):
                became.update(some)
                shown(became.total())
        for items in selected.notifications():
            for item in _with_place(selected, items, Tally()):
                became["revived" if selected.revive(item) else "alive"] += 1
                shown(became.total())


def _with_place(selected: Replay, items: Iterable[DeadItem], tally: Tally) -> list[DeadItem]:
    """Those whose source is configured here; the others are counted as homeless."""
    placed = []
    for item in items:
        if selected.has_place(item):
            placed.append(item)
        else:
            tally.homeless[keys.source_of(item.lane)] += 1
    return placed


# --- words -----------------------------------------------------------------------------------------------------------


def _table(tally: Tally) -> list[str]:
    """How many, by sink and type."""
    rows = [(sink, clean(kind, VALUE), n, tally.dead[sink, kind]) for (sink, kind), n in sorted(tally.again.items())]
    rows += [(source, "notification", count, count) for source, count in sorted(tally.notifications.items())]
    wide = [max((len(str(row[i])) for row in rows), default=0) for i in range(2)]
    most = max((len(f"{count:,}") for _, _, count, _ in rows), default=0)
    return [
        f"{where:<{wide[0]}}  {kind:<{wide[1]}}  {count:>{most},}{f', {dead:,} dead' if dead else ''}"
        for where, kind, count, dead in rows
    ]


def _total(tally: Tally) -> str:
    deliveries, notifications = tally.again.total(), tally.notifications.total()
    parts = [many(deliveries, "delivery", "deliveries")] if deliveries or not notifications else []
    return " and ".join(parts + ([many(notifications, "notification")] if notifications else []))


def _nothing(tally: Tally) -> str:
    if tally.events or tally.homeless:
        return "nothing is to be delivered again"
    return "nothing is to be delivered again: nothing was selected"


def _tell_the_rest(tally: Tally) -> None:
    """What is not delivered again, and why."""
    for sink, count in sorted(tally.waits.items()):
        _aside(f"{sink}: {many(count, 'delivery waits', 'deliveries wait')} already; what waits is not doubled")
    if tally.gone:
        _aside(f"{many(tally.gone, 'event')} left out: the document is no longer kept (retention.events)")
    for sink, count in sorted(tally.strange.items()):
        _aside(f"{many(count, 'delivery stays', 'deliveries stay')} dead: {sink!r} is no sink of this configuration")
    for source, count in sorted(tally.homeless.items()):
        stay = many(count, "notification stays", "notifications stay")
        _aside(f"{stay} dead: {source!r} is no source of this configuration")
    if tally.nowhere:
        _aside(f"{many(tally.nowhere, 'event goes', 'events go')} to no sink:")
        for reason, _ in tally.why.most_common(REASONS):
            _aside(f"  {reason}")


def _result(became: Counter[str]) -> str:
    parts = []
    if became["again"]:
        parts.append(many(became["again"], "delivery waits in its lane now", "deliveries wait in their lanes now"))
    if became["revived"]:
        parts.append(many(became["revived"], "notification is looked at again", "notifications are looked at again"))
    rest = became.total() - became["again"] - became["revived"]
    if rest:
        parts.append(f"{rest:,} left as they were, for another was first")
    return "; ".join(parts) or "nothing was left to be delivered again"


def _aside(text: str) -> None:
    """What is not the matter itself goes to the other stream."""
    indent = len(text) - len(text.lstrip())
    click.echo(" " * indent + clean(text, VALUE), err=True)
