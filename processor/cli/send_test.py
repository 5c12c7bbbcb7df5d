"""`jobwire send-test`: one clearly marked event through the real sink, at once and once."""

from __future__ import annotations

import os
from contextlib import closing

import click

from processor.cli import common, completing
from processor.cli.once import Once, quiet
from processor.cli.samples import sample
from processor.errors import ProcessorError, Usage
from processor.model import EventType
from processor.pipeline.deliver import without
from processor.settings.faults import nearest
from processor.text import clean
from processor.wiring import now, read_settings

WIDEST = 500  # characters of what a far end says


@click.command("send-test")
@common
@click.argument("sink", shell_complete=completing.sinks)
@click.option(
    "--type",
    "kind",
    default=str(EventType.OPS_TEST),
    show_default=True,
    metavar="TYPE",
    shell_complete=completing.types,
    help="Send an example of this type of event instead, as in model.failed; its job is called TEST.",
)
def send_test(config: str | None, data_dir: str, sink: str, kind: str) -> None:
    """Send one marked test event through a sink.

    It is delivered at once and tried once. What the sink's `omit` names is left out; `events`, `sources` and `where`
    do not hold it back. Exit status 1 when it is not taken.
    """
    settings = read_settings(config, os.environ)
    if sink not in settings.sinks:
        raise Usage(f"{sink!r} is no sink{nearest(sink, settings.sinks)}")
    if kind not in list(EventType):
        raise Usage(f"{kind!r} is no type of event{nearest(kind, EventType)}")
    event = without(sample(EventType(kind), sink=sink, now=now()), settings.sinks[sink].omit)
    with quiet(), closing(Once(settings, data_dir).sink(sink)) as far_end:
        try:
            reference = far_end.deliver(event)
        except ProcessorError as e:
            said = clean(e.message, WIDEST)
            raise ProcessorError(f"sink {sink} did not take the test event ({kind}): {e.reason}: {said}") from None
        click.echo(f"sent to {sink} ({kind}), reference: {clean(reference or 'none', WIDEST)}")
