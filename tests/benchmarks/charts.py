"""Draws the charts of the page, readable on a light and on a dark one. `python charts.py FOLDER < figures.json`.

It runs in an environment of its own, since only it needs matplotlib.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OURS, OTHERS = "#2f81f7", "#9198a1"
LINES = (OURS, "#db8b0b", "#a371f7")
INK = "#010203"  # taken out again: the reader's own colour stands in its place
STYLE = (
    "<style>:root{color:#1f2328;background:#ffffff}"
    "@media(prefers-color-scheme:dark){:root{color:#e6edf3;background:#0d1117}}</style>"
)


def draw(chart: dict[str, Any], file: Path) -> None:
    """One chart: bars when each series is one figure, else lines."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "jobwire", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
        | dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), INK)
    )
    from matplotlib import pyplot

    bars = not chart["ticks"]
    figure, axes = pyplot.subplots(
        figsize=(8, 0.7 + 0.36 * len(chart["series"]) if bars else 3.6), layout="constrained"
    )
    (_bars if bars else _lines)(axes, chart)
    axes.set_title(chart["title"], loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, transparent=True, metadata={"Date": None})
    pyplot.close(figure)
    file.write_text(in_both_lights(file.read_text()))


def in_both_lights(svg: str) -> str:
    """What was drawn in INK takes the reader's colour, on the ground that goes with it."""
    head, found, rest = svg.partition("<defs>")
    return head + STYLE + found + rest.replace(INK, "currentColor")


def _bars(axes: Any, chart: dict[str, Any]) -> None:
    titles = list(chart["series"])
    middles = [chart["series"][title][0][1] for title in titles]
    least, most = zip(
        *((m - chart["series"][t][0][0], chart["series"][t][0][2] - m) for t, m in zip(titles, middles, strict=True)),
        strict=True,
    )
    colours = [OURS if title.startswith("jobwire") else OTHERS for title in titles]
    drawn = axes.barh(titles, middles, color=colours, xerr=(least, most), error_kw={"ecolor": INK, "elinewidth": 0.8})
    axes.bar_label(drawn, [f" {middle:,.0f}" for middle in middles], padding=4)
    axes.margins(x=0.12)
    axes.set_xlabel(chart["unit"])


def _lines(axes: Any, chart: dict[str, Any]) -> None:
    for (title, points), colour in zip(chart["series"].items(), LINES, strict=False):
        middles = [middle for _, middle, _ in points]
        ranges = ([m - least for least, m, _ in points], [most - m for _, m, most in points])
        axes.errorbar(chart["ticks"], middles, yerr=ranges, marker="o", capsize=3, color=colour, label=title)
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])  # with room for the legend
    axes.set_ylabel(chart["unit"])
    axes.legend(frameon=False, loc="upper left", ncols=len(chart["series"]))


if __name__ == "__main__":
    for name, chart in json.load(sys.stdin).items():
        draw(chart, Path(sys.argv[1]) / f"performance-{name}.svg")
