"""The alarms of `[alarms]`: each rises once, ends once, and survives restarts and changes of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from processor.errors import Refused, Unreachable, Unverified
from processor.model import EventType, Ignored, Job, Notification, Request, State
from processor.ports import Http
from processor.store.registrations import Broken
from processor.store.work import Claim
from processor.testing.fakes import StandingClock
from processor.web import create_app
from processor.wiring import App, read_settings
from workers import alarming, watching
from workers.delivering import deliver
from workers.scheduler import DUTIES
from workers.shift import Shift

SOURCE = """
[sources.{name}]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
rate_limits = []
reconcile = 0
"""
SINK = '[sinks.{name}]\ntype = "console"\n'
TOLD = '[sinks.told]\ntype = "console"\nevents = ["ops.*"]\n'
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINUTE, HOUR = 60.0, 3600.0
Duty = Callable[[App], None]


class Jobs:
    """A provider all of whose jobs are in the same state; it takes requests that say "genuine"."""

    source = "main"
    state = State.PROCESSING
    name: str | None = "Main House"

    def verify(self, request: Request) -> None:
        if request.body != b"genuine":
            raise Unverified("no")

    def parse(self, request: Request) -> Notification | Ignored:
        return Ignored("nothing for us")

    def fetch(self, job_id: str, *, api: str, http: Http) -> Any:
        return job_id

    def translate(self, original: Any, *, api: str) -> Job:
        return Job(provider="hover", source="main", id=original, state=self.state, name=self.name)


class Far:
    failing: Exception | None = None

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        if self.failing:
            raise self.failing
        return None

    def close(self) -> None: ...


class Watch:
    """A scheduler that can be started again with another configuration; one clock for everybody, which stands."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self._file, self._redis_url = folder / "jobwire.toml", redis_url
        self.clock, self.jobs, self.far = StandingClock(NOON), Jobs(), Far()

    def start(self, alarms: str, *, sources: tuple[str, ...] = ("main",), sinks: tuple[str, ...] = ("out",)) -> App:
        places = [SOURCE.format(name=name) for name in sources] + [SINK.format(name=name) for name in sinks]
        self._file.write_text(f"[alarms]\n{alarms}\n{''.join(places)}{TOLD}")
        self.app = App(read_settings(str(self._file), {}), self._redis_url)
        self.app.__dict__["providers"] = dict.fromkeys(sources, self.jobs)
        self.app.__dict__["sinks"] = dict.fromkeys([*sinks, "told"], self.far)
        self.app.__dict__["tools"] = replace(self.app.tools, clock=self.clock)
        self.pass_time(0)
        return self.app

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.app.scripts.now = int(self.clock().timestamp() * 1000)

    def look(self) -> list[tuple[str, str, Any]]:
        """What the duties told: type, state, detail. They are done twice: the second time has nothing to tell."""
        before = {event["id"] for event in self.events()}
        for _ in range(2):
            for duty in DUTIES:
                if duty.do.__module__ == watching.__name__:
                    duty.do(self.app)
        told = [event for event in self.events() if event["id"] not in before]
        return [(e["type"], e["data"]["ops"]["state"], e["data"]["ops"]["detail"]) for e in told]

    def events(self) -> list[Any]:
        return [event for event in self.app.journal.events() if event["type"].startswith("ops.")]

    def webhook(self, body: bytes = b"genuine", times: int = 1) -> None:
        client = create_app(self.app).test_client()
        for _ in range(times):
            client.post("/webhooks/main", data=body)
        self.app.inbox._tally.flush()  # type: ignore[attr-defined]  # what its thread does within a second

    def see(self, *jobs: str) -> None:
        """The jobs are looked at."""
        for job in jobs:
            at = self.clock().isoformat()
            self.app.inbox.put(Notification("main", job, "v3", "e", f"{job} {at}"))
        Shift(self.app).refresh("main", "hand")

    def tell(self) -> None:
        while isinstance(claim := self.app.lanes.claim(self.app.targets["out"]), Claim):
            deliver(self.app, "out", claim)


@pytest.fixture
def watch(tmp_path: Path, redis_url: str) -> Watch:
    return Watch(tmp_path, redis_url)


