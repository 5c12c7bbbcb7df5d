"""Rounds of numbers as tables in Markdown: medians, what they lay between, ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True)
class Sample:
    """One figure, measured once in each round."""

    rounds: tuple[float, ...]

    @property
    def middle(self) -> float:
        return median(self.rounds)

    def shown(self, scale: float = 1.0) -> str:
        """The median, with minimum and maximum behind it."""
        middle, least, most = (_figure(v * scale) for v in (self.middle, min(self.rounds), max(self.rounds)))
        return f"{middle} ({least}–{most})"

    def over(self, other: Sample) -> Sample:
        """The ratio to another figure of the same rounds: what disturbs a round disturbs both."""
        return Sample(tuple(a / b for a, b in zip(self.rounds, other.rounds, strict=True)))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] + ["---:"] * (len(header) - 1), *rows)]
    return "\n".join(lines) + "\n"


def _figure(value: float) -> str:
    """Three digits, more where the value is larger."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
