"""What was aimed at, beside what was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tables import Sample, figure, table


@dataclass(frozen=True)
class Target:
    """`figure` names what a section measured; it is to be at least, or at most, `goal`. `scale` is for people."""

    about: str
    figure: str
    sign: Literal["≥", "≤"]
    goal: float
    unit: str = ""
    scale: float = 1.0

    @property
    def wanted(self) -> str:
        return f"{self.sign} {self.goal * self.scale:g}{self.unit}"

    def off(self, value: float) -> str:
        """Reached, or by how much not."""
        reached = value >= self.goal if self.sign == "≥" else value <= self.goal
        if reached:
            return "reached"
        miss = 100 * abs(value / self.goal - 1)
        return f"{miss:.{0 if miss >= 1 else 1}f}% {'short' if self.sign == '≥' else 'above'}"


TARGETS = (
    Target("receiver, × Flask with HMAC + `LPUSH`", "receiver.pushing", "≥", 0.85),
    Target("receiver, × Debian's webhook", "receiver.webhook", "≥", 1.0),
    Target("receiver, × Flask with marshmallow + `rq.enqueue`", "receiver.plain", "≥", 2.0),
    Target("receiver, p99 at half the rate, × bare Flask's", "receiver.half", "≤", 2.0),
    Target("worker at 20 ms, × Dramatiq", "worker.dramatiq_20", "≥", 0.95),
    Target("worker at 20 ms, × RQ SimpleWorker", "worker.simple_20", "≥", 20.0),
    Target("worker at 0 ms, × Dramatiq", "worker.dramatiq_0", "≥", 1.2),
    Target("empty claims and acknowledgements, × Dramatiq's", "worker.empty", "≥", 0.75),
    Target("POST to sink at half the rate, p50 beyond provider and sink", "path.p50", "≤", 0.015, " ms", 1000),
    Target("POST to sink at half the rate, p99 beyond provider and sink", "path.p99", "≤", 0.06, " ms", 1000),
    Target(
        "wake-up of an idle worker: from the 202 until the provider is asked",
        "path.woken",
        "≤",
        0.005,
        " ms",
        1000,
    ),
    Target("accepted/s at the most pending, × that at 1,000", "flat.accepted", "≥", 0.9),
    Target("jobs/s at the most pending, × that at 1,000", "flat.drained", "≥", 0.9),
    Target("jobs/s with the journal's history behind, × without", "flat.past", "≥", 0.9),
    Target("Redis memory of a pending notification", "flat.bytes", "≤", 1200, " bytes"),
    Target("idle `jobwire up`, proportional set size in all", "lean.pss", "≤", 250, " MB"),
    Target("idle `jobwire up`, of a core", "lean.core", "≤", 1.0, " %"),
    Target("`jobwire --help`", "lean.help", "≤", 0.3, " s"),
    Target("first event of `jobwire demo`", "lean.demo", "≤", 3.0, " s"),
)


def told(figures: Mapping[str, Sample], *, every: bool = True, earlier: str = "") -> str:
    """A row for each target, or for those that were measured, with the median and the range of that.

    What was not measured now is as `earlier`, an answer of this function, has it.
    """
    before = dict(_rows(earlier))
    rows = []
    for target in TARGETS:
        found = figures.get(target.figure)
        if found is not None:
            measured = [found.shown(target.scale) + target.unit, target.off(found.middle)]
        elif target.about in before:
            measured = before[target.about]
        else:
            measured = ["not measured", ""]
        if every or found is not None:
            rows.append([target.about, target.wanted, *measured])
    return table(["what", "target", "measured", ""], rows) + (_sizes(figures) or _sizes_of(earlier))


def _rows(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.splitlines():
        if line.startswith("|"):
            about, _, *measured = (cell.strip() for cell in line.strip("|").split("|"))
            yield about, measured


def _sizes(figures: Mapping[str, Sample]) -> str:
    most, past = figures.get("flat.pending"), figures.get("flat.history")
    if most is None or past is None:
        return ""
    return f"\nThe most pending were {figure(most.middle)}, the journal's history {figure(past.middle)} events.\n"


def _sizes_of(text: str) -> str:
    return "".join(f"\n{line}\n" for line in text.splitlines() if line.startswith("The most pending"))
