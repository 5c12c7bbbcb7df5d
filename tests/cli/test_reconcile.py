"""`jobwire reconcile`: the provider is asked now; progress is seen, and whatever stops it leaves it where it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from at_work import Desk, Listing, Plain, working
from rich.console import Console
from running import wait_for

from processor import registry
from processor.cli import one_source, reconcile
from processor.cli.simulated import BENTLEY, HOVER, Simulated
from processor.errors import Busy, Forbidden, RateLimited, ReconnectNeeded
from processor.model import Job, State
from processor.ports import Listed
from processor.store import keys
from processor.wiring import App

CONFIG = '[sources.main]\nprovider = "hover"\nrate_limits = []\n'
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def job(job_id: str, state: State = State.PROCESSING, **changes: Any) -> Job:
    known: dict[str, Any] = {"provider": "hover", "source": "main", "id": job_id, "state": state}
    return Job(**{**known, "created_at": LONG_AGO, "updated_at": LONG_AGO, **changes})


@pytest.fixture
def desk(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    for name in ("JOBWIRE_CONFIG", "JOBWIRE_DEBUG", "JOBWIRE_DATA_DIR", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(one_source, "FIRST", 0.01)
    return Desk(tmp_path, redis_url)


Use = Callable[..., App]


@pytest.fixture
def use(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Use:
    def used(provider: Plain, config: str = CONFIG) -> App:
        monkeypatch.setattr(registry, "provider", lambda name: provider)
        return desk.write(config)

    return used


# --- what cannot be meant --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--since", "24h"], ["--announce"]])
def test_since_and_announce_belong_together(desk: Desk, use: Use, arguments: list[str]) -> None:
    use(provider := Listing(current=[[]]))
    done = desk.run("reconcile", "main", *arguments)
    expected = "error: --since and --announce belong together, as in --since 24h --announce\n"
    assert (done.exit_code, done.output) == (2, expected)
    assert provider.asked == []


@pytest.mark.parametrize("since", ["yesterday", "-1h", "9" * 30 + "d", ""])
def test_a_duration_that_is_none_is_a_usage_error(desk: Desk, use: Use, since: str) -> None:
    use(Listing(current=[[]]))
    done = desk.run("reconcile", "main", "--since", since, "--announce")
    assert done.exit_code == 2
    assert done.output == f"error: --since: {since!r} is no duration such as 90m, 24h or 7d\n"


def test_an_unknown_source_is_a_usage_error(desk: Desk, use: Use) -> None:
    use(Listing(current=[[]]))
    done = desk.run("reconcile", "mian")
    assert (done.exit_code, done.output) == (2, "error: 'mian' is no source; did you mean 'main'?\n")


def test_a_source_whose_jobs_cannot_be_listed_is_status_1(desk: Desk, use: Use) -> None:
    use(Plain())
    done = desk.run("reconcile", "main")
    assert (done.exit_code, done.output) == (1, "error: main: the jobs of a hover source cannot be listed\n")


def test_bentley_without_an_itwin_has_nothing_to_list(desk: Desk) -> None:
    app = desk.write('[sources.itwin]\nprovider = "bentley"\nclient_id = "c"\nclient_secret = "hush"\n')
    done = desk.run("reconcile", "itwin")
    assert done.exit_code == 1
    assert done.output == "error: itwin: there is nothing to list: set sources.itwin.itwin_ids\n"
    assert app.journal.cursor("itwin") == ""


def test_without_a_redis_it_says_so(desk: Desk, use: Use) -> None:
    use(Listing(current=[[]]))
    Path("jobwire.toml").write_text(CONFIG)
    done = desk.run("reconcile", "main")
    assert done.exit_code == 1
    assert done.output.startswith("error: no Redis: set [redis].url or REDIS_URL")


# --- what stops it ---------------------------------------------------------------------------------------------------


def test_an_error_that_passes_is_borne_a_few_times(desk: Desk, use: Use) -> None:
    app = use(Listing(current=[[job("1")], Busy("answered 503"), RateLimited("answered 429", retry_after=0.05), []]))
    done = desk.run("reconcile", "main")
    assert done.exit_code == 0
    assert "answered 503; again in 0.01 s\n" in done.stderr
    assert "answered 429; again in 0.05 s\n" in done.stderr
    assert done.stdout == "1 job listed, 0 to be looked at, 1 list\n"
    assert app.scripts.client.hget("jobwire:gate:" + app.sources["main"].gate, "pause"), "the others waited too"


def test_one_that_stays_is_one_line_and_the_next_run_goes_on_where_it_was(desk: Desk, use: Use) -> None:
    provider = Listing(current=[[job("1")], *(Busy(f"answered 50{n}") for n in range(4)), [job("2")]])
    app = use(provider)
    done = desk.run("reconcile", "main")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "error: answered 503; `jobwire reconcile` goes on where it was"
    assert app.journal.take_duty("reconcile:main", 60), "the scheduler may read on"
    done = desk.run("reconcile", "main")
    assert done.exit_code == 0
    assert done.stderr.startswith("going on with the pass that began at 20")
    assert done.stdout == "2 jobs listed, 0 to be looked at, 1 list\n"
    assert [at for _, _, at in provider.asked] == [None, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("error", [ReconnectNeeded("reconnect needed"), Busy("503", retry_after=9999)])
def test_what_no_short_wait_mends_is_told_at_once(desk: Desk, use: Use, error: Exception) -> None:
    use(provider := Listing(current=[error, []]))
    done = desk.run("reconcile", "main")
    assert done.exit_code == 1
    assert done.stderr.endswith(f"error: {error}; `jobwire reconcile` goes on where it was\n")
    assert len(provider.asked) == 1


def test_a_list_that_may_not_be_read_is_told_and_the_others_are_read(desk: Desk, use: Use) -> None:
    use(Listing(mine=[Forbidden("answered\n403\x1b[31m")], theirs=[[job("1")]]))
    done = desk.run("reconcile", "main")
    assert done.exit_code == 0
    assert "mine: cannot be read: answered 403[31m\n" in done.stderr
    assert done.stdout == "1 job listed, 0 to be looked at, 2 lists\n"


# --- what it does ----------------------------------------------------------------------------------------------------


def test_it_asks_although_it_is_not_time_and_reads_to_the_end(desk: Desk, use: Use) -> None:
    provider = Listing(current=[[job("1")], [job("2")]], archived=[[]])
    app = use(provider)
    done = desk.run("reconcile", "main")
    assert done.stderr.splitlines() == [
        "the first pass takes stock: what ended before it is not announced",
        "2 jobs listed, 0 to be looked at, 1 list left",
    ]
    assert done.stdout == "2 jobs listed, 0 to be looked at, 2 lists\n"
    provider.pages["current"] = [[job("1", State.FAILED), job("3")]]
    done = desk.run("reconcile", "main")
    assert done.stdout == "2 jobs listed, 2 to be looked at, 2 lists\n"
    assert done.stderr.splitlines() == [
        "2 jobs listed, 2 to be looked at, 1 list left",
        "no worker was seen: they are looked at as soon as one runs (`jobwire worker`)",
    ]
    assert {keys.job_of(item.lane) for item in app.journal.waiting("r:main")} == {"1", "3"}


def test_waiting_for_the_budget_is_told_once_a_wait(desk: Desk, use: Use) -> None:
    use(Listing(current=[[job(str(n))] for n in range(4)]), CONFIG.replace("[]", '["100/5s"]'))
    done = desk.run("reconcile", "main")
    assert done.exit_code == 0
    assert done.stdout == "4 jobs listed, 0 to be looked at, 1 list\n"
    told = [line for line in done.stderr.splitlines() if line.startswith("waiting ")]
    assert 1 <= len(told) <= 3
    assert all(line.endswith(" s for the rate limit") for line in told)


def test_the_scheduler_leaves_the_lists_alone_meanwhile(desk: Desk, use: Use) -> None:
    provider = Listing(current=[[job("1")]])
    app = use(provider)
    taken: list[bool] = []
    page = provider.page

    def looking(*args: Any, **how: Any) -> Listed:
        taken.append(app.journal.take_duty("reconcile:main", 60))
        return page(*args, **how)

    provider.page = looking  # type: ignore[method-assign]  # to look in the middle
    assert desk.run("reconcile", "main").exit_code == 0
    assert taken == [False]
    assert app.journal.take_duty("reconcile:main", 60)


def test_announce_tells_what_ended_while_nobody_was_there(desk: Desk, use: Use) -> None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    ended = job("1", State.SUCCEEDED, finished_at=hour_ago)
    old = job("2", State.FAILED, finished_at=hour_ago - timedelta(days=2))
    provider = Listing(current=[[ended, old]])
    provider.jobs = {"1": ended, "2": old}
    app = use(provider)
    with working(app, "main"):
        assert desk.run("reconcile", "main").stdout == "2 jobs listed, 0 to be looked at, 1 list\n"
        done = desk.run("reconcile", "main", "--since", "24h", "--announce")
        assert (done.exit_code, done.output) == (0, "2 jobs listed, 1 to be looked at, 1 list\n")
        wait_for(lambda: list(app.journal.events()), 5)
    [event] = app.journal.events()
    assert (event["type"], event["subject"]) == ("job.succeeded", "jobs/1")


def test_an_announcement_that_fails_can_be_run_again(desk: Desk, use: Use) -> None:
    use(Listing(current=[*(Busy("answered 503") for _ in range(4))]))
    done = desk.run("reconcile", "main", "--since", "24h", "--announce")
    assert done.exit_code == 1
    assert done.stderr.endswith("error: answered 503; run it again: nothing is announced twice\n")


def test_on_a_terminal_one_line_moves(desk: Desk, use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "Console", lambda **how: Console(force_terminal=True, width=110, **how))
    rows = Listed((job("1"),), "v1", 1, unread=("row [red]2: no state",))
    use(Listing(current=[rows, Busy("answered 503"), [job("2")]], archived=[[]]), CONFIG)
    done = desk.run("reconcile", "main")
    assert done.exit_code == 0
    assert "current: row [red]2: no state" in done.stderr
    assert "answered 503; again in 0.01 s" in done.stderr
    assert done.stdout == "2 jobs listed, 0 to be looked at, 2 lists\n"
    assert "2 jobs listed, 0 to be looked at, 0 lists left" in done.stderr


def test_nothing_is_logged_between_the_lines_and_logging_goes_on_afterwards(desk: Desk, use: Use) -> None:
    provider = Listing(current=[[job("1")]])
    page = provider.page

    def logging(*args: Any, **how: Any) -> Listed:
        structlog.get_logger("a library").warning("https://user:hush@example.com")
        return page(*args, **how)

    provider.page = logging  # type: ignore[method-assign]  # as a library would
    use(provider)
    before = structlog.get_config()
    done = desk.run("reconcile", "main")
    assert "hush" not in done.output
    assert structlog.get_config() == before


# --- with the providers' own side of the wire ------------------------------------------------------------------------


def test_what_no_webhook_told_is_found_at_both_providers(desk: Desk) -> None:
    simulated = Simulated("http://127.0.0.1:1", limited=False)
    served = simulated.serve("127.0.0.1", 0)
    try:
        app = desk.write(simulated.configuration(served.url))
        hover, bentley = simulated.by_name["hover"], simulated.by_name["bentley"]
        assert desk.run("reconcile", HOVER).stdout == "0 jobs listed, 0 to be looked at, 2 lists\n"
        assert desk.run("reconcile", BENTLEY).stdout == "0 jobs listed, 0 to be looked at, 6 lists\n"
        house = hover.sample("hover-1")
        hover.put_job({**house, "reconstruction_state": "working", "updated_at": datetime.now(UTC).isoformat()})
        mesh = bentley.sample("bentley-1")
        bentley.put_job({"job": {**mesh["job"], "state": "active"}})
        for source, lists in ((HOVER, 2), (BENTLEY, 6)):
            with working(app, source):
                done = desk.run("reconcile", source)
                assert (done.exit_code, done.stdout) == (0, f"1 job listed, 1 to be looked at, {lists} lists\n")
                wait_for(lambda s=source: app.journal.counters().get(f"refreshed:r:{s}"), 10)
        assert {event["source"] for event in app.journal.events()} == {f"/sources/{HOVER}", f"/sources/{BENTLEY}"}
    finally:
        served.close()
