"""Hover's list of jobs, read so that nothing is skipped: by time, by page where a second is too full, to its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from providers.hover_account import NOW, TOKEN, changed, make, sample

from processor.errors import Unreadable
from processor.model import Job, State, timestamp
from processor.ports import Answer, Listed, Lists
from processor.providers.hover.lists import OVERLAP
from processor.testing.fakes import FakeHttp, Sent, answer

BASE = 1_700_000_000  # seconds; long before NOW
Rows = list[dict[str, Any]]


def row(job_id: int, at: float, **keys: Any) -> dict[str, Any]:
    """A row that was updated `at` seconds after BASE."""
    moment = datetime.fromtimestamp(BASE + at, UTC)
    return {"id": job_id, "reconstruction_state": "working", "updated_at": timestamp(moment), **keys}


def at(row: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(row["updated_at"]).timestamp() - BASE


@dataclass
class Account:
    """A far end that lists `rows` as Hover is said to, at most `most` a page; `ways` are what it does otherwise.

    `meanwhile` is called after each page. `exclusive`: a row updated in the very second that is asked for is not shown.
    """

    rows: Rows
    most: int = 100
    exclusive: bool = False
    ways: tuple[str, ...] = ()
    meanwhile: Callable[[], None] = lambda: None
    asked: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, sent: Sent) -> Answer:
        if sent.method == "POST":
            return answer(json=TOKEN)
        assert urlsplit(sent.url).path == "/api/v3/jobs"
        query = dict(parse_qsl(urlsplit(sent.url).query))
        self.asked.append(query)
        shown = answer(json=self.page(query))
        self.meanwhile()
        return shown

    def page(self, query: Mapping[str, str]) -> Any:
        since = float(query.get("updated_since", 0)) - BASE
        if "ignores updated_since" in self.ways:
            since = -BASE
        wanted = [r for r in self.rows if at(r) > since or (at(r) == since and not self.exclusive)]
        wanted = [r for r in wanted if bool(r.get("archived_at")) is (query.get("archived") == "true")]
        wanted.sort(key=lambda r: (at(r), r["id"]), reverse="newest first" in self.ways)
        per, page = min(int(query["per"]), self.most), int(query["page"])
        if "ignores page" in self.ways:
            page = 1
        rows = wanted[(page - 1) * per : page * per]
        if "no pagination" in self.ways:
            return {"results": rows}
        return {"results": rows, "pagination": {"next_page": page + 1 if len(wanted) > page * per else None}}


def read(account: Account, name: str = "current", since: Any = None, most_calls: int = 500) -> tuple[list[Job], Any]:
    """A whole pass: what it showed, and what it reached. Where it stands is kept as JSON, as in life."""
    http = FakeHttp(always=account)
    provider, jobs, where = make(http), [], None
    for _ in range(most_calls):
        listed = provider.page(name, since=since, at=where, http=http)
        assert listed.unread == ()
        jobs += listed.jobs
        where = json.loads(json.dumps(listed.next))
        if where is None:
            return jobs, json.loads(json.dumps(listed.reached))
    raise AssertionError("it does not end")


def ids(jobs: Sequence[Job]) -> set[int]:
    return {int(job.id) for job in jobs}


def one(page: Any, **options: Any) -> Listed:
    http = FakeHttp(answer(json=TOKEN), answer(json=page))
    return make(http, **options).page("current", since=None, at=None, http=http)


# --- what a page is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [None, [], "x", 7, {}, {"results": None}, {"results": {}}, {"jobs": []}])
def test_a_page_of_another_shape_cannot_be_read(page: Any) -> None:
    with pytest.raises(Unreadable):
        one(page)


def test_a_row_that_cannot_be_read_spoils_no_other() -> None:
    rows = [
        sample(1),
        None,
        [],
        {},
        {"id": 7, "reconstruction_state": "working", "models": "x"},
        {"id": 8, "updated_at": "2025-03-16T00:00:00Z"},
        {"id": 9, "reconstruction_state": "working", "models": [{"id": 1, "artifacts": {"\x1b[31m" + "k" * 900: 7}}]},
        sample(2),
    ]
    listed = one({"results": rows})
    assert [job.id for job in listed.jobs] == ["15084303", "15254733"]
    assert listed.unread[:5] == (
        "row 1: the document must be an object",
        "row 2: the document must be an object",
        "row 3: the document cannot be read: id: is missing",
        "job 7: the document cannot be read: models: must be a list",
        "job 8: the row has no state",
    )
    assert len(listed.unread) == 6
    assert all(len(line) <= 200 and line.isprintable() for line in listed.unread)


def test_a_row_may_lack_what_details_have() -> None:
    [job] = one({"results": [{"id": 7, "reconstruction_state": "completed"}]}).jobs
    assert (job.id, job.state, job.models, job.updated_at) == ("7", State.SUCCEEDED, (), None)


def test_the_older_name_of_the_state_counts_where_the_newer_one_is_not_there() -> None:
    [old] = one({"results": [{"id": 7, "state": "complete"}]}).jobs
    [new] = one({"results": [{"id": 7, "state": "of something else", "reconstruction_state": "failed"}]}).jobs
    assert (old.state, new.state) == (State.SUCCEEDED, State.FAILED)


def test_a_row_is_translated_as_its_details_are() -> None:
    listed = one({"results": [sample()]}, current_user_id=123)
    assert listed.jobs == (make(current_user_id=123).translate(sample(), api="v3"),)
    assert (listed.api, listed.unread, listed.next) == ("v3", (), None)


def test_an_archived_job_says_when() -> None:
    [job] = one({"results": [changed(archived_at="2025-04-01T00:00:00.000Z")]}).jobs
    assert job.archived_at == datetime(2025, 4, 1, tzinfo=UTC)
    assert job.state is State.SUCCEEDED


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_the_first_pass_asks_for_everything_and_the_next_from_before_what_was_reached() -> None:
    account = Account([row(1, 0.25), row(2, 7.5)])
    _, reached = read(account)
    assert reached == "2023-11-14T22:13:27.500Z"
    assert account.asked == [{"sort_by": "updated_at", "sort_order": "ASC", "per": "100", "page": "1"}]
    read(account, since=reached)
    assert account.asked[1] == {**account.asked[0], "updated_since": str(BASE + 7 - OVERLAP)}


def test_the_two_lists_together_have_every_job() -> None:
    account = Account([row(1, 0), row(2, 1, archived_at="2025-04-01T00:00:00Z")])
    provider = make()
    assert isinstance(provider, Lists)
    assert [ids(read(account, name)[0]) for name in provider.lists()] == [{1}, {2}]
    assert [query.get("archived") for query in account.asked] == [None, "true"]


def test_the_configured_user_goes_along() -> None:
    http = FakeHttp(always=Account([]))
    make(http, current_user_id=123).page("current", since=None, at=None, http=http)
    assert http.sent[-1].url.endswith("&page=1&current_user_id=123")


def test_a_link_of_theirs_is_never_followed() -> None:
    """Not even where it stands in the place of a number: what goes on is the number of our own."""
    pages = [
        {"results": [row(n, 0) for n in range(1, 4)], "pagination": {"next_page": "https://elsewhere.example/?page=2"}},
        {"results": []},
        {"results": []},
    ]
    http = FakeHttp(answer(json=TOKEN), *[answer(json=page) for page in pages])
    provider = make(http)
    listed = provider.page("current", since=None, at=None, http=http)
    while listed.next is not None:
        listed = provider.page("current", since=None, at=listed.next, http=http)
    assert all(sent.url.startswith("https://hover.to/") for sent in http.sent)


def test_one_page_is_one_call() -> None:
    account = Account([row(n, n) for n in range(10)], most=3)
    http = FakeHttp(always=account)
    make(http).page("current", since=None, at=None, http=http)
    assert len(account.asked) == 1


# --- how it goes on ---------------------------------------------------------------------------------------------------


def test_the_next_page_begins_a_second_before_the_last_row() -> None:
    account = Account([row(n, n * 10) for n in range(7)], most=3)
    jobs, _ = read(account)
    assert ids(jobs) == set(range(7))
    assert [(q.get("updated_since"), q["page"]) for q in account.asked] == [
        (None, "1"),
        (str(BASE + 19), "1"),
        (str(BASE + 39), "1"),
    ]


def test_only_within_one_second_are_pages_counted_and_then_read_again_backwards() -> None:
    account = Account([row(n, 10 + n / 1000) for n in range(8)] + [row(8, 20), row(9, 30)], most=3)
    jobs, _ = read(account)
    assert ids(jobs) == set(range(10))
    assert [(q.get("updated_since"), q["page"]) for q in account.asked] == [
        (None, "1"),
        (str(BASE + 9), "1"),
        (str(BASE + 9), "2"),
        (str(BASE + 9), "3"),  # shows one of a later second
        (str(BASE + 9), "2"),
        (str(BASE + 9), "1"),
        (str(BASE + 19), "1"),
    ]


def test_a_row_that_moves_while_a_full_second_is_read_hides_no_other() -> None:
    rows = [row(n, 10 + n / 1000) for n in range(8)]

    def touch_the_first() -> None:
        if len(account.asked) == 2:
            rows[0]["updated_at"] = row(0, 1000)["updated_at"]  # all the others move up by one

    account = Account(rows, most=3, meanwhile=touch_the_first)
    assert ids(read(account)[0]) == set(range(8))


def test_a_page_that_is_not_full_is_the_end_unless_it_says_that_there_are_more() -> None:
    full = Account([row(n, n * 10) for n in range(150)], ways=("no pagination",))
    assert ids(read(full)[0]) == set(range(150))
    assert len(full.asked) == 2
    capped = Account([row(n, n * 10) for n in range(60)], most=25)
    assert ids(read(capped)[0]) == set(range(60))


def test_a_full_last_page_ends_it_all_the_same() -> None:
    account = Account([row(n, n * 10) for n in range(100)])
    assert ids(read(account)[0]) == set(range(100))
    assert len(account.asked) == 1 + 1  # it is full, so one more is asked for


@pytest.mark.parametrize("page", [{"total_pages": 3, "current_page": 1}, {"next_page": 2}, {"next_page": "2"}])
def test_either_spelling_says_that_there_are_more(page: Any) -> None:
    assert one({"results": [row(1, 0)], "pagination": page}).next is not None


@pytest.mark.parametrize("page", [None, [], "x", {}, {"total_pages": "many"}, {"next_page": None}, {"total_pages": 1}])
def test_anything_else_says_nothing(page: Any) -> None:
    assert one({"results": [row(1, 0)], "pagination": page}).next is None


# --- a list that does not do what it was asked ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ways", [("newest first",), ("ignores updated_since",), ("newest first", "ignores updated_since")]
)
def test_a_list_in_another_order_is_read_by_its_pages_to_the_end_and_back(ways: tuple[str, ...]) -> None:
    """What the parameters are called is not documented."""
    rows = [row(n, n * 10) for n in range(20)]

    def touch_one() -> None:
        rows[len(account.asked) % 7]["updated_at"] = row(0, 1000 + len(account.asked))["updated_at"]

    account = Account(rows, most=3, ways=ways, meanwhile=touch_one)
    jobs, reached = read(account)
    assert ids(jobs) >= set(range(7, 20)), "those that stayed as they were"
    assert len(account.asked) <= 3 * (20 // 3 + 1)
    assert ids(read(Account(rows, most=3, ways=ways), since=reached)[0]) >= set(range(7))


def test_rows_without_a_time_are_read_by_their_pages() -> None:
    rows = [{"id": n, "reconstruction_state": "working"} for n in range(7)]

    def page(sent: Sent) -> Answer:
        if sent.method == "POST":
            return answer(json=TOKEN)
        at = int(dict(parse_qsl(urlsplit(sent.url).query))["page"])
        return answer(json={"results": rows[at * 3 - 3 : at * 3], "pagination": {"next_page": at < 3}})

    http = FakeHttp(always=page)
    provider, seen, where = make(http), set(), None
    for _ in range(20):
        listed = provider.page("current", since=None, at=where, http=http)
        seen |= ids(listed.jobs)
        where = listed.next
        if where is None:
            break
    assert (seen, where, listed.reached) == (set(range(7)), None, None)


def test_a_list_that_always_shows_the_same_page_ends() -> None:
    read(Account([row(n, 0) for n in range(9)], most=3, ways=("ignores page",)), most_calls=10)


def test_a_time_in_the_future_does_not_hide_what_comes_after() -> None:
    """One wrong date of theirs, and no later pass would see anything again."""
    listed = one({"results": [row(1, 0), {**row(2, 0), "updated_at": "2099-01-01T00:00:00Z"}]})
    assert len(listed.jobs) == 2
    assert listed.reached == timestamp(NOW)


def test_what_was_reached_never_goes_back() -> None:
    account = Account([row(1, 0)])
    later = timestamp(datetime.fromtimestamp(BASE + 100, UTC))
    assert read(account, since=later)[1] == later
    assert read(Account([]), since=later)[1] == later
    assert read(Account([]))[1] is None


# --- whatever happens meanwhile ---------------------------------------------------------------------------------------

_FEW_SECONDS = st.integers(0, 5000)  # milliseconds: many rows share a second, some a moment


@settings(deadline=None, max_examples=200)
@given(
    ages=st.lists(_FEW_SECONDS, max_size=25),
    steps=st.lists(st.tuples(st.sampled_from(["touch", "add", "archive", "wait"]), st.integers(0, 30)), max_size=40),
    most=st.integers(1, 4),
    exclusive=st.booleans(),
)
def test_no_job_is_skipped_whatever_is_touched_added_or_archived_while_we_read(
    ages: list[int], steps: list[tuple[str, int]], most: int, exclusive: bool
) -> None:
    """A pass shows every job that stayed as it was; together with the next one, every job as it is in the end."""
    rows = [row(n, age / 1000) for n, age in enumerate(ages)]
    clock, left, moved = [5.0], list(steps), set()

    def happen() -> None:
        if not left:
            return
        what, which = left.pop(0)
        if what == "wait":
            clock[0] += which / 10
        elif what == "add":
            rows.append(row(len(rows), clock[0]))
        elif which < len(rows):
            rows[which]["updated_at"] = row(0, clock[0])["updated_at"]
            moved.add(which)
            if what == "archive":
                rows[which]["archived_at"] = "2025-04-01T00:00:00Z"

    account = Account(rows, most=most, exclusive=exclusive, meanwhile=happen)
    there = set(range(len(rows)))
    first, reached = read(account)
    assert there - moved <= ids(first)

    left.clear()
    passes = [*first, *read(account, since=reached)[0], *read(account, "archived", since=reached)[0]]
    seen = {(int(job.id), timestamp(job.updated_at)) for job in passes if job.updated_at}
    assert {(r["id"], timestamp(datetime.fromisoformat(r["updated_at"]))) for r in rows} <= seen
