"""A pass over a provider's lists, step by step on a real Redis: what stops it, where it goes on, what it sends to be
looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from at_work import Listing
from structlog.testing import capture_logs

from processor import reconciling
from processor.errors import Busy, Forbidden, RateLimited, Refused
from processor.model import Job, State
from processor.pipeline.facts import Facts
from processor.pipeline.reconcile import Teller
from processor.ports import Listed
from processor.reconciling import Announcing, Cursor, Step
from processor.store import keys
from processor.wiring import App, read_settings

CONFIG = '[sources.main]\nprovider = "hover"\nclient_id = "c"\nclient_secret = "s"\nrefresh_token = "r"\n'
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def job(job_id: str, state: State = State.PROCESSING, **changes: Any) -> Job:
    known: dict[str, Any] = {"provider": "hover", "source": "main", "id": job_id, "state": state}
    return Job(**{**known, "created_at": LONG_AGO, "updated_at": LONG_AGO, **changes})


@pytest.fixture
def app(redis_url: str, tmp_path: Path) -> App:
    return made(redis_url, tmp_path, "rate_limits = []")


def made(redis_url: str, folder: Path, more: str) -> App:
    file = folder / "jobwire.toml"
    file.write_text(CONFIG + more)
    return App(read_settings(str(file), {}), redis_url)


def read_all(app: App, provider: Listing) -> Step:
    while not (step := reconciling.step(app, "main", provider)).over:
        assert not step.wait
    return step


def sent(app: App) -> list[str]:
    """The jobs that wait to be looked at."""
    return sorted(keys.job_of(item.lane) for item in app.journal.waiting("r:main"))


def cursor(app: App) -> Cursor:
    return Cursor.load(app.journal.cursor("main"))


# --- what stops it ---------------------------------------------------------------------------------------------------


def test_a_page_that_does_not_come_is_asked_for_again_and_nothing_was_written(app: App) -> None:
    provider = Listing(current=[[job("1")], Busy("503"), [job("2")]])
    reconciling.step(app, "main", provider)
    before = app.journal.cursor("main")
    with pytest.raises(Busy):
        reconciling.step(app, "main", provider)
    assert app.journal.cursor("main") == before
    step = reconciling.step(app, "main", provider)
    assert (step.jobs, step.over) == (2, True)
    assert [at for _, _, at in provider.asked] == [None, 1, 1]


def test_a_pass_that_is_cut_off_goes_on_in_another_process(app: App, redis_url: str, tmp_path: Path) -> None:
    provider = Listing(current=[[job("1")], [job("2")]], archived=[[job("3")]])
    assert reconciling.step(app, "main", provider) == Step(jobs=1, lists=2, left=2)
    other = made(redis_url, tmp_path, "rate_limits = []")
    assert reconciling.step(other, "main", provider) == Step(jobs=2, lists=2, left=1)
    assert reconciling.step(app, "main", provider) == Step(jobs=3, lists=2, left=0, over=True)
    assert [(name, at) for name, _, at in provider.asked] == [("current", None), ("current", 1), ("archived", None)]


def test_a_list_that_may_not_be_read_waits_for_the_next_pass_and_stops_no_other(app: App) -> None:
    read_all(app, Listing(mine=[[job("1")]], theirs=[[job("2")]]))
    provider = Listing(mine=[[job("1")], Forbidden("answered 403")], theirs=[[job("2"), job("3")]])
    with capture_logs() as lines:
        reconciling.step(app, "main", provider)
        step = reconciling.step(app, "main", provider)
        last = reconciling.step(app, "main", provider)
    assert step.notes == ("mine: cannot be read: answered 403",)
    assert [line["list"] for line in lines if line["event"] == "a list cannot be read"] == ["mine"]
    assert (last.jobs, last.over) == (3, True)
    assert cursor(app).lists["mine"].since == "reached-0", "the next pass begins where this one did"
    provider = Listing(mine=[[job("1")]], theirs=[[]])
    read_all(app, provider)
    assert provider.asked[0] == ("mine", "reached-0", None)


def test_a_list_that_is_no_more_ends_nothing(app: App) -> None:
    """As after a change of itwin_ids in the middle of a pass."""
    reconciling.step(app, "main", Listing(a=[[job("1")]], b=[[job("2")]]))
    gone = Listing(a=[[job("1")]])
    gone.pages["b"] = [Refused("there is no list b")]
    assert reconciling.step(app, "main", gone).over
    del gone.pages["b"]
    read_all(app, gone)
    assert list(cursor(app).lists) == ["a"]


def test_rows_that_cannot_be_read_are_told_and_the_others_count(app: App) -> None:
    page = Listed((job("1"),), "v1", unread=("row 2: state: is missing",))
    with capture_logs() as lines:
        step = reconciling.step(app, "main", Listing(current=[page]))
    assert (step.jobs, step.notes) == (1, ("current: row 2: state: is missing",))
    assert "a row of a list cannot be read" in [line["event"] for line in lines]


def test_of_two_that_read_at_once_one_gives_way(app: App) -> None:
    provider = Listing(current=[[job("1")], [job("2")]])
    page = provider.page

    def slow(*args: Any, **how: Any) -> Listed:
        provider.page = page  # type: ignore[method-assign]  # the other one is not slow
        reconciling.step(app, "main", provider)
        return page(*args, **how)

    provider.page = slow  # type: ignore[method-assign]  # while it waits for its page another reads on
    assert reconciling.step(app, "main", provider) == Step(wait=1.0)
    assert cursor(app).jobs == 1


def test_the_budget_is_waited_for_and_lists_get_a_part_of_it_only(redis_url: str, tmp_path: Path) -> None:
    app = made(redis_url, tmp_path, 'rate_limits = ["100/1s"]')
    provider = Listing(current=[[job(str(n))] for n in range(200)])
    steps = [reconciling.step(app, "main", provider) for _ in range(30)]
    waits = [step.wait for step in steps if step.wait]
    assert waits
    assert max(waits) <= 1 / 30 * 1.5, "30 % of 100 a second are 30 a second"
    assert len(provider.asked) == 30 - len(waits), "nothing is asked for without being paid"
    asleep = steps[-1]
    assert (asleep.jobs, asleep.lists, asleep.left, asleep.over) == (len(provider.asked), 1, 1, False)


# --- what it finds ---------------------------------------------------------------------------------------------------


def test_the_first_pass_takes_stock_and_the_next_ones_look_at_what_is_new(app: App) -> None:
    first = read_all(app, Listing(current=[[job("1"), job("2", State.SUCCEEDED)]]))
    assert first == Step(jobs=2, finds=0, lists=1, left=0, over=True)
    assert sent(app) == []
    stocked = [Facts.load(text) for text in app.journal.facts("main", ["1", "2"])]
    assert all(facts.silent for facts in stocked)
    provider = Listing(current=[[job("1", State.SUCCEEDED), job("2", State.SUCCEEDED), job("3")]])
    second = read_all(app, provider)
    assert second == Step(jobs=3, finds=2, lists=1, left=0, over=True)
    assert sent(app) == ["1", "3"]
    assert provider.asked == [("current", "reached-0", None)]


def test_the_same_find_of_two_passes_waits_once(app: App) -> None:
    read_all(app, Listing(current=[[job("1")]]))
    for _ in range(2):
        read_all(app, Listing(current=[[job("1", State.FAILED)]]))
    assert sent(app) == ["1"]


def test_a_source_without_lists_has_nothing_to_read(app: App) -> None:
    assert reconciling.step(app, "main", Listing()) == Step(over=True)


def test_a_pass_is_due_at_first_while_one_is_on_and_after_its_time(redis_url: str, tmp_path: Path) -> None:
    app = made(redis_url, tmp_path, 'rate_limits = []\nreconcile = "1h"')
    provider = Listing(current=[[job("1")], [job("2")]])
    assert reconciling.due(app, "main")
    reconciling.step(app, "main", provider)
    assert reconciling.due(app, "main")
    read_all(app, provider)
    assert not reconciling.due(app, "main")
    old = replace(cursor(app), over="2026-01-01T00:00:00Z")
    app.scripts.client.set(keys.key("cur", "main"), old.dump())
    assert reconciling.due(app, "main")


# --- announcing ------------------------------------------------------------------------------------------------------


def announced(app: App, provider: Listing, since: datetime) -> Step:
    announcing = Announcing(app, "main", provider, since)
    while not (step := announcing.step()).over:
        assert not step.wait
    return step


def test_announcing_goes_on_with_the_page_that_did_not_come(app: App) -> None:
    provider = Listing(current=[[job("1", State.FAILED)], RateLimited("429"), [job("2", State.FAILED)]], archived=[[]])
    announcing = Announcing(app, "main", provider, LONG_AGO)
    announcing.step()
    with pytest.raises(RateLimited):
        announcing.step()
    assert announcing.step() == Step(jobs=2, finds=2, lists=2, left=1)
    assert announcing.step() == Step(jobs=2, finds=2, lists=2, left=0, over=True)


def test_announcing_tells_of_a_list_that_may_not_be_read_and_reads_the_others(app: App) -> None:
    provider = Listing(mine=[Forbidden("answered 403")], theirs=[[job("1", State.FAILED)]])
    announcing = Announcing(app, "main", provider, LONG_AGO)
    assert announcing.step().notes == ("mine: cannot be read: answered 403",)
    assert announcing.step() == Step(jobs=1, finds=1, lists=2, left=0, over=True)


def test_only_what_ended_since_then_is_announced_and_the_cursor_stays(app: App) -> None:
    then = datetime(2026, 6, 1, tzinfo=UTC)
    jobs = [
        job("before", State.FAILED, finished_at=then - timedelta(seconds=1)),
        job("after", State.FAILED, finished_at=then),
        job("undated", State.FAILED, updated_at=None),
        job("open", updated_at=then + timedelta(days=1)),
    ]
    read_all(app, Listing(current=[jobs]))
    stood = app.journal.cursor("main")
    assert announced(app, Listing(current=[jobs]), then) == Step(jobs=4, finds=1, lists=1, left=0, over=True)
    assert app.journal.cursor("main") == stood
    [item] = app.journal.waiting("r:main")
    assert (keys.job_of(item.lane), app.journal.notification(item.item)["event"]) == ("after", Teller.ANNOUNCE)


def test_what_was_announced_before_is_not_counted_again(app: App) -> None:
    ended = Listing(current=[[job("1", State.FAILED), job("2", State.FAILED)]])
    assert announced(app, ended, LONG_AGO).finds == 2
    assert announced(app, ended, LONG_AGO).finds == 0
    assert sent(app) == ["1", "2"]


def test_announcing_waits_for_the_budget_too(redis_url: str, tmp_path: Path) -> None:
    app = made(redis_url, tmp_path, 'rate_limits = ["10/1m"]')
    announcing = Announcing(app, "main", Listing(current=[[job("1")], [job("2")]]), LONG_AGO)
    assert announcing.step().jobs == 1
    assert announcing.step().wait > 1
