"""A little world that is looked at: jobs that live through the real lanes, and two sinks that can be out of order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processor.model import Address, Customer, Job, Model, ModelState, Notification, State
from processor.wiring import App, read_settings
from workers.shift import Shift

CONFIG = """
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
rate_limits = []

[sources.second]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
rate_limits = []

[sinks.out]
type = "console"
retry = { max_attempts = 2 }

[sinks.failures]
type = "console"
events = ["*.failed"]
"""


@dataclass
class Life:
    """Provider and sinks in one. `trouble` says what a sink raises for an event, `fetching` what asking raises."""

    app: App
    jobs: dict[str, Job] = field(default_factory=dict)
    trouble: Callable[[str, Mapping[str, Any]], Exception | None] = lambda sink, event: None
    fetching: Callable[[str], None] = lambda job: None
    source: str = "main"

    def __post_init__(self) -> None:
        self.app.__dict__["providers"] = {"main": self, "second": self}
        self.app.__dict__["sinks"] = {name: _Sink(self, name) for name in self.app.settings.sinks}
        self.shift = Shift(self.app)
        self._told = 0
        self._ahead = 0.0

    def fetch(self, job_id: str, **_: Any) -> Any:
        self.fetching(job_id)
        return job_id

    def translate(self, original: Any, **_: Any) -> Job:
        return self.jobs[original]

    def show(self, job_id: str, state: State, *, source: str = "main", **more: Any) -> str:
        """The job is so, and a webhook says that it may be; the notification's id."""
        model = Model(id=f"m{job_id}", name="Garage", state=_model(state), failure_reason=more.pop("why", None))
        self.jobs[job_id] = Job(provider="hover", source=source, id=job_id, state=state, models=(model,), **more)
        self._told += 1
        hint = Notification(source, job_id, "v3", "job-state-changed-v2", str(self._told), None)
        return self.app.inbox.put(hint).id

    def work(self, *, after: float = 0.0) -> None:
        """What is due now, or after so many more seconds, is done, refreshing first."""
        if after:
            self._ahead += after
            self.app.scripts.now = int((time.time() + self._ahead) * 1000)
        for source in self.app.settings.sources:
            self.shift.refresh(source, "hand")
        for sink in self.app.settings.sinks:
            self.shift.deliver(sink, "hand")


@dataclass(frozen=True)
class _Sink:
    life: Life
    name: str

    def deliver(self, event: Mapping[str, Any]) -> str:
        if error := self.life.trouble(self.name, event):
            raise error
        return f"got {event['type']}"

    def close(self) -> None: ...


def _model(state: State) -> ModelState:
    return ModelState(state) if state in ("succeeded", "failed") else ModelState.PROCESSING


def life(redis_url: str, folder: Path, more: str = "") -> Life:
    file = folder / "jobwire.toml"
    file.write_text(CONFIG + more)
    return Life(App(read_settings(str(file), {}), redis_url))


HOUSE = {
    "name": "Miller residence",
    "external_id": "PO-2024/17",
    "address": Address(line1="12 Rose Street", city="Boise", postal_code="83702"),
    "customer": Customer(name="Ann Miller", email="ann@example.com"),
}
