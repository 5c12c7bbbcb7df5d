"""`jobwire check`: every fault of the configuration at once, or what it amounts to."""

from __future__ import annotations

import os

import click

from processor.cli import common
from processor.cli.online import ask_everybody
from processor.errors import ConfigError
from processor.settings import SinkSettings, SourceSettings
from processor.wiring import read_settings


@click.command()
@common
@click.option("--online", is_flag=True, help="Ask everything that has to answer, too.")
def check(config: str | None, data_dir: str, *, online: bool) -> None:
    """Validate the configuration; tell every fault at once.

    --online also asks Redis, and whether workers and a scheduler are there, gets each source's token, looks at our
    webhooks (if [server].public_url is set) and at each sink, and says what to do about what is not well. Nothing is
    sent to a sink. Exit status 1 when there are faults; warnings do not change it.
    """
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
    for warning in settings.warnings:
        click.echo(f"warning: {warning}")
    if not settings.sources:
        click.echo(f"warning: {settings.file}: sources: there are none, so nothing can come in")
    if online and not ask_everybody(settings, data_dir):
        raise click.exceptions.Exit(1)


def _source(source: SourceSettings) -> str:
    rates = ", ".join(f"{rate.count} in {rate.seconds:g} s" for rate in source.rate_limits) or "no limit"
    return f"{source.provider}, POST /webhooks/{source.name}, {rates}"


def _sink(sink: SinkSettings) -> str:
    events = "everything but ops.*" if sink.events is None else ", ".join(sink.events) or "nothing"
    sources = "" if sink.sources is None else f" of {', '.join(sink.sources) or 'no source'}"
    where = f" where {sink.where}" if sink.where else ""
    return f"{sink.type}, {events}{sources}{where}"
