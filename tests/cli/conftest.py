"""What the tests of the commands that look in share: a jobwire that did something, and terminals of any width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from at_work import Desk, Plain
from click.testing import Result
from structlog.testing import capture_logs

from processor import registry
from processor.model import Job, Notification
from processor.store import keys
from processor.wiring import App
from workers.shift import Shift

CONFIG = """
[sources.main]
provider = "hover"
rate_limits = []
reconcile = 0
[sinks.crm]
type = "console"
[sinks.ops]
type = "console"
events = ["*.failed"]
"""


@dataclass
class Told:
    """A sink that keeps what it is told; `failing` is raised instead."""

    name: str
    events: list[Mapping[str, Any]] = field(default_factory=list)
    failing: Exception | None = None

    def deliver(self, event: Mapping[str, Any]) -> str:
        if self.failing:
            raise self.failing
        self.events.append(event)
        return "taken"

    def close(self) -> None: ...


@dataclass
class Office:
    """A jobwire without processes: what is put in is looked at and delivered when the test says so."""

    desk: Desk
    app: App
    provider: Plain
    told: dict[str, Told]
    _environ: pytest.MonkeyPatch = field(repr=False)
    _numbers: Any = field(default_factory=count)

    def run(self, *arguments: str) -> Result:
        """In a pipe."""
        return self.desk.run(*arguments)

    def on_terminal(self, width: int, *arguments: str) -> Result:
        """On a terminal of that width that knows no colours."""
        with self._environ.context() as here:
            for name, value in {"TTY_COMPATIBLE": "1", "COLUMNS": str(width), "LINES": "25", "TERM": "dumb"}.items():
                here.setenv(name, value)
            return self.desk.run(*arguments)

    def knock(self, job_id: str = "15084303") -> str:
        """A webhook comes; the notification's id."""
        return self.app.inbox.put(Notification("main", job_id, "", "job-updated", f"{next(self._numbers)}")).id

    def look(self) -> None:
        """Everything that is due is looked at."""
        with capture_logs():
            Shift(self.app).refresh("main", "test")

    def deliver(self) -> None:
        """Everything that is due is delivered."""
        with capture_logs():
            for sink in self.app.targets:
                Shift(self.app).deliver(sink, "test")

    def happens(self, job: Job) -> None:
        """The job stands so now, and a webhook tells of it."""
        self.provider.jobs[job.id] = job
        lane = keys.key("lane", keys.refresh_lane("main", job.id))
        self.app.scripts.client.hdel(lane, "begun")  # as if a second had passed since
        self.knock(job.id)
        self.look()

    def events(self, *, of: str = "") -> list[Any]:
        """The documents of all events of a type, oldest first."""
        return [event for event in self.app.journal.events() if event["type"].startswith(of)]


Use = Callable[..., Office]


@pytest.fixture
def use(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Makes an office of a configuration, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("JOBWIRE_CONFIG", "JOBWIRE_DEBUG", "JOBWIRE_DATA_DIR", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)

    def used(config: str = CONFIG) -> Office:
        provider = Plain()
        monkeypatch.setattr(registry, "provider", lambda name: provider)
        app = Desk(tmp_path, redis_url).write(config)
        told = {name: Told(name) for name in app.settings.sinks}
        app.__dict__["sinks"] = told
        return Office(Desk(tmp_path, redis_url), app, provider, told, monkeypatch)

    return used


@pytest.fixture
def office(use: Use) -> Office:
    return use()