def test_each_of_them_is_a_duty_of_the_scheduler() -> None:
    mine = {duty.do for duty in DUTIES if duty.do.__module__ == watching.__name__}
    assert mine == {watching.silence, watching.rejections, watching.stuck, watching.failing, watching.forgotten}


def test_without_alarms_nothing_is_watched(watch: Watch) -> None:
    watch.start("")
    watch.see("1")
    watch.webhook(b"forged", times=30)
    watch.pass_time(100 * HOUR)
    assert watch.look() == []
    assert watch.app.watched.marks() == {}


# --- source_silent ---------------------------------------------------------------------------------------------------

SILENT = 'source_silent = "24h"'


def test_a_source_that_falls_silent_is_told_once_and_once_more_when_it_is_heard(watch: Watch) -> None:
    watch.start(SILENT)
    watch.see("1")
    watch.pass_time(24 * HOUR - 1)
    assert watch.look() == []
    watch.pass_time(1)
    assert watch.look() == [("ops.source_silent", "raised", "the last notification came 24 hours ago")]
    watch.pass_time(HOUR)
    assert watch.look() == []
    watch.see("1")
    watch.pass_time(5)
    assert watch.look() == [("ops.source_silent", "over", "the last notification came 5 seconds ago")]
    raised, over = (event["data"]["ops"] for event in watch.events())
    assert raised["since"] == over["since"] == "2026-07-01T12:00:00Z"
    assert over["until"] == "2026-07-02T13:00:05Z"


def test_one_that_was_never_heard_counts_from_when_it_is_watched(watch: Watch) -> None:
    watch.start(SILENT)
    assert watch.look() == []
    watch.pass_time(25 * HOUR)
    assert watch.look() == [("ops.source_silent", "raised", "no notification has come in 25 hours")]


def test_what_asks_for_nothing_is_a_sign_of_life_and_what_is_forged_is_none(watch: Watch) -> None:
    watch.start(SILENT)
    watch.look()
    watch.pass_time(23 * HOUR)
    watch.webhook(b"forged")
    watch.pass_time(HOUR)
    assert [state for _, state, _ in watch.look()] == ["raised"]
    watch.webhook(b"genuine")
    assert [state for _, state, _ in watch.look()] == ["over"]


def test_a_restart_raises_nothing_again_and_forgets_nothing(watch: Watch) -> None:
    watch.start(SILENT)
    watch.look()
    watch.pass_time(20 * HOUR)
    watch.start(SILENT)
    watch.look()
    watch.pass_time(4 * HOUR)
    assert [state for _, state, _ in watch.look()] == ["raised"]
    watch.start(SILENT)
    assert watch.look() == []


# --- rejections ------------------------------------------------------------------------------------------------------

REJECTIONS = 'rejections = "20/5m"'


def test_many_wrong_signatures_within_the_window_are_told_once_and_once_more_when_they_are_over(watch: Watch) -> None:
    watch.start(REJECTIONS)
    watch.webhook(b"forged", times=19)
    assert watch.look() == []
    watch.pass_time(MINUTE)
    watch.webhook(b"forged")
    assert watch.look() == [("ops.rejections", "raised", "20 in 5 minutes")]
    watch.pass_time(MINUTE)
    watch.webhook(b"forged", times=44)
    assert watch.look() == []
    watch.pass_time(6 * MINUTE)
    assert watch.look() == [("ops.rejections", "over", "64 in all")]
    assert [event["data"]["ops"]["count"] for event in watch.events()] == [20, 64]
    watch.webhook(b"forged", times=20)
    assert watch.look() == [("ops.rejections", "raised", "20 in 5 minutes")], "and it may begin again"


def test_as_many_in_a_longer_time_are_none(watch: Watch) -> None:
    watch.start(REJECTIONS)
    for _ in range(20):
        watch.webhook(b"forged", times=3)
        watch.pass_time(MINUTE)
    assert watch.look() == []


def test_what_is_turned_away_for_another_reason_is_none(watch: Watch) -> None:
    watch.start(REJECTIONS)
    client = create_app(watch.app).test_client()
    for _ in range(25):
        client.post("/webhooks/nobody", data=b"forged")
        client.post("/webhooks/main", data=b"x" * (watch.app.settings.server.max_body + 1))
    watch.app.inbox._tally.flush()  # type: ignore[attr-defined]
    assert watch.look() == []


