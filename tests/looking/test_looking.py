"""Where is a job, what was told to whom, and why not: asked of real lanes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from looking.life import HOUSE, Life, life

from processor.errors import Busy, Malformed, NotYet, Refused, Usage
from processor.looking import DeliveryFilter, Doing, EventFilter, JobFilter, Looking, NotificationFilter
from processor.model import State
from processor.store import keys
from processor.store.index import sweep


@pytest.fixture
def world(redis_url: str, tmp_path: Path) -> Life:
    return life(redis_url, tmp_path)


@pytest.fixture
def looking(world: Life) -> Looking:
    return Looking(world.app)


def only(*types: str) -> Any:
    """Trouble for the sink `out` with events of these types: they are refused."""
    return lambda sink, event: Refused("no such field") if sink == "out" and event["type"] in types else None


# --- nothing, and nonsense -------------------------------------------------------------------------------------------


def test_of_what_is_not_there_nothing_is_said(looking: Looking) -> None:
    assert looking.events(EventFilter()).items == ()
    assert looking.jobs(JobFilter(text="nobody")).items == ()
    assert looking.deliveries(DeliveryFilter(job="1")).items == ()
    assert looking.notifications(NotificationFilter(state="dead")).items == ()
    assert looking.job("main", "1") is None
    assert looking.event("evt_1") is None
    assert looking.delivery("evt_1:out") is None
    assert looking.notification("ntf_1") is None
    assert looking.search("   ") == []
    assert looking.search("evt_1") == []


@pytest.mark.parametrize("cursor", ["x", "ä", "MSBh", "bmFuIGEgYg", "aW5mIGEgYg", "%00", "=" * 9, "A" * 5000])
def test_a_cursor_that_is_none_is_told(looking: Looking, cursor: str) -> None:
    with pytest.raises(Malformed, match="cursor"):
        looking.events(EventFilter(), cursor=cursor)


def test_ids_with_anything_in_them_are_ids(world: Life, looking: Looking) -> None:
    for job_id in ("../../etc", "a|b", "x\0y", "*", "é 1"):
        world.show(job_id, State.FAILED)
    world.work()
    assert {row.id for row in looking.jobs(JobFilter()).items} == {"../../etc", "a|b", "x\0y", "*", "é 1"}
    for row in looking.jobs(JobFilter()).items:
        story = looking.job(row.source, row.id)
        assert story is not None
        assert [moment.kind for moment in story.timeline][:2] == ["received", "fetched"]


# --- lists -----------------------------------------------------------------------------------------------------------


def test_pages_follow_each_other_without_a_gap_or_a_repeat(world: Life, looking: Looking) -> None:
    for n in range(45):
        world.show(str(n), State.FAILED)
    world.work()
    for ask, chosen in (
        (looking.events, EventFilter()),
        (looking.events, EventFilter(type="model.*")),
        (looking.jobs, JobFilter(state="failed")),
        (looking.deliveries, DeliveryFilter(sink="out")),
        (looking.deliveries, DeliveryFilter()),
        (looking.notifications, NotificationFilter()),
    ):
        whole = ask(chosen, limit=500).items  # type: ignore[operator]
        found: list[Any] = []
        cursor = None
        while True:
            page = ask(chosen, limit=7, cursor=cursor)  # type: ignore[operator]
            found += page.items
            if page.next is None:
                break
            cursor = page.next
        assert found == list(whole)
        assert len(found) >= 45


def test_events_are_found_by_what_they_are_about_and_by_what_became_of_them(world: Life, looking: Looking) -> None:
    world.trouble = only("job.failed")
    world.show("1", State.FAILED, why="Lack of exterior shots")
    world.show("2", State.SUCCEEDED)
    world.show("3", State.SUCCEEDED, source="second")
    world.work()

    def types(**chosen: Any) -> list[str]:
        return [event["type"] for event in looking.events(EventFilter(**chosen)).items]

    assert sorted(types()) == sorted(["model.failed", "job.failed"] + ["model.succeeded", "job.succeeded"] * 2)
    assert types(job="1") == ["job.failed", "model.failed"], "newest first"
    assert types(job="1", source="second") == []
    assert types(type="*.failed") == ["job.failed", "model.failed"]
    assert types(source="second", type="job.*") == ["job.succeeded"]
    assert types(outcome="dead") == ["job.failed"]
    assert set(types(sink="failures")) == {"job.failed", "model.failed"}
    assert types(sink="out", outcome="delivered", job="1") == ["model.failed"]
    delivered = types(sink="out", outcome="delivered", source="main")
    assert sorted(delivered) == ["job.succeeded", "model.failed", "model.succeeded"]
    assert types(since=4e9) == []
    assert types(until=1.0) == []


def test_jobs_are_found_by_the_beginnings_of_words(world: Life, looking: Looking) -> None:
    world.show("15084303", State.PROCESSING, **HOUSE)
    world.show("2", State.PROCESSING, name="Rosewood")
    world.work()

    def found(text: str) -> list[str]:
        return sorted(row.id for row in looking.jobs(JobFilter(text=text)).items)

    assert found("rose") == ["15084303", "2"]
    assert found("ROSE street") == ["15084303"]
    assert found("po-2024/17") == ["15084303"]
    assert found("2024") == ["15084303"]
    assert found("ann@example.com") == ["15084303"]
    assert found("150843") == ["15084303"]
    assert found("rosé") == []
    world.show("15084303", State.SUCCEEDED, name="Smith residence")
    world.work(after=2)
    assert found("miller") == [], "what it is not called any more"
    assert found("smith") == ["15084303"]
    row = looking.jobs(JobFilter(state="succeeded")).items[0]
    assert (row.name, row.state, row.address) == ("Smith residence", "succeeded", None)
    assert looking.jobs(JobFilter(text="smith", state="processing")).items == ()


def test_a_word_that_a_thousand_jobs_have_narrows_one_that_few_have(world: Life, looking: Looking) -> None:
    for n in range(600):
        world.show(str(n), State.PROCESSING, name=f"house {'blue' if n == 599 else 'red'}")
    while looking.notifications(NotificationFilter(state="pending"), limit=1).items:
        world.work()
    assert [row.id for row in looking.jobs(JobFilter(text="blue house")).items] == ["599"]
    assert len(looking.jobs(JobFilter(text="house"), limit=500).items) >= 500


def test_deliveries_and_notifications_are_listed_as_they_stand(world: Life, looking: Looking) -> None:
    world.trouble = lambda sink, event: Busy("503") if sink == "out" else None
    first = world.show("1", State.FAILED)
    world.work()
    waiting = looking.deliveries(DeliveryFilter(sink="out"))
    assert [(row.state, row.attempts, row.last_error) for row in waiting.items] == [
        ("retrying", 1, "503"),
        ("pending", 0, None),
    ]
    assert all(row.next_at for row in waiting.items)
    assert [row.type for row in looking.deliveries(DeliveryFilter(state="retrying")).items] == ["model.failed"]
    assert {row.state for row in looking.deliveries(DeliveryFilter(sink="failures")).items} == {"delivered"}
    (done,) = looking.notifications(NotificationFilter()).items
    assert (done.id, done.state, done.job_id, done.event) == (first, "done", "1", "job-state-changed-v2")
    second = world.show("2", State.FAILED)
    (pending,) = looking.notifications(NotificationFilter(state="pending")).items
    assert (pending.id, pending.state, pending.attempts) == (second, "pending", 0)
    assert looking.notifications(NotificationFilter(job="2")).items == (pending,)
    assert looking.notifications(NotificationFilter(job="2", source="second")).items == ()


def test_a_notification_that_came_again_is_one_and_says_so(world: Life, looking: Looking) -> None:
    world.show("1", State.FAILED)
    world._told -= 1
    world.show("1", State.FAILED)
    (row,) = looking.notifications(NotificationFilter()).items
    assert row.duplicates == 1


def test_what_cannot_be_fetched_is_told_with_every_attempt(world: Life, looking: Looking) -> None:
    def absent(job: str) -> None:
        raise NotYet("the provider knows no such job")

    world.fetching = absent
    told = world.show("9", State.FAILED)
    world.work()
    found = looking.notification(told)
    assert found is not None
    row, attempts = found
    assert (row.state, row.attempts, row.last_error) == ("retrying", 1, "the provider knows no such job")
    assert [(one.ok, one.said) for one in attempts] == [(False, "the provider knows no such job")]
    story = looking.job("main", "9")
    assert story is not None
    assert [moment.kind for moment in story.timeline] == ["received", "not_fetched", "waits"]
    assert story.snapshot is None


# --- a job's story ---------------------------------------------------------------------------------------------------


def test_a_job_tells_its_story_from_the_first_webhook_to_who_was_told_and_who_was_not(
    world: Life, looking: Looking
) -> None:
    world.trouble = only("job.failed")
    told = world.show("15084303", State.FAILED, why="Lack of exterior shots", **HOUSE)
    world.work()
    story = looking.job("main", "15084303")
    assert story is not None
    assert story.snapshot is not None
    assert story.snapshot["external_id"] == "PO-2024/17"
    assert [(m.kind, m.sink, m.type) for m in story.timeline if m.kind not in ("told", "not_told", "dead")] == [
        ("received", None, None),
        ("fetched", None, None),
        ("found", None, "model.failed"),
        ("found", None, "job.failed"),
    ]
    received, fetched, *_ = story.timeline
    assert received.notification_id == told
    assert "job-state-changed-v2" in received.text
    assert (fetched.state, fetched.ms is not None) == ("failed", True)
    ends = sorted((m.kind, m.sink, m.type) for m in story.timeline if m.kind in ("told", "not_told", "dead"))
    assert ends == [
        ("dead", "out", "job.failed"),
        ("not_told", "out", "job.failed"),
        ("told", "failures", "job.failed"),
        ("told", "failures", "model.failed"),
        ("told", "out", "model.failed"),
    ]
    (dead,) = [m for m in story.timeline if m.kind == "dead"]
    assert dead.said == "no such field"
    assert "Lack of exterior shots" in " ".join(m.text for m in story.timeline)
    assert list(story.timeline) == sorted(story.timeline, key=lambda m: m.at), "oldest first"


def test_a_look_that_nobody_asked_for_and_that_showed_nothing_is_not_worth_a_line(
    world: Life, looking: Looking
) -> None:
    world.show("1", State.PROCESSING)
    world.work()
    before = looking.job("main", "1")
    client: Any = world.app.scripts.client
    client.zadd(keys.key("poll", "r:main"), {keys.refresh_lane("main", "1"): 1})
    client.delete(keys.key("due", "r:main"))
    world.work()
    after = looking.job("main", "1")
    assert before is not None
    assert after is not None
    assert len(after.timeline) == len(before.timeline)
    assert after.next_look is not None


# --- why, and what stands --------------------------------------------------------------------------------------------


def test_each_sink_says_why_it_is_told_or_not(world: Life, looking: Looking) -> None:
    world.show("1", State.SUCCEEDED)
    world.work()
    (event,) = looking.events(EventFilter(type="job.succeeded")).items
    verdicts = {one.sink: one for one in looking.explain(event)}
    assert (verdicts["out"].wanted, verdicts["out"].state) == (True, "delivered")
    assert (verdicts["failures"].wanted, verdicts["failures"].state) == (False, None)
    assert "matches none" in verdicts["failures"].reason


def test_whatever_a_person_has_in_hand_leads_to_its_page(world: Life, looking: Looking) -> None:
    told = world.show("15084303", State.FAILED, **HOUSE)
    world.work()
    (event, *_) = looking.events(EventFilter()).items

    def first(text: str) -> tuple[str, str]:
        hit = looking.search(text)[0]
        return hit.kind, hit.path

    job = ("job", "/jobs/main/15084303")
    for text in ("15084303", "main/15084303", "PO-2024/17", "miller", " 12 rose street boise "):
        assert first(text) == job
    assert first(event["id"]) == ("event", f"/events/{event['id']}")
    assert first(f"{event['id']}:out")[0] == "delivery"
    assert first(told) == ("notification", "/jobs/main/15084303")


def test_the_overview_counts_what_runs_what_failed_and_what_waits(world: Life, looking: Looking) -> None:
    world.trouble = lambda sink, event: Busy("503") if sink == "out" else None
    world.show("1", State.FAILED, **HOUSE)
    world.show("2", State.PROCESSING)
    world.show("3", State.SUCCEEDED, source="second")
    world.work()
    seen = looking.overview()
    assert {state: count for state, count in seen.jobs.items() if count} == {
        "failed": 1,
        "processing": 1,
        "succeeded": 1,
    }
    assert [row.id for row in seen.failed_today] == ["1"]
    assert seen.failed_today_count == 1
    main, second = seen.sources
    assert (main.running, main.waiting, main.heard_at is not None) == (1, 0, True)
    assert second.running == 0
    sinks = {sink.name: sink for sink in seen.sinks}
    assert sinks["out"].waiting > 0
    assert sinks["out"].retrying > 0
    assert not sinks["out"].ok
    assert sinks["failures"].ok
    assert sinks["failures"].delivered == 2


# --- doing -----------------------------------------------------------------------------------------------------------


def test_what_is_dead_is_made_again_singly_and_all_at_once(world: Life, looking: Looking) -> None:
    doing = Doing(world.app)
    world.trouble = only("job.failed", "model.failed", "job.succeeded")
    for n in range(3):
        world.show(str(n), State.FAILED)
    world.show("9", State.SUCCEEDED)
    world.work()
    assert doing.count_dead(DeliveryFilter()) == 7
    assert doing.count_dead(DeliveryFilter(type="job.*", source="main")) == 4
    assert doing.count_dead(DeliveryFilter(sink="failures")) == 0
    (one, *_) = looking.deliveries(DeliveryFilter(state="dead", job="9")).items
    world.trouble = lambda sink, event: None
    assert doing.retry_delivery(one.id) == "again"
    assert doing.retry_delivery(one.id) == "waits"
    assert doing.retry_dead(DeliveryFilter(type="model.*")) == 3
    world.work()
    assert {row.type for row in looking.deliveries(DeliveryFilter(state="dead")).items} == {"job.failed"}
    found = looking.delivery(one.id)
    assert found is not None
    assert found[0].state == "delivered"
    assert doing.retry_delivery("evt_1:out") is None
    assert doing.retry_delivery("nonsense") is None


def test_a_delivery_of_a_sink_that_is_gone_cannot_be_made_again(world: Life, redis_url: str, tmp_path: Path) -> None:
    world.show("1", State.FAILED)
    world.work()
    (event, *_) = Looking(world.app).events(EventFilter()).items
    client: Any = world.app.scripts.client
    client.hset(keys.key("dl", event["id"]), "d:old", '{"state":"dead","at":1}')
    with pytest.raises(Usage, match="old is not configured"):
        Doing(world.app).retry_delivery(f"{event['id']}:old")
    assert [one.reason for one in Looking(world.app).explain(event) if one.sink == "old"] == [
        "this sink is not configured any more"
    ]


def test_an_event_goes_again_wherever_it_is_routed_today(world: Life, looking: Looking) -> None:
    got: list[str] = []

    def note(sink: str, event: Mapping[str, Any]) -> None:
        got.append(f"{sink} {event['id']}")

    world.trouble = note
    world.show("1", State.SUCCEEDED)
    world.work()
    (event,) = looking.events(EventFilter(type="job.succeeded")).items
    assert Doing(world.app).replay_event(event["id"]) == {"out": "again", "failures": "unwanted"}
    world.work()
    assert got.count(f"out {event['id']}") == 2
    assert Doing(world.app).replay_event("evt_1") is None


def test_a_dead_notification_is_looked_into_again(world: Life, looking: Looking) -> None:
    def refused(job: str) -> None:
        raise Refused("there is nothing")

    world.fetching = refused
    told = world.show("1", State.FAILED)
    world.work()
    assert [row.id for row in looking.notifications(NotificationFilter(state="dead")).items] == [told]
    world.fetching = lambda job: None
    assert Doing(world.app).retry_notification(told) == "again"
    assert Doing(world.app).retry_notification(told) == "waits"
    world.work(after=2)
    assert Doing(world.app).retry_notification(told) == "done"
    assert Doing(world.app).retry_notification("ntf_1") is None


# --- retention -------------------------------------------------------------------------------------------------------


def test_a_job_is_listed_and_found_as_long_as_its_document_is_kept(world: Life, looking: Looking) -> None:
    world.show("1", State.SUCCEEDED, **HOUSE)
    world.show("2", State.PROCESSING, name="Miller barn")
    world.work()
    client: Any = world.app.scripts.client
    sweep(world.app.scripts, client, older_than=0)
    assert {row.id for row in looking.jobs(JobFilter(text="miller")).items} == {"1", "2"}
    client.delete(keys.key("doc", "main/1"))
    client.zadd(keys.key("jobs", "main|succeeded"), {"main/1": 1000})  # long ago
    sweep(world.app.scripts, client, older_than=60)
    assert [row.id for row in looking.jobs(JobFilter(text="miller")).items] == ["2"]
    assert not client.zrangebylex(keys.key("words"), "[rose", "[rose\xff")
    assert client.hlen(keys.key("cards")) == 1
