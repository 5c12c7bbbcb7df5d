"""`jobwire replay`: what went out or died goes out again, as it was; with --refetch the provider is asked anew."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from at_work import Desk, Plain, Several, working
from click.testing import Result
from rich.console import Console
from running import wait_for
from structlog.testing import capture_logs

from processor import registry, replaying
from processor.cli import many, one_source, refetch
from processor.cli import replay as replay_command
from processor.errors import Busy, Forbidden, NotYet, ReconnectNeeded, Refused, Unavailable, Usage
from processor.model import Event, EventType, Job, Message, Model, ModelState, Notification, State
from processor.pipeline.alarms import alarm
from processor.pipeline.diff import diff
from processor.pipeline.facts import Facts
from processor.pipeline.gather import plan
from processor.pipeline.route import route
from processor.queue import new_hand
from processor.replaying import Replay, Selection
from processor.store import keys
from processor.store.lanes import Lanes
from processor.store.work import Row
from processor.wiring import App
from workers.shift import Shift

CONFIG = """
[sources.main]
provider = "hover"
rate_limits = []
reconcile = 0
[sinks.crm]
type = "console"
[sinks.ops]
type = "console"
events = ["*.failed"]
"""
ENDED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
GARAGE = Model(id="71", name="Garage", state=ModelState.FAILED, failure_reason="Blurred")


def job(job_id: str = "7", state: State = State.SUCCEEDED, **changes: Any) -> Job:
    known: dict[str, Any] = {"provider": "hover", "source": "main", "id": job_id, "state": state, "updated_at": ENDED}
    return Job(**{**known, "finished_at": ENDED if state.ended else None, **changes})


@dataclass
class Told:
    """A sink that keeps what it is told; `failing` is raised instead."""

    name: str
    events: list[Mapping[str, Any]] = field(default_factory=list)
    failing: Exception | None = None

    def deliver(self, event: Mapping[str, Any]) -> None:
        if self.failing:
            raise self.failing
        self.events.append(event)

    def close(self) -> None: ...


@dataclass
class Place:
    """A running jobwire as far as a replay needs one: what happened at it, and a worker that delivers when asked to."""

    desk: Desk
    app: App
    provider: Plain
    told: dict[str, Told]

    def happens(self, of: Job, since: Facts | None = None) -> tuple[Event, ...]:
        """What a refresh of the job would have found and committed."""
        facts, events = diff(since or Facts(), of, fetched_at=ENDED)
        for event in events:
            self.announce(event)
        self.app.scripts.client.set(keys.key("facts", keys.job_key("main", of.id)), facts.dump())
        return events

    def announce(self, event: Event) -> None:
        wanted = [v.sink for v in route(event.cloudevent(), self.app.rules) if v.wanted]
        manners = {sink: plan(self.app.settings.sinks[sink].manner, self.app.tools.clock()) for sink in wanted}
        rows = [Row(sink, event, when.delay, when.together) for sink, when in manners.items()]
        self.app.lanes.announce(event, rows, sinks=self.app.targets, hand=new_hand())

    def deliver(self) -> dict[str, list[str]]:
        """Have everything delivered that is due; the ids that each sink got now."""
        for told in self.told.values():
            told.events.clear()
        shift = Shift(self.app)
        with capture_logs():
            for sink in self.app.targets:
                shift.deliver(sink, "test")
        return {name: [event["id"] for event in told.events] for name, told in self.told.items()}

    def replay(self, *arguments: str, typed: str | None = None) -> Result:
        return self.desk.run("replay", *arguments, typed=typed)

    def waiting(self) -> dict[str, list[str]]:
        found = {sink: [w.item for w in self.app.journal.waiting(f"d:{sink}")] for sink in self.app.targets}
        return {sink: items for sink, items in found.items() if items}


@pytest.fixture
def desk(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    for name in ("JOBWIRE_CONFIG", "JOBWIRE_DEBUG", "JOBWIRE_DATA_DIR", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(one_source, "FIRST", 0.01)
    return Desk(tmp_path, redis_url)


Use = Callable[..., Place]


@pytest.fixture
def use(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Use:
    def used(config: str = CONFIG, provider: Plain | None = None) -> Place:
        provider = provider or Plain()
        monkeypatch.setattr(registry, "provider", lambda name: provider)
        app = desk.write(config)
        told = {name: Told(name) for name in app.settings.sinks}
        app.__dict__["sinks"] = told
        return Place(desk, app, provider, told)

    return used


@pytest.fixture
def place(use: Use) -> Place:
    return use()


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_command, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))


# --- what cannot be meant --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing is named: give --event, --job, --type, --since, --until, --sink or --dead"),
        (["--yes", "--dry-run"], "nothing is named: give --event, --job, --type, --since, --until, --sink or --dead"),
        (["--dead", "--json", "--yes"], "--json goes with --dry-run only"),
        (["--since", "2h", "--sink", "opps"], "'opps' is no sink; did you mean 'ops'?"),
        (["--type", "modle.*"], "--type: 'modle.*' matches no event type; did you mean 'model.failed'?"),
        (["--job", "main"], "--job: 'main' is not SOURCE/ID"),
        (["--job", "main/"], "--job: 'main/' is not SOURCE/ID"),
        (["--job", "/7"], "--job: '/7' is not SOURCE/ID"),
        (
            ["--refetch", "--job", "main/7", "--sink", "ops"],
            "--sink does not go with --refetch: what is new goes wherever it is routed",
        ),
        (["--job", "mian/7", "--yes"], "--job: 'mian' is no source; did you mean 'main'?"),
        (["--job", "mian/7", "--dead", "--yes"], "--job: 'mian' is no source; did you mean 'main'?"),
        (["--job", "mian/7", "--refetch", "--yes"], "--job: 'mian' is no source; did you mean 'main'?"),
        (
            ["--since", "yesterday"],
            "--since: 'yesterday' is no time such as 2h (ago), 2026-03-01 or 2026-03-01T12:00:00Z",
        ),
        (["--until", "2026"], "--until: '2026' is no time such as 2h (ago), 2026-03-01 or 2026-03-01T12:00:00Z"),
        (
            ["--since", "9" * 30 + "d"],
            f"--since: '{'9' * 30}d' is no time such as 2h (ago), 2026-03-01 or 2026-03-01T12:00:00Z",
        ),
        (
            ["--until", "2026-02-30"],
            "--until: '2026-02-30' is no time such as 2h (ago), 2026-03-01 or 2026-03-01T12:00:00Z",
        ),
        (
            ["--until", "9999-12-31"],
            "--until: '9999-12-31' is no time such as 2h (ago), 2026-03-01 or 2026-03-01T12:00:00Z",
        ),
        (
            ["--since", "2026-03-02", "--until", "2026-03-01"],
            "--since (2026-03-02T00:00:00Z) must lie before --until (2026-03-02T00:00:00Z)",
        ),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_status_2(place: Place, arguments: list[str], said: str) -> None:
    done = place.replay(*arguments)
    assert (done.exit_code, done.output) == (2, f"error: {said}\n")


def test_a_pipe_is_not_asked_and_nothing_happens(place: Place) -> None:
    place.happens(job())
    place.deliver()
    done = place.replay("--since", "2h")
    expected = "error: nobody can be asked here: add --yes, or --dry-run to see what would be delivered\n"
    assert (done.exit_code, done.output) == (2, expected)
    assert place.waiting() == {}


def test_an_event_that_is_not_kept_is_status_1_and_the_others_stay_where_they_are(place: Place) -> None:
    [event] = place.happens(job())
    place.deliver()
    done = place.replay("--event", event.id, "--event", "evt_nev\x1b[31mer", "--yes")
    assert done.exit_code == 1
    assert done.output == "error: no such event is kept: evt_nev[31mer (retention.events is 30 days)\n"
    place.app.scripts.client.delete(keys.key("ev", event.id))
    assert place.replay("--event", event.id, "--dry-run").exit_code == 1
    assert place.waiting() == {}


def test_a_job_that_nobody_knows_is_status_1(place: Place) -> None:
    done = place.replay("--job", "main/8\n", "--yes")
    assert (done.exit_code, done.output) == (1, "error: main: no job 8 is known here\n")


@pytest.mark.parametrize("more", [["--dry-run"], ["--yes"], ["--refetch", "--yes"]])
def test_without_a_redis_it_says_so(place: Place, more: list[str]) -> None:
    Path("jobwire.toml").write_text(CONFIG)
    done = place.replay("--since", "2h", *more)
    assert done.exit_code == 1
    assert done.output.startswith("error: no Redis: set [redis].url or REDIS_URL")
    Path("jobwire.toml").write_text(f'[redis]\nurl = "redis://127.0.0.1:1"\n{CONFIG}')
    done = place.replay("--since", "2h", *more)
    assert (done.exit_code, done.output) == (1, "error: Redis cannot take it now (ConnectionError)\n")


def test_a_redis_that_goes_away_in_the_middle_is_told_with_what_was_done(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        place.happens(job(str(n)))
    place.deliver()
    monkeypatch.setattr(replaying, "_ROWS", 2)
    calls, whole = [0], Lanes.replay

    def cut(*arguments: Any, **how: Any) -> Any:
        calls[0] += 1
        if calls[0] == 3:
            raise Unavailable("Redis cannot take it now (TimeoutError)")
        return whole(*arguments, **how)

    with monkeypatch.context() as here:
        here.setattr(Lanes, "replay", cut)
        done = place.replay("--sink", "crm", "--yes")
    assert done.exit_code == 1
    done_so_far = "4 of 5 were put back; run it again: what waits is not doubled"
    assert done.stderr == f"error: Redis cannot take it now (TimeoutError); {done_so_far}\n"
    done = place.replay("--sink", "crm", "--yes")
    assert done.stdout == "crm  job.succeeded  1\n1 delivery waits in its lane now\n"
    assert "crm: 4 deliveries wait already; what waits is not doubled\n" in done.stderr
    assert len(place.deliver()["crm"]) == 5


# --- nothing to deliver ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["--type", "job.*"], ["--since", "1h"], ["--until", "2020-01-01"], ["--dead"], ["--dead", "--job", "main/9"]],
)
def test_when_nothing_is_selected_it_says_so(place: Place, arguments: list[str]) -> None:
    done = place.replay(*arguments, "--yes")
    expected = "nothing is to be delivered again: nothing was selected\n"
    assert (done.exit_code, done.output) == (0, expected)
    done = place.replay(*arguments, "--dry-run", "--json")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", expected)


def test_an_event_that_goes_nowhere_says_why(use: Use) -> None:
    place = use(CONFIG.replace('type = "console"', 'type = "console"\nevents = ["job.created"]', 1))
    place.happens(job("8", State.FAILED))
    [event] = place.happens(job())
    place.deliver()
    done = place.replay("--event", event.id, "--yes")
    assert (done.exit_code, done.stdout) == (0, "nothing is to be delivered again\n")
    assert done.stderr.splitlines() == [
        "1 event goes to no sink:",
        "  crm: type job.succeeded matches none of events = ['job.created']",
        "  ops: type job.succeeded matches none of events = ['*.failed']",
    ]
    done = place.replay("--type", "job.*", "--sink", "crm", "--yes")
    assert done.stdout == "nothing is to be delivered again\n"
    assert "2 events go to no sink:\n" in done.stderr
    assert "ops" not in done.stderr
    assert place.waiting() == {}


def test_what_a_where_holds_back_today_stays_back(use: Use) -> None:
    place = use()
    place.happens(job("7"))
    [event] = place.happens(job("8"))
    place.deliver()
    place = use(CONFIG.replace('type = "console"', 'type = "console"\nwhere = "data.job.id == \'8\'"', 1))
    done = place.replay("--since", "1h", "--yes")
    assert done.stdout == "crm  job.succeeded  1\n1 delivery waits in its lane now\n"
    assert "  crm: where is not true: data.job.id == '8'\n" in done.stderr
    assert place.deliver()["crm"] == [event.id]


def test_a_document_that_is_gone_is_left_out_and_told(place: Place) -> None:
    [gone] = place.happens(job("7"))
    [kept] = place.happens(job("8"))
    place.deliver()
    place.app.scripts.client.delete(keys.key("ev", gone.id))
    done = place.replay("--since", "1h", "--yes")
    assert done.stdout == "crm  job.succeeded  1\n1 delivery waits in its lane now\n"
    assert "1 event left out: the document is no longer kept (retention.events)\n" in done.stderr
    assert place.deliver() == {"crm": [kept.id], "ops": []}


def test_the_dead_of_another_deployment_are_left_to_it(use: Use) -> None:
    place = use()
    place.told["ops"].failing = place.told["crm"].failing = Refused("410")
    place.happens(job(state=State.FAILED))
    place.app.inbox.put(Notification("main", "9", "", "e", "k", None))
    place.provider.jobs["9"] = Forbidden("403")
    place.deliver()
    with capture_logs():
        Shift(place.app).refresh("main", "test")
    assert len(list(place.app.journal.dead())) == 3
    theirs = use(CONFIG.replace("sinks.ops", "sinks.theirs").replace("sources.main", "sources.other"))
    done = theirs.replay("--dead", "--yes")
    assert done.stdout == "crm  job.failed  1, 1 dead\n1 delivery waits in its lane now\n"
    assert done.stderr.splitlines()[:2] == [
        "1 delivery stays dead: 'ops' is no sink of this configuration",
        "1 notification stays dead: 'main' is no source of this configuration",
    ]
    assert len(list(place.app.journal.dead())) == 2


# --- asking first ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_a_terminal")
@pytest.mark.parametrize("typed", ["n\n", "\n", "what?\nn\n", ""])
def test_whoever_does_not_say_yes_has_nothing_delivered(place: Place, typed: str) -> None:
    place.happens(job(models=(GARAGE,)))
    place.deliver()
    done = place.replay("--job", "main/7", typed=typed)
    assert done.exit_code == 1
    assert done.stdout == "crm  job.succeeded  1\ncrm  model.failed   1\nops  model.failed   1\n"
    assert "Repeat 3 deliveries? [y/N]" in done.stderr
    assert place.waiting() == {}


@pytest.mark.usefixtures("at_a_terminal")
def test_a_yes_is_enough(place: Place) -> None:
    place.happens(job())
    place.deliver()
    done = place.replay("--job", "main/7", typed="y\n")
    assert done.exit_code == 0
    assert done.stdout == "crm  job.succeeded  1\n1 delivery waits in its lane now\n"
    assert len(place.deliver()["crm"]) == 1


def test_a_real_terminal_is_asked(place: Place) -> None:
    place.happens(job())
    place.deliver()
    keyboard, terminal = pty.openpty()
    command = [sys.executable, "-m", "processor.cli", "replay", "--job", "main/7"]
    Path("jobwire.toml").write_text(Path("jobwire.toml").read_text().replace('provider = "hover"', HOVER))
    child = subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        os.write(keyboard, b"y\n")
        stdout, stderr = child.communicate(timeout=20)
    finally:
        child.kill()
        child.wait()
        os.close(keyboard)
        os.close(terminal)
    assert child.returncode == 0, stderr
    assert stdout == "crm  job.succeeded  1\n1 delivery waits in its lane now\n"
    assert "Repeat 1 delivery? [y/N]" in stderr


HOVER = 'provider = "hover"\nclient_id = "c"\nclient_secret = "s"\nrefresh_token = "r"'


def test_without_a_worker_it_says_that_it_goes_out_later(place: Place) -> None:
    place.happens(job())
    place.deliver()
    done = place.replay("--job", "main/7", "--yes")
    assert done.stderr == "no worker was seen: it goes out as soon as one runs (`jobwire worker`)\n"
    place.app.journal.seen("a worker")
    place.deliver()
    assert place.replay("--job", "main/7", "--yes").stderr == ""


# --- only looking ----------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_each_delivery_and_makes_none(place: Place) -> None:
    event, _ = place.happens(job(models=(GARAGE,)))
    assert event.type == "model.failed"
    place.told["ops"].failing = Refused("410")
    place.deliver()
    done = place.replay("--type", "model.*", "--since", "1h", "--dry-run")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line[25:] for line in lines] == [
        f"model.failed             {event.id}  main/7  crm  delivered",
        f"model.failed             {event.id}  main/7  ops  dead",
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  ", line[:25]) for line in lines)
    assert done.stderr == "2 deliveries would be repeated\n"
    assert place.waiting() == {}
    assert len(list(place.app.journal.dead())) == 1


def test_as_json_it_is_a_document_a_line(place: Place) -> None:
    event, _ = place.happens(job("a/b", models=(GARAGE,)))
    place.told["crm"].failing = Refused("410")
    place.deliver()
    done = place.replay("--type", "model.*", "--dry-run", "--json")
    common = {"event_id": event.id, "type": "model.failed", "source": "main", "job_id": "a/b"}
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    found = [datetime.fromisoformat(one.pop("found_at")) for one in shown]
    assert shown == [{**common, "sink": "crm", "state": "dead"}, {**common, "sink": "ops", "state": "delivered"}]
    assert all(abs(datetime.now(UTC) - at) < timedelta(minutes=1) for at in found)
    done = place.replay("--event", event.id, "--sink", "ops", "--dry-run", "--json")
    assert json.loads(done.stdout) == {**common, "sink": "ops", "state": "delivered", "found_at": None}


@pytest.mark.parametrize("job_id", ["7\x1b[2J\n8", "7\x1b[2J 8 "])
def test_hostile_text_disturbs_no_terminal(place: Place, job_id: str) -> None:
    place.provider.jobs[job_id] = job(job_id, name="\x1b[2J")
    _look(place, job_id)
    place.provider.jobs[job_id] = job(job_id, name="a\nb\x1b[2J")
    place.deliver()
    done = place.replay("--since", "1h", "--dry-run")
    assert "  main/7[2J 8  crm  delivered\n" in done.stdout
    assert done.stdout.count("\n") == 1
    shown = place.replay("--since", "1h", "--refetch", "--dry-run").stdout
    assert shown.replace(" :", ":").splitlines() == [
        "main/7[2J 8: 1 difference",
        '  name: "\\u001b[2J" → "a\\nb\\u001b[2J"',
    ]
    assert "\x1b" not in done.output + shown


# --- what goes out ---------------------------------------------------------------------------------------------------


def test_an_event_goes_to_all_that_it_is_routed_to_as_it_was(place: Place) -> None:
    event, _ = place.happens(job(models=(GARAGE,)))
    place.deliver()
    first = list(place.app.journal.events(newest=2))
    done = place.replay("--event", event.id, "--yes")
    assert done.stdout == "crm  model.failed  1\nops  model.failed  1\n2 deliveries wait in their lanes now\n"
    assert place.waiting() == {"crm": [event.id], "ops": [event.id]}
    assert place.deliver() == {"crm": [event.id], "ops": [event.id]}
    assert place.told["crm"].events == [first[0]]
    assert list(place.app.journal.events()) == first, "nothing new has happened"


def test_it_may_go_to_one_sink_only_and_to_one_that_is_new(use: Use) -> None:
    place = use()
    events = place.happens(job(state=State.FAILED, models=(GARAGE,)))
    place.deliver()
    place = use(CONFIG + '[sinks.new]\ntype = "console"\nomit = ["data.job"]\n')
    done = place.replay("--sink", "new", "--sink", "ops", "--type", "model.*", "--yes")
    assert done.stdout.splitlines()[:2] == ["new  model.failed  1", "ops  model.failed  1"]
    assert place.deliver() == {"crm": [], "ops": [events[0].id], "new": [events[0].id]}
    assert place.told["new"].events[0]["data"]["job"] is None, "what it is not to see is left out today as ever"


def test_all_that_is_named_must_fit(place: Place) -> None:
    place.happens(job("7", State.FAILED))
    place.happens(job("8"))
    [wanted] = place.happens(job("8", State.FAILED), Facts())
    place.deliver()
    done = place.replay("--job", "main/8", "--type", "job.failed", "--since", "1h", "--sink", "ops", "--yes")
    assert done.stdout.startswith("ops  job.failed  1\n")
    assert place.deliver() == {"crm": [], "ops": [wanted.id]}


def test_a_time_is_that_at_which_jobwire_found_the_event(place: Place) -> None:
    """Not the provider's: what reconciliation found today may have happened days ago."""
    long_ago = datetime(2026, 2, 1, tzinfo=UTC)
    [event] = place.happens(job(updated_at=long_ago, finished_at=long_ago))
    place.deliver()
    assert "nothing" in place.replay("--until", "2026-02-02", "--yes").stdout
    assert "nothing" in place.replay("--until", "1h ago", "--yes").stdout
    assert "1 delivery" in place.replay("--since", "10m", "--event", event.id, "--yes").stdout


