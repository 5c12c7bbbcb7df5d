"""`jobwire events`, `jobs`, `deliveries` and `notifications`: what happened, and how things stand."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import click

from processor.cli import chosen, common, completing
from processor.cli.layouts import DELIVERIES, EVENTS, JOBS, NOTIFICATIONS
from processor.cli.listing import LIMIT, Listing, Wish, listed
from processor.cli.redis_url import configured_or_running
from processor.cli.telling_job import tell
from processor.looking import DeliveryFilter, EventFilter, JobFilter, Looking, NotificationFilter
from processor.looking.filters import DELIVERY_STATES, NOTIFICATION_STATES
from processor.model import State
from processor.wiring import App, read_settings

_source = click.option("--source", metavar="NAME", help="Only of this source.", shell_complete=completing.sources)
_job = click.option("--job", metavar="[SOURCE/]ID", help="Only about this job.")
_glob = click.option(
    "--type", "glob", metavar="GLOB", help="Only these types, as in 'model.*'.", shell_complete=completing.globs
)
_sink = click.option("--sink", metavar="NAME", help="Only to this sink.", shell_complete=completing.sinks)
_dead = click.option("--dead", is_flag=True, help="The same as --state dead.")


def _states(there_are: Sequence[str], well: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    said = f"Only what stands so; may be given several times.  [default: all but {well}; of one job all]"
    return click.option("--state", "states", type=click.Choice(there_are), multiple=True, help=said)


@click.command()
@common
@_source
@_job
@_glob
@_sink
@click.option("--outcome", type=click.Choice(DELIVERY_STATES), help="Only those of which a delivery stands so.")
@listed()
def events(
    config: str | None,
    data_dir: str,
    source: str | None,
    job: str | None,
    glob: str | None,
    sink: str | None,
    outcome: str | None,
    *,
    wish: Wish,
) -> None:
    """Show the newest events, oldest first.

    --since, --until and the order go by when an event was found; the time that is shown is when it happened.
    """
    app = _app(config, data_dir)
    source, job_id = chosen.job(job, source, app.settings)
    fits = EventFilter(source=source, job=job_id, type=chosen.glob(glob), sink=sink, outcome=outcome)
    found = Listing(app, EVENTS, Looking(app).events, [fits], lambda e: e["id"], lambda e: str(e["time"]))
    if not found.show(wish):
        chosen.must_be_known(app.settings, source=source, sink=sink)


@click.command()
@common
@click.argument("what", nargs=-1, metavar="[WHAT]...")
@_source
@click.option("--state", type=click.Choice([str(state) for state in State]), help="Only jobs in this state.")
@listed(can_follow=False)
def jobs(
    config: str | None, data_dir: str, what: Sequence[str], source: str | None, state: str | None, *, wish: Wish
) -> None:
    """Show the jobs, or all that is known of one.

    WHAT is whatever one has in hand: SOURCE/ID, an id, an external id, words of a name or an address, the id of an
    event, a notification or a delivery. If it fits one job, its story is told: what was received, fetched, found, and
    told to whom. Without WHAT, or with a filter too, jobs are listed by when they came into their state, newest last.
    """
    app, text = _app(config, data_dir), " ".join(what).strip()
    looking = Looking(app)
    if text and not (source or state or wish.times.given):
        tell(looking, text, limit=wish.limit or LIMIT, as_json=wish.as_json)
        return
    fits = JobFilter(source=source, state=state, text=text or None)
    if not Listing(app, JOBS, looking.jobs, [fits], lambda j: (j.source, j.id), lambda j: j.since).show(wish):
        chosen.must_be_known(app.settings, source=source)


@click.command()
@common
@_dead
@_states(DELIVERY_STATES, "delivered")
@_sink
@click.option("--event", metavar="ID", help="Only of this event.")
@_source
@_job
@_glob
@listed()
def deliveries(
    config: str | None,
    data_dir: str,
    states: Sequence[str],
    sink: str | None,
    event: str | None,
    source: str | None,
    job: str | None,
    glob: str | None,
    *,
    dead: bool,
    wish: Wish,
) -> None:
    """Show the deliveries that wait, are tried again, or are dead.

    Newest last, by when each came into its state. --follow shows what becomes of them: delivered, retrying, dead.
    """
    app = _app(config, data_dir)
    source, job_id = chosen.job(job, source, app.settings)
    fits = DeliveryFilter(sink=sink, event=event, source=source, job=job_id, type=chosen.glob(glob))
    wanted = _wanted(states, "delivered", DELIVERY_STATES, dead=dead, wish=wish, one=bool(event or job_id))
    filters = [replace(fits, state=one) for one in wanted]
    found = Listing(app, DELIVERIES, Looking(app).deliveries, filters, lambda d: (d.id, d.at), lambda d: d.at)
    if not found.show(wish):
        chosen.must_be_known(app.settings, source=source, sink=sink)


@click.command()
@common
@_dead
@_states(NOTIFICATION_STATES, "done")
@_source
@_job
@listed()
def notifications(
    config: str | None,
    data_dir: str,
    states: Sequence[str],
    source: str | None,
    job: str | None,
    *,
    dead: bool,
    wish: Wish,
) -> None:
    """Show the notifications that wait, are tried again, or are dead.

    Newest last, by when each came into its state. --follow shows what becomes of them: done, retrying, dead.
    """
    app = _app(config, data_dir)
    source, job_id = chosen.job(job, source, app.settings)
    fits = NotificationFilter(source=source, job=job_id)
    wanted = _wanted(states, "done", NOTIFICATION_STATES, dead=dead, wish=wish, one=bool(job_id))
    filters = [replace(fits, state=one) for one in wanted]
    found = Listing(app, NOTIFICATIONS, Looking(app).notifications, filters, lambda n: (n.id, n.at), lambda n: n.at)
    if not found.show(wish):
        chosen.must_be_known(app.settings, source=source)


def _app(config: str | None, data_dir: str) -> App:
    settings = read_settings(config, os.environ)
    return App(settings, configured_or_running(settings, data_dir))


def _wanted(
    named: Sequence[str], well: str, there_are: Sequence[str], *, dead: bool, wish: Wish, one: bool
) -> Sequence[str | None]:
    """The states that are asked for, None for whatever there is: by default what is not well; of `one` event or job
    everything; and what somebody who follows sees come about."""
    if named or dead:
        return list(dict.fromkeys([*named, *(["dead"] if dead else [])]))
    if wish.follow:
        return [state for state in there_are if state != "pending"]
    return [None] if one else [state for state in there_are if state != well]
