"""`jobwire webhooks`: the webhooks that a provider has of a source: list them, register ours, delete it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from processor import subscribing
from processor.cli import common, completing
from processor.cli.one_source import OneSource, one_source, unlogged
from processor.cli.registering import register
from processor.errors import NotYet, ProcessorError, Usage
from processor.http import shown
from processor.model import JSON
from processor.ports import Subscription
from processor.text import clean

WIDEST = 300  # characters of what a provider says


@click.group()
def webhooks() -> None:
    """List, register or delete the webhooks at a provider."""


@webhooks.command("list")
@common
@click.argument("source", shell_complete=completing.sources)
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
def show(config: str | None, data_dir: str, source: str, *, as_json: bool) -> None:
    """Show the webhooks that the provider has of the account of SOURCE.

    Ours are those whose address is [server].public_url + /webhooks/SOURCE.
    """
    one = one_source(config, data_dir, source)
    with unlogged():
        found = _asked(one)
    url = subscribing.address(one.app, source)
    rows = [(webhook, url is not None and subscribing.is_at(webhook, url)) for webhook in found]
    if as_json:
        for webhook, ours in rows:
            click.echo(json.dumps(_document(webhook, ours=ours)))
    elif not rows:
        click.echo(f"{source}: the provider has no webhooks", err=True)
    elif (terminal := Console()).is_terminal:
        terminal.print(_table(rows))
    else:
        for webhook, ours in rows:
            click.echo("  ".join(cell for cell in _cells(webhook, ours=ours) if cell))


@webhooks.command("register")
@common
@click.argument("source", shell_complete=completing.sources)
@click.option("--url", help="Instead of [server].public_url; /webhooks/SOURCE is added to one without a path.")
@click.option("--again", is_flag=True, help="Register the address also when it is registered already.")
def register_command(config: str | None, data_dir: str, source: str, url: str | None, *, again: bool) -> None:
    """Register our address at the provider of SOURCE, and wait until the provider counts it as ours.

    The secret that the provider returns is shown this once, kept, and accepted from now on.
    """
    one = one_source(config, data_dir, source)
    with unlogged():
        register(one, url, again=again)


@webhooks.command("delete")
@common
@click.argument("source", shell_complete=completing.sources)
@click.option("--id", "webhook_id", metavar="ID", help="This webhook, whatever its address is.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(config: str | None, data_dir: str, source: str, webhook_id: str | None, *, yes: bool) -> None:
    """Delete the webhooks of SOURCE whose address is ours, at the provider, and forget their secrets."""
    one = one_source(config, data_dir, source)
    url = subscribing.address(one.app, source)
    if url is None and webhook_id is None:
        raise Usage("no address is ours: set [server].public_url, or name one with --id")
    with unlogged():
        doomed = [w for w in _asked(one) if (w.id == webhook_id if webhook_id else subscribing.is_at(w, str(url)))]
        if not doomed:
            where = f"with the id {webhook_id}" if webhook_id else f"for {url}"
            raise ProcessorError(f"{source}: the provider has no webhook {where}")
        for webhook in doomed:
            click.echo("  ".join(cell for cell in _cells(webhook, ours=False) if cell))
        if not yes:
            click.confirm("Delete this at the provider?", abort=True)
        _delete(one, doomed)


def _asked(one: OneSource) -> Sequence[Subscription]:
    """All webhooks of the account. Raises ProcessorError."""
    provider = subscribing.subscriber(one.app, one.name)
    with one.asking():
        return provider.subscriptions(http=subscribing.Paying(one.app, one.name))


def _delete(one: OneSource, doomed: Sequence[Subscription]) -> None:
    provider = subscribing.subscriber(one.app, one.name)
    for webhook in doomed:
        gone = "deleted"
        with one.asking():
            try:
                provider.unsubscribe(webhook.id, http=subscribing.Paying(one.app, one.name))
            except NotYet:
                gone = "was gone already"
        one.app.secrets.forget(one.name, webhook.id)
        click.echo(f"webhook {clean(webhook.id, WIDEST)}: {gone}")


# --- how they are shown: never with a secret, be it in an address ----------------------------------------------------


def _cells(webhook: Subscription, *, ours: bool, between: str = ", ") -> list[str]:
    told = [webhook.id, shown(webhook.url), webhook.state, "ours" if ours else "", webhook.trouble]
    return [*(clean(cell, WIDEST) for cell in told), between.join(clean(event, WIDEST) for event in webhook.events)]


def _document(webhook: Subscription, *, ours: bool) -> dict[str, JSON]:
    return {
        "id": webhook.id,
        "url": shown(webhook.url),
        "state": webhook.state,
        "ours": ours,
        "trouble": webhook.trouble or None,
        "events": list(webhook.events),
    }


def _table(rows: Sequence[tuple[Subscription, bool]]) -> Table:
    table = Table("Webhook", "Address", "State", "", "Trouble", "Events", box=box.SIMPLE_HEAD, pad_edge=False)
    for webhook, ours in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in _cells(webhook, ours=ours, between="\n")))
    return table
