"""Registers our address at a provider, keeps the secret that comes with it, and waits for the verification."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import click
from rich.console import Console

from processor import subscribing
from processor.cli.one_source import OneSource
from processor.errors import ProcessorError, Retryable, Unavailable, Usage
from processor.ports import Greets, Subscribes, Subscription
from processor.store import keys
from processor.text import clean
from processor.wiring import CONFIRM_JOB

PATIENCE = 60.0  # seconds for the verification code to come, and to be sent back
LOOK = 0.5
WIDEST = 300


def register(one: OneSource, url: str | None, *, again: bool) -> None:
    """Register `url` (None: the one that is ours) unless it is there. Raises Usage and ProcessorError."""
    provider = subscribing.subscriber(one.app, one.name)
    address = _address(one, url)
    with one.asking():
        there = _there(one, provider, address)
    if there and not again:
        _tell_there(one, there)
        return
    made = _made(one, provider, address)
    click.echo(f"registered {address}: webhook {clean(made.id, WIDEST)}")
    _keep(one, made)
    if urlsplit(address).scheme != "https":
        click.echo(f"warning: {address} is not https: anybody on the way can read what the provider sends", err=True)
    trouble = _verified(one, provider, made.id, address) if isinstance(provider, Greets) else made.trouble
    if trouble:
        raise ProcessorError(f"webhook {clean(made.id, WIDEST)} tells us nothing yet: {clean(trouble, 2 * WIDEST)}")
    click.echo("the provider sends its webhooks here from now on")


def _address(one: OneSource, url: str | None) -> str:
    """Raises Usage."""
    if url is None:
        ours = subscribing.address(one.app, one.name)
        if ours is None:
            raise Usage("where the provider reaches us is not known: set [server].public_url, or use --url")
        return ours
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        whole = False
    if not whole or parts.query or parts.fragment or "@" in parts.netloc:
        raise Usage("--url must be an address that begins with https://, without user name, ? or #")
    return url if parts.path.strip("/") else f"{url.rstrip('/')}/webhooks/{one.name}"


# --- one that is there already ---------------------------------------------------------------------------------------


def _there(one: OneSource, provider: Subscribes, address: str) -> list[Subscription]:
    found = provider.subscriptions(http=subscribing.Paying(one.app, one.name))
    return [webhook for webhook in found if subscribing.is_at(webhook, address)]


def _tell_there(one: OneSource, there: list[Subscription]) -> None:
    for webhook in there:
        said = f"{webhook.url} is registered already: webhook {webhook.id}, {webhook.trouble or webhook.state}"
        click.echo(clean(said, 2 * WIDEST))
    for webhook_id in subscribing.keep_secrets(one.app, one.name, there):
        click.echo(f"the secret of webhook {clean(webhook_id, WIDEST)} was not known here: it is kept now")
    if all(webhook.trouble for webhook in there):
        raise ProcessorError("it does not tell us everything; --again registers the address once more")
    click.echo("nothing was done; --again registers the address once more")


# --- a new one -------------------------------------------------------------------------------------------------------


def _made(one: OneSource, provider: Subscribes, address: str) -> Subscription:
    """From here on its verification code is expected, which may come before the answer does."""
    registrations = one.app.registrations
    if isinstance(provider, Greets):
        registrations.begin(one.name)
    try:
        with one.asking():
            return provider.subscribe(address, http=subscribing.Paying(one.app, one.name))
    except Retryable as e:
        registrations.end(one.name)
        look = f"whether the webhook is there all the same says `jobwire webhooks list {one.name}`"
        raise ProcessorError(f"{e.message}; {look}") from None
    except ProcessorError:
        registrations.end(one.name)
        raise


def _keep(one: OneSource, made: Subscription) -> None:
    """Keep the secret, and show it if it is new: it may be needed elsewhere, and nobody shows it again."""
    if made.secret is None:
        click.echo("the provider told no secret: its webhooks are verified with those in webhook_secrets")
        return
    if made.secret in one.app.settings.sources[one.name].options["webhook_secrets"]:
        click.echo("its secret is one of those in webhook_secrets")
        return
    try:
        one.app.secrets.keep(one.name, made.id, made.secret)
    except Unavailable as e:
        click.echo(f"its secret, which could not be kept: put it into sources.{one.name}.webhook_secrets")
        click.echo(made.secret.reveal())
        raise ProcessorError(f"the secret of the new webhook is not kept: {e.message}") from None
    click.echo("its secret, shown this once; it is kept in Redis and accepted from now on:")
    click.echo(made.secret.reveal())


def _verified(one: OneSource, provider: Subscribes, webhook_id: str, address: str) -> str:
    """Wait until the code was sent back; what is wrong, "" when all is well."""
    began = time.time()
    _until(lambda: not one.app.registrations.awaits_code(one.name), f"waiting for the verification of {address}")
    with one.asking():
        found = provider.subscriptions(http=subscribing.Paying(one.app, one.name))
    now = next((webhook for webhook in found if webhook.id == webhook_id), None)
    if now is None:
        return "the provider does not list it"
    if now.trouble and one.app.registrations.awaits_code(one.name):
        return f"{now.trouble}; {_missing(one, address, began)}"
    one.app.registrations.end(one.name)  # it may have been verified by other ways: no door stays open for that
    return now.trouble


def _until(done: Callable[[], bool], what: str) -> None:
    """Wait for it within PATIENCE, and show that on a terminal."""
    deadline, console = time.monotonic() + PATIENCE, Console(stderr=True)
    click.echo(f"{what}, {PATIENCE:g} s at most", err=True)
    with console.status("") as status:  # shows nothing in a pipe
        while not done() and (left := deadline - time.monotonic()) > 0:
            status.update(f"{left:.0f} s left")
            time.sleep(min(LOOK, left))


def _missing(one: OneSource, address: str, began: float) -> str:
    """Why the code was not sent back within our patience."""
    lane = keys.refresh_lane(one.name, CONFIRM_JOB)
    later = "; a code is still awaited for an hour"
    for dead in one.app.journal.dead():
        if dead.lane == lane and dead.at >= began - 1:
            return f"its verification code has come, and the provider did not take it back: {dead.detail}"
    waiting = [item for item in one.app.journal.waiting(one.resource.name) if item.lane == lane]
    if waiting and waiting[0].last_error:
        return f"its verification code has come, and could not be sent back yet: {waiting[0].last_error}{later}"
    if waiting:
        return f"its verification code has come, and no worker has sent it back: is `jobwire worker` running?{later}"
    return f"no verification code has come: {_reached(one, address)}{later}"


def _reached(one: OneSource, address: str) -> str:
    """Whether our receiver answers at the address, as seen from here: it answers nothing but POST."""
    try:
        status = one.app.http.request("GET", address, timeout=5).status
    except Retryable as e:
        return f"the address does not answer ({e.message}): is `jobwire web` running, and reachable from outside?"
    if status == 405:
        return "the receiver answers at this address when asked from here; can the provider reach it from outside?"
    return f"what answers at this address is not our receiver (status {status}): where does [server].public_url lead?"
