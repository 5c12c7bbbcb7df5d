"""`jobwire watch`: a job that is known by its id is followed to its end, with no webhook and no polling configured."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from at_work import Desk, Plain, Several, working
from running import wait_for

from processor import registry
from processor.cli import one_source, watch
from processor.errors import Busy, Forbidden, NotYet, ReconnectNeeded, Shut
from processor.model import CostEstimate, Job, Notification, State
from processor.providers.bentley.simulator import BentleySimulator
from processor.simulation import serve
from processor.store import keys
from processor.wiring import App
from workers import retry

CONFIG = (
    '[sources.main]\nprovider = "hover"\nrate_limits = []\nreconcile = 0\n[sinks.none]\ntype = "console"\nevents = []\n'
)
ENDED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
JOB = Job(provider="hover", source="main", id="7", name="Main House", state=State.PROCESSING, progress=10.0)
DONE = replace(JOB, state=State.SUCCEEDED, progress=100.0, provider_state="completed", finished_at=ENDED)


@pytest.fixture
def desk(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    for name in ("JOBWIRE_CONFIG", "JOBWIRE_DEBUG", "JOBWIRE_DATA_DIR", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(watch, "LOOK", 0.05)
    monkeypatch.setattr(watch, "NO_WORKER", 0.3)
    monkeypatch.setattr(watch, "ANEW", 0.2)
    return Desk(tmp_path, redis_url)


@pytest.fixture
def use(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[[Plain], App]:
    def used(provider: Plain) -> App:
        monkeypatch.setattr(registry, "provider", lambda name: provider)
        return desk.write(CONFIG)

    return used


@pytest.fixture
def plain(use: Callable[[Plain], App]) -> tuple[Plain, App]:
    provider = Plain()
    return provider, use(provider)


def ask_again(app: App, job: str = "7") -> None:
    """What the provider's back-off would do a quarter of a minute later."""
    app.inbox.put(Notification("main", job, "", "a webhook", str(time.monotonic()), None))


# --- what cannot be meant --------------------------------------------------------------------------------------------


def test_an_unknown_source_is_a_usage_error_with_the_nearest_name(desk: Desk, plain: object) -> None:
    done = desk.run("watch", "mian", "7")
    assert (done.exit_code, done.output) == (2, "error: 'mian' is no source; did you mean 'main'?\n")


@pytest.mark.parametrize("job_id", ["", " ", "~confirm", "~estimate-1"])
def test_what_is_no_job_of_a_provider_is_not_asked_for(desk: Desk, plain: tuple[Plain, App], job_id: str) -> None:
    """The lanes of verification codes and of estimates have names of our own, which nobody is to get at."""
    done = desk.run("watch", "main", job_id)
    assert done.exit_code == 1
    assert "the provider knows no job" in done.output
    assert list(plain[1].journal.waiting("r:main")) == []


def test_an_api_where_there_is_only_one_is_a_usage_error(desk: Desk, plain: object) -> None:
    done = desk.run("watch", "main", "7", "--api", "v2")
    assert (done.exit_code, done.output) == (2, "error: main has one job API only: leave out --api\n")


def test_an_unknown_api_names_those_that_are_known(desk: Desk, use: Callable[[Plain], App]) -> None:
    app = use(Several())
    done = desk.run("watch", "main", "7", "--api", "third")
    assert (done.exit_code, done.output) == (2, "error: --api: there is no such job API: there are first, second\n")
    assert list(app.journal.waiting("r:main")) == []


# --- which API -------------------------------------------------------------------------------------------------------


@pytest.fixture
def several(use: Callable[[Plain], App]) -> tuple[Several, App]:
    provider = Several()
    provider.jobs["7"] = DONE
    return provider, use(provider)


def test_a_job_that_no_api_knows_is_status_1(desk: Desk, several: tuple[Several, App]) -> None:
    several[0].failing = [NotYet("none of the job APIs knows it")]
    done = desk.run("watch", "main", "7")
    assert done.exit_code == 1
    assert done.output == "error: main: the provider knows no job 7: none of the job APIs knows it\n"
    assert list(several[1].journal.waiting("r:main")) == []


