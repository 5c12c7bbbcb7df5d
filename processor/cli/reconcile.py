"""`jobwire reconcile`: ask the provider now for what no webhook told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from processor import reconciling
from processor.cli import common, completing
from processor.cli.one_source import OneSource, one_source, said, unlogged
from processor.errors import ProcessorError, Retryable, Usage
from processor.options import seconds
from processor.ports import Lists
from processor.reconciling import Announcing, Cursor, Step
from processor.text import clean

HOLD = 60.0  # seconds that the scheduler leaves the lists to us, renewed with every page
DOZE = 1.0  # a wait for the budget is looked at anew so often
WIDEST = 300  # characters of what a provider says


@click.command()
@common
@click.argument("source", shell_complete=completing.sources)
@click.option("--since", metavar="DURATION", help="With --announce: how far back, as in 90m, 24h or 7d.")
@click.option("--announce", is_flag=True, help="Announce what ended since then, also what was seen in silence before.")
def reconcile(config: str | None, data_dir: str, source: str, since: str | None, *, announce: bool) -> None:
    """Ask the provider now for what no webhook told.

    Reads the lists of SOURCE page by page and has everything looked at that is new. A pass that is on goes on where it
    was. With --since and --announce, what ended since then is announced, under the ids it always has.
    """
    back = _back(since, announce=announce)
    one = one_source(config, data_dir, source)
    with unlogged():
        provider = _listed(one)
        if back is not None:
            announcing = Announcing(one.app, source, provider, one.app.tools.clock() - back)
            _run(one, announcing.step, otherwise="run it again: nothing is announced twice")
            return
        _tell_where(one)
        with _alone(one):
            _run(one, partial(_step, one, provider), otherwise="`jobwire reconcile` goes on where it was")


def _back(since: str | None, *, announce: bool) -> timedelta | None:
    if not announce and since is None:
        return None
    if not announce or since is None:
        raise Usage("--since and --announce belong together, as in --since 24h --announce")
    try:
        return timedelta(seconds=seconds(since))
    except (ValueError, OverflowError):
        raise Usage(f"--since: {since!r} is no duration such as 90m, 24h or 7d") from None


def _listed(one: OneSource) -> Lists:
    """Raises ProcessorError when the source has no lists."""
    if not isinstance(one.provider, Lists):
        kind = one.app.settings.sources[one.name].provider
        raise ProcessorError(f"{one.name}: the jobs of a {kind} source cannot be listed")
    if not one.provider.lists():
        options = one.app.settings.sources[one.name].options
        why = f": set sources.{one.name}.itwin_ids" if "itwin_ids" in options else ""
        raise ProcessorError(f"{one.name}: there is nothing to list{why}")
    return one.provider


def _tell_where(one: OneSource) -> None:
    text = one.app.journal.cursor(one.name)
    if not text:
        click.echo("the first pass takes stock: what ended before it is not announced", err=True)
    elif not (cursor := Cursor.load(text)).over:
        click.echo(f"going on with the pass that began at {cursor.began}", err=True)


@contextmanager
def _alone(one: OneSource) -> Iterator[None]:
    """The scheduler leaves the lists to us: two who read at once are in each other's way."""
    try:
        yield
    finally:
        one.app.journal.leave_duty(f"reconcile:{one.name}")


def _step(one: OneSource, provider: Lists) -> Step:
    one.app.journal.put_off_duty(f"reconcile:{one.name}", HOLD)
    return reconciling.step(one.app, one.name, provider)


def _run(one: OneSource, ask: Callable[[], Step], *, otherwise: str) -> None:
    """Read on to the end, and say what came of it; `otherwise` is what to do when that cannot be."""
    with _progress() as shown:
        try:
            while not (step := one.patiently(ask, shown.note)).over:
                shown.show(step)
                time.sleep(min(step.wait, DOZE))
        except Retryable as e:
            raise ProcessorError(f"{said(e)}; {otherwise}") from None
        shown.show(step)
    click.echo(f"{_many(step.jobs, 'job')} listed, {step.finds:,} to be looked at, {_many(step.lists, 'list')}")
    if step.finds and not one.app.journal.workers():
        click.echo("no worker was seen: they are looked at as soon as one runs (`jobwire worker`)", err=True)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


# --- what a person sees meanwhile ------------------------------------------------------------------------------------


class _Lines:
    """For pipes: a line for each list that is done, one for each wait, and whatever could not be read."""

    def __init__(self) -> None:
        self._left = 0
        self._waiting = False

    def note(self, text: str) -> None:
        click.echo(clean(text, WIDEST), err=True)

    def show(self, step: Step) -> None:
        for note in step.notes:
            self.note(note)
        if step.wait and not self._waiting:
            self.note(_wait(step))
        self._waiting = bool(step.wait)
        if step.lists and step.left not in (self._left or step.lists, 0):
            self.note(_counts(step))
        self._left = step.left or self._left


class _Bar:
    """For a terminal: one line that moves."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("asking", total=None)

    def note(self, text: str) -> None:
        self._progress.console.print(clean(text, WIDEST), markup=False, highlight=False)

    def show(self, step: Step) -> None:
        for note in step.notes:
            self.note(note)
        if not step.lists:  # another process reads on
            self._progress.update(self._task, description=_wait(step))
            return
        told = f"{_counts(step)}; {_wait(step)}" if step.wait else _counts(step)
        self._progress.update(self._task, total=step.lists, completed=step.lists - step.left, description=told)


def _counts(step: Step) -> str:
    return f"{_many(step.jobs, 'job')} listed, {step.finds:,} to be looked at, {_many(step.left, 'list')} left"


def _wait(step: Step) -> str:
    if not step.lists:
        return "another process reads these lists too"
    return f"waiting {max(step.wait, 0.1):.1f} s for the rate limit"


@contextmanager
def _progress() -> Iterator[_Lines | _Bar]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (SpinnerColumn(), BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        yield _Bar(progress)
