"""`GET /metrics`: every number moves with what it counts, is there from the start, and is for whoever has the token."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict
from prometheus_client.parser import text_string_to_metric_families
from web.stand_in import StandIn

from processor import __version__
from processor.errors import Busy, Forbidden, Refused, Unreachable
from processor.model import EventType, Ignored, Job, Notification, Request, Secret, State
from processor.pipeline.alarms import alarm
from processor.ports import Http
from processor.queue import new_hand
from processor.store.work import Claim, Hint
from processor.testing.fakes import StandingClock
from processor.web import create_app
from processor.web.metrics import MEASURES
from processor.wiring import App, read_settings
from workers import alarming
from workers.delivering import deliver
from workers.shift import Shift

CONFIG = """
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
rate_limits = ["120/1m", "7200/1h"]
reconcile = 0
[sources.idle]
provider = "bentley"
client_id = "c"
client_secret = "s"
rate_limits = []
[sinks.out]
type = "console"
[sinks.idle]
type = "console"
events = ["job.cancelled"]
"""
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


class Jobs:
    """A provider whose jobs have succeeded, unless `failing` is raised."""

    source = "main"
    failing: Exception | None = None

    def verify(self, request: Request) -> None: ...

    def parse(self, request: Request) -> Notification | Ignored:
        return Ignored("nothing for us") if request.body == b"{}" else Notification("main", "1", "v3", "e", "k")

    def fetch(self, job_id: str, *, api: str, http: Http) -> Any:
        if self.failing:
            raise self.failing
        return job_id

    def translate(self, original: Any, *, api: str) -> Job:
        return Job(provider="hover", source="main", id=original, state=State.SUCCEEDED)


class Far:
    name = "out"
    failing: Exception | None = None

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        if self.failing:
            raise self.failing
        return None

    def close(self) -> None: ...


class Place:
    """An application whose clock stands, its web, and the two far ends."""

    def __init__(self, app: App) -> None:
        self.app, self.jobs, self.far = app, Jobs(), Far()
        app.__dict__["providers"] = {"main": self.jobs}
        app.__dict__["sinks"] = {"out": self.far, "idle": self.far}
        self.clock = StandingClock(NOON)
        app.__dict__["tools"] = replace(app.tools, clock=self.clock)
        self.client = create_app(app, figures=app.figures).test_client()
        self.pass_time(0)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.app.scripts.now = int(self.clock().timestamp() * 1000)

    def told(self, *jobs: int) -> None:
        for n in jobs:
            self.app.inbox.put(Notification("main", str(n), "v3", "e", str(n)))

    def look(self) -> None:
        Shift(self.app).refresh("main", "hand")

    def tell(self) -> None:
        while isinstance(claim := self.app.lanes.claim(self.app.targets["out"]), Claim):
            deliver(self.app, "out", claim)

    def scrape(self) -> dict[tuple[str, ...], float]:
        """(name, the values of its labels as the table has them) -> number."""
        answer = self.client.get("/metrics")
        assert answer.status_code == 200, answer.text
        return {
            (sample.name, *sorted_(sample.labels)): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


def sorted_(labels: Mapping[str, str]) -> list[str]:
    order = ("source", "sink", "kind", "type", "name", "place", "outcome", "reason", "state", "window", "le", "version")
    return [labels[name] for name in order if name in labels]


@pytest.fixture
def place(redis_url: str, tmp_path: Path) -> Place:
    file = tmp_path / "jobwire.toml"
    file.write_text(CONFIG)
    return Place(App(read_settings(str(file), {}), redis_url))


def moved(place: Place, act: Callable[[], Any]) -> dict[tuple[str, ...], float]:
    """What is another number than before, by how much."""
    before = place.scrape()
    act()
    after = place.scrape()
    assert after.keys() >= before.keys()
    return {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key)}


# --- who may read, and when ------------------------------------------------------------------------------------------


def test_without_a_token_only_the_machine_itself_is_answered(place: Place) -> None:
    assert place.client.get("/metrics").status_code == 200
    assert place.client.get("/metrics", environ_base={"REMOTE_ADDR": "10.1.2.3"}).status_code == 403
    assert place.client.get("/metrics", headers={"X-Forwarded-For": "10.1.2.3"}).status_code == 403


def test_with_a_token_it_is_needed(place: Place) -> None:
    server = replace(place.app.settings.server, admin_token=Secret("the-token-of-the-tests"))
    object.__setattr__(place.app.settings, "server", server)
    client = create_app(place.app, figures=place.app.figures).test_client()
    refused = client.get("/metrics")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert client.get("/metrics", headers={"Authorization": "Bearer the-token-of-the-tests"}).status_code == 200


def test_redis_away_is_503(tmp_path: Path) -> None:
    file = tmp_path / "jobwire.toml"
    file.write_text(CONFIG)
    app = App(read_settings(str(file), {}), f"unix://{tmp_path}/nobody.sock", patient=False)
    answer = create_app(StandIn(settings=app.settings), figures=app.figures).test_client().get("/metrics")
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")


def test_whoever_asks_for_openmetrics_gets_it(place: Place) -> None:
    answer = place.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.content_type.startswith("application/openmetrics-text")
    assert {family.name for family in strict(answer.text)} >= {"jobwire_notifications", "jobwire_event_latency_seconds"}


# --- what is there from the start ------------------------------------------------------------------------------------


def test_every_source_and_sink_has_its_series_from_the_start_at_0(place: Place) -> None:
    found = place.scrape()
    at_0 = {key for key, value in found.items() if value == 0}
    for source in ("main", "idle"):
        outcomes = {"accepted", "duplicate", "revived", "ignored", "rejected"}
        assert at_0 >= {("jobwire_notifications_total", source, outcome) for outcome in outcomes}
        assert at_0 >= {("jobwire_refreshes_total", source, outcome) for outcome in ("ok", "retried", "dead")}
        assert ("jobwire_rejections_total", source, "Unverified") in at_0
        assert ("jobwire_alarms", "ops.source_silent", f"sources/{source}") in at_0
    for sink in ("out", "idle"):
        assert at_0 >= {("jobwire_deliveries_total", sink, outcome) for outcome in ("delivered", "retried", "dead")}
        assert at_0 >= {("jobwire_queue_depth", "deliver", sink, state) for state in ("pending", "retrying", "dead")}
        assert ("jobwire_event_latency_seconds_bucket", sink, "+Inf") in at_0
    assert at_0 >= {("jobwire_events_total", str(kind)) for kind in EventType}
    assert found["jobwire_build_info", __version__] == 1


def test_every_metric_has_a_series_and_no_name_but_those_of_the_table(place: Place) -> None:
    place.told(1)  # a source that was never heard of has no time at which it was
    answer = place.client.get("/metrics")
    families = [family for family in text_string_to_metric_families(answer.text) if family.samples]
    found = {(f"{family.name}_total" if family.type == "counter" else family.name): family for family in families}
    assert found.keys() == {measure.name for measure in MEASURES}
    for measure in MEASURES:
        family = found[measure.name]
        assert family.type == measure.kind
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert labels == {frozenset(measure.labels)}


# --- what moves ------------------------------------------------------------------------------------------------------


def test_a_notification_a_duplicate_and_one_that_nobody_acts_on_are_counted(place: Place) -> None:
    change = moved(place, lambda: place.told(1))
    assert change["jobwire_notifications_total", "main", "accepted"] == 1
    assert change["jobwire_queue_depth", "refresh", "main", "pending"] == 1
    assert change["jobwire_lanes", "refresh", "main", "due"] == 1
    assert moved(place, lambda: place.told(1)) == {("jobwire_notifications_total", "main", "duplicate"): 1}

    def ignored() -> None:
        assert place.client.post("/webhooks/main", data=b"{}").status_code == 200
        flush(place)

    assert moved(place, ignored) == {("jobwire_notifications_total", "main", "ignored"): 1}


def flush(place: Place) -> None:
    place.app.inbox._tally.flush()  # type: ignore[attr-defined]  # what its thread does within a second


def test_requests_that_are_turned_away_are_counted_by_reason_and_strangers_share_one_name(place: Place) -> None:
    def turned_away() -> None:
        place.client.post("/webhooks/main", data=b"x" * (place.app.settings.server.max_body + 1))
        place.client.post("/webhooks/nobody", data=b"{}")
        place.client.post("/webhooks/jobwire_x%00", data=b"{}")
        flush(place)

    assert moved(place, turned_away) == {
        ("jobwire_notifications_total", "main", "rejected"): 1,
        ("jobwire_rejections_total", "main", "RequestEntityTooLarge"): 1,
        ("jobwire_notifications_total", "~unknown", "rejected"): 2,
        ("jobwire_rejections_total", "~unknown", "UnknownSource"): 2,
    }


def test_a_look_counts_its_outcome_its_calls_and_what_it_found(place: Place) -> None:
    place.told(1)
    change = moved(place, place.look)
    assert change["jobwire_refreshes_total", "main", "ok"] == 1
    assert change["jobwire_budget_calls_total", "main"] == 1
    assert change["jobwire_budget_left", "main", "60s"] == -1
    assert change["jobwire_budget_left", "main", "3600s"] == -1
    assert change["jobwire_events_total", "job.succeeded"] == 1
    assert change["jobwire_jobs", "main", "succeeded"] == 1
    assert change["jobwire_queue_depth", "deliver", "out", "pending"] == 1
    place.pass_time(61)
    assert moved(place, lambda: place.pass_time(3600))["jobwire_budget_left", "main", "3600s"] == 1


def test_a_look_that_nobody_asked_for_is_paid_for_out_of_our_own_share(place: Place) -> None:
    resource = place.app.sources["main"]
    change = moved(place, lambda: place.app.lanes.spend(resource))
    assert change["jobwire_budget_own_calls_total", "main"] == change["jobwire_budget_calls_total", "main"] == 1


def test_a_look_that_fails_is_tried_again_and_one_that_cannot_succeed_is_dead(place: Place) -> None:
    place.told(1)
    place.jobs.failing = Busy("503")
    change = moved(place, place.look)
    assert change["jobwire_refreshes_total", "main", "retried"] == 1
    assert change["jobwire_queue_depth", "refresh", "main", "retrying"] == 1
    assert change["jobwire_lanes", "refresh", "main", "later"] == 1
    place.jobs.failing = Forbidden("403")
    place.pass_time(10)
    change = moved(place, place.look)
    assert change["jobwire_refreshes_total", "main", "dead"] == 1
    assert change["jobwire_dead", "notification"] == change["jobwire_queue_depth", "refresh", "main", "dead"] == 1
    assert moved(place, lambda: place.told(1))["jobwire_notifications_total", "main", "revived"] == 1


def test_a_delivery_counts_its_outcome_and_how_long_it_all_took(place: Place) -> None:
    place.told(1)
    place.look()
    place.pass_time(2)
    change = moved(place, place.tell)
    assert change["jobwire_deliveries_total", "out", "delivered"] == 1
    assert change["jobwire_event_latency_seconds_sum", "out"] == 2
    assert change["jobwire_event_latency_seconds_count", "out"] == 1
    slower = [key[2] for key in change if key[0] == "jobwire_event_latency_seconds_bucket"]
    assert slower == ["2.5", "5", "10", "30", "60", "300", "900", "3600", "+Inf"]


def test_a_delivery_that_fails_or_is_refused_is_counted_and_so_is_its_replay(place: Place) -> None:
    place.told(1)
    place.look()
    place.far.failing = Unreachable("refused")
    assert moved(place, place.tell)["jobwire_deliveries_total", "out", "retried"] == 1
    place.pass_time(5)
    assert place.scrape()["jobwire_failing_seconds", "deliver", "out"] == 5
    place.far.failing = Refused("no")
    change = moved(place, place.tell)
    assert change["jobwire_deliveries_total", "out", "dead"] == change["jobwire_dead", "delivery"] == 1
    [dead] = place.app.journal.dead()
    place.app.lanes.revive(dead.lane, dead.item)
    assert place.scrape()["jobwire_dead", "delivery"] == 0


def test_what_is_dead_counts_though_its_sink_is_gone(place: Place, tmp_path: Path, redis_url: str) -> None:
    place.told(1)
    place.look()
    place.far.failing = Refused("no")
    place.tell()
    file = tmp_path / "other.toml"
    file.write_text(CONFIG.replace("[sinks.out]", "[sinks.other]"))
    assert Place(App(read_settings(str(file), {}), redis_url)).scrape()["jobwire_dead", "delivery"] == 1


def test_ages_are_those_of_what_waits_longest_and_of_what_nobody_takes(place: Place) -> None:
    place.told(1)
    place.pass_time(30)
    place.told(2)
    found = place.scrape()
    assert found["jobwire_queue_oldest_seconds", "refresh", "main"] == 30
    assert found["jobwire_queue_overdue_seconds", "refresh", "main"] == 30
    assert found["jobwire_queue_oldest_seconds", "deliver", "out"] == 0
    claim = place.app.lanes.claim(place.app.sources["main"])
    found = place.scrape()
    assert isinstance(claim, Claim)
    assert found["jobwire_queue_overdue_seconds", "refresh", "main"] == 0, "one is in hand, the other came just now"
    assert found["jobwire_lanes", "refresh", "main", "in_hand"] == 1
    place.app.lanes.pause(place.app.sources["main"], 40)
    assert place.scrape()["jobwire_paused_seconds", "refresh", "main"] == 40


def test_alarms_that_stand_are_counted_by_type_and_place(place: Place) -> None:
    stuck, key = EventType.OPS_JOB_STUCK, ("jobwire_alarms", "ops.job_stuck", "sources/main")
    for job in ("1", "2"):
        alarming.begin(place.app, stuck, "sources/main", detail="d", thing=job)
        alarming.begin(place.app, stuck, "sources/main", detail="d", thing=job)
    assert place.scrape()[key] == 2
    alarming.end(place.app, stuck, "sources/main", thing="1")
    assert place.scrape()[key] == 1
    alarming.end(place.app, stuck, "sources/main", thing="2")
    assert place.scrape()[key] == 0


def test_drift_workers_and_the_time_of_the_last_webhook_are_told(place: Place) -> None:
    assert moved(place, lambda: place.app.drift.note("main", ["state x"])) == {("jobwire_drift_total", "main"): 1}
    place.app.scripts.now = int(time.time() * 1000)  # workers are seen by the clocks of their machines
    assert moved(place, lambda: place.app.journal.seen("w"))["jobwire_workers",] == 1
    place.pass_time(0)
    place.told(1)
    assert place.scrape()["jobwire_heard_timestamp_seconds", "main"] == NOON.timestamp()


def test_what_was_told_as_repaired_is_counted_job_by_job(place: Place) -> None:
    now = place.clock()
    event = alarm(EventType.OPS_REPAIRED, "sources/main", state="raised", since=now, now=now, count=2, detail="d")
    change = moved(place, lambda: alarming.tell(place.app, event, told=["main/1", "main/2"], of="main"))
    assert change["jobwire_repaired_total", "main"] == 2
    assert alarming.tell(place.app, event, told=["main/1"], of="main") is False
    assert place.scrape()["jobwire_repaired_total", "main"] == 2


def test_what_a_list_found_counts_as_a_notification_and_hears_nobody(place: Place) -> None:
    hint = Hint("seen", "r:main|1", "reconciliation", "v3", "")
    change = moved(place, lambda: place.app.lanes.accept(place.app.sources["main"], [hint], hand=new_hand()))
    assert change["jobwire_notifications_total", "main", "accepted"] == 1
    assert not [key for key in change if key[0] == "jobwire_heard_timestamp_seconds"]


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_a_scrape_takes_no_longer_with_100_000_items(place: Place, redis_client: redis.Redis) -> None:
    """50 ms on a machine that has nothing else to do; here it is only kept from growing with what waits."""
    place.told(1)
    for name in ("st:r:main|pending", "st:d:out|dead", "due:r:main", "deadz", "jobs:main|processing"):
        fill = "for n = 1, 100000 do redis.call('ZADD', KEYS[1], n, 'item' .. n) end"
        redis_client.eval(fill, 1, f"jobwire:{name}")
    redis_client.sadd("jobwire:index", "st:d:out|dead")
    took = []
    for _ in range(10):
        began = time.monotonic()
        found = place.scrape()
        took.append(time.monotonic() - began)
    assert found["jobwire_dead", "delivery"] == 100_000
    assert min(took) < 0.2
