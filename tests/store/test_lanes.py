"""What the lanes do, case by case; the walk at random is in test_lanes_model.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.connect import connect
from processor.errors import Unavailable
from processor.model import Event, EventType
from processor.store import keys
from processor.store.journal import Journal
from processor.store.lanes import Lanes
from processor.store.scripts import Scripts
from processor.store.work import Claim, Found, Hint, Resource, Row, windows

SOURCE = Resource("r:h", cap=2)
SINK = Resource("d:a", cap=2, batch=1)


class Clocked(Lanes):
    """Lanes whose clock a test moves; milliseconds."""

    def __init__(self, client: redis.Redis, *, by: str = "") -> None:
        self.scripts = Scripts(client)
        super().__init__(self.scripts, by=by)
        self.scripts.now = 1_000_000

    def wait(self, seconds: float) -> None:
        assert self.scripts.now is not None
        self.scripts.now += int(seconds * 1000)

    def tell(self, job: str = "1", key: str = "k", resource: Resource = SOURCE) -> tuple[str, bool]:
        hint = Hint(seen=key, lane=keys.refresh_lane(resource.name[2:], job), event="e", api="v3", claim="job")
        [accepted], hired = self.accept(resource, [hint], hand=f"hand-{key}")
        return accepted.outcome, bool(hired)

    def take(self, resource: Resource = SOURCE) -> Claim:
        claim = self.claim(resource)
        assert isinstance(claim, Claim)
        return claim

    def find(self, claim: Claim, *events: str, poll: float | None = None) -> list[str] | None:
        made = [
            Event(i, EventType.JOB_SUCCEEDED, "h", "1", "jobs/1", datetime.fromtimestamp(0, UTC), {}) for i in events
        ]
        found = Found("h", "1", '{"v": 1}', "{}", events=made, rows=[Row("a", e) for e in made], poll=poll)
        return self.commit(claim, found, sinks={"a": SINK}, hand="hand")


@pytest.fixture
def lanes(redis_client: redis.Redis) -> Clocked:
    return Clocked(redis_client)


# --- in ---------------------------------------------------------------------------------------------------------------


def test_the_same_notification_is_stored_once(lanes: Clocked) -> None:
    assert lanes.tell(key="k")[0] == "new"
    assert lanes.tell(key="k")[0] == "duplicate"
    assert len(lanes.take().items) == 1


def test_a_dead_one_is_revived_by_its_duplicate_under_its_own_id(lanes: Clocked) -> None:
    lanes.tell()
    claim = lanes.take()
    lanes.dead(claim, "NotYet", "unknown")
    assert lanes.tell()[0] == "revived"
    lanes.wait(1)
    assert lanes.take().items[0].id == claim.items[0].id


def test_a_retention_and_a_storm_limit_of_a_part_of_a_second_can_be_kept(redis_client: redis.Redis) -> None:
    lanes = Lanes(Scripts(redis_client), keep=0.5, dedup=0.5)
    [accepted], _ = lanes.accept(SOURCE, [Hint("k", keys.refresh_lane("h", "1"), "e", "v3", "")], hand="x")
    assert accepted.outcome == "new"
    claim = lanes.claim(SOURCE)
    assert isinstance(claim, Claim)
    event = Event("e", EventType.JOB_SUCCEEDED, "h", "1", "jobs/1", datetime.fromtimestamp(0, UTC), {})
    found = Found("h", "1", "{}", "{}", ended=True, events=[event], rows=[Row("a", event)])
    assert lanes.commit(claim, found, sinks={"a": SINK}, hand="x") is not None
    delivery = lanes.claim(SINK)
    assert isinstance(delivery, Claim)
    assert lanes.admit(delivery, "a", (1, 0.0015)) == "go"


def test_a_claim_takes_all_that_has_arrived_and_what_it_said(lanes: Clocked) -> None:
    for key in "abc":
        lanes.tell(key=key)
    items = lanes.take().items
    assert [i.detail["claim"] for i in items] == ["job"] * 3
    assert {i.detail["api"] for i in items} == {"v3"}


def test_two_hundred_notifications_in_a_second_cost_at_most_three_fetches(lanes: Clocked) -> None:
    fetches = 0
    for n in range(200):
        lanes.tell(key=str(n))
        lanes.wait(0.005)
        if isinstance(claim := lanes.claim(SOURCE), Claim):
            fetches += 1
            lanes.find(claim)
    lanes.wait(1)
    while isinstance(claim := lanes.claim(SOURCE), Claim):
        fetches += 1
        lanes.find(claim)
    assert 2 <= fetches <= 3


def test_what_arrives_during_a_fetch_causes_one_more(lanes: Clocked) -> None:
    lanes.tell(key="a")
    claim = lanes.take()
    lanes.tell(key="b")
    lanes.tell(key="c")
    lanes.find(claim)
    assert lanes.claim(SOURCE) is None, "sooner than a second after the last began"
    lanes.wait(1)
    assert len(lanes.take().items) == 2


def test_a_storm_does_not_defeat_a_back_off(lanes: Clocked) -> None:
    lanes.tell(key="a")
    lanes.retry(lanes.take(), 30, "500")
    lanes.tell(key="b")
    lanes.wait(29)
    assert lanes.claim(SOURCE) is None
    lanes.wait(1)
    assert lanes.take().attempts == 1


# --- in hand ----------------------------------------------------------------------------------------------------------


def test_a_killed_workers_lane_is_claimed_again_when_its_lease_ends(lanes: Clocked) -> None:
    lanes.tell()
    lost = lanes.take()
    lanes.wait(14)
    assert lanes.claim(SOURCE) is None
    lanes.wait(1)
    again = lanes.take()
    assert again.lost == 1
    assert lanes.find(lost) is None, "the one that was lost wrote after all"
    assert lanes.find(again) is not None


def test_an_item_that_kills_its_workers_is_claimed_ever_later(lanes: Clocked) -> None:
    lanes.tell()
    lanes.take()
    counts = []
    for _ in range(200):
        lanes.wait(1)
        if isinstance(claim := lanes.claim(SOURCE), Claim):
            counts.append(claim.lost)
    assert counts[:6] == [1, 2, 3, 4, 5, 6]


def test_a_kept_lane_is_not_lost(lanes: Clocked) -> None:
    lanes.tell()
    claim = lanes.take()
    for _ in range(10):
        lanes.wait(5)
        assert lanes.keep([claim], []) == set()
        assert lanes.claim(SOURCE) is None
    lanes.wait(16)
    lanes.take()
    assert lanes.keep([claim], []) == {claim.lane}


def test_what_a_worker_that_is_gone_had_in_hand_is_free_at_once_and_nothing_else(redis_client: redis.Redis) -> None:
    lanes, gone = Clocked(redis_client), Clocked(redis_client, by="gone")
    for job in "123":
        lanes.tell(job, key=job)
    kept, lost = lanes.take(), gone.take()
    lanes.keep([kept], [("r:h", "hand-1:1")])
    gone.keep([lost], [("r:h", "hand-2:1")])
    assert lanes.claim(SOURCE) is None, "the cap is reached"
    assert lanes.abandon("gone", [SOURCE, SINK]) == 1
    claim = lanes.take()
    assert (claim.lane, claim.lost) == (lost.lane, 1)
    assert gone.find(lost) is None, "it was not gone after all: what it writes is stale"
    assert lanes.find(kept) == []
    assert redis_client.zrange("jobwire:hands:r:h", 0, -1) == ["hand-1:1"]


def test_who_had_nothing_in_hand_leaves_nothing(lanes: Clocked) -> None:
    lanes.tell()
    assert lanes.abandon("gone", [SOURCE, SINK]) == 0
    lanes.take()
    assert lanes.abandon("gone", [SOURCE, SINK]) == 0


def test_no_more_lanes_are_in_hand_than_the_cap(lanes: Clocked) -> None:
    for job in "123":
        lanes.tell(job, key=job)
    claims = [lanes.take(), lanes.take()]
    assert lanes.claim(SOURCE) is None
    lanes.hand_back(claims[0])
    lanes.take()


def test_deliveries_of_a_job_come_one_by_one_in_order(lanes: Clocked) -> None:
    lanes.tell()
    lanes.find(lanes.take(), "evt_1", "evt_2")
    first = lanes.take(SINK)
    assert lanes.claim(SINK) is None
    lanes.retry(first, 0, "503")
    again = lanes.take(SINK)
    assert [i.id for i in again.items] == ["evt_1"]
    assert json.loads(again.items[0].body)["id"] == "evt_1"
    lanes.done(again, "ref")
    assert [i.id for i in lanes.take(SINK).items] == ["evt_2"]


def test_a_dead_delivery_is_kept_shown_and_can_be_revived(lanes: Clocked, redis_url: str) -> None:
    lanes.tell()
    lanes.find(lanes.take(), "evt_1")
    lanes.dead(lanes.take(SINK), "Refused", "answered 410")
    journal = Journal(connect(redis_url, patient=False, text=False))
    [dead] = journal.dead()
    assert (dead.item, dead.reason, dead.detail, dead.attempts) == ("evt_1", "Refused", "answered 410", 1)
    assert journal.deliveries("evt_1")["a"]["state"] == "dead"
    assert lanes.revive(dead.lane, dead.item)
    assert not lanes.revive(dead.lane, dead.item)
    assert lanes.take(SINK).items[0].id == "evt_1"
    assert not list(journal.dead())


def test_a_job_to_be_looked_at_again_is_claimed_without_a_notification(lanes: Clocked) -> None:
    lanes.tell()
    lanes.find(lanes.take(), poll=15)
    lanes.wait(14)
    assert lanes.claim(SOURCE) is None
    lanes.wait(1)
    assert lanes.take().items == ()


# --- budgets and pauses -----------------------------------------------------------------------------------------------


@settings(deadline=None)  # a busy machine proves nothing
@given(st.integers(1, 300), st.floats(0.5, 7200), st.floats(0, 1, exclude_min=True))
def test_no_window_ever_sees_more_than_its_count(count: int, seconds: float, phase: float) -> None:
    """GCRA with these intervals and tolerances, asked as fast as it allows, from an idle start."""
    [(interval, tolerance, *_)] = windows([(count, seconds)])
    tat, sent, now = 0.0, [], phase
    while len(sent) < 3 * count:
        now = max(now, tat - tolerance)
        sent.append(now)
        tat = max(tat, now) + interval
    for i, first in enumerate(sent):
        within = sum(first <= t < first + seconds * 1000 - 1e-6 for t in sent[i:])
        assert within <= count


def test_a_budget_is_shared_by_sources_of_one_client(lanes: Clocked) -> None:
    one, other = (Resource(f"r:{n}", 2, windows([(1, 10)]), budget="b:client") for n in ("x", "y"))
    lanes.tell(key="a", resource=one)
    lanes.tell(key="b", resource=other)
    lanes.find(lanes.take(one))
    wait = lanes.claim(other)
    assert isinstance(wait, float)
    assert 10 < wait < 10.1, "a whole window after the answer, and a little for their clock"
    lanes.wait(wait + 0.001)
    lanes.take(other)


def test_further_calls_are_charged_as_debt(lanes: Clocked) -> None:
    source = Resource("r:x", 2, windows([(1, 10)]))
    lanes.tell(key="a", resource=source)
    lanes.take(source)
    lanes.charge(source, 2)
    lanes.tell("2", key="b", resource=source)
    wait = lanes.claim(source)
    assert isinstance(wait, float)
    assert 29 < wait <= 30


def test_a_shared_pause_holds_off_all_that_draw_on_the_budget(lanes: Clocked) -> None:
    one, other = (Resource(f"r:{n}", 2, budget="b:client") for n in ("x", "y"))
    lanes.tell(key="a", resource=one)
    lanes.tell(key="b", resource=other)
    lanes.retry(lanes.take(one), 0, "429", counts=False, pause=60, shared=True)
    assert lanes.claim(other) is None
    lanes.wait(61)
    lanes.take(other)


def test_a_pause_of_one_source_leaves_the_others_alone(lanes: Clocked) -> None:
    one, other = (Resource(f"r:{n}", 2, budget="b:client") for n in ("x", "y"))
    lanes.tell(key="a", resource=one)
    lanes.tell(key="b", resource=other)
    lanes.retry(lanes.take(one), 0, "reconnect", counts=False, pause=60)
    assert lanes.claim(one) is None
    lanes.take(other)


# --- hands ------------------------------------------------------------------------------------------------------------


def test_tasks_are_sent_only_up_to_the_cap(lanes: Clocked) -> None:
    hired = [lanes.tell(str(n), key=str(n))[1] for n in range(4)]
    assert hired == [True, True, False, False]


def test_a_task_that_rq_lost_is_sent_again_by_the_tick(lanes: Clocked) -> None:
    assert lanes.tell()[1]
    assert lanes.tick([SOURCE, SINK], hand="t") == []
    lanes.wait(5)
    assert lanes.tick([SOURCE, SINK], hand="t") == [("r:h", "t:r:h:1")]


def test_the_tick_finds_due_lanes_expired_leases_and_jobs_to_be_looked_at(lanes: Clocked) -> None:
    lanes.tell()
    lanes.take()
    lanes.wait(16)
    assert len(lanes.tick([SOURCE], hand="lease")) == 1
    lanes.find(lanes.take(), poll=15)
    lanes.wait(15)
    assert len(lanes.tick([SOURCE], hand="poll")) == 1


def test_while_the_budget_is_used_up_one_task_waits_for_it(lanes: Clocked) -> None:
    source = Resource("r:x", 8, windows([(1, 10)]))
    lanes.tell(key="a", resource=source)
    lanes.find(lanes.take(source))
    lanes.leave(source, "hand-a:1", final=True)
    assert [lanes.tell(str(n), key=str(n), resource=source)[1] for n in range(3)] == [True, False, False]
    lanes.wait(6)  # the task was lost
    assert len(lanes.tick([source], hand="t")) == 1
    lanes.wait(6)
    assert len(lanes.tick([source], hand="u")) == 3


def test_no_key_of_a_notification_or_delivery_is_without_an_end(lanes: Clocked, redis_client: redis.Redis) -> None:
    lanes.tell(key="a")
    lanes.dead(lanes.take(), "NotYet", "unknown")
    lanes.tell(key="b")
    lanes.wait(1)
    lanes.find(lanes.take(), "evt_1")
    lanes.done(lanes.take(SINK))
    assert lanes.tell(key="a")[0] == "revived"
    endless = {k for k in redis_client.keys("jobwire:*") if redis_client.ttl(k) == -1}
    waiting = ("jobwire:q:", "jobwire:lane:", "jobwire:due:", "jobwire:run:", "jobwire:poll:")
    swept = ("jobwire:journal", "jobwire:index", "jobwire:st:", "jobwire:evs:", "jobwire:jobs:")
    assert {k for k in endless if not k.startswith((*waiting, *swept))} <= {"jobwire:cnt", "jobwire:heard"}


def test_who_leaves_notices_what_came_in_between(lanes: Clocked) -> None:
    lanes.tell(key="a")
    lanes.find(lanes.take())
    lanes.wait(1)
    assert lanes.claim(SOURCE) is None
    lanes.tell(key="b")
    assert not lanes.leave(SOURCE, "hand-a:1")
    assert lanes.leave(SOURCE, "hand-a:1", final=True)


def test_nothing_is_told_while_a_source_is_paused(lanes: Clocked) -> None:
    lanes.tell()
    lanes.pause(SOURCE, 10)
    assert lanes.tick([SOURCE], hand="t") == []
    assert lanes.leave(SOURCE, "hand-k:1")


# --- trouble ----------------------------------------------------------------------------------------------------------


def test_a_redis_that_is_away_is_one_error_of_ours() -> None:
    lanes = Lanes(Scripts(connect("redis://127.0.0.1:1", patient=False)))
    with pytest.raises(Unavailable, match="ConnectionError"):
        lanes.claim(SOURCE)


def test_without_its_replicas_a_notification_is_not_taken(redis_client: redis.Redis) -> None:
    lanes = Lanes(Scripts(redis_client, wait_replicas=1))
    with pytest.raises(Unavailable, match="0 of 1 replicas"):
        lanes.accept(SOURCE, [Hint("k", "r:h|1", "e", "v3", "")], hand="x")


@given(st.text(min_size=1))
def test_no_job_id_can_leave_its_key(job_id: str) -> None:
    lane = keys.refresh_lane("h", job_id)
    assert keys.job_of(lane) == keys.job_of(keys.delivery_lane("a", "h", job_id)) == job_id
    assert lane.count("|") == 1
    assert not set(lane.partition("|")[2]) & set("|/: ")
