"""One source and one sink on a clock that is moved: outages of hours, in moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from processor.errors import Busy
from processor.model import Job, Notification, State
from processor.store.work import Claim, Resource
from processor.testing.fakes import StandingClock
from processor.wiring import App, read_settings
from workers.delivering import deliver
from workers.refreshing import refresh

MINUTE, HOUR = 60.0, 3600.0
BEGAN = datetime(2026, 7, 1, tzinfo=UTC)
CONFIG = """
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
rate_limits = ["{limit}/1m"]
retry = {{ max_age = "{max_age}" }}
reconcile = 0
[sinks.out]
type = "console"
rate = "{rate}/1s"
retry = {{ max_age = "{max_age}" }}
"""


@dataclass(frozen=True)
class Asked:
    """One attempt: when, in seconds since all began, and which job it was about."""

    at: float
    job: str


class Far:
    """A provider, or a sink's far end, that is `down` or not, and remembers who asked."""

    source, name = "main", "out"

    def __init__(self, clock: Callable[[], float]) -> None:
        self.down = False
        self.asked: list[Asked] = []
        self._clock = clock

    def fetch(self, job_id: str, **_: Any) -> Any:
        self._ask(job_id)
        return job_id

    def translate(self, original: Any, **_: Any) -> Job:
        return Job(provider="hover", source="main", id=original, state=State.SUCCEEDED)

    def deliver(self, event: Mapping[str, Any]) -> None:
        self._ask(event["data"]["job"]["id"])

    def close(self) -> None: ...

    def _ask(self, job: str) -> None:
        self.asked.append(Asked(self._clock(), job))
        if self.down:
            raise Busy("answered 503")


class Hours:
    """`limit` is what the provider allows in a minute, `rate` what the sink is told in a second."""

    def __init__(self, folder: Path, redis_url: str, *, limit: int = 6000, rate: int = 99, max_age: str = "7d") -> None:
        file = folder / "jobwire.toml"
        file.write_text(CONFIG.format(limit=limit, rate=rate, max_age=max_age))
        self.app = App(read_settings(str(file), {}), redis_url)
        self._clock = StandingClock(BEGAN)
        self.provider, self.sink = Far(self.now), Far(self.now)
        self.app.__dict__["providers"], self.app.__dict__["sinks"] = {"main": self.provider}, {"out": self.sink}
        self.app.__dict__["tools"] = replace(self.app.tools, clock=self._clock)
        self.told: dict[str, float] = {}  # when we were told of each job
        self.pass_time(0)

    def now(self) -> float:
        return (self._clock() - BEGAN).total_seconds()

    def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)
        self.app.scripts.now = int(self._clock().timestamp() * 1000)

    def tell(self) -> None:
        """A notification of a new job."""
        job = str(len(self.told))
        self.told[job] = self.now()
        self.app.inbox.put(Notification("main", job, "v3", "e", job, None))

    def work(self) -> None:
        """Whatever may be done now."""
        for claim in self._claims(self.app.sources["main"]):
            refresh(self.app, "main", claim)
        for claim in self._claims(self.app.targets["out"]):
            deliver(self.app, "out", claim)

    def last(self, seconds: float, *, step: float, every: float = 0.0) -> None:
        """So much time passes, in steps, with work at each; a new job every so often."""
        ends, due = self.now() + seconds, self.now()
        while self.now() < ends:
            if every and self.now() >= due:
                self.tell()
                due += every
            self.work()
            self.pass_time(step)

    def dead(self) -> list[tuple[str, float]]:
        """(job, how old it was)"""
        began = BEGAN.timestamp()
        jobs = {item.item: item.lane.rpartition("|")[2].rpartition("/")[2] for item in self.app.journal.dead()}
        return [(jobs[i.item], i.at - began - self.told[jobs[i.item]]) for i in self.app.journal.dead()]

    def _claims(self, resource: Resource) -> Iterator[Claim]:
        while isinstance(claim := self.app.lanes.claim(resource), Claim):
            yield claim


def most_within(times: list[float], seconds: float) -> int:
    """How many there were at most within any so many seconds."""
    return max((sum(t <= u < t + seconds for u in times) for t in times), default=0)
