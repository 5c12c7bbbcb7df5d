"""Rounds of numbers as tables in Markdown: medians, what they lay between, ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

MANY = 10  # rounds, from which on a figure's range is that of the middle half of them


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def pace(moments: Sequence[float], skipped: float = 0.2) -> float:
    """How many a second there were, once the first fifth was over: what starts up takes its time, and is no rate."""
    ordered = sorted(moments)
    first = int(skipped * len(ordered))
    return (len(ordered) - 1 - first) / max(ordered[-1] - ordered[first], 1e-9)


@dataclass(frozen=True)
class Sample:
    """One figure, measured once in each round."""

    rounds: tuple[float, ...]

    @property
    def middle(self) -> float:
        return median(self.rounds)

    def shown(self, scale: float = 1.0) -> str:
        """The median, with what the rounds lay between behind it."""
        if len(self.rounds) == 1:
            return figure(self.middle * scale)
        middle, least, most = (figure(v * scale) for v in (self.middle, *self.range))
        return f"{middle} ({least}–{most})"

    @property
    def range(self) -> tuple[float, float]:
        """Minimum and maximum; of many rounds, the quartiles."""
        if len(self.rounds) < MANY:
            return min(self.rounds), max(self.rounds)
        lower, _, upper = quantiles(self.rounds, n=4)
        return lower, upper

    def over(self, other: Sample) -> Sample:
        """The ratio to another figure of the same rounds: what disturbs a round disturbs both."""
        return Sample(tuple(a / b for a, b in zip(self.rounds, other.rounds, strict=True)))

    def minus(self, seconds: float) -> Sample:
        return Sample(tuple(v - seconds for v in self.rounds))


@dataclass(frozen=True)
class Chart:
    """What charts.py draws: bars, each with its range, or lines over `ticks`. A title of ours is drawn as ours."""

    title: str
    unit: str
    series: Mapping[str, Sequence[Sample]]
    ticks: Sequence[str] = ()


@dataclass(frozen=True)
class Part:
    """What one section found: its text for the page, the figures that targets are compared with, and its charts."""

    text: str
    figures: Mapping[str, Sample] = field(default_factory=dict)
    charts: Mapping[str, Chart] = field(default_factory=dict)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] + ["---:"] * (len(header) - 1), *rows)]
    return "\n".join(lines) + "\n"


def unmeasured(title: str, reason: object, columns: int) -> list[str]:
    """A row of a table for what could not be measured."""
    said = " ".join(str(reason).split())
    return [f"{title}: not measured: {said[:200]}", *[""] * (columns - 1)]


def rounds_of(samples: Sequence[Sample]) -> str:
    """How many rounds the figures are the medians of."""
    counts = sorted({len(sample.rounds) for sample in samples})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def figure(value: float) -> str:
    """Three digits, more where the value is larger."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
