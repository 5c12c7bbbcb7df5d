"""The `jobwire` command. Its commands are imported when they are used, so that `jobwire --help` answers at once."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from processor import __version__
from processor.errors import ConfigError, ProcessorError, Usage

# name -> module, and the line that --help shows; the function in the module has the command's name, with _ for -
COMMANDS = {
    "check": ("processor.cli.check", "Validate the configuration; tell every fault at once."),
    "deliveries": ("processor.cli.query", "Show the deliveries that wait, are tried again, or are dead."),
    "demo": ("processor.cli.demo", "Play a whole story on this machine, with nothing configured."),
    "events": ("processor.cli.query", "Show the newest events."),
    "explain": ("processor.cli.explain", "Tell which sinks an event goes to and why, and why not the others."),
    "jobs": ("processor.cli.query", "Show the jobs, or all that is known of one."),
    "notifications": ("processor.cli.query", "Show the notifications that wait, are tried again, or are dead."),
    "reconcile": ("processor.cli.reconcile", "Ask the provider now for what no webhook told."),
    "replay": ("processor.cli.replay", "Deliver again what went out before, or died on its way."),
    "scheduler": ("processor.cli.processes", "Run the periodic duties: one process of the Procfile."),
    "send-test": ("processor.cli.send_test", "Send one marked test event through a sink."),
    "simulate": ("processor.cli.simulate", "Run the provider simulator alone."),
    "up": ("processor.cli.up", "Run receiver, workers and scheduler in one terminal."),
    "watch": ("processor.cli.watch", "Follow a job until it ends, without any webhook."),
    "web": ("processor.cli.processes", "Run the receiver: one process of the Procfile; honours $PORT."),
    "webhooks": ("processor.cli.webhooks", "List, register or delete the webhooks at a provider."),
    "worker": ("processor.cli.processes", "Run a worker: one process of the Procfile."),
}


class _Commands(click.Group):
    """Imports a command on use; turns what a person can cause into a line or two instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = getattr(import_module(COMMANDS[name][0]), name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As click has it, without importing every command for its help."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=COMMANDS[name][1]) for name in names), *options]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ProcessorError as e:
            click.echo(e.message if isinstance(e, ConfigError) else f"error: {e.message}", err=True)
            raise click.exceptions.Exit(2 if isinstance(e, (Usage, ConfigError)) else 1) from None
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except OSError as e:
            click.echo(f"error: {e}", err=True)
            raise click.exceptions.Exit(1) from None
        except Exception as e:  # noqa: BLE001  # a bug of ours is no reason to show a person a traceback
            if os.environ.get("JOBWIRE_DEBUG") == "1":
                traceback.print_exc()
            click.echo(f"error: unexpected {type(e).__name__}; JOBWIRE_DEBUG=1 shows where", err=True)
            raise click.exceptions.Exit(1) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jobwire", message="%(prog)s %(version)s")
def main() -> None:
    """Webhook-driven event processor for Hover and Bentley iTwin 3D-modelling jobs."""


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command: `config` and `data_dir`, both texts, `config` None when not given."""
    command = click.option(
        "--data-dir",
        envvar="JOBWIRE_DATA_DIR",
        default=".jobwire",
        show_default=True,
        metavar="DIR",
        type=click.Path(readable=False),
        help="Where the embedded Valkey of `up` lives.",
    )(command)
    return click.option(
        "--config",
        metavar="FILE",
        type=click.Path(readable=False),
        help="The configuration; else $JOBWIRE_CONFIG, else ./jobwire.toml, else built-in defaults.",
    )(command)
