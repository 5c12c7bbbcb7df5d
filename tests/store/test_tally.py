"""What is turned away is counted in the process, written together, once, and bounded in names."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import redis
from running import wait_for

from processor.errors import Unavailable
from processor.store.rejections import SLICES, UNKNOWN, Rejections, Tallied
from processor.store.scripts import Scripts
from processor.store.tally import REASONS, Tally

WINDOW = 300.0


class Book:
    """What was written, and when; while it is `shut` nothing can be."""

    def __init__(self) -> None:
        self.written: list[Tallied] = []
        self.at: list[float] = []
        self.shut = False

    def __call__(self, tallied: Tallied) -> None:
        self.at.append(time.monotonic())
        if self.shut:
            raise Unavailable("away")
        self.written.append(tallied)

    def rejected(self) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for tallied in self.written:
            for key, times in tallied.rejected.items():
                found[key] = found.get(key, 0) + times
        return found


@pytest.fixture
def book() -> Book:
    return Book()


# --- in the process --------------------------------------------------------------------------------------------------


def test_whatever_strangers_name_there_are_no_more_names_than_are_configured(book: Book) -> None:
    tally = Tally(book, ["main"], every=60)
    for n in range(1000):
        tally.rejected(f"stranger-{n}", f"Reason{n}")
    tally.rejected("main", "Unverified")
    tally.flush()
    assert book.rejected() == {(UNKNOWN, REASONS[-1]): 1000, ("main", "Unverified"): 1}


def test_a_storm_is_written_a_few_times_and_nothing_of_it_is_lost(book: Book) -> None:
    tally = Tally(book, ["main"], every=0.2)
    began = time.monotonic()

    def storm() -> None:
        for _ in range(2000):
            tally.rejected("main", "Unverified")
            time.sleep(0)

    threads = [threading.Thread(target=storm) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: book.rejected() == {("main", "Unverified"): 8000}, 10)
    assert len(book.written) <= 2 + (time.monotonic() - began) / 0.2
    assert all(later - earlier >= 0.19 for earlier, later in itertools.pairwise(book.at))


def test_what_cannot_be_written_waits_as_it_is_and_what_comes_meanwhile_comes_behind_it(book: Book) -> None:
    tally = Tally(book, ["main"], every=60)
    book.shut = True
    tally.rejected("main", "Unverified")
    tally.flush()
    tally.rejected("main", "Malformed")
    tally.flush()
    book.shut = False
    tally.flush()
    assert [dict(tallied.rejected) for tallied in book.written] == [
        {("main", "Unverified"): 1},
        {("main", "Malformed"): 1},
    ]


def test_when_redis_is_back_what_waited_is_written_though_nothing_else_comes(book: Book) -> None:
    book.shut = True
    tally = Tally(book, ["main"], every=0.05)
    tally.rejected("main", "Unverified")
    wait_for(lambda: len(book.at) > 2, 10)
    book.shut = False
    wait_for(lambda: book.written, 10)


def test_only_what_is_genuine_is_heard(book: Book) -> None:
    tally = Tally(book, ["a", "b"], every=60)
    tally.ignored("a", genuine=True)
    tally.ignored("b", genuine=False)
    tally.flush()
    assert frozenset().union(*(tallied.heard for tallied in book.written)) == {"a"}
    assert Counter(name for tallied in book.written for name in tallied.ignored) == {"a": 1, "b": 1}


def test_without_counts_nobody_writes_and_no_thread_runs(book: Book) -> None:
    before = threading.active_count()
    Tally(book, ["main"]).flush()
    assert (book.at, threading.active_count()) == ([], before)


# --- in Redis --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scripts(redis_client: redis.Redis) -> Iterator[Scripts]:
    scripts = Scripts(redis_client)
    scripts.now = 1_800_000_000_000
    return scripts


numbers = itertools.count(1)


def wrong(times: int = 1, source: str = "main") -> Tallied:
    return Tallied(rejected={(source, "Unverified"): times}, writer="w", number=next(numbers))


def test_the_same_counts_sent_twice_count_once(scripts: Scripts, redis_client: redis.Redis) -> None:
    rejections, tallied = Rejections(scripts, window=WINDOW), wrong(3)
    rejections.add(tallied)
    rejections.add(tallied)
    assert redis_client.hgetall("jobwire:cnt") == {"rejections:main:Unverified": "3"}
    assert rejections.wrong("main") == 3


def test_the_window_slides(scripts: Scripts) -> None:
    rejections = Rejections(scripts, window=WINDOW)
    for _ in range(10):
        rejections.add(wrong())
        scripts.now += 60_000  # type: ignore[operator]  # set by the fixture
    assert rejections.wrong("main") == 5
    scripts.now += 600_000  # type: ignore[operator]
    assert rejections.wrong("main") == 0


def test_the_window_is_bounded_and_goes_by_itself(scripts: Scripts, redis_client: redis.Redis) -> None:
    rejections = Rejections(scripts, window=WINDOW)
    for _ in range(300):
        rejections.add(wrong())
        scripts.now += 2_000  # type: ignore[operator]
    assert redis_client.hlen("jobwire:wrong:main") <= SLICES + 2
    assert 0 < redis_client.pttl("jobwire:wrong:main") <= (WINDOW + WINDOW / SLICES) * 1000


def test_only_signatures_of_sources_that_there_are_are_watched_and_only_if_somebody_does(
    scripts: Scripts, redis_client: redis.Redis
) -> None:
    watching, not_watching = Rejections(scripts, window=WINDOW), Rejections(scripts)
    watching.add(wrong(source=UNKNOWN))
    watching.add(Tallied(rejected={("main", "Malformed"): 1}, writer="w", number=next(numbers)))
    not_watching.add(wrong())
    assert redis_client.keys("jobwire:wrong:*") == []


def test_hearing_never_goes_back_in_time(scripts: Scripts, redis_client: redis.Redis) -> None:
    redis_client.hset("jobwire:heard", "main", 1_900_000_000_000)
    Rejections(scripts).add(Tallied(ignored={"main": 1, "other": 1}, heard=frozenset({"main", "other"})))
    assert redis_client.hgetall("jobwire:heard") == {"main": "1900000000000", "other": "1800000000000"}
