"""A far end that kills whoever asks it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from faults.world import World


@dataclass
class Strike:
    """To be called by a far end when it is asked: kills the world's workers, the first `most` times."""

    world: World
    most: int = 1
    reached: int = 0
    at: float = 0.0
    sprung: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        if self.reached >= self.most:
            return
        self.at, self.reached = time.monotonic(), self.reached + 1
        for pid in list(self.world.pids):
            self.world.kill(pid)
        self.sprung.set()
