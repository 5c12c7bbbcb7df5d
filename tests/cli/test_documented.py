"""docs/cli.md says what the commands do: its tables are compared with them."""

from __future__ import annotations

import dataclasses
import re
from importlib import import_module
from itertools import takewhile
from pathlib import Path

import click
import pytest

from processor.cli import COMMANDS
from processor.looking.shapes import DeliveryRow, JobRow, JobStory, NotificationRow

PAGE = (Path(__file__).parents[2] / "docs/cli.md").read_text()
LISTS = ("events", "jobs", "deliveries", "notifications")
SHOWN = {"--json", "--limit", "--help", "--config", "--data-dir"}  # that choose nothing


def table(header: str) -> list[list[str]]:
    lines = iter(PAGE.partition(f"\n| {header} |")[2].splitlines()[2:])
    rows = [line.strip("|").split(" | ") for line in takewhile(lambda line: line.startswith("|"), lines)]
    assert rows, f"no table {header}"
    return [[cell.strip() for cell in row] for row in rows]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def command(name: str) -> click.Command:
    found = getattr(import_module(COMMANDS[name][0]), name.replace("-", "_"))
    assert isinstance(found, click.Command)
    return found


def test_every_command_is_in_the_table() -> None:
    assert [code(row[0])[0] for row in table("command | does")] == sorted(COMMANDS)


def test_every_filter_is_in_the_table_with_the_lists_that_have_it() -> None:
    told: dict[str, set[str]] = {name: set() for name in LISTS}
    for option, of, _ in table("option | of | selects"):
        for name in code(of):
            told[name] |= {text.partition(" ")[0] for text in code(option)}
    there_are = {name: {p.opts[0] for p in command(name).params if p.opts[0].startswith("-")} for name in LISTS}
    assert told == {name: options - SHOWN for name, options in there_are.items()}


def test_the_keys_of_each_list_are_those_that_are_printed() -> None:
    told = {code(row[0])[0]: code(row[1]) for row in table("list | keys")}
    rows = {"jobs": JobRow, "deliveries": DeliveryRow, "notifications": NotificationRow}
    assert told == {name: [field.name for field in dataclasses.fields(row)] for name, row in rows.items()}
    assert all(f"`{field.name}`" in PAGE for field in dataclasses.fields(JobStory))


@pytest.mark.parametrize("status", ["0", "1", "2", "130"])
def test_every_exit_status_is_told(status: str) -> None:
    """That they are what they are, each command's own tests show."""
    assert status in [code(row[0])[0] for row in table("status | means | for example")]
