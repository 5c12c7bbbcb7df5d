"""`jobwire simulate`: the simulated providers alone, for anyone developing against them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from processor.cli import common
from processor.cli.simulated import Simulated
from processor.cli.story import STORY
from processor.cli.supervise import stop_on_signals
from processor.errors import Retryable, Usage
from processor.http import HttpClient
from processor.simulation import play
from processor.wiring import read_settings

DEFAULT_PORT = 8090


@click.command()
@common
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--receiver", default="http://127.0.0.1:8080", show_default=True, help="Where the webhooks go.")
@click.option(
    "--script", type=click.Path(path_type=Path), help="A JSON file: {provider: [steps]}; else the demo's story."
)
@click.option("--write-config", type=click.Path(path_type=Path), metavar="FILE", help="Write the sources that fit.")
@click.option("--once", is_flag=True, help="End when the script has.")
def simulate(
    config: str | None,
    data_dir: str,
    host: str,
    port: int,
    receiver: str,
    script: Path | None,
    write_config: Path | None,
    once: bool,
) -> None:
    """Run the provider simulator alone.

    It prints the sources that fit it, waits for the receiver, and plays a script: jobs change, webhooks go out.
    docs/simulator.md tells what a script can say.
    """
    if config:
        read_settings(config, os.environ)  # nothing of it is used here, but a fault in it is told
    steps = _read(script) if script else [(scene.provider, scene.steps) for scene in STORY]
    simulated = Simulated(receiver.rstrip("/"))
    stopping = stop_on_signals()
    served = simulated.serve(host, port)
    try:
        _introduce(simulated.configuration(served.url), write_config)
        _await_receiver(receiver, stopping)
        for provider, part in steps:
            click.echo(f"{provider} begins")
            for sent in play(simulated.by_name[provider], part, stopping):
                click.echo(f"{provider} sent a webhook: {_answer(sent.status)}, attempt {sent.attempts}")
        if not once:
            click.echo(f"the script is over; the providers answer at {served.url} until Ctrl-C")
            stopping.wait()
    finally:
        served.close()


def _introduce(configuration: str, write_config: Path | None) -> None:
    if write_config is None:
        click.echo(f"# for your jobwire.toml:\n{configuration}")
        return
    try:
        write_config.write_text(configuration)
    except OSError as e:
        raise Usage(f"{write_config} cannot be written: {e.strerror}") from None
    click.echo(f"the sources that fit are in {write_config}: now start `jobwire up --config {write_config}`")


def _await_receiver(receiver: str, stopping: threading.Event) -> None:
    """The keys are new each time, so the receiver can only have been started after this."""
    told = False
    while not stopping.is_set() and not answers(receiver):
        if not told:
            click.echo(f"waiting for the receiver at {receiver}")
            told = True
        stopping.wait(0.2)


def answers(receiver: str, path: str = "/healthz") -> bool:
    """Whether a jobwire answers there with 200."""
    try:
        return HttpClient().request("GET", receiver + path, timeout=5).status == 200
    except Retryable:
        return False


def _read(script: Path) -> list[tuple[str, Sequence[Mapping[str, Any]]]]:
    """`{provider: [steps]}`, played one provider after the other. Raises Usage."""
    try:
        parts = json.loads(script.read_text())
    except OSError as e:
        raise Usage(f"{script} cannot be read: {e.strerror}") from None
    except ValueError as e:
        raise Usage(f"{script} is not JSON: {e}") from None
    if not isinstance(parts, dict) or not parts.keys() <= {"hover", "bentley"}:
        raise Usage(f'{script} must be an object with the keys "hover" and "bentley", each a list of steps')
    return list(parts.items())


def _answer(status: int | None) -> str:
    return "no answer" if status is None else f"answer {status}"
