"""What the measuring command does with its figures. Measuring itself is no test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parent / "docs/performance.md").read_text()


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """The command's own modules; they are no package, since a command's folder is on its path."""
    names = ("tables", "targets", "progress", "cached", "charts")
    sys.path.insert(0, str(HERE / "benchmarks"))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(HERE / "benchmarks"))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture
def tables(modules: dict[str, ModuleType]) -> Any:
    return modules["tables"]


@pytest.fixture
def targets(modules: dict[str, ModuleType]) -> Any:
    return modules["targets"]


def test_a_quantile_is_a_value_that_was_measured(tables: Any) -> None:
    assert tables.quantile([3.0, 1.0, 2.0, 4.0], 0.5) == 3.0
    assert tables.quantile([3.0, 1.0, 2.0, 4.0], 1.0) == 4.0
    assert tables.quantile([7.0], 0.99) == 7.0


def test_a_rate_leaves_out_how_long_the_start_took(tables: Any) -> None:
    slow_start = [0.0, 50.0, *(100.0 + 0.1 * i for i in range(8))]
    assert tables.pace(slow_start) == pytest.approx(10.0)


def test_a_rate_of_a_single_moment_is_no_division_by_zero(tables: Any) -> None:
    assert tables.pace([1.0]) == 0.0


def test_of_many_rounds_the_range_is_that_of_the_middle_half(tables: Any) -> None:
    assert tables.Sample((3.0, 1.0, 2.0)).shown() == "2.00 (1.00–3.00)"
    disturbed = tables.Sample((*(float(i) for i in range(1, 12)), 1000.0))
    assert disturbed.shown() == "6.50 (3.25–9.75)"


def test_ratios_are_taken_within_a_round(tables: Any) -> None:
    ours, theirs = tables.Sample((10.0, 100.0)), tables.Sample((20.0, 200.0))
    assert ours.over(theirs).rounds == (0.5, 0.5)


def test_rounds_that_do_not_match_are_not_compared(tables: Any) -> None:
    with pytest.raises(ValueError, match="shorter"):
        tables.Sample((1.0, 2.0)).over(tables.Sample((1.0,)))


def test_a_figure_shows_its_range_unless_there_was_one_round(tables: Any) -> None:
    assert tables.Sample((1.0, 20.0, 3000.0)).shown() == "20.0 (1.00–3,000)"
    assert tables.Sample((0.5,)).shown(1000) == "500"


def test_what_could_not_be_measured_has_its_row(tables: Any) -> None:
    row = tables.unmeasured("Node", "no npm\n here", 3)
    assert tables.table(["a", "b", "c"], [row]).splitlines()[-1] == "| Node: not measured: no npm here |  |  |"


def test_a_target_is_reached_on_the_right_side_of_it(targets: Any) -> None:
    at_least = targets.Target("more", "x", "≥", 2.0)
    at_most = targets.Target("less", "x", "≤", 2.0)
    assert [at_least.off(v) for v in (1.0, 2.0, 3.0)] == ["50% short", "reached", "reached"]
    assert [at_most.off(v) for v in (1.0, 2.0, 3.0)] == ["reached", "reached", "50% above"]


def test_a_miss_by_a_hair_is_not_told_as_none(targets: Any) -> None:
    assert targets.Target("more", "x", "≥", 1000.0).off(999.0) == "0.1% short"


def test_every_target_has_its_row_measured_or_not(tables: Any, targets: Any) -> None:
    told = targets.told({"receiver.pushing": tables.Sample((0.8, 0.9, 1.0))})
    assert "| receiver, × Flask with HMAC + `LPUSH` | ≥ 0.85 | 0.90 (0.80–1.00) | reached |" in told
    assert told.count("| not measured |") == len(targets.TARGETS) - 1
    assert "pending" not in told.splitlines()[-1]


def test_what_is_measured_again_leaves_the_other_rows_as_they_are(tables: Any, targets: Any) -> None:
    figures = {target.figure: tables.Sample((1.0,)) for target in targets.TARGETS}
    figures |= {name: tables.Sample((1000.0,)) for name in ("flat.pending", "flat.history")}
    earlier = targets.told(figures)
    assert targets.told({}, earlier=earlier) == earlier
    again = targets.told({"receiver.pushing": tables.Sample((0.5,))}, earlier=earlier)
    changed = [now for now, then in zip(again.splitlines(), earlier.splitlines(), strict=True) if now != then]
    assert changed == ["| receiver, × Flask with HMAC + `LPUSH` | ≥ 0.85 | 0.50 | 41% short |"]


def test_rounds_end_when_their_time_is_over_but_there_are_enough_of_them(modules: dict[str, ModuleType]) -> None:
    progress = modules["progress"]
    assert len(list(progress.rounds("nothing", 5, 60.0))) == 5
    assert len(list(progress.rounds("nothing", 5, 0.0))) == progress.LEAST


def test_nothing_is_installed_where_nothing_may_be(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    cached = modules["cached"]
    with pytest.raises(cached.Missing, match="celery is not installed"):
        cached.Cache(tmp_path, installs=False).python("celery")
    assert not list(tmp_path.iterdir())
    assert cached.Cache(tmp_path, installs=False).python("jobwire") == sys.executable


def test_a_chart_takes_the_colours_of_the_page_that_it_is_seen_on(modules: dict[str, ModuleType]) -> None:
    drawn = modules["charts"].in_both_lights('<svg><defs></defs><text style="fill: #010203"/></svg>')
    assert "#010203" not in drawn
    assert "fill: currentColor" in drawn
    assert "prefers-color-scheme:dark" in drawn


def test_the_page_has_a_place_for_every_section_and_shows_every_chart() -> None:
    for name in ("machine", "targets", "receiving", "working", "empty", "path", "growth", "lean"):
        assert PAGE.count(f"<!-- measured: {name} -->\n") == 1
    for name in ("receiving", "working-0", "working-1", "path", "growth"):
        assert f"pictures/performance-{name}.svg" in PAGE
        assert (HERE.parent / f"docs/pictures/performance-{name}.svg").exists()
