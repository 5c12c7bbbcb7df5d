"""Group commit: who comes while calls are under way shares the next one, and everybody gets their own outcome."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from processor.errors import Unavailable
from processor.store.batches import Batches

THREADS = 8


class FarEnd:
    """Doubles numbers, `at_once` calls at a time. Each waits at the gate; `calls` are the batches that came."""

    def __init__(self, at_once: int = 1) -> None:
        self.calls: list[list[int]] = []
        self.began = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.broken = False
        self._room = threading.Semaphore(at_once)

    def __call__(self, items: Sequence[int]) -> list[int]:
        assert self._room.acquire(blocking=False), "too many calls at once"
        try:
            self.calls.append(list(items))
            self.began.release()
            assert self.gate.acquire(timeout=10)
            if self.broken:
                raise Unavailable("away")
            return [item * 2 for item in items]
        finally:
            self._room.release()


def gathered(far: FarEnd, batches: Batches[int, int], pool: ThreadPoolExecutor) -> list[Future[int]]:
    """As many calls as may be are under way at the gate, with the rest waiting behind them."""
    futures = []
    while batches._free:
        futures.append(pool.submit(batches, len(futures)))
        assert far.began.acquire(timeout=10)
    alone = len(futures)
    futures += [pool.submit(batches, i) for i in range(alone, THREADS)]
    while len(batches._waiting) < THREADS - alone:
        threading.Event().wait(0.001)
    return futures


@pytest.fixture
def far() -> FarEnd:
    return FarEnd()


def test_who_waits_behind_a_failed_call_fails_with_it_and_the_next_call_is_a_fresh_one(far: FarEnd) -> None:
    batches = Batches(far)
    with ThreadPoolExecutor(THREADS) as pool:
        futures = gathered(far, batches, pool)
        far.broken = True
        far.gate.release()
        for future in futures:
            with pytest.raises(Unavailable):
                future.result(10)
        far.broken = False
        far.gate.release()
        assert pool.submit(batches, 21).result(10) == 42
    assert far.calls == [[0], [21]]


def test_a_result_that_is_missing_fails_the_whole_batch_and_nobody_hangs() -> None:
    batches: Batches[int, int] = Batches(lambda items: [])
    for _ in range(2):
        with pytest.raises(ValueError, match="zip"):
            batches(1)


def test_what_gathers_during_a_call_goes_in_the_next_one_and_everybody_gets_their_own_result(far: FarEnd) -> None:
    batches = Batches(far)
    with ThreadPoolExecutor(THREADS) as pool:
        futures = gathered(far, batches, pool)
        far.gate.release(2)
        assert [future.result(10) for future in futures] == [2 * i for i in range(THREADS)]
    assert [len(call) for call in far.calls] == [1, THREADS - 1]


def test_of_two_calls_at_once_either_may_end_first_and_what_has_gathered_goes_in_one(far: FarEnd) -> None:
    far = FarEnd(at_once=2)
    batches = Batches(far, at_once=2)
    with ThreadPoolExecutor(THREADS) as pool:
        futures = gathered(far, batches, pool)
        far.gate.release()
        assert far.began.acquire(timeout=10)
        late = pool.submit(batches, THREADS)
        far.gate.release(3)
        assert [future.result(10) for future in [*futures, late]] == [2 * i for i in range(THREADS + 1)]
    assert far.calls == [[0], [1], list(range(2, THREADS)), [THREADS]]
    assert batches._free == 2


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_many_threads_lose_nothing_and_mix_nothing_up(at_once: int) -> None:
    far = FarEnd(at_once)
    far.gate.release(10_000)
    batches = Batches(far, at_once)
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(batches, range(2000))) == [2 * i for i in range(2000)]
    assert sorted(item for call in far.calls for item in call) == list(range(2000))
