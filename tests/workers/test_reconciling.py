"""The scheduler's part of reconciliation: when it asks, what it does with errors, what it tells of repairs."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from at_work import Listing, Plain, working
from running import wait_for
from structlog.testing import capture_logs

from processor import reconciling
from processor.errors import Busy, RateLimited, ReconnectNeeded
from processor.model import Job, Notification, State
from processor.reconciling import Cursor
from processor.store import keys
from processor.wiring import App, read_settings
from workers import scheduler
from workers.scheduler import reconcile

CONFIG = """
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
rate_limits = ["6000/1m"]
reconcile = "{every}"
"""
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
Make = Callable[..., App]


def job(job_id: str, state: State = State.PROCESSING, **changes: Any) -> Job:
    known: dict[str, Any] = {"provider": "hover", "source": "main", "id": job_id, "state": state}
    return Job(**{**known, "created_at": LONG_AGO, "updated_at": LONG_AGO, **changes})


@pytest.fixture
def make(redis_url: str, tmp_path: Path) -> Make:
    def made(provider: Plain, every: str = "15m") -> App:
        file = tmp_path / "jobwire.toml"
        file.write_text(CONFIG.format(every=every))
        app = App(read_settings(str(file), {}), redis_url)
        app.__dict__["providers"] = {"main": provider}
        return app

    return made


def turn(app: App, *, over: bool = True) -> list[Any]:
    """The duty's turns until the pass is over; its log."""
    with capture_logs() as lines:
        ends = time.monotonic() + 10
        while True:
            reconcile(app)
            if not over or ((text := app.journal.cursor("main")) and Cursor.load(text).over):
                return lines
            assert time.monotonic() < ends
            time.sleep(0.02)


def left(app: App) -> float:
    found: Any = app.scripts.client.pttl(keys.key("lock", "duty:reconcile:main"))
    return round(found / 1000)


def test_a_source_without_polling_or_without_lists_is_not_asked(make: Make) -> None:
    off = Listing(current=[[job("1")]])
    turn(make(off, "0"), over=False)
    turn(make(Plain()), over=False)
    assert off.asked == []


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(Busy("503"), 30), (Busy("503", retry_after=7), 7), (ReconnectNeeded("reconnect needed"), 30)],
)
def test_an_error_puts_the_source_off_and_the_pass_goes_on_then(make: Make, error: Exception, seconds: float) -> None:
    provider = Listing(current=[[job("1")], error, [job("2")]])
    app = make(provider)
    lines = []
    while not lines:
        lines = [line for line in turn(app, over=False) if line["log_level"] == "warning"]
    assert [(line["event"], line["again_in"]) for line in lines] == [("a list could not be read", seconds)]
    assert left(app) == seconds
    asked = len(provider.asked)
    turn(app, over=False)
    assert len(provider.asked) == asked
    app.journal.leave_duty("reconcile:main")
    turn(app)
    assert Cursor.load(app.journal.cursor("main")).jobs == 2


def test_a_429_of_a_list_holds_everybody_off(make: Make) -> None:
    app = make(Listing(current=[RateLimited("429", retry_after=40), []]))
    turn(app, over=False)
    assert left(app) == 40
    app.inbox.put(Notification("main", "1", "", "e", "k", None))
    assert app.lanes.claim(app.sources["main"]) is None


def test_a_pass_is_not_begun_again_before_its_time(make: Make) -> None:
    provider = Listing(current=[[job("1")]])
    app = make(provider)
    turn(app)
    turn(app)
    assert len(provider.asked) == 1


def test_one_that_reads_now_is_left_alone(make: Make) -> None:
    provider = Listing(current=[[job("1")]])
    app = make(provider)
    app.journal.put_off_duty("reconcile:main", 60)  # as `jobwire reconcile` does
    turn(app, over=False)
    assert provider.asked == []


def test_an_end_that_no_webhook_told_is_told_as_repaired_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "GRACE", 0.0)
    provider = Listing(current=[[job("1"), job("2")]])
    app = make(provider)
    turn(app)
    ended = [job("1", State.SUCCEEDED), job("2", State.FAILED)]
    provider.pages["current"], provider.jobs = [ended], {one.id: one for one in ended}
    with working(app, "main"):
        make_due(app)
        turn(app)
        wait_for(lambda: len(list(app.journal.events())) == 2, 10)
        app.inbox.put(Notification("main", "2", "", "job-state-changed", "k", "job"))  # its webhook comes late
        wait_for(lambda: not list(app.journal.waiting("r:main")), 10)
    for _ in range(2):
        make_due(app)
        turn(app)
        scheduler.repaired(app)
        scheduler.repaired(app)
    repaired = [event for event in app.journal.events() if event["type"] == "ops.repaired"]
    assert [(event["data"]["ops"]["count"], event["data"]["ops"]["detail"]) for event in repaired] == [
        (1, "no webhook told of the end of: 1")
    ]


def test_repairs_are_told_once_a_pass_whoever_read_the_lists(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "GRACE", 0.0)
    provider = Listing(current=[[job("1")]])
    app = make(provider, "0")  # only people read here, by `jobwire reconcile`
    found: Any = app.scripts.client.zadd
    read(app, provider)
    found(keys.key("untold", "main"), {"main/1": 1})
    for untold in ("main/2", "main/3"):
        scheduler.repaired(app)
        found(keys.key("untold", "main"), {untold: 1})
    scheduler.repaired(app)
    assert told(app) == [(1, "no webhook told of the end of: 1")], "what comes later waits for the next pass"
    make_due(app)
    assert isinstance(reconciling.begin(app, "main", provider)[1], Cursor)
    read(app, provider)
    scheduler.repaired(app)
    assert told(app)[1:] == [(2, "no webhook told of the end of: 2, 3")]


def test_what_a_webhook_may_still_tell_is_not_told_yet(make: Make) -> None:
    provider = Listing(current=[[job("1")]])
    app = make(provider)
    turn(app)
    app.scripts.client.zadd(keys.key("untold", "main"), {"main/1": time.time() * 1000})
    scheduler.repaired(app)
    assert told(app) == []


def read(app: App, provider: Listing) -> None:
    """What `jobwire reconcile` does: the lists to their end."""
    while not reconciling.step(app, "main", provider).over:
        pass


def told(app: App) -> list[Any]:
    ops = [event["data"]["ops"] for event in app.journal.events() if event["type"] == "ops.repaired"]
    return [(one["count"], one["detail"]) for one in ops]


def make_due(app: App) -> None:
    """A pass that ended long ago."""
    text = app.journal.cursor("main")
    over = Cursor.load(text).over
    app.scripts.client.set(keys.key("cur", "main"), text.replace(f'"over": "{over}"', '"over": "2026-01-01T00:00:00Z"'))
