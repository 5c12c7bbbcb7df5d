"""`jobwire events`, `deliveries` and `notifications`: what happened, what waits, what is dead."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

import click

from processor.cli import common
from processor.cli.redis_url import configured_or_running
from processor.model import JSON, timestamp
from processor.store import keys
from processor.store.journal import Journal
from processor.text import clean, headline
from processor.wiring import App, read_settings

LIMIT = 100
WIDEST = 200

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
only_dead = click.option("--dead", is_flag=True, help="Only what could never be processed.")


@click.command()
@common
@as_json
@click.option("--type", "glob", default="*", metavar="GLOB", help="Only these types, as in 'model.*'.")
@click.option("--limit", type=click.IntRange(1), default=LIMIT, show_default=True, help="The newest so many.")
def events(config: str | None, data_dir: str, as_json: bool, glob: str, limit: int) -> None:
    """Show the newest events, oldest first."""
    found = (e for e in _app(config, data_dir).journal.events(newest=limit) if fnmatchcase(e["type"], glob))
    for event in found:
        click.echo(
            json.dumps(event, ensure_ascii=False) if as_json else f"{event['time']}  {event['id']}  {headline(event)}"
        )


@click.command()
@common
@as_json
@only_dead
def deliveries(config: str | None, data_dir: str, as_json: bool, dead: bool) -> None:
    """Show the deliveries that wait, are tried again, or are dead."""
    app = _app(config, data_dir)
    rows = _unfinished(app.journal, [r.name for r in app.targets.values()], "d:", dead=dead)
    _show(({"event_id": r.pop("item"), "sink": r.pop("of"), **r} for r in rows), as_json=as_json)


@click.command()
@common
@as_json
@only_dead
def notifications(config: str | None, data_dir: str, as_json: bool, dead: bool) -> None:
    """Show the notifications that wait, are tried again, or are dead."""
    app = _app(config, data_dir)
    rows = _unfinished(app.journal, [r.name for r in app.sources.values()], "r:", dead=dead)
    _show(({"id": r.pop("item"), "source": r.pop("of"), **r} for r in rows), as_json=as_json)


def _app(config: str | None, data_dir: str) -> App:
    settings = read_settings(config, os.environ)
    return App(settings, configured_or_running(settings, data_dir))


def _unfinished(journal: Journal, resources: Sequence[str], kind: str, *, dead: bool) -> Iterable[dict[str, JSON]]:
    for item in journal.dead():
        if item.lane.startswith(kind):
            yield _row(item.lane, item.item, "dead", item.attempts, None, item.detail)
    for waiting in () if dead else chain.from_iterable(map(journal.waiting, resources)):
        yield _row(waiting.lane, waiting.item, waiting.state, waiting.attempts, waiting.next_at, waiting.last_error)


def _row(lane: str, item: str, state: str, attempts: int, next_at: float | None, error: str | None) -> dict[str, JSON]:
    return {
        "item": item,
        "of": lane.partition("|")[0][2:],
        "job_id": keys.job_of(lane) or None,
        "state": state,
        "attempts": attempts,
        "next_at": timestamp(datetime.fromtimestamp(next_at, UTC)) if next_at else None,
        "last_error": error,
    }


def _show(rows: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    for row in rows:
        if as_json:
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            click.echo("  ".join(clean(str(v), WIDEST) for v in row.values() if v is not None))
