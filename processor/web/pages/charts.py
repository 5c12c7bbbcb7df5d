"""Small charts, as the coordinates of their marks: what is drawn is SVG without a style of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480.0, 96.0
_GAP = 0.25  # of a step, between bars


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle; `row` is the number of the series that it belongs to."""

    x: float
    y: float
    width: float
    height: float
    row: int


@dataclass(frozen=True, slots=True)
class Bars:
    """Stacked bars, the first row at the bottom. `top` is the value at the upper edge."""

    bars: tuple[Bar, ...]
    top: float


@dataclass(frozen=True, slots=True)
class Lines:
    """For each row its runs of points, as SVG writes them; a run of one point is a short dash. `top` as above."""

    rows: tuple[tuple[str, ...], ...]
    top: float


def bars(*rows: Sequence[int]) -> Bars:
    """`rows` are as long as one another. What is not nothing can be seen, however small it is."""
    steps = max(map(len, rows), default=0)
    top = nice(max((sum(column) for column in zip(*rows, strict=True)), default=0))
    step = WIDTH / steps if steps else WIDTH
    drawn = []
    for number, column in enumerate(zip(*rows, strict=True)):
        floor = HEIGHT
        for row, value in enumerate(column):
            height = max(value / top * HEIGHT, 1.5) if value else 0.0
            floor -= height
            if value:
                x = number * step + step * _GAP / 2
                drawn.append(Bar(_short(x), _short(max(floor, 0)), _short(step * (1 - _GAP)), _short(height), row))
    return Bars(tuple(drawn), top)


def lines(*rows: Sequence[float | None]) -> Lines:
    """A gap where there is no value."""
    top = nice(max((value for row in rows for value in row if value is not None), default=0))
    return Lines(tuple(_runs(row, top) for row in rows), top)


def nice(value: float) -> float:
    """The least of 1, 2, 5, 10, 20, 50, … that is not below the value."""
    top = 1.0
    while top < value:
        top *= 2.5 if str(top)[0] == "2" else 2
    return top


def _runs(row: Sequence[float | None], top: float) -> tuple[str, ...]:
    step = WIDTH / len(row) if row else WIDTH
    runs: list[list[str]] = [[]]
    for number, value in enumerate(row):
        if value is None:
            runs.append([])
        else:
            x, y = (number + 0.5) * step, HEIGHT - value / top * HEIGHT
            runs[-1].append(f"{_short(x)},{_short(y)}")
    dashed = [run if len(run) > 1 else [run[0], _beside(run[0])] for run in runs if run]
    return tuple(" ".join(run) for run in dashed)


def _beside(point: str) -> str:
    x, _, y = point.partition(",")
    return f"{_short(float(x) + 3)},{y}"


def _short(value: float) -> float:
    return round(value, 1)