def test_in_the_order_in_which_they_were_found_and_behind_what_waits(place: Place) -> None:
    facts, found = Facts(), []
    for state in (State.PROCESSING, State.SUCCEEDED):
        facts, events = diff(facts, job(state=state), fetched_at=ENDED)
        place.happens(job(state=state), facts if not found else Facts.load(facts.dump()))
        for event in events:
            place.announce(event)
            found.append(event.id)
    place.deliver()
    [new] = place.happens(job(updated_at=ENDED + timedelta(hours=1), state=State.CANCELLED, finished_at=None), facts)
    assert place.replay("--event", found[0], "--event", found[1], "--yes").exit_code == 0
    assert place.deliver()["crm"][0] == new.id
    assert place.replay("--since", "1h", "--sink", "crm", "--yes").exit_code == 0
    assert place.deliver()["crm"] == [*found, new.id]


def test_a_second_replay_while_the_first_waits_doubles_nothing(place: Place) -> None:
    place.happens(job())
    place.deliver()
    assert place.replay("--job", "main/7", "--yes").exit_code == 0
    done = place.replay("--job", "main/7", "--yes")
    assert (done.exit_code, done.stdout) == (0, "nothing is to be delivered again\n")
    assert done.stderr == "crm: 1 delivery waits already; what waits is not doubled\n"
    assert len(place.deliver()["crm"]) == 1


