"""Rows of a list as a person or a program wants them: a table that fits the terminal, plain lines in a pipe, JSON.

In a pipe a row is a line, its cells are always the same and two spaces apart; nothing is cut, and no cell has two
spaces in it or is empty. On a terminal what people copy, ids above all, is never cut or broken; a row for whose ids
the terminal is too narrow takes several lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from processor.model import JSON
from processor.text import VALUE, clean, json_line

NOTHING = "-"
WHOLE = 1_000_000  # characters: all of them
NARROWEST = 24  # that a text is folded to
GAP = 2  # between two cells
INDENT = "    "
STYLES: Mapping[str, str] = {  # of a word that is a whole cell
    "dead": "red",
    "failed": "red",
    "no": "dim",
    "retrying": "yellow",
    "cancelled": "yellow",
    "delivered": "green",
    "succeeded": "green",
    "done": "green",
    "yes": "green",
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column on a terminal. `cell` may give "" for nothing, and texts by strangers. `folds`: it is no id, no time and
    no single word. `style` is for the words of STYLES unless given."""

    title: str
    cell: Callable[[T], str]
    folds: bool = False
    style: Callable[[T], str] | None = None

    def text(self, row: T) -> Text:
        said = clean(self.cell(row), VALUE if self.folds else WHOLE)
        return Text(said, style=self.style(row) if self.style else STYLES.get(said, ""))


@dataclass(frozen=True, slots=True)
class Layout(Generic[T]):
    """How rows of one kind are shown: on a terminal, in a pipe, as JSON."""

    columns: Sequence[Column[T]]
    plain: Callable[[T], Sequence[str | None]]
    document: Callable[[T], Mapping[str, JSON]]


@dataclass(frozen=True)
class Shower(Generic[T]):
    """Prints rows. With `one_by_one` more will follow that nobody knows yet, so there is no table to be fitted."""

    layout: Layout[T]
    as_json: bool
    one_by_one: bool = False
    console: Console = field(default_factory=lambda: Console(highlight=False))

    def show(self, rows: Sequence[T]) -> None:
        if self.as_json:
            for row in rows:
                click.echo(json_line(self.layout.document(row)))
        elif not self.console.is_terminal:
            for row in rows:
                click.echo(plain_line(self.layout.plain(row)))
        elif rows:
            self._on_terminal([[column.text(row) for column in self.layout.columns] for row in rows])

    def _on_terminal(self, rows: Sequence[Sequence[Text]]) -> None:
        if not self.one_by_one and self._least(rows) <= self.console.width:
            self.console.print(self._table(rows))
            return
        for cells in rows:
            for line in self._lines(cells):
                self.console.print(line, soft_wrap=True)

    def _least(self, rows: Sequence[Sequence[Text]]) -> int:
        """The width of a terminal that the table needs."""
        widths = []
        for at, column in enumerate(self.layout.columns):
            widest = max([len(column.title), *(cells[at].cell_len for cells in rows)])
            widths.append(min(widest, NARROWEST) if column.folds else widest)
        return sum(widths) + GAP * (len(widths) - 1)

    def _table(self, rows: Sequence[Sequence[Text]]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
        for column in self.layout.columns:
            table.add_column(column.title, no_wrap=not column.folds, overflow="fold" if column.folds else "ignore")
        for cells in rows:
            table.add_row(*cells)
        return table

    def _lines(self, cells: Sequence[Text]) -> list[Text]:
        """A row without a table: side by side what has room there, the rest on lines of its own."""
        lines, width = [Text()], self.console.width
        for cell, column in zip(cells, self.layout.columns, strict=True):
            if not cell:
                continue
            if not lines[-1]:
                lines[-1].append_text(cell)
            elif lines[-1].cell_len + GAP + cell.cell_len <= width:
                lines[-1].append(" " * GAP).append_text(cell)
            elif column.folds:
                folded = cell.wrap(self.console, max(NARROWEST, width - len(INDENT)))
                for part in folded:
                    part.rstrip()
                    lines.append(Text(INDENT).append_text(part))
            else:
                indent = INDENT if len(INDENT) + cell.cell_len <= width else ""
                lines.append(Text(indent).append_text(cell))
        return lines


def plain_line(cells: Sequence[str | None]) -> str:
    """A row in a pipe."""
    return "  ".join(clean(cell or "", WHOLE) or NOTHING for cell in cells)
