"""What people are told together, and when: real lanes, a worker, and one clock for everybody that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from processor.errors import Busy, Refused
from processor.hours import Daily, Hours
from processor.model import Job, Notification, State
from processor.pipeline.gather import Manner
from processor.ports import Occasion
from processor.store.lanes import LEASE
from processor.store.work import Claim
from processor.testing.fakes import StandingClock
from processor.wiring import App, read_settings
from workers.shift import Shift

CONFIG = """
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
rate_limits = []
[sinks.out]
type = "console"
{more}
"""
EVENING = datetime(2026, 7, 1, 19, 59, 50, tzinfo=UTC)  # ten seconds before it is 22:00 in Berlin
NIGHT = Hours.parse("22:00-07:00 Europe/Berlin")
Message = tuple[list[str], Occasion | None]


@dataclass
class People:
    """A sink that people read: `told` has the subjects of each message, and why they came together."""

    name: str = "out"
    told: list[Message] = field(default_factory=list)
    failing: Exception | None = None

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        return self._take([event], None)

    def deliver_together(self, events: Sequence[Mapping[str, Any]], occasion: Occasion) -> str | None:
        return self._take(events, occasion)

    def close(self) -> None: ...

    def _take(self, events: Sequence[Mapping[str, Any]], occasion: Occasion | None) -> str | None:
        if self.failing:
            raise self.failing
        self.told.append(([f"{e['type']} {e['subject']}" for e in events], occasion))
        return "ref"


class Jobs:
    """A provider whose jobs are as a test says: running unless in `ended`."""

    source = "main"

    def __init__(self) -> None:
        self.ended: set[str] = set()

    def fetch(self, job_id: str, **_: Any) -> Any:
        return job_id

    def translate(self, original: Any, **_: Any) -> Job:
        return Job(provider="hover", source="main", id=original, state=self.state(original))

    def state(self, job: str) -> State:
        return State.FAILED if job in self.ended else State.PROCESSING


class Office:
    """One worker, and the clock of everybody."""

    def __init__(self, app: App, people: People) -> None:
        self.app, self.people, self.jobs = app, people, Jobs()
        self.clock = StandingClock(EVENING)
        app.__dict__["providers"] = {"main": self.jobs}
        app.__dict__["sinks"] = {"out": people}
        app.__dict__["tools"] = replace(app.tools, clock=self.clock)
        self.pass_time(0)

    def changed(self, manner: Manner, *, people: bool = True) -> Office:
        """The same place after a restart with another configuration."""
        sink = replace(self.app.settings.sinks["out"], manner=manner)
        if not people:
            sink = replace(sink, options={})
        other = Office(App(replace(self.app.settings, sinks={"out": sink}), self.app.redis_url), self.people)
        other.jobs = other.app.__dict__["providers"]["main"] = self.jobs
        other.clock.now = self.clock.now
        other.pass_time(0)
        return other

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.app.scripts.now = int(self.clock().timestamp() * 1000)

    def happens(self, job: str, *, ends: bool = False) -> None:
        if ends:
            self.jobs.ended.add(job)
        self.app.inbox.put(Notification("main", job, "v3", "e", f"{job} {self.clock()}", None))
        Shift(self.app).refresh("main", "hand")

    def work(self) -> list[Message]:
        """Deliver what is due; what people were told by it."""
        before = len(self.people.told)
        Shift(self.app).deliver("out", "hand")
        return self.people.told[before:]


@pytest.fixture
def office(redis_url: str, tmp_path: Path) -> Callable[..., Office]:
    def made(manner: Manner, more: str = "", *, people: bool = False) -> Office:
        """`people`: of a type that people read, whatever its manner."""
        file = tmp_path / "jobwire.toml"
        text = CONFIG.format(more=more)
        file.write_text(text.replace('"console"', '"apprise"\nurls = ["json://127.0.0.1"]') if people else text)
        settings = read_settings(str(file), {})
        sinks = {"out": replace(settings.sinks["out"], manner=manner)}
        return Office(App(replace(settings, sinks=sinks), redis_url), People())

    return made


# --- group -----------------------------------------------------------------------------------------------------------


def test_what_happens_to_one_job_within_the_window_is_one_message(office: Callable[..., Office]) -> None:
    here = office(Manner(group=30.0))
    here.happens("1")
    here.happens("2")
    here.pass_time(10)
    assert here.work() == []
    here.happens("1", ends=True)
    here.pass_time(20)
    assert here.work() == [
        (["job.created jobs/1", "job.failed jobs/1"], Occasion.GROUP),
        (["job.created jobs/2"], None),
    ]


def test_the_next_event_opens_a_window_of_its_own(office: Callable[..., Office]) -> None:
    here = office(Manner(group=30.0))
    here.happens("1")
    here.pass_time(30)
    assert len(here.work()) == 1
    here.happens("1", ends=True)
    here.pass_time(29)
    assert here.work() == []
    here.pass_time(1)
    assert here.work() == [(["job.failed jobs/1"], None)]


def test_what_comes_while_a_message_is_being_told_waits_for_its_own_window(office: Callable[..., Office]) -> None:
    here = office(Manner(group=30.0))
    here.happens("1")
    here.pass_time(30)
    claim = here.app.lanes.claim(here.app.targets["out"])
    assert isinstance(claim, Claim)
    here.happens("1", ends=True)
    here.app.lanes.done(claim)
    here.pass_time(29)
    assert here.work() == []
    here.pass_time(1)
    assert here.work() == [(["job.failed jobs/1"], None)]


@pytest.mark.parametrize("killed", [False, True])
def test_a_repeat_is_the_same_message_also_after_a_kill(office: Callable[..., Office], killed: bool) -> None:
    """So that a mail, say, keeps its Message-ID; what came meanwhile is the next message."""
    here = office(Manner(group=30.0))
    here.happens("1")
    here.pass_time(30)
    if killed:
        assert isinstance(here.app.lanes.claim(here.app.targets["out"]), Claim)
        here.pass_time(LEASE)
    else:
        here.people.failing = Busy("503")
        assert here.work() == []
        here.people.failing = None
    here.happens("1", ends=True)
    here.pass_time(60)
    assert here.work() == [(["job.created jobs/1"], None), (["job.failed jobs/1"], None)]


def test_a_group_that_is_refused_is_dead_event_by_event(office: Callable[..., Office]) -> None:
    here = office(Manner(group=30.0))
    here.happens("1")
    here.pass_time(1)  # the pace of one job
    here.happens("1", ends=True)
    here.pass_time(30)
    here.people.failing = Refused("no")
    with capture_logs() as lines:
        here.work()
    dead = list(here.app.journal.dead())
    assert [item.reason for item in dead] == ["Refused"] * 2
    assert lines[0]["together"] == [item.item for item in dead]
    here.people.failing = None
    for item in dead:
        assert here.app.lanes.revive(item.lane, item.item)
    assert [together for _, together in here.work()] == [None, None]


# --- storm_limit -----------------------------------------------------------------------------------------------------


def test_beyond_the_limit_there_is_one_summary_when_the_window_is_over(office: Callable[..., Office]) -> None:
    here = office(Manner(storm_limit=(2, 600.0)))
    for job in "12345":
        here.happens(job)
    assert [together for _, together in here.work()] == [None, None]
    here.pass_time(599)
    here.happens("6")
    assert here.work() == []
    here.pass_time(1)
    assert here.work() == [([f"job.created jobs/{job}" for job in "3456"], Occasion.STORM)]
    assert here.work() == []


def test_when_the_storm_is_over_messages_come_singly_again(office: Callable[..., Office]) -> None:
    here = office(Manner(storm_limit=(1, 600.0)))
    for job in "12":
        here.happens(job)
    here.work()
    here.pass_time(600)
    assert here.work() == [(["job.created jobs/2"], None)]  # a summary of one is that one
    here.pass_time(600)
    here.happens("3")
    assert here.work() == [(["job.created jobs/3"], None)]


def test_no_event_overtakes_those_that_wait_for_the_summary(office: Callable[..., Office]) -> None:
    here = office(Manner(storm_limit=(1, 600.0)))
    here.happens("1")
    here.happens("2")
    here.work()
    here.pass_time(600)
    here.people.failing = Busy("503")
    here.work()
    here.happens("2", ends=True)
    here.people.failing = None
    here.pass_time(5)
    told = [subjects for message, _ in here.work() for subjects in message]
    here.pass_time(700)
    told += [subjects for message, _ in here.work() for subjects in message]
    assert told == ["job.created jobs/2", "job.failed jobs/2"]


def test_a_message_that_is_tried_again_counts_once(office: Callable[..., Office]) -> None:
    here = office(Manner(storm_limit=(2, 600.0)))
    here.happens("1")
    here.people.failing = Busy("503")
    for _ in range(5):
        here.work()
        here.pass_time(60)
    here.people.failing = None
    here.pass_time(130)  # longer than the fifth back-off
    here.happens("2")
    assert len(here.work()) == 2


def test_all_workers_share_the_limit_and_a_restart_forgets_nothing(office: Callable[..., Office]) -> None:
    here = office(Manner(storm_limit=(2, 600.0)))
    for job in "1234":
        here.happens(job)
    here.work()
    again = Office(App(here.app.settings, here.app.redis_url), People())
    again.happens("5")
    assert again.work() == []
    again.pass_time(600)
    assert again.work() == [([f"job.created jobs/{job}" for job in "345"], Occasion.STORM)]


# --- digest ----------------------------------------------------------------------------------------------------------


def test_a_digest_is_one_message_a_day_about_everything(office: Callable[..., Office]) -> None:
    here = office(Manner(digest=Daily.parse("08:00 Europe/Berlin"), storm_limit=(1, 86400.0)))
    for job in "123":
        here.happens(job)
    here.pass_time(10 * 3600)
    here.happens("2", ends=True)
    assert here.work() == []
    here.pass_time(10)
    subjects = ["job.created jobs/1", "job.created jobs/2", "job.created jobs/3", "job.failed jobs/2"]
    assert here.work() == [(subjects, Occasion.DIGEST)]
    here.happens("1", ends=True)
    here.pass_time(86399)
    assert here.work() == []
    here.pass_time(1)
    assert here.work() == [(["job.failed jobs/1"], None)]


# --- quiet hours -----------------------------------------------------------------------------------------------------


def test_in_quiet_hours_nobody_is_told_and_then_by_job(office: Callable[..., Office]) -> None:
    here = office(Manner(quiet_hours=NIGHT))
    here.happens("1")
    assert here.work() == [(["job.created jobs/1"], None)]
    here.pass_time(10)
    for job in "12":
        here.happens(job, ends=job == "1")
    here.pass_time(9 * 3600 - 1)
    here.happens("2", ends=True)
    assert here.work() == []
    here.pass_time(1)
    assert here.work() == [
        (["job.failed jobs/1"], None),
        (["job.created jobs/2", "job.failed jobs/2"], Occasion.GROUP),
    ]


def test_a_retry_wakes_nobody_and_does_not_grow_old_overnight(office: Callable[..., Office]) -> None:
    here = office(Manner(quiet_hours=NIGHT), more='retry = { max_age = "1h" }')
    here.happens("1")
    here.people.failing = Busy("503")
    here.work()
    here.pass_time(10)
    here.people.failing = None
    assert here.work() == []
    here.happens("1", ends=True)
    here.pass_time(9 * 3600)
    here.people.failing = Busy("503")
    here.work()
    assert list(here.app.journal.dead()) == []
    here.people.failing = None
    here.pass_time(60)
    assert here.work() == [(["job.created jobs/1", "job.failed jobs/1"], Occasion.GROUP)]


def test_events_of_one_moment_in_the_day_stay_single_messages(office: Callable[..., Office]) -> None:
    here = office(Manner(quiet_hours=NIGHT, storm_limit=(20, 600.0)))
    here.happens("1")
    here.pass_time(1)  # the pace of one job
    here.happens("1", ends=True)
    assert [together for _, together in here.work()] == [None, None]


def test_it_works_by_the_wall_clock_when_the_clocks_change(office: Callable[..., Office]) -> None:
    here = office(Manner(quiet_hours=NIGHT))
    here.pass_time((datetime(2026, 10, 24, 22, tzinfo=UTC) - here.clock()) / timedelta(seconds=1))
    here.happens("1")
    here.pass_time(8 * 3600 - 1)  # 06:59:59 in winter time
    assert here.work() == []
    here.pass_time(1)
    assert len(here.work()) == 1


# --- another manner --------------------------------------------------------------------------------------------------

DIGEST = Manner(digest=Daily.parse("08:00 Europe/Berlin"))
STORM = Manner(storm_limit=(1, 600.0))
FIRST, SECOND, THIRD = "job.created jobs/1", "job.failed jobs/1", "job.created jobs/2"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(before, after, id=f"{one} to {other}")
        for one, before in {"digest": DIGEST, "storm_limit": STORM, "group": Manner(group=300.0)}.items()
        for other, after in {"nothing": Manner(), "group": Manner(group=5.0), "storm_limit": STORM}.items()
        if before != after
    ],
)
def test_what_waited_in_the_old_manner_is_not_overtaken_in_the_new_one(
    office: Callable[..., Office], before: Manner, after: Manner
) -> None:
    here = office(before, people=True)
    here.happens("0")  # of a storm limit the one that goes
    here.happens("1")
    here.work()
    here = here.changed(after)
    here.pass_time(1)
    here.happens("1", ends=True)
    here.happens("2")
    for _ in range(3):
        here.work()
        here.pass_time(10)
    told = [event for events, _ in here.people.told for event in events if "jobs/0" not in event]
    here.pass_time(600)
    here.work()
    later = [event for events, _ in here.people.told for event in events if "jobs/0" not in event]
    assert sorted(later) == sorted([FIRST, SECOND, THIRD]), "each once"
    assert later.index(FIRST) < later.index(SECOND)
    if after != STORM:
        assert told == later, "nobody waits for what will not come any more"


def test_a_digest_that_will_not_come_any_more_is_told_with_the_next_event_and_then_all_is_as_ever(
    office: Callable[..., Office],
) -> None:
    here = office(DIGEST, people=True)
    for job in "34":
        here.happens(job)
    here = here.changed(Manner())
    assert here.work() == []
    for job in "12":
        here.happens(job)
    assert here.work() == [([f"job.created jobs/{job}" for job in "3412"], Occasion.DIGEST)]
    here.pass_time(1)
    here.happens("1", ends=True)
    here.happens("5")
    assert here.work() == [([SECOND], None), (["job.created jobs/5"], None)]


def test_what_happens_while_that_digest_is_under_way_or_fails_waits_behind_it(office: Callable[..., Office]) -> None:
    here = office(DIGEST, people=True)
    here.happens("1")
    here = here.changed(Manner())
    here.happens("2")
    here.people.failing = Busy("503")
    here.work()
    here.pass_time(1)
    here.happens("1", ends=True)
    assert here.work() == []
    here.people.failing = None
    assert here.work() == [], "nothing defeats its back-off"
    here.pass_time(5)
    assert here.work() == [([FIRST, THIRD], Occasion.DIGEST), ([SECOND], None)]


def test_a_digest_does_not_overtake_what_is_tried_again_since_before_it_was_wanted(
    office: Callable[..., Office],
) -> None:
    here = office(Manner(), people=True)
    here.happens("1")
    here.people.failing = Busy("503", retry_after=3600)
    here.work()
    here = here.changed(Manner(digest=Daily.parse("22:00 Europe/Berlin")))  # in ten seconds
    here.pass_time(1)
    here.happens("1", ends=True)
    here.happens("2")
    here.people.failing = None
    here.app.lanes.resume(here.app.targets["out"])
    here.pass_time(11)
    assert here.work() == [([THIRD], None)]
    here.pass_time(3600)
    assert here.work() == [([FIRST], None), ([SECOND], None)]
    here.happens("2", ends=True)
    assert here.work() == [], "it waits for the next digest"


def test_a_sink_of_another_type_is_told_singly_what_was_to_be_told_together(office: Callable[..., Office]) -> None:
    here = office(Manner(group=1.0), people=True)
    here.happens("1")
    here.pass_time(1)
    here.happens("1", ends=True)
    here.people.failing = Busy("503")
    here.work()
    here = here.changed(Manner(), people=False)
    here.people.failing = None
    here.pass_time(5)
    assert here.work() == [([FIRST], None), ([SECOND], None)]
