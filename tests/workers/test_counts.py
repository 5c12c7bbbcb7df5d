"""What a refresh and a delivery ask of Redis: round trips, and commands of its scripts. Times vary, counts do not.

Whoever changes a number here knows what for: each command is some microseconds of the one thread that Redis has, and
each round trip of a worker waits for a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis

from processor.model import Job, Notification, State
from processor.ports import Http
from processor.wiring import App, read_settings
from workers.shift import Shift

CONFIG = """
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
rate_limits = {limits}
[sinks.out]
type = "console"
"""
JOBS = 10


class FarEnds:
    """A provider whose jobs have all succeeded, and a sink that takes everything."""

    def __init__(self) -> None:
        self.source, self.name = "main", "out"
        self.delivered: list[str] = []

    def fetch(self, job_id: str, *, api: str, http: Http) -> Any:
        return job_id

    def translate(self, original: Any, *, api: str) -> Job:
        return Job(provider="told", source="main", id=original, state=State.SUCCEEDED)

    def deliver(self, event: Mapping[str, Any]) -> None:
        self.delivered.append(event["subject"])

    def close(self) -> None: ...


class Counted:
    """A worker, and what its server counts of it."""

    def __init__(self, app: App, client: redis.Redis, far: FarEnds) -> None:
        self._app, self._client, self._far = app, client, far
        self._ids = count(100)
        self._shift = Shift(app, spare=lambda resource, hand: True)  # there is always a thread that has nothing to do

    def tell(self, jobs: int) -> None:
        for _ in range(jobs):
            job = str(next(self._ids))
            self._app.inbox.put(Notification("main", job, "v3", "e", job, None))

    def refresh(self) -> tuple[int, int]:
        return self._counting(lambda: self._shift.refresh("main", "hand"))

    def deliver(self) -> tuple[int, int]:
        return self._counting(lambda: self._shift.deliver("out", "hand"))

    def told(self) -> int:
        return len(self._far.delivered)

    def _counting(self, act: Callable[[], None]) -> tuple[int, int]:
        """Round trips, and commands, those of scripts among them."""
        trips, commands = self._now()
        act()
        after = self._now()
        return after[0] - trips - 1, after[1] - commands - 1  # our own question is not meant

    def _now(self) -> tuple[int, int]:
        stats: Any = self._client.info("everything")
        return stats["total_reads_processed"], sum(s["calls"] for n, s in stats.items() if n.startswith("cmdstat_"))


@pytest.fixture
def make(redis_client: redis.Redis, redis_url: str, tmp_path: Path) -> Callable[..., Counted]:
    def made(limits: str = "[]") -> Counted:
        file = tmp_path / "jobwire.toml"
        file.write_text(CONFIG.format(limits=limits))
        app, far = App(read_settings(str(file), {}), redis_url), FarEnds()
        app.__dict__["providers"], app.__dict__["sinks"] = {"main": far}, {"out": far}
        app.scripts.now = 1_700_000_000_000  # it stands still: where the clock was is written down once a second
        counted = Counted(app, redis_client, far)
        counted.tell(1)  # connections are made, scripts are loaded
        counted.refresh()
        counted.deliver()
        redis_client.flushdb()
        return counted

    return made


def test_one_job_takes_two_round_trips_to_refresh_and_two_to_deliver(make: Callable[..., Counted]) -> None:
    """The claim, and its end, which also finds that nothing more is due and gives the task's place back."""
    counted = make()
    counted.tell(1)
    assert counted.refresh()[0] == 2
    assert counted.deliver()[0] == 2


def test_of_many_jobs_each_takes_one_round_trip_to_refresh_and_one_to_deliver(make: Callable[..., Counted]) -> None:
    counted = make()
    counted.tell(JOBS)
    assert counted.refresh()[0] == JOBS + 1
    assert counted.deliver()[0] == JOBS + 1
    assert counted.told() == JOBS + 1


def test_a_task_that_finds_nothing_takes_one_round_trip(make: Callable[..., Counted]) -> None:
    assert make().refresh()[0] == 1


@pytest.mark.parametrize(
    ("limits", "refreshing", "delivering"), [("[]", 81, 42), ('["120000/1m", "7200000/1h"]', 102, 42)]
)
def test_the_commands_for_each_job_are_no_more_than_these(
    make: Callable[..., Counted], limits: str, refreshing: int, delivering: int
) -> None:
    """The difference between many jobs and few, so that what a task costs alone does not count."""
    counted = make(limits)
    counted.tell(1)
    a = counted.refresh()[1], counted.deliver()[1]
    counted.tell(4)
    b = counted.refresh()[1], counted.deliver()[1]
    assert (b[0] - a[0]) / 3 <= refreshing
    assert (b[1] - a[1]) / 3 <= delivering