# --- job_stuck -------------------------------------------------------------------------------------------------------

STUCK = 'job_stuck = "48h"'


def test_a_job_too_long_in_one_running_state_is_told_once_and_once_more_when_it_moves(watch: Watch) -> None:
    watch.start(STUCK)
    watch.see("15084303")
    watch.pass_time(48 * HOUR)
    assert watch.look() == []
    watch.pass_time(1)
    said = "Main House (15084303) has been processing since 2026-07-01T12:00:00Z"
    assert watch.look() == [("ops.job_stuck", "raised", said)]
    watch.see("15084303")  # it is still processing
    watch.pass_time(HOUR)
    assert watch.look() == []
    watch.jobs.state = State.SUCCEEDED
    watch.see("15084303")
    assert watch.look() == [("ops.job_stuck", "over", "Main House (15084303) is succeeded now")]
    assert [event["data"]["ops"]["since"] for event in watch.events()] == ["2026-07-01T12:00:00Z"] * 2


def test_each_stuck_job_has_an_alarm_of_its_own(watch: Watch) -> None:
    watch.start(STUCK)
    watch.jobs.name = None
    watch.see("1")
    watch.pass_time(HOUR)
    watch.see("2", "a b/c%")  # an id is no more than an id
    watch.pass_time(47 * HOUR)
    assert watch.look() == []
    watch.pass_time(1)
    assert [detail.partition(" has")[0] for _, _, detail in watch.look()] == ["1"]
    watch.pass_time(HOUR)
    assert {detail.partition(" has")[0] for _, _, detail in watch.look()} == {"2", "a b/c%"}
    watch.jobs.state = State.CANCELLED
    watch.see("2", "a b/c%")
    assert {(state, detail) for _, state, detail in watch.look()} == {
        ("over", "2 is cancelled now"),
        ("over", "a b/c% is cancelled now"),
    }


def test_a_job_that_moves_between_running_states_begins_anew(watch: Watch) -> None:
    watch.jobs.state = State.WAITING
    watch.start(STUCK)
    watch.see("1")
    watch.pass_time(49 * HOUR)
    assert [state for _, state, _ in watch.look()] == ["raised"]
    watch.jobs.state = State.PROCESSING
    watch.see("1")
    assert watch.look() == [("ops.job_stuck", "over", "Main House (1) is processing now")]
    watch.pass_time(49 * HOUR)
    said = "Main House (1) has been processing since 2026-07-03T13:00:00Z"
    assert watch.look() == [("ops.job_stuck", "raised", said)]


@pytest.mark.parametrize("state", [State.CREATED, State.SUCCEEDED, State.FAILED])
def test_a_job_that_does_not_run_is_never_stuck(watch: Watch, state: State) -> None:
    watch.jobs.state = state
    watch.start(STUCK)
    watch.see("1")
    watch.pass_time(100 * HOUR)
    assert watch.look() == []


def test_many_are_told_in_turns_so_that_none_takes_long(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "AT_ONCE", 2)
    watch.start(STUCK)
    watch.see(*(str(n) for n in range(5)))
    watch.pass_time(49 * HOUR)
    assert len(watch.look()) == 4  # two turns
    assert len(watch.look()) == 1


# --- sink_failing ----------------------------------------------------------------------------------------------------

FAILING = 'sink_failing = "10m"'


def fail(watch: Watch, minutes: int) -> None:
    """Every minute the sink is told, and is down."""
    watch.far.failing = Unreachable("connection refused")
    for _ in range(minutes):
        watch.tell()
        watch.pass_time(MINUTE)


def test_a_sink_that_takes_nothing_is_told_once_and_once_more_when_it_takes_something(watch: Watch) -> None:
    watch.start(FAILING)
    watch.see(*(str(n) for n in range(20)))
    fail(watch, 9)
    assert watch.look() == []
    fail(watch, 1)
    [(kind, state, detail)] = watch.look()
    assert (kind, state) == ("ops.sink_failing", "raised")
    assert detail.endswith(" failures in a row: connection refused")
    fail(watch, 5)
    assert watch.look() == []
    watch.far.failing = None
    watch.tell()
    assert [(kind, state) for kind, state, _ in watch.look()] == [("ops.sink_failing", "over")]
    raised, over = watch.events()
    assert raised["source"] == over["source"] == "/sinks/out"
    assert raised["data"]["ops"]["since"] == "2026-07-01T12:00:00Z"
    assert raised["data"]["ops"]["count"] >= 10


