"""What a person sees while a command goes through much: a count that grows, a bar; in pipes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


def many(count: int, one: str, more: str = "") -> str:
    """ "1 event", "2,000 events"; `more` is the plural where an s is not all."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


@contextmanager
def counting() -> Iterator[Callable[[int], None]]:
    """Called with how many events were counted so far."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda counted: None
        return
    text = TextColumn("{task.completed:,.0f} events counted")
    with Progress(SpinnerColumn(), text, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda counted: progress.update(task, completed=counted)


@contextmanager
def putting_back(total: int) -> Iterator[Callable[[int], None]]:
    """Called with how many of `total` are done."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done: None
        return
    columns = (BarColumn(bar_width=40), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.update(task, completed=done)
