"""A far end that is down is tried one at a time, and every attempt is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from processor.errors import Busy, NotYet, RateLimited, Refused, Retryable, Unreachable
from processor.model import Job, Notification, State
from processor.options import RetryPolicy
from processor.store.lanes import Lanes
from processor.store.work import Claim
from processor.testing.fakes import StandingClock
from processor.wiring import App, read_settings
from workers.delivering import deliver
from workers.shift import Shift

CONFIG = """
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
rate_limits = []
reconcile = 0
[sinks.out]
type = "console"
{more}
"""


class Jobs:
    source = "main"

    def fetch(self, job_id: str, **_: Any) -> Any:
        return job_id

    def translate(self, original: Any, **_: Any) -> Job:
        return Job(provider="hover", source="main", id=original, state=State.SUCCEEDED)


class Far:
    name = "out"

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.seen: list[str] = []
        self.failing: Callable[[str], Exception] | None = None

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        self.seen.append(event["subject"])
        if self.failing and (error := self.failing(event["subject"])):
            raise error
        self.taken.append(event["subject"])
        return "ref"

    def close(self) -> None: ...


class Place:
    def __init__(self, app: App) -> None:
        self.app, self.far = app, Far()
        app.__dict__["providers"], app.__dict__["sinks"] = {"main": Jobs()}, {"out": self.far}
        self.clock = StandingClock(datetime(2026, 7, 1, tzinfo=UTC))
        app.__dict__["tools"] = replace(app.tools, clock=self.clock)
        self.pass_time(0)

    @property
    def lanes(self) -> Lanes:
        return self.app.lanes

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.app.scripts.now = int(self.clock().timestamp() * 1000)

    def happen(self, jobs: Iterable[int]) -> None:
        for n in jobs:
            self.app.inbox.put(Notification("main", str(n), "v3", "e", str(n), None))
        Shift(self.app).refresh("main", "hand")

    def claim(self) -> Claim | None:
        claim = self.lanes.claim(self.app.targets["out"])
        return claim if isinstance(claim, Claim) else None

    def work(self) -> int:
        """How many deliveries were tried."""
        before = len(self.far.seen)
        while claim := self.claim():
            deliver(self.app, "out", claim)
        return len(self.far.seen) - before


@pytest.fixture
def place(redis_url: str, tmp_path: Path) -> Place:
    file = tmp_path / "jobwire.toml"
    file.write_text(CONFIG.format(more=""))
    return Place(App(read_settings(str(file), {}), redis_url))


def always(error: Exception) -> Callable[[str], Exception]:
    return lambda subject: error


def test_after_ten_failures_in_a_row_nobody_asks_for_a_while_and_then_one_at_a_time(place: Place) -> None:
    place.happen(range(40))
    place.far.failing = always(Unreachable("refused"))
    assert place.work() == 10
    assert place.work() == 0
    place.pass_time(1)
    first, second = place.claim(), place.claim()
    assert first is not None
    assert second is None, "one probe at a time"
    deliver(place.app, "out", first)
    assert place.claim() is None, "and the pause grows"
    place.pass_time(1)
    assert place.claim() is None
    place.pass_time(1)
    assert place.claim() is not None


def test_the_pause_is_never_longer_than_a_minute(place: Place) -> None:
    place.happen(range(60))
    place.far.failing = always(Busy("503"))
    for _ in range(40):
        place.work()
        place.pass_time(61)
    assert place.work() == 1


def test_when_it_is_back_the_backlog_comes_at_once_oldest_first(place: Place) -> None:
    place.far.failing = always(Unreachable("refused"))
    for n in range(40):
        place.happen([n])
        place.pass_time(1)
        place.work()
    tried = set(place.far.seen)
    assert len(tried) < 20, "most of them wait without having been tried"
    place.pass_time(61)
    place.far.failing = None
    place.work()
    untouched = [subject for subject in place.far.taken if subject not in tried]
    assert len(untouched) == 40 - len(tried)
    assert untouched == sorted(untouched, key=lambda subject: int(subject.removeprefix("jobs/")))


@pytest.mark.parametrize("error", [Refused("no"), NotYet("?")])
def test_what_is_about_the_document_opens_no_breaker(place: Place, error: Exception) -> None:
    place.happen(range(40))
    place.far.failing = always(error)
    assert place.work() == 40


def test_one_job_that_always_fails_holds_up_no_other(place: Place) -> None:
    place.happen(range(20))
    place.far.failing = lambda subject: Busy("503") if subject == "jobs/7" else None  # type: ignore[arg-type,return-value]  # None is no error
    for _ in range(30):
        place.work()
        place.pass_time(30)
    assert len(place.far.taken) == 19


def test_every_attempt_is_kept_with_its_time_answer_and_duration(place: Place) -> None:
    place.happen([1])
    answers: list[Retryable] = [Busy("https://a.example answered 503: try later"), Unreachable("refused")]
    place.far.failing = lambda subject: answers.pop(0) if answers else None  # type: ignore[arg-type,return-value]
    for _ in range(3):
        place.work()
        place.pass_time(10)
    [event] = place.app.journal.events()
    tries = place.app.journal.attempts("d:out", event["id"])
    assert [(t.get("reason"), t.get("said")) for t in tries] == [
        ("Busy", "https://a.example answered 503: try later"),
        ("Unreachable", "refused"),
        (None, "ref"),
    ]
    assert all(t["ms"] >= 0 and t["at"] for t in tries)
    assert tries[-1]["ok"] is True


def test_a_first_success_costs_no_record(place: Place) -> None:
    place.happen([1])
    place.work()
    [event] = place.app.journal.events()
    assert place.app.journal.attempts("d:out", event["id"]) == []
    [standing] = place.app.journal.deliveries(event["id"]).values()
    assert standing["state"] == "delivered"
    assert standing["ms"] >= 0


def test_a_429_that_ends_a_delivery_still_holds_off_the_others(place: Place) -> None:
    place.happen(range(5))
    object.__setattr__(place.app.settings.sinks["out"], "retry", RetryPolicy(max_age=86400, max_attempts=1))
    place.far.failing = always(RateLimited("429", retry_after=4))
    assert place.work() == 1
    place.pass_time(3)
    assert place.work() == 0
    place.pass_time(1)
    assert place.work() == 1


def test_a_429_of_a_sink_counts_as_an_attempt(place: Place) -> None:
    place.happen([1])
    object.__setattr__(place.app.settings.sinks["out"], "retry", RetryPolicy(max_age=86400, max_attempts=2))
    place.far.failing = always(RateLimited("429", retry_after=3))
    for _ in range(3):
        place.work()
        place.pass_time(4)
    assert len(place.far.seen) == 2
    assert [d.reason for d in place.app.journal.dead()] == ["RateLimited"]