def test_a_sink_that_takes_some_is_not_failing(watch: Watch) -> None:
    watch.start(FAILING)
    watch.see(*(str(n) for n in range(9)))
    fail(watch, 9)
    watch.far.failing = None
    watch.see("more")
    watch.tell()
    watch.see("and more")
    fail(watch, 9)
    assert watch.look() == []


def test_a_sink_that_refuses_documents_is_there(watch: Watch) -> None:
    watch.start(FAILING)
    watch.see(*(str(n) for n in range(20)))
    watch.far.failing = Refused("no")
    watch.tell()
    watch.pass_time(HOUR)
    assert watch.look() == []


# --- the configuration changes ---------------------------------------------------------------------------------------


def raise_all(watch: Watch) -> None:
    watch.start("\n".join([SILENT, REJECTIONS, STUCK, FAILING]))
    watch.see(*(str(n) for n in range(20)))
    watch.pass_time(49 * HOUR - 11 * MINUTE)
    watch.see(*(str(n) for n in range(20, 40)))
    watch.app.scripts.client.hset("jobwire:heard", "main", int(NOON.timestamp() * 1000))
    fail(watch, 11)
    watch.webhook(b"forged", times=20)
    raised = {kind for kind, state, _ in watch.look() if state == "raised"}
    assert raised == {"ops.source_silent", "ops.rejections", "ops.job_stuck", "ops.sink_failing"}


@pytest.mark.parametrize(
    ("alarms", "sources", "sinks"),
    [
        ("", ("main",), ("out",)),
        ("\n".join([SILENT, REJECTIONS, STUCK, FAILING]), ("other",), ("another",)),
    ],
    ids=["the alarms are gone", "source and sink are gone"],
)
def test_an_alarm_that_nobody_watches_any_more_is_over(
    watch: Watch, alarms: str, sources: tuple[str, ...], sinks: tuple[str, ...]
) -> None:
    raise_all(watch)
    watch.start(alarms, sources=sources, sinks=sinks)
    over = watch.look()
    assert {kind for kind, _, _ in over} == {
        "ops.source_silent",
        "ops.rejections",
        "ops.job_stuck",
        "ops.sink_failing",
    }
    assert {(state, detail) for _, state, detail in over} == {("over", "it is not watched any more")}
    assert watch.app.journal.alarms() == {}
    assert {mark for mark in watch.app.watched.marks() if mark.endswith(" main")} == set()


def test_an_alarm_that_comes_back_with_its_configuration_is_told_anew(watch: Watch) -> None:
    watch.start(STUCK)
    watch.see("1")
    watch.pass_time(49 * HOUR)
    watch.look()
    watch.start("")
    assert [state for _, state, _ in watch.look()] == ["over"]
    watch.pass_time(MINUTE)
    watch.start(STUCK)
    assert [state for _, state, _ in watch.look()] == ["raised"]
    ids = [event["id"] for event in watch.events()]
    assert len(ids) == len(set(ids)) == 3


def test_other_alarms_stay_while_their_source_does(watch: Watch) -> None:
    app = watch.start("")
    kind = EventType.OPS_SUBSCRIPTION_BROKEN
    alarming.begin(app, kind, "sources/main", detail="gone", thing="webhook")
    app.registrations.note("main", Broken(seen="gone", told="gone", times=1))
    assert watch.look() == []
    app = watch.start("", sources=("other",))
    assert watch.look() == [(str(kind), "over", "it is not watched any more")]
    assert app.registrations.broken("main") is None


def test_an_alarm_of_another_version_is_left_to_it(watch: Watch) -> None:
    app = watch.start("")
    app.scripts.client.hset("jobwire:alarms", "ops.of_tomorrow sources/gone", "{}")
    assert watch.look() == []
    assert list(app.journal.alarms()) == ["ops.of_tomorrow sources/gone"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 seconds"), (90, "90 seconds"), (300, "5 minutes"), (7200, "2 hours"), (36 * 3600, "36 hours")],
)
def test_a_length_of_time_is_told_in_a_unit_of_which_there_are_two(seconds: float, words: str) -> None:
    assert watching.span(seconds) == words