def test_an_alarm_goes_again_to_whom_it_is_routed(use: Use) -> None:
    place = use(CONFIG.replace('["*.failed"]', '["ops.*"]'))
    event = alarm(EventType.OPS_REJECTIONS, "sources/main", state="raised", since=ENDED, now=ENDED, count=3, detail="x")
    place.announce(event)
    assert place.deliver() == {"crm": [], "ops": [event.id]}
    done = place.replay("--type", "ops.*", "--dry-run")
    assert done.stdout.endswith(f"ops.rejections           {event.id}  sources/main  ops  delivered\n")
    assert place.replay("--type", "ops.*", "--yes").exit_code == 0
    assert place.deliver() == {"crm": [], "ops": [event.id]}


def test_a_sink_for_people_is_told_when_it_would_be_today(use: Use) -> None:
    place = use()
    place.happens(job())
    place.deliver()
    grouped = 'type = "slack"\nurl = "https://hooks.example/x"\ngroup = "1h"'
    place = use(CONFIG.replace('type = "console"', grouped, 1))
    assert place.replay("--job", "main/7", "--yes").exit_code == 0
    assert place.deliver()["crm"] == []
    [waiting] = place.app.journal.waiting("d:crm")
    assert waiting.next_at is not None
    assert 3500 < waiting.next_at - time.time() <= 3600


