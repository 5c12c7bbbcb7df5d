"""`jobwire replay`: deliver again what went out before, or died on its way."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase

import click

from processor.cli import common, completing
from processor.cli.one_source import unlogged
from processor.cli.redis_url import configured_or_running
from processor.cli.refetch import refetch as ask_anew
from processor.cli.repeating import repeat, show
from processor.errors import ProcessorError, Usage
from processor.model import EventType, timestamp
from processor.moments import moment
from processor.replaying import Replay, Selection
from processor.settings import Settings
from processor.settings.faults import nearest
from processor.text import VALUE, clean
from processor.wiring import App, now, read_settings


@click.command()
@common
@click.option("--event", "events", multiple=True, metavar="ID", help="This event. May be given several times.")
@click.option("--job", metavar="SOURCE/ID", help="Events of this job.")
@click.option(
    "--type",
    "glob",
    metavar="GLOB",
    help="Events of these types, as in 'model.*'.",
    shell_complete=completing.globs,
)
@click.option("--since", metavar="TIME", help="Events found since then: 2h, 2026-03-01, 2026-03-01T12:00:00Z.")
@click.option("--until", metavar="TIME", help="Events found before then; a date is that whole day.")
@click.option(
    "--sink",
    "sinks",
    multiple=True,
    metavar="NAME",
    help="To this sink only. May be given several times.",
    shell_complete=completing.sinks,
)
@click.option("--dead", is_flag=True, help="Only what is dead, notifications too; the times are those of the death.")
@click.option("--refetch", is_flag=True, help="Ask the provider anew instead, show what differs, announce what is new.")
@click.option("--dry-run", is_flag=True, help="Show what would be delivered, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: one JSON document a line.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def replay(
    config: str | None,
    data_dir: str,
    events: Sequence[str],
    job: str | None,
    glob: str | None,
    since: str | None,
    until: str | None,
    sinks: Sequence[str],
    *,
    dead: bool,
    refetch: bool,
    dry_run: bool,
    as_json: bool,
    yes: bool,
) -> None:
    """Deliver again what went out before, or died on its way.

    What is selected must fit all that is named. It goes to the sinks that the configuration of today routes it to,
    behind what waits there, as it was and under the same id: receivers that deduplicate ignore it.
    """
    settings = read_settings(config, os.environ)
    if not (events or job or glob or since or until or sinks or dead):
        raise Usage("nothing is named: give --event, --job, --type, --since, --until, --sink or --dead")
    if as_json and not dry_run:
        raise Usage("--json goes with --dry-run only")
    if refetch and sinks:
        raise Usage("--sink does not go with --refetch: what is new goes wherever it is routed")
    chosen = _selection(settings, events, job, glob, since, until, sinks, dead=dead)
    if not (yes or dry_run or (sys.stdin and sys.stdin.isatty())):
        raise Usage("nobody can be asked here: add --yes, or --dry-run to see what would be delivered")
    app = App(settings, configured_or_running(settings, data_dir))
    _must_be_known(app, chosen)
    with unlogged():
        if refetch:
            ask_anew(app, chosen, dry_run=dry_run, as_json=as_json, yes=yes)
        elif dry_run:
            show(Replay(app, chosen), as_json=as_json)
        else:
            repeat(app, Replay(app, chosen), yes=yes)


# --- what is meant ---------------------------------------------------------------------------------------------------


def _selection(
    settings: Settings,
    events: Sequence[str],
    job: str | None,
    glob: str | None,
    since: str | None,
    until: str | None,
    sinks: Sequence[str],
    *,
    dead: bool,
) -> Selection:
    """Raises Usage for whatever cannot be meant."""
    for sink in sinks:
        if sink not in settings.sinks:
            raise Usage(f"{sink!r} is no sink{nearest(sink, settings.sinks)}")
    if glob is not None and not any(fnmatchcase(kind, glob) for kind in EventType):
        raise Usage(f"--type: {glob!r} matches no event type{nearest(glob, EventType)}")
    source, slash, job_id = (job or "").partition("/")
    if job is not None and not (source and slash and job_id):
        raise Usage(f"--job: {job!r} is not SOURCE/ID")
    here = now()
    begins = moment("--since", since, here) if since is not None else None
    ends = moment("--until", until, here, ends=True) if until is not None else None
    if begins and ends and begins >= ends:
        raise Usage(f"--since ({timestamp(begins)}) must lie before --until ({timestamp(ends)})")
    return Selection(
        events=frozenset(events),
        job=(source, job_id) if job is not None else None,
        glob=glob,
        since=begins.timestamp() if begins else None,
        until=ends.timestamp() if ends else None,
        sinks=frozenset(sinks),
        dead=dead,
    )


def _must_be_known(app: App, chosen: Selection) -> None:
    """What a person names by its id is there, or it is an error: a filter that finds nothing is none."""
    ids = sorted(chosen.events)
    missing = [i for i, stored in zip(ids, app.journal.stored(ids, []), strict=True) if not stored.kept]
    if missing:
        days = app.settings.retention.events / 86400
        names = clean(", ".join(missing), VALUE)
        raise ProcessorError(f"no such event is kept: {names} (retention.events is {days:g} days)")
    if chosen.job is None:
        return
    source, job_id = chosen.job
    known = bool(app.journal.facts(source, [job_id])[0])
    if not known and source not in app.settings.sources:
        raise Usage(f"--job: {source!r} is no source{nearest(source, app.settings.sources)}")
    if not known and not chosen.dead:  # a notification may have died because nobody knows its job
        raise ProcessorError(clean(f"{source}: no job {job_id} is known here", VALUE))
