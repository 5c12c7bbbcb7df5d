"""`jobwire explain`: which sinks an event goes to, why not the others, and what another configuration would change."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import click

from processor.cli import common
from processor.cli.chosen import times
from processor.cli.documents import documents
from processor.cli.redis_url import configured_or_running
from processor.cli.showing import Column, Layout, Shower
from processor.cli.what_if import show_differences
from processor.errors import ProcessorError, Usage
from processor.looking import Looking
from processor.looking.shapes import Routed
from processor.model import JSON
from processor.pipeline.route import route
from processor.settings import Settings
from processor.text import NAME, VALUE, clean, headline
from processor.wiring import App, read_settings

LATELY = "7d"


class _Told(NamedTuple):
    event_id: str
    routed: Routed


_LAYOUT: Layout[_Told] = Layout(
    columns=(
        Column("Sink", lambda t: t.routed.sink),
        Column("Gets it", lambda t: _yes(t)),
        Column("So far", lambda t: t.routed.state or ""),
        Column("Because", lambda t: t.routed.reason, folds=True),
    ),
    plain=lambda t: (t.event_id, t.routed.sink, _yes(t), t.routed.state, t.routed.reason),
    document=lambda t: {
        "event_id": t.event_id or None,
        "sink": t.routed.sink,
        "wanted": t.routed.wanted,
        "reason": t.routed.reason,
        "state": t.routed.state,
    },
)


@click.command()
@common
@click.argument("what", required=False, metavar="[EVENT_ID|FILE]", type=click.Path(readable=False))
@click.option("--since", metavar="TIME", help=f"Without EVENT_ID: events found from then on.  [default: {LATELY}]")
@click.option("--until", metavar="TIME", help="Without EVENT_ID: events found before then; a date is that whole day.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
def explain(
    config: str | None, data_dir: str, what: str | None, since: str | None, until: str | None, *, as_json: bool
) -> None:
    """Tell which sinks an event goes to and why, and why not the others.

    FILE has events as JSON, one or one a line, - is standard input; this needs no Redis. Without either, all events of
    the last week are put through the configuration: how many each sink would get more, or fewer, than it did.

    So `jobwire explain --config NEW` shows what a change would do before it is made. The events are those of the Redis
    that NEW names, else of REDIS_URL, else of the `jobwire up` that runs in --data-dir.
    """
    settings = read_settings(config, os.environ)
    if what is None:
        app = App(settings, configured_or_running(settings, data_dir))
        show_differences(app, times(since or LATELY, until), as_json=as_json)
        return
    if since is not None or until is not None:
        raise Usage("--since and --until go without EVENT_ID and FILE")
    if what == "-" or Path(what).exists():
        rules = App(settings, "").rules
        for event in documents(what):
            verdicts = route(event, rules)
            _show(event, (Routed(sink=v.sink, wanted=v.wanted, reason=v.reason) for v in verdicts), as_json=as_json)
        return
    _explain_kept(settings, data_dir, what, as_json=as_json)


def _explain_kept(settings: Settings, data_dir: str, event_id: str, *, as_json: bool) -> None:
    if "/" in event_id or "." in event_id:  # no id of an event has these
        raise Usage(f"there is no file {clean(event_id, VALUE)}")
    looking = Looking(App(settings, configured_or_running(settings, data_dir)))
    event = looking.event(event_id)
    if event is None:
        days = settings.retention.events / 86400
        said = f"no event {clean(event_id, NAME)} is kept (retention.events is {days:g} days), nor is there such a file"
        raise ProcessorError(said)
    _show(event, looking.explain(event), as_json=as_json)


def _show(event: Mapping[str, JSON], verdicts: Iterable[Routed], *, as_json: bool) -> None:
    shower = Shower(_LAYOUT, as_json)
    if shower.console.is_terminal and not as_json:
        click.echo(f"{clean(event.get('id') or '', NAME)}  {headline(event)}".strip())
    shower.show([_Told(str(event.get("id") or ""), one) for one in verdicts])


def _yes(told: _Told) -> str:
    return "yes" if told.routed.wanted else "no"