# --- the dead --------------------------------------------------------------------------------------------------------


@pytest.fixture
def dying(place: Place) -> Place:
    """Two deliveries are dead at ops, one at crm, and a notification of another job."""
    place.told["ops"].failing = Refused("answered 410")
    place.happens(job("7", State.FAILED))
    place.happens(job("8", State.FAILED))
    place.deliver()
    place.told["crm"].failing = Refused("answered 410")
    place.happens(job("8", State.SUCCEEDED))
    place.deliver()
    place.provider.jobs["9"] = Forbidden("answered 403:\n no\x1b[31m")
    place.app.inbox.put(Notification("main", "9", "", "e", "k", None))
    with capture_logs():
        Shift(place.app).refresh("main", "test")
    for told in place.told.values():
        told.failing = None
    assert len(list(place.app.journal.dead())) == 4
    return place


def test_all_that_is_dead_is_put_back_notifications_too(dying: Place) -> None:
    done = dying.replay("--dead", "--yes")
    assert done.stdout.splitlines() == [
        "crm   job.succeeded  1, 1 dead",
        "ops   job.failed     2, 2 dead",
        "main  notification   1, 1 dead",
        "3 deliveries wait in their lanes now; 1 notification is looked at again",
    ]
    assert list(dying.app.journal.dead()) == []
    assert {sink: len(ids) for sink, ids in dying.deliver().items()} == {"crm": 1, "ops": 2}
    assert list(dying.app.journal.dead()) == []
    dying.provider.jobs["9"] = job("9")
    time.sleep(1.0)  # the pace of one job
    with capture_logs():
        Shift(dying.app).refresh("main", "test")
    assert [event["data"]["job"]["id"] for event in dying.app.journal.events(newest=1)] == ["9"]


