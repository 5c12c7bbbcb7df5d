"""Events put back into their lanes, and the journal read page by page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from processor.connect import connect
from processor.errors import Unavailable
from processor.model import Event, EventType
from processor.ports import Occasion
from processor.store import journal as journal_module
from processor.store import keys
from processor.store.journal import Entry, Horizon, Journal
from processor.store.lanes import TOGETHER, Again, Lanes
from processor.store.scripts import Scripts
from processor.store.work import Claim, Hint, Resource, Row

SINK = Resource("d:a", cap=2, batch=1)
OTHER = Resource("d:b", cap=2, batch=1)
PEOPLE = Resource("d:people", cap=2, batch=TOGETHER)
SINKS = {"a": SINK, "b": OTHER, "people": PEOPLE}
KEEP = 30 * 86400
HOLD = 86400.0


class Clocked(Lanes):
    """Lanes whose clock a test moves; milliseconds."""

    def __init__(self, client: redis.Redis) -> None:
        self.scripts = Scripts(client)
        super().__init__(self.scripts, keep=KEEP)
        self.scripts.now = 1_000_000

    def wait(self, seconds: float) -> None:
        assert self.scripts.now is not None
        self.scripts.now += int(seconds * 1000)

    def happen(self, event_id: str, *sinks: str, job: str = "1", **row: Any) -> None:
        when = datetime.fromtimestamp(0, UTC)
        event = Event(event_id, EventType.JOB_FAILED, "main", job, f"jobs/{job}", when, {})
        self.announce(event, [Row(sink, event, **row) for sink in sinks], sinks=SINKS, hand="h")

    def take(self, resource: Resource = SINK) -> Claim:
        claim = self.claim(resource)
        assert isinstance(claim, Claim), claim
        return claim

    def drain(self, resource: Resource = SINK) -> list[list[str]]:
        """Deliver all that is due; what came together."""
        told = []
        while isinstance(claim := self.claim(resource), Claim):
            told.append([item.id for item in claim.items])
            self.done(claim, "ref")
        return told

    def again(self, event_id: str, *sinks: str, job: str = "1", dead: bool = False, **row: Any) -> list[str]:
        rows = [Again(sink, event_id, "main", job, **row) for sink in sinks or ["a"]]
        return self.replay(rows, sinks=SINKS, hand="again", hold=HOLD, only_dead=dead)[0]


@pytest.fixture
def lanes(redis_client: redis.Redis) -> Clocked:
    return Clocked(redis_client)


@pytest.fixture
def journal(redis_url: str) -> Journal:
    return Journal(connect(redis_url, patient=False, text=False))


# --- what is not put back --------------------------------------------------------------------------------------------


def test_an_event_whose_document_is_gone_is_not_put_back(lanes: Clocked, redis_client: redis.Redis) -> None:
    lanes.happen("evt_1", "a")
    lanes.drain()
    redis_client.delete("jobwire:ev:evt_1")
    assert lanes.again("evt_1") == ["gone"]
    assert lanes.again("evt_never") == ["gone"]
    assert lanes.drain() == []


def test_what_waits_is_not_doubled_however_often_it_is_replayed(lanes: Clocked) -> None:
    lanes.happen("evt_1", "a")
    assert lanes.again("evt_1") == ["waits"]
    claim = lanes.take()
    assert lanes.again("evt_1") == ["waits"], "in hand"
    lanes.retry(claim, 30, "503")
    assert lanes.again("evt_1") == ["waits"], "tried again later"
    lanes.wait(29)
    assert lanes.claim(SINK) is None, "a replay does not defeat a back-off"
    lanes.wait(1)
    assert lanes.drain() == [["evt_1"]]
    assert [lanes.again("evt_1") for _ in range(3)] == [["again"], ["waits"], ["waits"]]
    assert lanes.drain() == [["evt_1"]]


def test_what_is_dead_no_more_is_left_alone_when_the_dead_are_meant(lanes: Clocked) -> None:
    lanes.happen("evt_1", "a", "b")
    lanes.drain()
    assert lanes.again("evt_1", "a", dead=True) == ["alive"]
    lanes.dead(lanes.take(OTHER), "Refused", "410")
    assert lanes.again("evt_1", "b", dead=True) == ["again"]
    assert lanes.again("evt_1", "b", dead=True) == ["waits"]
    assert (lanes.drain(), lanes.drain(OTHER)) == ([], [["evt_1"]])


def test_a_call_whose_answer_was_lost_takes_nothing_twice(
    lanes: Clocked, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes.happen("evt_1", "a")
    lanes.drain()
    calls: list[tuple[str, dict[str, Any]]] = []
    run = lanes._run
    monkeypatch.setattr(
        lanes, "_run", lambda name, arguments: (calls.append((name, arguments)), run(name, arguments))[1]
    )
    assert lanes.again("evt_1") == ["again"]
    monkeypatch.undo()
    assert lanes.drain() == [["evt_1"]]
    [(name, arguments)] = calls
    assert run(name, arguments) == ["again", "d:a"], "the same answer"
    assert lanes.drain() == []
    [lock] = redis_client.keys("jobwire:lock:replay:*")
    assert 0 < int(str(redis_client.ttl(lock))) <= 60


# --- what is ---------------------------------------------------------------------------------------------------------


def test_it_goes_behind_what_waits_under_its_own_id_as_it_was(lanes: Clocked, journal: Journal) -> None:
    lanes.happen("evt_1", "a")
    lanes.drain()
    lanes.happen("evt_2", "a")
    assert lanes.again("evt_1") == ["again"]
    assert journal.deliveries("evt_1")["a"] == {"state": "pending", "due": 1_000_000}
    lanes.done(lanes.take())
    claim = lanes.take()
    assert [item.id for item in claim.items] == ["evt_1"]
    assert json.loads(claim.items[0].body)["type"] == "job.failed"
    assert claim.items[0].detail["due"] == 1_000_000, "its age begins anew"
    lanes.done(claim, "again")
    assert journal.deliveries("evt_1")["a"]["ref"] == "again"
    assert [event["id"] for event in journal.events()] == ["evt_1", "evt_2"], "nothing new has happened"


def test_a_dead_delivery_is_one_item_again_and_dead_no_more(lanes: Clocked, journal: Journal) -> None:
    lanes.happen("evt_1", "a")
    claim = lanes.take()
    lanes.dead(claim, "Refused", "410")
    assert [dead.item for dead in journal.dead()] == ["evt_1"]
    assert lanes.again("evt_1") == ["again"]
    assert list(journal.dead()) == []
    assert not lanes.revive(claim.lane, "evt_1"), "there is nothing left to be revived"
    again = lanes.take()
    assert (again.attempts, [item.id for item in again.items]) == (0, ["evt_1"])
    lanes.dead(again, "Refused", "410")
    assert [dead.item for dead in journal.dead()] == ["evt_1"], "it may die again"


def test_one_that_died_in_a_digest_is_dug_out_of_there(lanes: Clocked, journal: Journal) -> None:
    """The sink was told by digests then, and is told at once today; or the other way round."""
    lanes.happen("evt_1", "people", together=Occasion.DIGEST)
    lanes.dead(lanes.take(PEOPLE), "Refused", "no")
    [dead] = journal.dead()
    assert dead.lane == "d:people|*"
    assert lanes.again("evt_1", "people") == ["again"]
    assert list(journal.dead()) == []
    claim = lanes.take(PEOPLE)
    assert claim.lane == "d:people|main/1"
    lanes.dead(claim, "Refused", "no")
    assert lanes.again("evt_1", "people", together=Occasion.DIGEST, dead=True) == ["again"]
    assert list(journal.dead()) == []
    assert lanes.take(PEOPLE).lane == "d:people|*"


def test_it_is_told_when_and_with_what_it_would_be_today(lanes: Clocked) -> None:
    lanes.happen("evt_1", "people")
    lanes.happen("evt_2", "people")
    assert lanes.drain(PEOPLE) == [["evt_1"], ["evt_2"]]
    for event in ("evt_1", "evt_2"):
        assert lanes.again(event, "people", delay=30.0, together=Occasion.GROUP) == ["again"]
    lanes.wait(29)
    assert lanes.claim(PEOPLE) is None
    lanes.wait(1)
    assert lanes.drain(PEOPLE) == [["evt_1", "evt_2"]]


def test_an_event_that_never_went_to_a_sink_goes_there(lanes: Clocked, journal: Journal) -> None:
    lanes.happen("evt_1")
    assert lanes.again("evt_1", "a", "b") == ["again", "again"]
    assert (lanes.drain(), lanes.drain(OTHER)) == ([["evt_1"]], [["evt_1"]])
    assert {sink: row["state"] for sink, row in journal.deliveries("evt_1").items()} == {
        "a": "delivered",
        "b": "delivered",
    }


def test_a_task_is_sent_for_each_sink_up_to_its_cap(lanes: Clocked) -> None:
    for n in range(4):
        lanes.happen(f"evt_{n}", job=str(n))

    def hired(*events: str, hand: str) -> list[str]:
        rows = [Again(sink, event, "main", event[-1]) for event in events for sink in ("a", "b")]
        return lanes.replay(rows, sinks=SINKS, hand=hand, hold=HOLD)[1]

    assert sorted(hired("evt_0", "evt_1", hand="one")) == ["a", "b"]
    assert hired("evt_0", "evt_1", hand="none: they wait already") == []
    assert sorted(hired("evt_2", hand="two")) == ["a", "b"]
    assert hired("evt_3", hand="none: the cap") == []


def test_nothing_goes_while_it_is_tried_and_nothing_stays_longer_than_that(
    lanes: Clocked, redis_client: redis.Redis
) -> None:
    lanes.happen("evt_1", "a")
    lanes.drain()
    for key in ("jobwire:ev:evt_1", "jobwire:dl:evt_1"):
        redis_client.expire(key, 10)
    lanes.again("evt_1")
    for key in ("jobwire:ev:evt_1", "jobwire:dl:evt_1"):
        assert HOLD - 5 < int(str(redis_client.ttl(key))) <= HOLD
    lanes.happen("evt_2", "a")
    lanes.drain()
    lanes.again("evt_2")
    assert int(str(redis_client.ttl("jobwire:ev:evt_2"))) > HOLD, "it is not cut short either"
    lanes.happen("evt_3")
    lanes.again("evt_3")
    assert 0 < int(str(redis_client.ttl("jobwire:dl:evt_3"))) <= HOLD


def test_a_redis_that_is_away_is_one_error_of_ours() -> None:
    lanes = Lanes(Scripts(connect("redis://127.0.0.1:1", patient=False)))
    with pytest.raises(Unavailable):
        lanes.replay([Again("a", "evt_1", "main", "1")], sinks=SINKS, hand="h", hold=HOLD)


# --- page by page ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "PAGE", 2)


def write(client: redis.Redis, *milliseconds: int) -> None:
    for n in milliseconds:
        fields: Any = {"id": f"evt_{n}", "type": "job.failed", "source": "main", "job": "1"}
        client.xadd(keys.key("journal"), fields, id=f"{n}-0")


def ids(pages: Any) -> list[list[str]]:
    return [[one.id for one in page] for page in pages]


def test_an_empty_journal_has_no_pages(journal: Journal) -> None:
    assert journal.horizon() == Horizon("", 0.0)
    assert list(journal.entries(journal.horizon())) == []
    assert list(journal.dead_pages(journal.horizon())) == []


@pytest.mark.usefixtures("small_pages")
def test_the_journal_comes_in_pages_and_ends_where_it_ended(journal: Journal, redis_client: redis.Redis) -> None:
    write(redis_client, 1000, 1001, 1002)
    horizon, pages = journal.horizon(), []
    for page in journal.entries(horizon):
        pages.append(page)
        write(redis_client, 2000 + len(pages))
    assert ids(pages) == [["evt_1000", "evt_1001"], ["evt_1002"]]
    assert pages[0][0] == Entry("evt_1000", "job.failed", "main", "1", 1.0)


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (1.001, None, [1001, 1002]),
        (None, 1.001, [1000]),
        (1.001, 1.002, [1001]),
        (1.003, None, []),
        (None, 9e9, [1000, 1001, 1002]),
        (None, 1.0, []),
        (-5.0, None, [1000, 1001, 1002]),
        (None, 0.0, []),
    ],
)
def test_since_is_included_and_until_is_not(
    journal: Journal, redis_client: redis.Redis, since: float | None, until: float | None, found: list[int]
) -> None:
    write(redis_client, 1000, 1001, 1002)
    pages = journal.entries(journal.horizon(), since=since, until=until)
    assert [one for page in ids(pages) for one in page] == [f"evt_{n}" for n in found]


def die(client: redis.Redis, *members: tuple[str, float]) -> None:
    for item, at in members:
        why = json.dumps({"reason": "Refused", "detail": "no", "attempts": 1})
        client.hset("jobwire:dead", f"d:a|main/1 {item}", why)
        client.zadd("jobwire:deadz", {f"d:a|main/1 {item}": at})


@pytest.mark.usefixtures("small_pages")
def test_all_that_is_dead_comes_although_it_died_at_one_moment_and_is_revived_meanwhile(
    lanes: Clocked, journal: Journal, redis_client: redis.Redis
) -> None:
    die(redis_client, *((f"evt_{n}", 1000.25) for n in range(7)), *((f"evt_{n}", 1001.0) for n in range(7, 10)))
    found: list[str] = []
    for page in journal.dead_pages(journal.horizon()):
        for dead in page:
            found.append(dead.item)
            if len(found) % 2:
                assert lanes.revive(dead.lane, dead.item)
                die(redis_client, (dead.item, 2000.0))  # and dies again at once
    assert found == [f"evt_{n}" for n in range(10)]


@pytest.mark.usefixtures("small_pages")
def test_the_dead_are_found_by_when_they_died(journal: Journal, redis_client: redis.Redis) -> None:
    die(redis_client, *((f"evt_{n}", n) for n in (1000, 2000, 3000)))

    def found(**times: float) -> list[str]:
        return [dead.item for page in journal.dead_pages(journal.horizon(), **times) for dead in page]

    assert found(since=2.0) == ["evt_2000", "evt_3000"]
    assert found(until=2.0) == ["evt_1000"]
    assert found(since=2.0, until=3.0) == ["evt_2000"]
    assert found(since=4.0) == []


def test_what_is_kept_of_an_event(lanes: Clocked, journal: Journal, redis_client: redis.Redis) -> None:
    lanes.happen("evt_1", "a", "b")
    lanes.drain()
    stored = journal.stored(["evt_1", "evt_2"], ["a", "b", "people"])
    assert [(one.kept, one.states) for one in stored] == [(True, {"a": "delivered", "b": "pending"}), (False, {})]
    assert [one.kept for one in journal.stored(["evt_2", "evt_1"], [])] == [False, True]
    assert [document and document["id"] for document in journal.documents(["evt_2", "evt_1"])] == [None, "evt_1"]
    assert (journal.stored([], ["a"]), journal.documents([])) == ([], [])


def test_a_notification_that_was_put_back_is_no_business_of_a_replay(lanes: Clocked, journal: Journal) -> None:
    """Notifications are revived by `revive`: the two kinds of dead share a list, and not a script."""
    source = Resource("r:main", cap=1)
    lanes.accept(source, [Hint("k", "r:main|1", "e", "", "")], hand="h")
    claim = lanes.take(source)
    lanes.dead(claim, "Forbidden", "403")
    assert lanes.again(claim.items[0].id) == ["gone"]
    assert lanes.revive(claim.lane, claim.items[0].id)
