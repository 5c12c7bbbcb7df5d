"""The table in docs/security.md: whatever it says is done names the test that shows it, and every test has its line."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES = [line for line in (ROOT / "docs" / "security.md").read_text().splitlines() if line.startswith("| ")][2:]
CELLS = [[cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")] for line in LINES]
NAME = re.compile(r"`([\w/.…]+)::(test_\w+)`")


def named(cell: str) -> list[tuple[str, str]]:
    """The tests in a cell, each with its file."""
    found: list[tuple[str, str]] = []
    for file, test in NAME.findall(cell):
        found.append((found[-1][0] if file == "…" else file, test))
    return found


def test_every_line_says_who_could_try_what_and_what_is_done() -> None:
    assert len(CELLS) > 30
    for cells in CELLS:
        assert len(cells) == 5, cells
        assert cells[1], cells
        assert cells[2], cells


def test_every_line_names_its_tests_or_is_a_rule_for_what_is_not_built_yet() -> None:
    for cells in CELLS:
        rule = cells[2].startswith("rule:")
        assert (cells[4] == "rule") == rule
        assert rule or named(cells[4]), cells[1]
        assert cells[4].count("::") == len(named(cells[4])), cells[4]


def test_every_test_that_is_named_is_there() -> None:
    missing = [
        f"{file}::{test}"
        for cells in CELLS
        for file, test in named(cells[4])
        if f"def {test}(" not in (ROOT / file).read_text()
    ]
    assert missing == []


def test_every_test_of_this_folder_has_its_line() -> None:
    in_the_table = {pair for cells in CELLS for pair in named(cells[4])}
    here = {
        (f"tests/security/{file.name}", test)
        for file in Path(__file__).parent.glob("test_*.py")
        if file.name != Path(__file__).name
        for test in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }
    assert here - in_the_table == set()