@pytest.mark.parametrize(
    ("arguments", "crm", "ops", "notifications"),
    [
        (["--sink", "ops"], 0, 2, 0),
        (["--type", "job.succeeded"], 1, 0, 0),
        (["--job", "main/8"], 1, 1, 0),
        (["--job", "main/9"], 0, 0, 1),
        (["--since", "1h"], 1, 2, 1),
        (["--until", "1h"], 0, 0, 0),
        (["--job", "main/8", "--sink", "ops"], 0, 1, 0),
    ],
)
def test_the_dead_are_selected_like_all_others(
    dying: Place, arguments: list[str], crm: int, ops: int, notifications: int
) -> None:
    assert dying.replay("--dead", *arguments, "--yes").exit_code == 0
    assert {sink: len(ids) for sink, ids in dying.deliver().items()} == {"crm": crm, "ops": ops}
    left = list(dying.app.journal.dead())
    assert len(left) == 4 - crm - ops - notifications
    assert sum(dead.lane.startswith("r:") for dead in left) == 1 - notifications


def test_without_dead_they_go_with_the_rest_and_are_dead_no_more(dying: Place) -> None:
    done = dying.replay("--type", "job.failed", "--yes")
    assert done.stdout.splitlines()[:2] == ["crm  job.failed  2", "ops  job.failed  2, 2 dead"]
    assert {sink: len(ids) for sink, ids in dying.deliver().items()} == {"crm": 2, "ops": 2}
    assert len(list(dying.app.journal.dead())) == 2


