"""`jobwire check`: every fault of the configuration at once, or what it amounts to; with --online also who answers."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial

import click

from processor import registry
from processor.cli import common
from processor.cli.asking import Question
from processor.cli.once import Once, quiet
from processor.cli.redis_url import configured_or_running
from processor.connect import connect, safety
from processor.errors import ConfigError, ProcessorError
from processor.ports import CanBeTried, Tools
from processor.settings import Settings, SinkSettings, SourceSettings
from processor.wiring import App, read_settings

SINK_SECONDS = 15.0
# A token that is being exchanged gets lost with whoever goes too soon: OAuth waits 30 s for its lock at most, then 15 s
# for the answer, then for Redis.
TOKEN_SECONDS = 60.0


@click.command()
@common
@click.option("--online", is_flag=True, help="Try Redis, the sources' tokens and the sinks too.")
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
    for warning in settings.warnings:
        click.echo(f"warning: {warning}")
    if not settings.sources:
        click.echo(f"warning: {settings.file}: sources: there are none, so nothing can come in")
    if online and not _online(settings, data_dir):
        raise click.exceptions.Exit(1)


def _source(source: SourceSettings) -> str:
    rates = ", ".join(f"{rate.count} in {rate.seconds:g} s" for rate in source.rate_limits) or "no limit"
    return f"{source.provider}, POST /webhooks/{source.name}, {rates}"


def _sink(sink: SinkSettings) -> str:
    events = "everything but ops.*" if sink.events is None else ", ".join(sink.events) or "nothing"
    sources = "" if sink.sources is None else f" of {', '.join(sink.sources) or 'no source'}"
    where = f" where {sink.where}" if sink.where else ""
    return f"{sink.type}, {events}{sources}{where}"


# --- online ----------------------------------------------------------------------------------------------------------


def _online(settings: Settings, data_dir: str) -> bool:
    """Ask everybody at once and tell in the configuration's order, each in a line; whether all is well."""
    with quiet():
        once = Once(settings, data_dir)
        sinks = [Question(f"sink {name}", partial(_try_sink, once, name), SINK_SECONDS) for name in settings.sinks]
        tools = _redis(settings, data_dir)
        sources = []
        for source in settings.sources.values():
            if tools:
                sources.append(Question(f"source {source.name}", partial(_try_source, source, tools), TOKEN_SECONDS))
            else:
                click.echo(f"source {source.name}: its token is not tried, since it would be kept in Redis")
        well = [question.told() for question in [*sources, *sinks]]  # every one, also after a fault
        return all(well) and tools is not None


def _redis(settings: Settings, data_dir: str) -> Tools | None:
    """Tell how Redis is, and what about it would break a promise. None when it does not answer."""
    try:
        url = configured_or_running(settings, data_dir)
        found = safety(connect(url, patient=False))
    except ProcessorError as e:
        click.echo(f"redis: FAULT: {e.message}")
        return None
    click.echo("redis: answers")
    for warning in found:
        click.echo(f"warning: redis: {warning}")
    return App(settings, url).tools


def _try_source(source: SourceSettings, tools: Tools) -> str:
    provider = registry.provider(source.provider).from_config(source.name, source.options, tools)
    if not isinstance(provider, CanBeTried):
        return "cannot be asked"
    before = tools.tokens.get(source.name)
    found = provider.try_out()
    when = "obtained now" if tools.tokens.get(source.name) != before else "obtained earlier and still good"
    return f"{found}, {when}"


def _try_sink(once: Once, name: str) -> str:
    with closing(once.sink(name)) as sink:
        if isinstance(sink, CanBeTried):
            return sink.try_out()
        return f"cannot be asked without sending: jobwire send-test {name}"