def test_a_provider_that_is_busy_is_asked_a_few_times(
    desk: Desk, several: tuple[Several, App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_source, "FIRST", 0.01)
    provider, app = several
    provider.failing = [Busy("answered 503"), Busy("answered 502", retry_after=0.02)]
    with working(app, "main"):
        done = desk.run("watch", "main", "7")
    assert done.exit_code == 0
    assert "answered 503; again in 0.01 s\nanswered 502; again in 0.02 s\n" in done.stderr
    assert provider.fetched == [("7", "second")]
    provider.failing = [Busy(f"answered 50{n}") for n in range(9)]
    done = desk.run("watch", "main", "8")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.endswith("error: answered 503\n")
    assert len(provider.failing) == 5


@pytest.mark.parametrize("error", [Shut("the key"), ReconnectNeeded("reconnect needed"), Busy("503", retry_after=999)])
def test_what_no_short_wait_mends_is_told_at_once(desk: Desk, several: tuple[Several, App], error: Exception) -> None:
    several[0].failing = [error]
    done = desk.run("watch", "main", "7")
    assert (done.exit_code, done.output) == (1, f"error: {error}\n")
    assert several[0].found == 1


def test_a_job_that_is_known_is_asked_for_where_it_was_found(desk: Desk, several: tuple[Several, App]) -> None:
    provider, app = several
    with working(app, "main"):
        assert desk.run("watch", "main", "7", "--api", "first").exit_code == 0
        assert desk.run("watch", "main", "7").exit_code == 0
    assert provider.fetched == [("7", "first"), ("7", "first")]
    assert provider.found == 0


# --- nobody looks, or there is nothing to see ------------------------------------------------------------------------


def test_without_a_worker_it_says_so(desk: Desk, plain: tuple[Plain, App]) -> None:
    began = time.monotonic()
    done = desk.run("watch", "main", "7")
    assert done.exit_code == 1
    assert done.stderr.endswith("error: no worker was seen: start `jobwire worker` or `jobwire up`, and watch again\n")
    assert done.stdout == ""
    assert time.monotonic() - began >= 0.3


def test_a_job_that_the_provider_does_not_know_is_status_1(
    desk: Desk, plain: tuple[Plain, App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "NOT_YET", 2)
    monkeypatch.setattr(retry, "backoff", lambda attempts, **_: 0.05)
    plain[0].jobs["7"] = NotYet("Hover, job 7: answered 404")
    with working(plain[1], "main"):
        done = desk.run("watch", "main", "7")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "again later: Hover, job 7: answered 404\n" in done.stderr
    last = "error: main: the provider knows no job 7: Hover, job 7: answered 404, after 2 attempts\n"
    assert done.stderr.endswith(last)


def test_a_job_that_may_not_be_seen_is_status_1_and_says_why(desk: Desk, plain: tuple[Plain, App]) -> None:
    plain[0].jobs["7"] = Forbidden("Hover, job 7: answered 403:\n the account\x1b[31m lacks a permission")
    with working(plain[1], "main"):
        done = desk.run("watch", "main", "7")
    assert done.exit_code == 1
    assert done.stderr.endswith("error: main: job 7: Hover, job 7: answered 403: the account[31m lacks a permission\n")


def test_a_job_that_is_gone_while_it_is_watched_is_status_1(desk: Desk, plain: tuple[Plain, App]) -> None:
    """A look that nobody waits for ends in silence; so it is asked for once more, and that says why."""
    provider, app = plain
    provider.jobs["7"] = JOB
    with working(app, "main"), watching(desk, "main", "7") as watched:
        watched.shows("10 %")
        provider.jobs["7"] = Forbidden("gone")
        app.scripts.client.zadd(keys.key("poll", "r:main"), {"r:main|7": 1})
        assert watched.ends() == 1
    assert watched.stderr.endswith("error: main: job 7: gone\n")


# --- followed to its end ---------------------------------------------------------------------------------------------


class Watched:
    """A `jobwire watch` under way in a thread, with what it has printed so far."""

    def __init__(self, desk: Desk, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[str] = []
        echo = watch.click.echo
        monkeypatch.setattr(watch.click, "echo", lambda text, **how: (self.lines.append(text), echo(text, **how)))
        self._thread = threading.Thread(target=self._run, args=(desk, arguments))
        self._thread.start()

    def _run(self, desk: Desk, arguments: tuple[str, ...]) -> None:
        self.done = desk.run("watch", *arguments)

    def shows(self, text: str) -> None:
        wait_for(lambda: any(text in line for line in self.lines), 10, f"{text!r} is not among {self.lines}")

    def ends(self) -> int:
        self._thread.join(10)
        assert not self._thread.is_alive(), self.lines
        return int(self.done.exit_code)

    @property
    def stdout(self) -> str:
        return str(self.done.stdout)

    @property
    def stderr(self) -> str:
        return str(self.done.stderr)


@contextmanager
def watching(desk: Desk, *arguments: str) -> Iterator[Watched]:
    with pytest.MonkeyPatch.context() as patch:
        watched = Watched(desk, arguments, patch)
        yield watched
        watched.ends()


def test_each_event_and_each_step_of_its_progress_is_a_line(desk: Desk, plain: tuple[Plain, App]) -> None:
    provider, app = plain
    provider.jobs["7"] = replace(JOB, created_at=ENDED, provider_state="Active")
    with working(app, "main"), watching(desk, "main", "7") as watched:
        watched.shows("10 %")
        provider.jobs["7"] = replace(JOB, progress=40.0)
        ask_again(app)
        watched.shows("40 %")
        provider.jobs["7"] = replace(DONE, cost_estimate=CostEstimate("e", "processing", 2.5, units="units"))
        ask_again(app)
        assert watched.ends() == 0
    lines = watched.stdout.splitlines()
    assert lines[:3] == [
        "2026-03-01 12:00:05 UTC  New job: Main House (7)",
        "Main House (7): processing, 10 % (Active)",
        "Main House (7): processing, 40 %",
    ]
    assert lines[3].endswith("UTC  Processing cost estimate: Main House (7): 2.5 units")
    assert lines[4:] == ["2026-03-01 12:00:05 UTC  Job succeeded: Main House (7)"]
    assert watched.stderr == "watching job 7 of main; Ctrl-C stops watching here\n"


def test_on_a_terminal_the_progress_moves_in_one_line_below_the_events(
    desk: Desk, plain: tuple[Plain, App], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TTY_COMPATIBLE": "1", "COLUMNS": "100", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    provider, app = plain
    provider.jobs["7"] = replace(JOB, name="Main\x1b[2J House")
    with working(app, "main"), watching(desk, "main", "7") as watched:
        wait_for(lambda: len(provider.fetched) >= 1)
        provider.jobs["7"] = replace(JOB, progress=40.0)
        ask_again(app)
        wait_for(lambda: len(provider.fetched) >= 2)
        wait_for(lambda: app.journal.snapshot("main", "7")["progress"] == 40.0)
        provider.jobs["7"] = DONE
        ask_again(app)
        assert watched.ends() == 0
    moved = re.sub(r"\x1b\[\??[\d;]*[A-Za-z]|\r", "\n", watched.stdout)  # what moves the cursor, as a line of its own
    lines = [line.strip() for line in moved.splitlines()]
    assert sum(line.endswith("Job succeeded: Main House (7)") for line in lines) == 1
    assert sum("New job: " in line for line in lines) == 1
    assert any(re.search(r"Main House \(7\): processing, \d+ %  *\S*  *0:00:\d\d", line) for line in lines), lines
    assert "\x1b[2J" not in watched.stdout, "a name moves no cursor"


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_however_it_ended_the_status_is_0(desk: Desk, plain: tuple[Plain, App], state: State) -> None:
    provider, app = plain
    provider.jobs["7"] = replace(DONE, state=state)
    with working(app, "main"):
        done = desk.run("watch", "main", "7")
    assert done.exit_code == 0
    assert done.stdout == f"2026-03-01 12:00:05 UTC  Job {state}: Main House (7)\n"


def test_an_end_that_was_announced_long_ago_is_told_from_what_is_known(desk: Desk, plain: tuple[Plain, App]) -> None:
    provider, app = plain
    provider.jobs["7"] = replace(DONE, name="Main\nHouse\x1b[2J")
    with working(app, "main"):
        assert desk.run("watch", "main", "7").exit_code == 0
        done = desk.run("watch", "main", "7")
    assert done.exit_code == 0
    assert done.stdout == "2026-03-01 12:00:05 UTC  Main House[2J (7): succeeded, 100 % (completed)\n"
    assert [event["type"] for event in app.journal.events()] == ["job.succeeded"]


def test_a_job_that_was_seen_ended_is_asked_for_all_the_same(desk: Desk, plain: tuple[Plain, App]) -> None:
    """It may have been reopened since."""
    provider, app = plain
    provider.jobs["7"] = replace(DONE, progress=None, provider_state=None)
    with working(app, "main"):
        assert desk.run("watch", "main", "7").exit_code == 0
        provider.jobs["7"] = replace(JOB, progress=None, updated_at=datetime.now(UTC))
        with watching(desk, "main", "7") as watched:
            watched.shows("Job reopened")
            provider.jobs["7"] = replace(DONE, finished_at=datetime.now(UTC))
            ask_again(app)
            assert watched.ends() == 0
    assert [line.partition("UTC  ")[2] for line in watched.stdout.splitlines()] == [
        "Job reopened: Main House (7): from succeeded to processing",
        "",  # where it stands: processing
        "Job succeeded: Main House (7)",
    ]


def test_what_fails_meanwhile_is_told_beside_it(
    desk: Desk, plain: tuple[Plain, App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "backoff", lambda attempts, **_: 0.5)
    provider, app = plain
    provider.jobs["7"] = Busy("Hover, job 7: answered 503")
    with working(app, "main"), watching(desk, "main", "7") as watched:
        watched.shows("again later: Hover, job 7: answered 503")
        provider.jobs["7"] = DONE
        assert watched.ends() == 0
    assert watched.stderr.count("again later") == 1
    assert watched.stdout.count("\n") == 1


def test_ctrl_c_ends_the_watching_and_not_the_following(
    desk: Desk, plain: tuple[Plain, App], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, app = plain
    provider.jobs["7"] = JOB
    app.journal.seen("a worker")

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as here:
        here.setattr(watch, "time", SimpleNamespace(monotonic=time.monotonic, sleep=interrupted))
        done = desk.run("watch", "main", "7")
    assert done.exit_code == 130
    assert done.stderr.endswith("stopped watching here; the job is followed to its end all the same\n")
    with working(app, "main"):
        score = wait_for(lambda: app.scripts.client.zscore(keys.key("poll", "r:main"), "r:main|7"))
    assert 0 < score / 1000 - time.time() < 125, "with reconcile = 0 it is looked at again all the same"


# --- with a provider's own side of the wire --------------------------------------------------------------------------


def test_a_job_of_any_of_bentleys_apis_is_found_and_followed(desk: Desk) -> None:
    simulator = BentleySimulator(client_id="c", client_secret="hush")
    job = simulator.sample("bentley-1")
    job_id = simulator.put_job({"job": {**job["job"], "state": "active"}}, api="realitydataanalysis")
    served = serve(simulator.app)
    try:
        app = desk.write(f"""
[sources.itwin]
provider = "bentley"
client_id = "c"
client_secret = "hush"
api_url = "{served.url}"
token_url = "{served.url}/connect/token"
reconcile = 0
""")
        unknown = desk.run("watch", "itwin", "cc3d35cc-0000-4262-9714-b359da70b419")
        assert unknown.exit_code == 1
        assert "itwin: the provider knows no job cc3d35cc-0000" in unknown.stderr
        with working(app, "itwin"), watching(desk, "itwin", job_id) as watched:
            watched.shows("processing")
            simulator.put_job({"job": {**job["job"], "state": "failed"}})
            app.inbox.put(Notification("itwin", job_id, "", "a webhook", "k", None))
            assert watched.ends() == 0
        assert "Job failed: My first Reality Modeling job" in watched.stdout.splitlines()[-1]
    finally:
        served.close()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    wait_for(lambda: threading.active_count() <= before, 5, "a thread is left")