def test_a_dry_run_shows_what_is_dead_and_why(dying: Place) -> None:
    done = dying.replay("--dead", "--dry-run", "--job", "main/9")
    assert done.stdout.endswith("  main/9  answered 403: no[31m\n")
    assert "  notification  ntf_" in done.stdout
    assert done.stderr == "1 notification would be repeated\n"
    done = dying.replay("--dead", "--dry-run", "--json")
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [document.get("sink") for document in documents] == ["ops", "ops", "crm", None]
    assert {document["state"] for document in documents} == {"dead"}
    assert documents[3].keys() == {"notification_id", "source", "job_id", "state", "last_error", "died_at"}
    assert done.stderr == "3 deliveries and 1 notification would be repeated\n"
    assert len(list(dying.app.journal.dead())) == 4


def test_what_is_refused_again_dies_again_and_the_command_ends(dying: Place) -> None:
    dying.told["ops"].failing = Refused("answered 410")
    assert dying.replay("--dead", "--sink", "ops", "--yes").exit_code == 0
    dying.deliver()
    assert [dead.lane[:5] for dead in dying.app.journal.dead()].count("d:ops") == 2


def test_somebody_who_was_first_is_not_overtaken(dying: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the count and the deed another replays the same."""
    put_back = Replay.put_back

    def late(self: Replay, page: Any) -> Any:
        for dead in list(dying.app.journal.dead()):
            dying.app.lanes.revive(dead.lane, dead.item)
        dying.deliver()
        return put_back(self, page)

    monkeypatch.setattr(Replay, "put_back", late)
    done = dying.replay("--dead", "--sink", "ops", "--yes")
    assert done.stdout.splitlines()[-1] == "2 left as they were, for another was first"
    assert dying.waiting() == {}


# --- many ------------------------------------------------------------------------------------------------------------


def test_many_are_put_back_page_by_page_in_little_memory(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """The documents are 32 MB, and all of them are looked at, because of the `where`."""
    monkeypatch.setattr("processor.store.journal.PAGE", 100)
    place, count = use(CONFIG.replace('type = "console"', 'type = "console"\nwhere = "id"', 1)), 2000
    pipe = place.app.scripts.client.pipeline(transaction=False)
    for n in range(count):
        event = Event(f"evt_{n}", EventType.JOB_SUCCEEDED, "main", str(n), f"jobs/{n}", ENDED, {"text": "x" * 16_000})
        pipe.set(keys.key("ev", event.id), json.dumps(event.cloudevent()), ex=1000)
        fields: Any = {"id": event.id, "type": str(event.type), "source": "main", "job": event.job_id}
        pipe.xadd(keys.key("journal"), fields)
        if n % 100 == 99:
            pipe.execute()
    assert place.replay("--until", "2020-01-01", "--yes").exit_code == 0  # what is imported is there now
    tracemalloc.start()
    try:
        done = place.replay("--since", "1h", "--yes")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert done.stdout == f"crm  job.succeeded  {count:,}\n{count:,} deliveries wait in their lanes now\n"
    assert place.app.journal.backlog("d:crm") == count
    assert peak < 12_000_000


def test_a_page_is_never_longer_than_a_page(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor.store.journal.PAGE", 2)
    monkeypatch.setattr(replaying, "PAGE", 2)
    events = [place.happens(job(str(n)))[0].id for n in range(5)]
    for chosen in (Selection(glob="*"), Selection(events=frozenset(events))):
        assert [len(page) for page in Replay(place.app, chosen).pages()] == [2, 2, 1]


def test_on_a_terminal_it_is_seen_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(many, "Console", lambda stderr: Console(file=screen, force_terminal=True, width=100))
    with many.counting() as shown:
        shown(1234)
    with many.putting_back(5678) as shown:
        shown(5678)
    assert "1,234 events counted" in screen.getvalue()
    assert "5678/5678" in screen.getvalue()


# --- asking the provider anew ----------------------------------------------------------------------------------------


@pytest.fixture
def known(place: Place) -> Place:
    """Job 7 was found failed, by a worker; the provider shows it succeeded today."""
    place.provider.jobs["7"] = job(state=State.FAILED, models=(GARAGE,), errors=(Message(message="Blurred"),))
    _look(place, "7")
    place.provider.jobs["7"] = job(models=(replace(GARAGE, state=ModelState.SUCCEEDED, failure_reason=None),))
    place.provider.fetched.clear()
    return place


def _look(place: Place, job_id: str) -> None:
    place.app.inbox.put(Notification("main", job_id, "", "e", f"{job_id} {time.monotonic()}", "job"))
    with capture_logs():
        Shift(place.app).refresh("main", "test")


def test_a_job_that_nobody_knows_is_not_asked_for(known: Place) -> None:
    done = known.replay("--refetch", "--job", "main/8", "--yes")
    assert (done.exit_code, done.output) == (1, "error: main: no job 8 is known here\n")
    assert known.provider.fetched == []


def test_what_differs_is_shown_and_nothing_is_written(known: Place) -> None:
    before = known.app.journal.snapshot("main", "7")
    done = known.replay("--refetch", "--job", "main/7", "--dry-run")
    assert done.exit_code == 0
    assert re.sub(r"evt_\w+", "ID", done.stdout).splitlines() == [
        "main/7: 4 differences",
        '  state: "failed" → "succeeded"',
        '  models.71.state: "failed" → "succeeded"',
        '  models.71.failure_reason: "Blurred" → null',
        '  errors.0: {"code": null, "title": null, "message": "Blurred"} → (nothing)',
        "  would announce model.succeeded, ID",
        "  would announce job.succeeded, ID",
    ]
    assert known.app.journal.snapshot("main", "7") == before
    assert list(known.app.journal.waiting("r:main")) == []


def test_as_json_a_refetch_is_a_document_a_job(known: Place) -> None:
    known.provider.jobs["8"] = job("8")
    _look(known, "8")
    known.provider.jobs["8"] = NotYet("answered 404")
    done = known.replay("--refetch", "--since", "1h", "--dry-run", "--json")
    assert done.exit_code == 1
    one, other = [json.loads(line) for line in done.stdout.splitlines()]
    assert one["differences"][0] == {"path": "state", "old": "failed", "new": "succeeded"}
    assert "new" not in one["differences"][3]
    assert [event["type"] for event in one["events"]] == ["model.succeeded", "job.succeeded"]
    assert other == {"source": "main", "job_id": "8", "error": "answered 404"}


@pytest.mark.usefixtures("at_a_terminal")
def test_a_refetch_asks_first_and_announces_only_what_is_new(known: Place) -> None:
    done = known.replay("--refetch", "--job", "main/7", typed="n\n")
    assert done.exit_code == 1
    assert "Have 1 job looked at again, and 2 events announced? [y/N]" in done.stderr
    assert list(known.app.journal.waiting("r:main")) == []
    shown = known.replay("--refetch", "--job", "main/7", "--dry-run").stdout
    done = known.replay("--refetch", "--job", "main/7", typed="y\n")
    assert done.stdout.endswith("1 job is looked at again\n")
    assert done.stderr.endswith("no worker was seen: they are looked at as soon as one runs (`jobwire worker`)\n")
    with working(known.app, "main"):
        wait_for(lambda: len(list(known.app.journal.events())) == 4, 10)
    new = [event["id"] for event in known.app.journal.events()][2:]
    assert all(event_id in shown for event_id in new), "those that were shown"
    assert known.deliver()["crm"][-2:] == new
    done = known.replay("--refetch", "--job", "main/7", "--yes")
    assert (done.exit_code, done.stdout) == (0, "main/7: as stored\n")
    assert done.stderr == "nothing is new\n"


def test_an_end_that_only_the_silent_pass_saw_is_announced(place: Place) -> None:
    facts, _ = diff(Facts(), job(), fetched_at=ENDED)
    place.app.scripts.client.set(keys.key("facts", "main/7"), facts.but(silent=True).dump())
    place.provider.jobs["7"] = job()
    done = place.replay("--refetch", "--job", "main/7", "--yes")
    assert done.stdout.startswith("main/7: no snapshot is kept to compare with\n  would announce job.succeeded, evt_")
    with working(place.app, "main"):
        wait_for(lambda: list(place.app.journal.events()), 10)


def test_the_jobs_are_those_of_the_selected_events_each_once(known: Place) -> None:
    known.provider.jobs["8"] = job("8")
    _look(known, "8")
    known.provider.fetched.clear()
    done = known.replay("--refetch", "--since", "1h", "--yes")
    assert known.provider.fetched == [("7", ""), ("8", "")]
    assert "main/8: as stored\n" in done.stdout
    assert done.stdout.endswith("1 job is looked at again\n")
    known.provider.fetched.clear()
    assert known.replay("--refetch", "--type", "job.succeeded", "--dry-run").exit_code == 0
    assert known.provider.fetched == [("8", "")]


def test_alarms_and_what_waits_under_names_of_ours_are_no_jobs(place: Place) -> None:
    place.announce(
        alarm(EventType.OPS_TEST, "sources/main", state="raised", since=ENDED, now=ENDED, count=1, detail="x")
    )
    place.provider.jobs["~estimate-1"] = Forbidden("403")
    _look(place, "~estimate-1")
    place.provider.fetched.clear()
    assert len(list(place.app.journal.dead())) == 1
    for arguments in (["--since", "1h"], ["--dead"]):
        done = place.replay("--refetch", *arguments, "--yes")
        assert (done.exit_code, done.output) == (0, "no job was selected\n")
    assert place.provider.fetched == []


def test_the_job_of_a_dead_notification_is_asked_for(use: Use) -> None:
    place = use(provider=Several())
    place.provider.jobs["9"] = Forbidden("403")
    _look(place, "9")
    place.provider.jobs["9"] = job("9")
    done = place.replay("--refetch", "--dead", "--dry-run")
    assert done.stdout.startswith("main/9: no snapshot is kept to compare with\n  would announce job.succeeded, evt_")
    assert place.provider.fetched[-1] == ("9", "second"), "nobody knows its API, so it is looked for"


def test_one_that_cannot_be_asked_for_is_told_and_the_others_are(known: Place) -> None:
    known.provider.jobs["6"] = job("6")
    _look(known, "6")
    known.provider.jobs["6"] = Forbidden("answered\n403")
    done = known.replay("--refetch", "--since", "1h", "--yes")
    assert done.exit_code == 1
    assert "main/6: cannot be asked for: answered 403\n" in done.stderr
    assert done.stdout.endswith("1 job is looked at again\n"), "the other one is"


@pytest.mark.parametrize("error", [ReconnectNeeded("reconnect needed"), Busy("answered 503", retry_after=999)])
def test_a_source_that_cannot_be_asked_at_all_is_left(known: Place, error: Exception) -> None:
    known.provider.jobs["8"] = job("8")
    _look(known, "8")
    known.provider.jobs["7"] = error
    known.provider.fetched.clear()
    done = known.replay("--refetch", "--since", "1h", "--yes")
    assert done.exit_code == 1
    assert f"main/7: cannot be asked for: {error}\nmain: 1 job not asked for\n" in done.stderr
    assert known.provider.fetched == [("7", "")]


def test_one_that_passes_is_borne(known: Place) -> None:
    today = known.provider.jobs["7"]
    answers: list[Any] = [Busy("answered 503"), today]
    known.provider.fetch = lambda *a, **k: _raised(answers.pop(0))  # type: ignore[method-assign]  # one after the other
    done = known.replay("--refetch", "--job", "main/7", "--dry-run")
    assert done.exit_code == 0
    assert done.stderr == "answered 503; again in 0.01 s\n"


def _raised(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def test_an_older_document_changes_nothing_and_says_so(known: Place) -> None:
    old = known.provider.jobs["7"]
    assert isinstance(old, Job)
    earlier = ENDED - timedelta(days=1)
    known.provider.jobs["7"] = replace(old, updated_at=earlier, finished_at=earlier)
    done = known.replay("--refetch", "--job", "main/7", "--yes")
    assert done.stdout == "main/7: older than what we knew: look again\n"
    assert list(known.app.journal.waiting("r:main")) == []


def test_a_source_that_is_not_configured_any_more_is_left_out(use: Use) -> None:
    place = use()
    place.provider.jobs["7"] = job()
    _look(place, "7")
    place = use(CONFIG.replace("sources.main", "sources.other"))
    done = place.replay("--refetch", "--since", "1h", "--yes")
    assert done.exit_code == 0
    assert done.stderr == "1 job left out: 'main' is no source of this configuration\nnothing is new\n"
    assert "1 delivery" in place.replay("--job", "main/7", "--dry-run").stderr, "its events can still be replayed"


def test_what_is_asked_is_paid_for_and_waited_for(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refetch, "TELL", 0.1)
    place = use(CONFIG.replace("rate_limits = []", 'rate_limits = ["100/5s"]'))
    for job_id in "123":
        place.provider.jobs[job_id] = job(job_id)
        _look(place, job_id)
    done = place.replay("--refetch", "--since", "1h", "--dry-run")
    assert done.exit_code == 0
    assert place.app.journal.counters()["spent:r:main:own"] == 3
    assert "waiting for the rate limit of main, or for the end of a pause\n" in done.stderr
    assert place.app.journal.take_duty("reconcile:main", 60), "the scheduler may read its lists again"


# --- what is written is true -----------------------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "docs/replay.md"


def _examples() -> list[tuple[list[str], str]]:
    """(arguments, what comes) of each example, in the page's order."""
    found = []
    for block in re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for example in re.split(r"(?:^|\n)\$ jobwire ", block)[1:]:
            command, _, output = example.partition("\n")
            found.append((command.replace("'", "").split(), output.strip()))
    return found


@pytest.mark.usefixtures("at_a_terminal")
def test_every_example_comes_out_as_it_is_shown(use: Use) -> None:
    place = use(CONFIG.replace("sources.main", "sources.hover-main"))
    place.app.journal.seen("a worker")
    house = job("15084303", State.FAILED, source="hover-main", models=(replace(GARAGE, id="15081686"),))
    _happen(place, house)
    _happen(place, job("15084304", source="hover-main"))
    place.told["ops"].failing = Refused("answered 410")
    place.deliver()
    place.told["ops"].failing = None
    place.provider.jobs["15084303"] = replace(house, state=State.SUCCEEDED, provider_state="complete")
    examples = _examples()
    assert len(examples) >= 6
    for arguments, output in examples:
        done = place.desk.run(*arguments, typed="y\n")
        assert _timeless(done.output).strip() == _timeless(output), arguments
        place.deliver()


def _happen(place: Place, of: Job) -> None:
    place.provider.jobs[of.id] = of
    place.app.inbox.put(Notification("hover-main", of.id, "", "e", of.id, "job"))
    with capture_logs():
        Shift(place.app).refresh("hover-main", "test")


def _timeless(text: str) -> str:
    time_of_day = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)"
    return re.sub(time_of_day, "TIME", "\n".join(line.rstrip() for line in text.splitlines()))


