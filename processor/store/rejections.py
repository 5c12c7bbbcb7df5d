"""What the receivers turned away or ignored, as counters, and as a sliding window over wrong signatures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from processor.store import keys
from processor.store.scripts import Scripts, ours

UNKNOWN = "~unknown"  # what stands for every source that there is not: no source is called so
WRONG_SIGNATURE = "Unverified"  # the reason that is watched
SLICES = 60  # of a window: it is longer than it should be by one at most
OFF = 0.0


@dataclass(frozen=True, slots=True)
class Tallied:
    """Counts that are on their way to Redis: `rejected` by (source, reason), `ignored` by source, and the sources that
    were `heard` of. `writer` and `number` keep them from being counted twice when they are sent twice."""

    rejected: Mapping[tuple[str, str], int] = field(default_factory=Counter)
    ignored: Mapping[str, int] = field(default_factory=Counter)
    heard: frozenset[str] = frozenset()
    writer: str = ""
    number: int = 0


class Rejections:
    """`window` are the seconds within which wrong signatures are counted, 0 for not at all.

    Raises Unavailable when Redis cannot do it now.
    """

    def __init__(self, scripts: Scripts, *, window: float = OFF) -> None:
        self._run = scripts
        self._client: Any = scripts.client
        self._window = window * 1000

    def add(self, tallied: Tallied) -> None:
        """Count it, once."""
        counts: Counter[str] = Counter()
        unverified: Counter[str] = Counter()
        for (source, reason), times in tallied.rejected.items():
            counts[f"rejections:{source}:{reason}"] += times
            if reason == WRONG_SIGNATURE and source != UNKNOWN:
                unverified[source] += times
        for source, times in tallied.ignored.items():
            counts[f"notifications:{keys.refreshing(source)}:ignored"] += times
        arguments = {
            "writer": tallied.writer,
            "number": tallied.number,
            "counts": counts,
            "heard": sorted(tallied.heard),
            "unverified": unverified,
            "slice": self._slice,
            "window": self._window,
        }
        self._run("tally", arguments)

    def wrong(self, source: str) -> int:
        """How many wrong signatures came from a source within the window."""
        with ours():
            slices = self._client.hgetall(keys.key("wrong", source))
        before = self._run.ms() - self._window - self._slice
        return sum(int(times) for began, times in slices.items() if int(began) > before)

    @property
    def _slice(self) -> float:
        return max(1.0, self._window // SLICES)
