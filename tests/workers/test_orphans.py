"""A sink or source that is taken out of the configuration while things wait for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from at_work import Desk
from structlog.testing import capture_logs

from processor.model import Event, EventType, Notification
from processor.queue import new_hand
from processor.store import keys
from processor.store.lanes import LEASE
from processor.store.work import Claim, Row
from processor.wiring import App
from workers.orphans import bury_orphans
from workers.scheduler import DUTIES

SOURCE = (
    '[sources.main]\nprovider = "hover"\nclient_id = "c"\nclient_secret = "s"\nrefresh_token = "r"\nreconcile = 0\n'
)
OTHER = SOURCE.replace("main", "other")
SINK = '[sinks.out]\ntype = "console"\n[sinks.gone]\ntype = "console"\n'
DAY = 86400


class Place:
    """A configuration that can be changed, one Redis, and a clock."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.desk = Desk(folder, redis_url)
        self.now = int(time.time() * 1000)
        self.configure(SOURCE + OTHER + SINK)

    def configure(self, text: str) -> None:
        self.app = App(self.desk.write(text).settings, self.desk.redis_url)
        self.app.scripts.now = self.now

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * 1000)
        self.app.scripts.now = self.now

    def happen(self, event_id: str, job: str = "1", sink: str = "gone") -> None:
        when = datetime(2026, 3, 1, tzinfo=UTC)
        event = Event(event_id, EventType.JOB_SUCCEEDED, "main", job, f"jobs/{job}", when, {"job": {"id": job}})
        self.app.lanes.announce(event, [Row(sink, event)], sinks=self.app.targets, hand=new_hand())

    def tell(self, job: str, source: str = "other") -> str:
        return self.app.inbox.put(Notification(source, job, "v3", "event", job, None)).id

    def bury(self) -> list[tuple[str, str]]:
        """The duty; then what is dead, as item and reason."""
        with capture_logs():
            bury_orphans(self.app)
        return [(item.item, item.reason) for item in self.app.journal.dead()]

    def waiting(self, resource: str) -> list[str]:
        return [item.item for item in self.app.journal.waiting(resource)]


@pytest.fixture
def place(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, redis_url)


def test_what_waits_for_a_sink_that_is_gone_is_dead_after_a_day_and_not_before(place: Place) -> None:
    place.happen("evt_1")
    place.wait(3600)
    place.happen("evt_2")
    place.configure(SOURCE + '[sinks.out]\ntype = "console"\n')
    place.wait(DAY - 3601)
    assert place.bury() == []
    place.wait(2)
    assert place.bury() == [("evt_1", "Orphaned")]
    assert place.waiting("d:gone") == ["evt_2"]
    place.wait(3600)
    assert place.bury() == [("evt_1", "Orphaned"), ("evt_2", "Orphaned")]
    [first, _] = place.app.journal.dead()
    assert first.detail == 'there is no sink "gone" in the configuration (any more)'
    assert place.app.journal.deliveries("evt_1")["gone"]["state"] == "dead"
    assert place.app.journal.counters()["dead:d:gone"] == 2
    left = {str(key) for key in place.app.scripts.client.scan_iter("jobwire:*d:gone*")}
    assert left <= {"jobwire:st:d:gone|dead", "jobwire:lane:d:gone|main/1", "jobwire:hands:d:gone"}, left
    assert place.app.scripts.client.ttl("jobwire:lane:d:gone|main/1") != -1, "it has an end, or is not there"


def test_what_waits_for_a_source_that_is_gone_is_dead_after_a_week(place: Place) -> None:
    first = place.tell("1")
    place.configure(SOURCE + SINK)
    place.wait(7 * DAY - 1)
    assert place.bury() == []
    place.wait(2)
    assert place.bury() == [(first, "Orphaned")]
    row = place.app.journal.notification(first)
    assert (row["state"], row["detail"]) == ("dead", 'there is no source "other" in the configuration (any more)')


def test_when_the_sink_is_back_what_died_can_be_replayed_and_what_waits_is_delivered(place: Place) -> None:
    place.happen("evt_1", "1")
    place.wait(DAY)
    place.happen("evt_2", "2")
    place.configure(SOURCE + '[sinks.out]\ntype = "console"\n')
    assert place.bury() == [("evt_1", "Orphaned")]
    place.configure(SOURCE + SINK)
    assert place.bury() == [("evt_1", "Orphaned")], "it is known again"
    done = place.desk.run("replay", "--dead", "--sink", "gone", "--yes")
    assert done.exit_code == 0, done.output
    place.wait(1)
    took = [place.app.lanes.claim(place.app.targets["gone"]) for _ in range(2)]
    assert sorted(claim.items[0].id for claim in took if isinstance(claim, Claim)) == ["evt_1", "evt_2"]
    assert list(place.app.journal.dead()) == []


def test_what_a_killed_worker_had_in_hand_is_not_forgotten(place: Place) -> None:
    """Nobody claims from a sink that nobody knows, so nobody finds its expired leases."""
    place.happen("evt_1")
    assert isinstance(place.app.lanes.claim(place.app.targets["gone"]), Claim)
    place.configure(SOURCE)
    place.wait(LEASE - 1)
    assert place.bury() == []
    assert place.app.scripts.client.zcard(keys.key("run", "d:gone")) == 1, "its holder may still be at it"
    place.wait(2)
    assert place.bury() == []
    assert place.app.scripts.client.zcard(keys.key("due", "d:gone")) == 1
    place.wait(DAY)
    assert place.bury() == [("evt_1", "Orphaned")]


def test_however_many_wait_they_die_in_their_order_a_few_at_a_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processor.store.lanes.BURIED", 7)
    for number in range(50):
        place.happen(f"evt_{number:04}", job=str(number % 3))
        place.wait(0.01)
    place.configure(SOURCE)
    place.wait(DAY)
    dead = [item for item, _ in place.bury()]
    assert len(dead) == 50
    for job in range(3):
        its = [item for item in dead if int(item[4:]) % 3 == job]
        assert its == sorted(its)
    assert not place.app.scripts.client.exists(keys.key("due", "d:gone"))


def test_sinks_and_sources_that_are_known_are_left_alone_however_long_things_wait(place: Place) -> None:
    place.happen("evt_1")
    place.tell("1")
    place.wait(30 * DAY)
    assert place.bury() == []


def test_check_online_tells_of_them_and_what_to_do(place: Place) -> None:
    place.happen("evt_1")
    place.happen("evt_2", "2")
    place.tell("1")
    place.configure('[sinks.out]\ntype = "console"\n')
    said = " ".join(place.desk.run("check", "--online").output.split())
    assert 'sink gone: there is no sink "gone" in the configuration (any more), and 2 deliveries wait for it' in said
    assert "source other" in said
    assert "1 notification waits for it" in said
    assert "put it back" in said


def test_it_is_a_duty_of_the_scheduler() -> None:
    assert bury_orphans in [duty.do for duty in DUTIES]
