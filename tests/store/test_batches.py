"""Group commit: nobody waits alone, everybody gets their own outcome, and no call overlaps another."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from processor.errors import Unavailable
from processor.store.batches import Batches

THREADS = 8


class FarEnd:
    """Doubles numbers. Each call waits at the gate; `calls` are the batches that came."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.began = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.broken = False
        self._alone = threading.Lock()

    def __call__(self, items: Sequence[int]) -> list[int]:
        assert self._alone.acquire(blocking=False), "two calls at once"
        try:
            self.calls.append(list(items))
            self.began.release()
            assert self.gate.acquire(timeout=10)
            if self.broken:
                raise Unavailable("away")
            return [item * 2 for item in items]
        finally:
            self._alone.release()


def gathered(far: FarEnd, batches: Batches[int, int], pool: ThreadPoolExecutor) -> list[Future[int]]:
    """One call under way at the gate, with the rest waiting behind it."""
    futures = [pool.submit(batches, 0)]
    assert far.began.acquire(timeout=10)
    futures += [pool.submit(batches, i) for i in range(1, THREADS)]
    while len(batches._waiting) < THREADS - 1:
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


def test_many_threads_lose_nothing_and_mix_nothing_up() -> None:
    far = FarEnd()
    far.gate.release(10_000)
    batches = Batches(far)
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(batches, range(2000))) == [2 * i for i in range(2000)]
    assert sorted(item for call in far.calls for item in call) == list(range(2000))
