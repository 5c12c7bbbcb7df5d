"""Outages: while something is away nothing is promised that is not kept, and afterwards all comes back by itself.

The figures that are asserted are bounds for a busy machine; docs/reliability.md has what was measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faults.beside import beside
from faults.clocks import set_back
from faults.fleet import BACK, HERE, PATIENCE, Answer, FarEnd, Fleet, fleet
from faults.hours import HOUR, MINUTE, Asked, Far, Hours, most_within
from faults.servers import Valkey, valkey, watched
from running import running, wait_for

from processor.embedded import FULL
from processor.errors import Unavailable
from processor.model import Notification
from processor.simulation import Fault, changed, notify
from processor.store.lanes import LEASE
from processor.wiring import CAP, App, read_settings

pytestmark = pytest.mark.alone

SECOND = 1.0  # a receiver without its Redis says so within it
RATE = 25.0  # notifications a second
AWAY = 2.0  # seconds that something is away; longer shows no more


# --- Redis is away ----------------------------------------------------------------------------------------------------


@dataclass
class Episode:
    """What was seen while Redis was away, and how long after it was back all was well, in seconds."""

    refused: list[Answer]
    accepted: list[Answer]
    taken_after: float
    told_after: float


def _freeze(server: Valkey) -> None:
    server.freeze()
    time.sleep(AWAY)
    server.thaw()


def _stop(server: Valkey) -> None:
    server.stop()
    time.sleep(AWAY)
    server.start()
    wait_for(server.answers)


def _kill(server: Valkey) -> None:
    server.kill()
    time.sleep(AWAY)
    server.start()
    wait_for(server.answers)


FAULTS = {"stopped": _stop, "frozen": _freeze, "killed": _kill}


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Episode]:
    """Redis goes away in each of these ways while notifications come in; in the end nothing may be missing."""
    folder = tmp_path_factory.mktemp("away")
    with valkey(folder / "valkey") as server, fleet(folder / "fleet", server.url) as it:
        _, url = it.web()
        it.worker()
        with it.load(url, a_second=RATE):
            wait_for(lambda: len(it.far.taken) > RATE)
            seen = {name: _episode(it, server, fault) for name, fault in FAULTS.items()}
        it.all_come()
        assert it.far.repeats() == 0
        return seen


def _episode(it: Fleet, server: Valkey, fault: Callable[[Valkey], None]) -> Episode:
    away = threading.Event()

    def happen() -> None:
        fault(server)
        away.set()

    began = time.monotonic()
    threading.Thread(target=happen).start()
    assert away.wait(BACK)
    back = time.monotonic()
    wait_for(lambda: any(a.status == 202 and a.asked > back for a in list(it.answers)), BACK, "202 does not come back")
    first = min(a.asked + a.seconds for a in list(it.answers) if a.status == 202 and a.asked + a.seconds > back)
    wait_for(lambda: any(a.at > back for a in list(it.far.taken)), BACK, "the workers do not come back")
    told = min(a.at for a in list(it.far.taken) if a.at > back)
    margin = began + 0.2  # until then the old server may have been there
    inside = [a for a in list(it.answers) if a.asked > margin and a.asked + a.seconds < back - 0.2]
    before = {a.job for a in list(it.answers) if a.status == 202 and a.asked < back}
    wait_for(lambda: before <= it.far.jobs(), BACK, "what was accepted before is lost")
    return Episode(
        refused=[a for a in inside if a.status == 503],
        accepted=[a for a in inside if a.status != 503],
        taken_after=first - back,
        told_after=told - back,
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_while_redis_is_away_every_request_is_503_within_a_second_and_none_202(
    fault: str, episodes: dict[str, Episode]
) -> None:
    seen = episodes[fault]
    slowest = max(a.seconds for a in seen.refused)
    sys.stdout.write(f"{fault}: 503 after {_ninetieth(seen.refused):.3f} s (9 of 10), {slowest:.3f} s (all)\n")
    assert seen.accepted == []
    assert len(seen.refused) > AWAY * RATE / 3, "there was hardly an outage"
    assert all(a.retry_after for a in seen.refused)
    assert _ninetieth(seen.refused) < SECOND
    assert max(a.seconds for a in seen.refused) < PATIENCE / 2  # whatever else the machine does


@pytest.mark.parametrize("fault", FAULTS)
def test_when_redis_is_back_receiver_and_workers_go_on_by_themselves(fault: str, episodes: dict[str, Episode]) -> None:
    """Soon, and not when a lease has ended; the fixture has seen that nothing was lost, and nothing told twice."""
    seen = episodes[fault]
    sys.stdout.write(f"{fault}: 202 after {seen.taken_after:.2f} s, an event after {seen.told_after:.2f} s\n")
    assert seen.taken_after < 5
    assert seen.told_after < LEASE - 5


def _ninetieth(answers: list[Answer]) -> float:
    """The time that nine of ten kept to: the rest is the machine's."""
    return sorted(a.seconds for a in answers)[len(answers) * 9 // 10]


# --- what a receiver may take -----------------------------------------------------------------------------------------

SAFELY = "[redis]\nwait_replicas = 1\n"


def _inbox(folder: Path, url: str, more: str = "") -> Any:
    """The receiver's own, without the receiver: what it cannot take is its 503 (tests/web/test_receiver.py)."""
    file = folder / "jobwire.toml"
    file.write_text(
        '[sources.main]\nprovider = "hover"\nclient_id = "c"\nclient_secret = "s"\nrefresh_token = "r"\n'
        f'[sinks.out]\ntype = "console"\n{more}'
    )
    return App(read_settings(str(file), {}), url, patient=False).inbox


def _is_new(inbox: Any, job: int) -> bool:
    return bool(inbox.put(Notification("main", str(job), "v3", "e", str(job), None)).new)


def _taken(inbox: Any, job: int) -> bool:
    try:
        _is_new(inbox, job)
    except Unavailable:
        return False
    return True


def test_without_wait_replicas_what_no_replica_had_yet_is_lost_with_the_primary(tmp_path: Path) -> None:
    """So asynchronous replication is. At the same moment wait_replicas refuses it, and the provider sends again."""
    with _pair(tmp_path) as (primary, replica):
        safe, hasty = _inbox(tmp_path, primary.url, SAFELY), _inbox(tmp_path, primary.url)
        assert _taken(safe, 1)
        replica.client.replicaof("NO", "ONE")  # it is cut off
        began = time.monotonic()
        assert not _taken(safe, 2)
        took = time.monotonic() - began
        sys.stdout.write(f"without its replica: 503 after {took:.2f} s\n")
        assert took < SECOND
        assert _taken(hasty, 3)
        primary.kill()
        replica.stop()
        with _in_its_place(primary, replica):
            wait_for(lambda: _taken(hasty, 4), BACK)
            assert not _is_new(hasty, 1)
            assert _is_new(hasty, 3), "it was not lost: this shows nothing"


@contextmanager
def _pair(folder: Path) -> Iterator[tuple[Valkey, Valkey]]:
    """A primary and a replica that is up to date."""
    with ExitStack() as stack:
        primary = stack.enter_context(valkey(folder / "primary", "--repl-diskless-sync-delay", "0"))
        replica = stack.enter_context(valkey(folder / "replica", "--replicaof", f"{HERE} {primary.port}"))
        wait_for(lambda: replica.client.info("replication")["master_link_status"] == "up")
        yield primary, replica


@contextmanager
def _in_its_place(primary: Valkey, replica: Valkey) -> Iterator[None]:
    """The replica's data at the primary's address, as when a name leads elsewhere."""
    heir = Valkey(replica.folder, port=primary.port).start()
    try:
        wait_for(heir.answers)
        yield
    finally:
        heir.close()


# --- Redis is full, or its disk ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("played")  # what mostly waits begins here
def test_from_nine_tenths_of_maxmemory_on_notifications_are_refused_until_there_is_room_again(tmp_path: Path) -> None:
    with valkey(tmp_path / "valkey", "--maxmemory", "20mb") as server:
        inbox = _inbox(tmp_path, server.url)
        assert _taken(inbox, 1)
        client = server.client
        while client.info("memory")["used_memory"] < 0.93 * client.info("memory")["maxmemory"]:
            client.append("somebody else's", b"x" * 100_000)
        wait_for(lambda: not _taken(inbox, 2), 5)
        client.append("what is there", b"can be worked off")
        client.delete("somebody else's")
        wait_for(lambda: _taken(inbox, 3), 5)


def test_a_redis_that_cannot_write_its_file_takes_nothing_until_it_can(tmp_path: Path) -> None:
    """One that syncs once a second lives on and refuses; ours, which syncs at every write, ends: below."""
    with _small_disk(tmp_path / "disk") as disk, valkey(disk, "--appendfsync", "everysec") as server:
        inbox = _inbox(tmp_path, server.url)
        assert _taken(inbox, 1)
        filler = _fill(disk)
        jobs = iter(range(2, 10_000))
        wait_for(lambda: not _taken(inbox, next(jobs)), 10)
        filler.unlink()
        wait_for(lambda: _taken(inbox, next(jobs)), 10)


@beside
def test_with_the_disk_full_up_takes_nothing_and_comes_back_when_there_is_room(folder: Path) -> str:
    with _small_disk(folder / "data") as disk, running(folder) as it:
        hover = it.simulated.by_name["hover"]
        for job in (1, 2):
            hover.put_job(changed(hover.sample("hover-1"), {"id": job, "models": []}))
        notify(hover, "1")
        wait_for(lambda: len(it.events()) == 1)
        filler = _fill(disk)
        wait_for(lambda: notify(hover, "2")[0].status == 503)
        assert all(answer == 503 for answer in (notify(hover, "2")[0].status for _ in range(2)))
        wait_for(lambda: "is full" in it.log())
        filler.unlink()
        room = time.monotonic()
        wait_for(lambda: notify(hover, "2")[0].status in (202, 200), BACK, "it does not come back")
        taken = time.monotonic()
        wait_for(lambda: len(it.events()) == 2)
        return f"room again: 202 after {taken - room:.1f} s, the event after {time.monotonic() - room:.1f} s"


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """A file system of a few megabytes; only root can have one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={4 * FULL}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only who may mount a small disk can fill it")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    return filler


# --- a provider or a sink is away for hours ---------------------------------------------------------------------------


def _away(hours: Hours, far: Far, seconds: float, *, every: float) -> list[Asked]:
    """It is away for so long, while something happens every so often. Returns what was asked of it meanwhile."""
    far.down = True
    hours.last(seconds, step=MINUTE / 2, every=every)
    far.down = False
    asked, far.asked = far.asked, []
    return asked


def _jobs(asked: list[Asked]) -> list[int]:
    return [int(one.job) for one in asked]


def _times(asked: list[Asked]) -> list[float]:
    return [one.at for one in asked]


def test_a_provider_that_is_away_for_hours_is_asked_once_a_minute_and_nothing_dies(
    tmp_path: Path, redis_url: str
) -> None:
    hours = Hours(tmp_path, redis_url, max_age="7h")
    asked = _away(hours, hours.provider, 6 * HOUR, every=5 * MINUTE)
    assert most_within(_times(asked)[20:], MINUTE) == 1
    assert hours.dead() == []
    hours.last(2 * MINUTE, step=1)
    assert len(set(_jobs(hours.sink.asked))) == 72


def test_when_the_provider_is_back_the_backlog_is_fetched_oldest_first_within_its_limits(
    tmp_path: Path, redis_url: str
) -> None:
    hours = Hours(tmp_path, redis_url, limit=60)
    _away(hours, hours.provider, 6 * HOUR, every=5 * MINUTE)
    hours.last(3 * MINUTE, step=0.5)
    probe, *jobs = _jobs(hours.provider.asked)
    assert jobs == sorted(jobs), "what was tried in vain came after what is younger"
    assert sorted([probe, *jobs]) == list(range(72))
    assert most_within(_times(hours.provider.asked), MINUTE) <= 60


def test_nothing_dies_of_an_outage_before_max_age(tmp_path: Path, redis_url: str) -> None:
    hours = Hours(tmp_path, redis_url, max_age="1h")
    _away(hours, hours.provider, 3 * HOUR, every=10 * MINUTE)
    ages = [age for _, age in hours.dead()]
    assert len(ages) >= 6
    assert min(ages) >= HOUR


def test_after_a_sinks_long_outage_the_backlog_goes_out_at_its_rate_oldest_first(
    tmp_path: Path, redis_url: str
) -> None:
    hours = Hours(tmp_path, redis_url, rate=10)
    asked = _away(hours, hours.sink, 6 * HOUR, every=5 * MINUTE)
    assert most_within(_times(asked)[20:], MINUTE) == 1
    back = hours.now()
    hours.last(1.2 * MINUTE, step=0.05)
    probe, *jobs = _jobs(hours.sink.asked)
    assert jobs == sorted(jobs)
    assert sorted([probe, *jobs]) == list(range(72))
    assert most_within(_times(hours.sink.asked), 1) <= 10
    assert _times(hours.sink.asked)[-1] - back < MINUTE + 72 / 10 * 1.1, "it came more slowly than it may"


@beside
def test_while_one_sink_is_away_the_others_are_told_and_afterwards_it_gets_all_at_its_rate(folder: Path) -> str:
    """The same with real workers and real endpoints, whose outage is short."""
    rate, jobs, steady = 20, 60, FarEnd()
    with ExitStack() as stack:
        server = stack.enter_context(valkey(folder / "valkey"))
        limit, more = f'rate = "{rate}/1s"', steady.configuration("steady")
        it = stack.enter_context(fleet(folder / "fleet", server.url, more, sink=limit))
        it.far.status = 503
        _, url = it.web()
        it.worker()
        it.worker()
        told = [it.tell(url).job for _ in range(jobs)]
        wait_for(lambda: len(steady.jobs()) == jobs)
        assert len(it.far.asked) <= 10 + 2 * CAP, "the breaker let more than its trials through"
        tried = len(it.far.asked)
        it.far.status = 204
        back = time.monotonic()
        wait_for(lambda: len(it.far.jobs()) == jobs, BACK)
        arrived = list(dict.fromkeys(arrival.job for arrival in it.far.taken))
        assert max(abs(arrived.index(job) - told.index(job)) for job in arrived[1:]) <= 2 * CAP, "not oldest first"
        times = [arrival.at for arrival in it.far.taken]
        assert most_within(times, 2) <= 2 * rate + 5  # some were late on their way; the test above is exact
        assert it.far.repeats() == steady.repeats() == 0
    steady.close()
    first, last = it.far.taken[0].at - back, it.far.taken[-1].at - back
    return f"{tried} attempts while it was away; {jobs} events {first:.1f} to {last:.1f} s after it was back"


# --- Redis comes back, or another one in its place --------------------------------------------------------------------


@beside
def test_what_was_being_sent_when_redis_went_away_is_not_sent_again(folder: Path) -> str:
    """Its end is written down as soon as there is somewhere to write."""
    with valkey(folder / "valkey") as server, fleet(folder / "fleet", server.url) as it:
        _, url = it.web()
        it.worker()
        it.far.seconds = 1
        for _ in range(CAP):
            it.tell(url)
        wait_for(lambda: len(it.far.asked) == CAP)
        server.stop()
        wait_for(lambda: len(it.far.taken) == CAP)
        time.sleep(AWAY)
        server.start()
        wait_for(server.answers)
        back = time.monotonic()
        it.all_come()
        assert len(it.far.asked) == CAP
        return f"written down {time.monotonic() - back:.2f} s after Redis was back"


@beside
def test_with_wait_replicas_nothing_that_was_answered_202_is_lost_with_the_primary(folder: Path) -> str:
    return _fails_over(folder, Valkey.kill)


@beside
def test_a_primary_that_stands_still_is_left_for_the_one_in_its_place_long_before_a_lease_ends(folder: Path) -> str:
    return _fails_over(folder, Valkey.freeze)


def _fails_over(folder: Path, fault: Callable[[Valkey], None]) -> str:
    with watched(folder) as servers, fleet(folder / "fleet", servers.url, SAFELY) as it:
        _, url = it.web()
        it.worker()
        with it.load(url, a_second=RATE):
            wait_for(lambda: len(it.far.taken) > RATE)
            fault(servers.primary)
            died = time.monotonic()
            wait_for(servers.promoted, BACK, "the Sentinels promoted nobody")
            promoted = time.monotonic()
            wait_for(lambda: any(a.status == 202 and a.asked > promoted for a in list(it.answers)), BACK)
            taken = time.monotonic()
            wait_for(lambda: any(a.at > taken for a in list(it.far.taken)), BACK)
            told = time.monotonic()
        assert told - promoted < LEASE - 5, "the workers were late"
        refused = [a for a in it.answers if a.status != 202]
        assert {a.status for a in refused} == {503}
        assert _ninetieth(refused) < PATIENCE / 2  # much else runs beside: the second is shown above
        it.all_come()
        after = f"202 {taken - died:.1f} s, an event {told - died:.1f} s after the fault"
        return f"promoted {promoted - died:.1f} s, {after}; {len(refused)} times 503, {it.far.repeats()} repeats"


# --- clocks jump ------------------------------------------------------------------------------------------------------


@beside
def test_when_the_clock_of_redis_jumps_an_hour_nothing_is_lost_and_nothing_waits_for_an_hour(folder: Path) -> str:
    """Back and forward, under load, with budgets and rates that remember times."""
    budget = 'rate_limits = ["6000/1m"]'
    with ExitStack() as stack:
        server = stack.enter_context(valkey(folder / "valkey"))
        it = stack.enter_context(fleet(folder / "fleet", server.url, source=budget, sink='rate = "100/1s"'))
        _, url = it.web()
        it.worker()
        with it.load(url, a_second=RATE):
            first = []
            for hours in (1, -1):
                wait_for(lambda: len(it.far.taken) > RATE)
                assert set_back(server.client, hours * HOUR) > 20, "there was hardly a time that was stored"
                jumped, before = time.monotonic(), len(it.accepted())
                wait_for(lambda before=before: len(it.accepted()) > before + RATE)
                wait_for(lambda jumped=jumped: any(a.at > jumped for a in list(it.far.taken)), 5)
                first.append(min(a.at for a in list(it.far.taken) if a.at > jumped) - jumped)
        it.all_come()
    return f"the first event after a jump back {first[0]:.2f} s, forward {first[1]:.2f} s"


@beside
def test_workers_whose_clocks_are_wrong_give_nothing_up_and_keep_nothing_waiting(folder: Path) -> None:
    """One is an hour ahead of Redis, one behind; the provider fails at first, and a notification may be 20 s old."""
    patience = 'retry = { max_age = "20s" }'
    with valkey(folder / "valkey") as server, fleet(folder / "fleet", server.url, source=patience) as it:
        it.hover.stage.fault(Fault(on="job", status=503, times=8))
        _, url = it.web()
        for seconds in (HOUR, -HOUR):
            it.run(str(Path(__file__).with_name("clocks.py")), str(seconds), "worker")
        wait_for(lambda: it.workers() == 2, BACK)
        for _ in range(40):
            assert it.tell(url).status == 202
        it.all_come()
