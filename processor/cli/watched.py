"""What a person sees while a job is followed: in a pipe lines, on a terminal also one that moves below the events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text


class Lines:
    """For pipes: each line as it comes."""

    def tell(self, line: str) -> None:
        click.echo(line)

    def aside(self, line: str) -> None:
        """What is no news of the job goes to the other stream."""
        click.echo(line, err=True)

    def stand(self, line: str, progress: float | None, *, new: bool) -> None:
        """Where the job stands; `new`: it is worth a line of its own."""
        if new:
            click.echo(line)


class Moving:
    """For a terminal: events as lines, and below them where the job stands."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def tell(self, line: str) -> None:
        self._progress.console.print(Text(line), soft_wrap=True)

    def aside(self, line: str) -> None:
        if sys.stderr.isatty():  # the same terminal: the moving line makes room for it
            self._progress.console.print(Text(line, style="dim"), soft_wrap=True)
        else:
            click.echo(line, err=True)

    def stand(self, line: str, progress: float | None, *, new: bool) -> None:
        total = None if progress is None else 100.0
        self._progress.update(self._task, description=line, total=total, completed=progress or 0.0)


@contextmanager
def shown() -> Iterator[Lines | Moving]:
    """Whichever fits where this process writes to."""
    console = Console()
    if not console.is_terminal:
        yield Lines()
        return
    where = TextColumn(
        "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
    )
    columns = (SpinnerColumn(), where, BarColumn(bar_width=20), TimeElapsedColumn())
    # whatever is written goes through the methods above
    with Progress(
        *columns, console=console, transient=True, expand=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        yield Moving(progress)
