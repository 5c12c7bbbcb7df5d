"""`jobwire check`: every fault of the configuration at once, or what it amounts to."""

from __future__ import annotations

import os

import click

from processor.cli import common
from processor.cli.redis_url import configured_or_running
from processor.connect import connect, safety
from processor.errors import ConfigError
from processor.settings import SinkSettings, SourceSettings
from processor.wiring import read_settings


@click.command()
@common
@click.option("--online", is_flag=True, help="Try Redis too; tokens and sinks are not tried in this version yet.")
def check(config: str | None, data_dir: str, *, online: bool) -> None:
    """Validate the configuration; tell every fault at once."""
    try:
        settings = read_settings(config, os.environ)
    except ConfigError as e:
        click.echo(e.message)
        raise click.exceptions.Exit(1) from None
    click.echo(f"{settings.file}: no faults")
    for source in settings.sources.values():
        click.echo(f"source {source.name}: {_source(source)}")
    for sink in settings.sinks.values():
        click.echo(f"sink {sink.name}: {_sink(sink)}")
    warnings = [str(warning) for warning in settings.warnings]
    if not settings.sources:
        warnings.append(f"{settings.file}: sources: there are none, so nothing can come in")
    if online:
        warnings += _redis(configured_or_running(settings, data_dir))
    for warning in warnings:
        click.echo(f"warning: {warning}")


def _redis(url: str) -> list[str]:
    """What about Redis would break a promise. Raises Unavailable when it does not answer."""
    found = safety(connect(url, patient=False))
    click.echo("redis: answers")
    return [f"redis: {warning}" for warning in found]


def _source(source: SourceSettings) -> str:
    rates = ", ".join(f"{rate.count} in {rate.seconds:g} s" for rate in source.rate_limits) or "no limit"
    return f"{source.provider}, POST /webhooks/{source.name}, {rates}"


def _sink(sink: SinkSettings) -> str:
    events = "everything but ops.*" if sink.events is None else ", ".join(sink.events) or "nothing"
    sources = "" if sink.sources is None else f" of {', '.join(sink.sources) or 'no source'}"
    where = f" where {sink.where}" if sink.where else ""
    return f"{sink.type}, {events}{sources}{where}"
