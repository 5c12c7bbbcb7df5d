"""One worker at work on real lanes, with a provider and a sink that do as they are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from processor import errors
from processor.model import Handshake, Job, Notification, Request, State
from processor.ports import Http
from processor.store import keys
from processor.store.work import Resource
from processor.wiring import App, read_settings
from workers.drifting import tell_of_drift
from workers.keeper import Keeper
from workers.shift import Shift

CONFIG = """
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
rate_limits = []
[sinks.{sink}]
type = "console"
{more}
"""


@dataclass
class Told:
    """A provider and a sink at once. `fetching` and `delivering` are called with what is asked for; they may raise."""

    source: str = "main"
    name: str = "out"
    fetching: Callable[[str], None] = lambda job: None
    delivering: Callable[[str], None] = lambda event: None
    state: State = State.SUCCEEDED
    fetched: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)

    def verify(self, request: Request) -> None: ...

    def parse(self, request: Request) -> Notification:
        raise NotImplementedError

    def handshake(self, request: Request) -> Handshake | None:
        raise NotImplementedError

    def confirm(self, code: str, *, http: Http) -> None:
        self.confirmed.append(code)

    def fetch(self, job_id: str, *, api: str, http: Http) -> Any:
        self.fetched.append(job_id)
        self.fetching(job_id)
        return job_id

    def translate(self, original: Any, *, api: str) -> Job:
        return Job(provider="told", source="main", id=original, state=self.state)

    def deliver(self, event: Mapping[str, Any]) -> None:
        self.delivering(event["id"])
        self.delivered.append(event["subject"])

    def close(self) -> None: ...


@dataclass
class Workplace:
    app: App
    shift: Shift
    told: Told

    def tell(self, job: str = "1", key: str = "") -> str:
        return self.app.inbox.put(Notification("main", job, "v3", "e", key or job, None)).id

    def work(self) -> None:
        """What two tasks would do: refresh what is due, then deliver what is due."""
        self.shift.refresh("main", "test")
        self.shift.deliver("out", "test")

    def dead(self) -> list[tuple[str, str]]:
        return [(d.item, d.reason) for d in self.app.journal.dead()]


@pytest.fixture
def make(redis_url: str, tmp_path: Path) -> Callable[..., Workplace]:
    def made(more: str = "", told: Told | None = None) -> Workplace:
        told = told or Told()
        file = tmp_path / "jobwire.toml"
        file.write_text(CONFIG.format(more=more, sink="out"))
        app = App(read_settings(str(file), {}), redis_url)
        app.__dict__["providers"] = {"main": told}
        app.__dict__["sinks"] = {"out": told}
        return Workplace(app, Shift(app), told)

    return made


@pytest.fixture
def place(make: Callable[..., Workplace]) -> Workplace:
    return make()


def test_a_notification_becomes_a_fetch_and_an_event_at_the_sink(place: Workplace) -> None:
    place.tell("7")
    with capture_logs() as lines:
        place.work()
    assert place.told.fetched == ["7"]
    assert place.told.delivered == ["jobs/7"]
    assert [line["event"] for line in lines] == ["refreshed", "delivered"]
    assert {"source", "job", "notifications", "attempt", "state", "events", "ms"} <= lines[0].keys()
    assert {"sink", "event_id", "attempt", "ms"} <= lines[1].keys()


def test_a_failed_fetch_comes_back_and_says_why(place: Workplace) -> None:
    place.told.fetching = _raise(errors.Busy("Hover, job 1: answered 503"))
    place.tell()
    with capture_logs() as lines:
        place.work()
    assert lines[0]["event"] == "again later"
    assert lines[0]["detail"] == "Hover, job 1: answered 503"
    [waiting] = place.app.journal.waiting("r:main")
    assert (waiting.state, waiting.attempts, waiting.last_error) == ("retrying", 1, "Hover, job 1: answered 503")
    assert waiting.next_at is not None
    assert 0 < waiting.next_at - time.time() < 5


def test_what_a_newer_release_knows_of_a_job_holds_up_no_other_job(place: Workplace) -> None:
    """A rolling upgrade: this worker is the old one."""
    place.app.scripts.client.set(keys.key("facts", "main/1"), '{"v": 2}')
    place.tell("1")
    place.tell("2")
    with capture_logs() as lines:
        place.work()
    assert place.told.delivered == ["jobs/2"]
    assert [line["reason"] for line in lines if line["event"] == "again later"] == ["Newer"]
    [waiting] = place.app.journal.waiting("r:main")
    assert waiting.next_at is not None
    assert 25 < waiting.next_at - time.time() <= 30
    assert place.told.fetched == ["2"]
    assert waiting.attempts == 0


def test_a_permanent_failure_is_dead_at_once_and_the_same_notification_revives_it(place: Workplace) -> None:
    place.told.fetching = _raise(errors.Forbidden("403"))
    notification = place.tell(key="a")
    place.work()
    assert place.dead() == [(notification, "Forbidden")]
    assert place.app.journal.notification(notification)["state"] == "dead"
    assert place.app.inbox.put(Notification("main", "1", "v3", "e", "a", None)).new is False
    assert place.dead() == [], "its duplicate revives it"
    place.told.fetching = lambda job: None
    time.sleep(1.0)  # the pace of one job
    place.work()
    assert place.told.delivered == ["jobs/1"]


def test_a_notification_is_tried_for_its_time_and_an_old_one_takes_no_new_one_with_it(place: Workplace) -> None:
    place.told.fetching = _raise(errors.Busy("503"))
    old = place.tell(key="old")
    eight_days_ago = int((time.time() - 8 * 86400) * 1000)
    place.app.scripts.client.hset(f"jobwire:n:{old}", "at", str(eight_days_ago))
    new = place.tell(key="new")
    place.work()
    assert place.dead() == []
    place.app.scripts.client.hset(f"jobwire:n:{new}", "at", str(eight_days_ago))
    place.app.scripts.client.zadd("jobwire:due:r:main", {"r:main|1": 0})
    place.work()
    assert sorted(place.dead()) == sorted([(old, "Busy"), (new, "Busy")])


def test_a_bug_is_reported_tried_again_and_does_not_stop_the_worker(place: Workplace) -> None:
    place.told.fetching = lambda job: {}["bug"] if job == "1" else None  # type: ignore[index]  # a bug is the point
    place.tell("1")
    place.tell("2")
    with capture_logs() as lines:
        place.work()
    assert "unexpected" in [line["event"] for line in lines]
    assert place.told.delivered == ["jobs/2"]
    assert [w.attempts for w in place.app.journal.waiting("r:main")] == [1]


def test_an_item_that_killed_five_workers_is_dead_before_it_kills_another(place: Workplace) -> None:
    notification = place.tell()
    place.app.scripts.client.hset("jobwire:lane:r:main|1", "lost", "5")
    place.work()
    assert place.told.fetched == []
    assert place.dead() == [(notification, "Poison")]


def test_an_item_that_lost_four_workers_is_looked_at_once_more(place: Workplace) -> None:
    place.tell()
    place.app.scripts.client.hset("jobwire:lane:r:main|1", "lost", "4")
    place.work()
    assert place.told.fetched == ["1"]
    assert place.dead() == []


def test_a_refused_delivery_is_dead_and_the_next_event_of_the_job_goes_out(place: Workplace) -> None:
    place.told.delivering = _raise(errors.Refused("answered 410"))
    place.tell(key="a")
    place.work()
    [(_, reason)] = place.dead()
    assert reason == "Refused"
    place.told.delivering, place.told.state = (lambda event: None), State.PROCESSING
    place.tell(key="b")
    time.sleep(1.0)
    place.work()
    assert place.told.delivered == ["jobs/1"]


def test_a_retry_after_of_a_sink_holds_all_its_lanes(place: Workplace) -> None:
    place.told.delivering = _raise(errors.RateLimited("429", retry_after=60))
    place.tell("1")
    place.tell("2")
    place.work()
    assert len(list(place.app.journal.waiting("d:out"))) == 2
    assert place.app.lanes.claim(place.app.targets["out"]) is None
    assert place.told.delivered == []


def test_max_attempts_of_a_sink_end_its_tries(make: Callable[..., Workplace]) -> None:
    place = make("retry = { max_attempts = 1 }", Told(delivering=_raise(errors.Shut("answered 401"))))
    place.tell()
    place.work()
    assert [reason for _, reason in place.dead()] == ["Shut"]


def test_a_filtered_event_goes_nowhere(make: Callable[..., Workplace]) -> None:
    place = make('events = ["model.*"]')
    place.tell()
    place.work()
    assert place.told.delivered == []
    assert [e["type"] for e in place.app.journal.events()] == ["job.succeeded"]


def test_a_code_that_we_wait_for_is_sent_back_once(place: Workplace) -> None:
    place.app.registrations.begin("main")
    assert place.app.inbox.awaits_code("main")
    taken = place.app.inbox.put_handshake(Handshake("main", "a-code"))
    assert taken.new
    place.work()
    assert place.told.confirmed == ["a-code"]
    assert not place.app.inbox.awaits_code("main")
    assert place.app.journal.notification(taken.id)["state"] == "done"


def test_a_lost_grant_pauses_the_source_and_kills_nothing(place: Workplace) -> None:
    place.told.fetching = _raise(errors.ReconnectNeeded("reconnect"))
    place.tell("1")
    place.tell("2")
    place.work()
    assert place.told.fetched == ["1"]
    assert place.dead() == []
    assert sum(w.attempts for w in place.app.journal.waiting("r:main")) == 0
    token = place.app.readiness().parts["token:main"]
    assert (token.ok, token.counts) == (False, False)
    assert token.detail.startswith("reconnect needed")


def test_a_restart_tries_a_paused_source_at_once(place: Workplace) -> None:
    place.told.fetching = _raise(errors.ReconnectNeeded("reconnect"))
    place.tell("1")
    place.work()
    place.told.fetching = lambda job: None
    place.app.lanes.resume(place.app.sources["main"])
    time.sleep(1.0)  # the pace of one job
    place.work()
    assert place.told.delivered == ["jobs/1"]


def test_a_where_that_cannot_be_applied_delivers_and_says_so(make: Callable[..., Workplace]) -> None:
    place = make("where = 'length(data.model)'")
    place.tell()
    with capture_logs() as lines:
        place.work()
    assert place.told.delivered == ["jobs/1"]
    assert "delivered in doubt" in [line["event"] for line in lines]


def test_tasks_for_what_is_not_configured_here_do_nothing(place: Workplace) -> None:
    with capture_logs() as lines:
        place.shift.refresh("unknown", "x")
        place.shift.deliver("unknown", "x")
    assert len(lines) == 2


def test_a_stopping_worker_claims_nothing_more(place: Workplace) -> None:
    place.tell()
    place.shift.stopping.set()
    place.work()
    assert place.told.fetched == []


def test_a_task_waits_for_its_budget_rather_than_give_up(make: Callable[..., Workplace]) -> None:
    place = make('rate = "10/s"')
    for job in "123":
        place.tell(job)
    place.work()
    assert len(place.told.delivered) == 3


def test_a_lane_is_kept_while_it_is_in_hand_and_the_keeper_ticks(place: Workplace) -> None:
    began, go = threading.Event(), threading.Event()

    def slow(job: str) -> None:
        began.set()
        assert go.wait(20)

    place.told.fetching = slow
    place.tell()
    with keeping(place.shift) as beats:
        thread = threading.Thread(target=place.work)
        thread.start()
        assert began.wait(5)
        [claim], [hand] = place.shift.in_hand()
        assert hand == ("r:main", "test")
        lease = place.app.scripts.client.zscore("jobwire:run:r:main", claim.lane)
        time.sleep(5.5)
        renewed: Any = place.app.scripts.client.zscore("jobwire:run:r:main", claim.lane)
        go.set()
        thread.join()
        assert renewed > lease
        assert place.app.journal.workers() == 1
        assert beats
        place.tell("2")  # nobody works at it: the tick sends a task
        place.app.scripts.client.delete("jobwire:hands:r:main")
        queued: Any = place.app.scripts.client.llen("rq:queue:jobwire")
        time.sleep(1.5)
        assert place.app.scripts.client.llen("rq:queue:jobwire") > queued
    assert place.app.journal.workers() == 0


def test_a_task_of_a_redis_that_stays_away_ends_when_its_place_is_given_to_another(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.shift.SPELL", 0.5)
    monkeypatch.setattr("workers.shift.LEASE", 0.5)
    app, began = App(place.app.settings, "redis://127.0.0.1:1"), time.monotonic()
    app.__dict__["providers"] = place.app.providers
    with capture_logs() as lines:
        Shift(app).refresh("main", "x")
    assert time.monotonic() - began >= 1
    assert [line["event"] for line in lines] == ["Redis is away; the tick sends another task"]


def test_a_look_that_redis_interrupts_is_begun_anew_and_not_when_its_lease_ends(place: Workplace) -> None:
    trouble = [errors.Unavailable("Redis is away")]

    def interrupted(job: str) -> None:
        if trouble:
            raise trouble.pop()

    place.told.fetching = interrupted
    place.tell("7")
    place.work()
    time.sleep(1.0)  # the pace of one job
    place.work()
    assert place.told.fetched == ["7", "7"]
    assert len(place.told.delivered) == 1


def test_caps_leave_half_of_the_threads_to_others(place: Workplace) -> None:
    resources: list[Resource] = [*place.app.sources.values(), *place.app.targets.values()]
    from workers.worker import THREADS

    assert {r.cap for r in resources} == {THREADS // 2}


@contextmanager
def keeping(shift: Shift) -> Iterator[list[float]]:
    beats: list[float] = []
    keeper = Keeper(shift, lambda: beats.append(time.monotonic()))
    keeper.start()
    yield beats
    keeper.stop()


def _raise(error: Exception) -> Callable[[str], None]:
    def raising(what: str) -> None:
        raise error

    return raising


# --- contract drift --------------------------------------------------------------------------------------------------


def test_a_word_that_nobody_knows_is_told_once_as_an_alarm(make: Callable[..., Workplace]) -> None:
    class Strange(Told):
        def strange(self, original: Any, *, api: str) -> list[str]:
            return ['job state "fancy"']

    place = make('events = ["*"]', Strange())
    for job in "12":
        place.tell(job)
    place.work()
    tell_of_drift(place.app)
    tell_of_drift(place.app)
    place.work()
    assert place.told.delivered.count("sources/main") == 1
    [alarm] = [e for e in place.app.journal.events() if e["type"] == "ops.contract_drift"]
    assert alarm["source"] == "/sources/main"
    assert alarm["data"]["ops"] | {"since": ""} == {
        "state": "raised",
        "since": "",
        "until": None,
        "count": 2,
        "detail": 'not known: job state "fancy"',
    }