@pytest.mark.parametrize(
    ("text", "ends", "meant"),
    [
        ("2h", False, "2026-03-01T10:00:00+00:00"),
        ("90s ago", False, "2026-03-01T11:58:30+00:00"),
        ("2026-02-28", False, "2026-02-28T00:00:00+00:00"),
        ("2026-02-28", True, "2026-03-01T00:00:00+00:00"),
        ("2026-02-28T10:00:00Z", True, "2026-02-28T10:00:00+00:00"),
        ("2026-02-28t10:00:00.5+02:00", False, "2026-02-28T08:00:00.500000+00:00"),
        ("2026-02-28 10:00", False, "2026-02-28T10:00:00+00:00"),
    ],
)
def test_a_time_can_be_written_in_several_ways(text: str, ends: bool, meant: str) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert replay_command.moment("--since", text, now, ends=ends).isoformat() == meant


@pytest.mark.parametrize(
    "text", ["", "now", "90", "2026", "20260301", "-2h", "2h 30m", "2026-3-1", "2026-03-01T", "ago"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Usage, match=r"--until: .* is no time such as 2h"):
        replay_command.moment("--until", text, datetime(2026, 3, 1, tzinfo=UTC))


def test_no_key_without_an_end_is_left(place: Place, redis_client: redis.Redis) -> None:
    place.happens(job())
    place.deliver()
    before = {key for key in redis_client.keys("*") if redis_client.ttl(key) == -1}
    place.replay("--job", "main/7", "--yes")
    place.deliver()
    left = {key for key in redis_client.keys("jobwire:*") if redis_client.ttl(key) == -1}
    assert left <= before
