"""Draining: a process that is told to stop finishes what it has begun, leaves the rest to others at once, ends well."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from faults.beside import beside
from faults.fleet import BACK, HERE, fleet
from faults.servers import valkey
from running import running, start, wait_for

from processor.simulation import changed, notify
from processor.wiring import CAP
from workers.worker import DRAIN

AT_ONCE = 4.0  # seconds: a tick and a claim, on a busy machine, and not a lease
RATE = 20.0  # notifications a second


def _told_to_stop(process: subprocess.Popen[bytes], seconds: float) -> float:
    """How long it took to end, which must be well and within so many seconds."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(seconds) == 0
    return time.monotonic() - began


# --- a worker ---------------------------------------------------------------------------------------------------------


@beside
def test_a_worker_finishes_what_is_in_flight_and_another_has_the_rest_at_once(folder: Path) -> str:
    takes = 3.0
    with valkey(folder / "valkey") as server, fleet(folder / "fleet", server.url) as it:
        _, url = it.web()
        first, _ = it.worker(), it.worker()
        it.far.seconds = takes
        jobs = {it.tell(url).job for _ in range(2 * CAP)}
        wait_for(lambda: len(it.far.asked) == CAP)  # some are the first one's, some the other's
        stopped = _told_to_stop(first, takes + 5)
        wait_for(lambda: it.far.jobs() == jobs, BACK)
        began = sorted(arrival.at for arrival in it.far.asked)
        assert began[CAP] - (began[0] + takes) < AT_ONCE, "the rest waited for a lease"
        assert began[-1] - (began[CAP - 1] + takes) < AT_ONCE
        assert it.far.repeats() == 0
        assert stopped < takes + 4
        it.all_come()
        rest = began[CAP] - (began[0] + takes)
        return f"sends of {takes} s: stopped after {stopped:.1f} s; the rest began {rest:.2f} s after a place was free"


@beside
def test_what_takes_longer_than_the_bound_is_handed_back_and_another_has_it_at_once(folder: Path) -> str:
    """It is sent twice then, under one id: nobody knows what became of the first time."""
    with valkey(folder / "valkey") as server, fleet(folder / "fleet", server.url) as it:
        _, url = it.web()
        first = it.worker()
        it.far.seconds = 3 * DRAIN
        job = it.tell(url).job
        wait_for(lambda: it.far.asked)
        it.far.seconds = 0
        it.worker()
        stopped = _told_to_stop(first, DRAIN + 10)
        ended = time.monotonic()
        assert stopped > DRAIN - 1, "it was not waited for"
        wait_for(lambda: it.far.jobs() == {job})
        assert it.far.asked[1].at - ended < AT_ONCE
        assert len({arrival.id for arrival in it.far.asked}) == 1
        it.all_come()
        return f"stopped after {stopped:.1f} s; sent by the other one {it.far.asked[1].at - ended:.2f} s later"


@beside
def test_a_worker_ends_within_its_bound_also_when_redis_does_not_answer(folder: Path) -> str:
    with valkey(folder / "valkey") as server, fleet(folder / "fleet", server.url) as it:
        _, url = it.web()
        worker = it.worker()
        it.far.seconds = 1
        job = it.tell(url).job
        wait_for(lambda: it.far.asked)
        server.freeze()
        stopped = _told_to_stop(worker, DRAIN + 10)
        server.thaw()
        it.far.seconds = 0
        it.worker()
        wait_for(lambda: it.far.jobs() == {job})
        it.all_come()
        return f"stopped after {stopped:.1f} s"


@beside
def test_a_worker_that_is_told_to_stop_in_the_middle_of_anything_hears_it(folder: Path) -> None:
    """Being told is an exception in whatever the main thread does just then; much of RQ catches all that it can."""
    with valkey(folder / "valkey") as server, fleet(folder / "fleet", server.url) as it:
        worker = it.run(str(Path(__file__).with_name("deaf.py")))
        assert worker.wait(20) == 0


# --- the receiver -----------------------------------------------------------------------------------------------------


@beside
def test_a_receiver_answers_the_requests_that_it_has_begun(folder: Path) -> None:
    """Those that wait for Redis, and one whose body is still on its way."""
    with valkey(folder / "valkey") as server, fleet(folder / "fleet", server.url) as it:
        process, url = it.web(processes=2)
        it.tell(url)
        with socket.create_connection((HERE, int(url.rpartition(":")[2])), timeout=5) as slow:
            webhook = it.webhook(it.job())
            headers = "".join(f"{name}: {value}\r\n" for name, value in webhook.headers.items())
            head = f"POST {webhook.url} HTTP/1.1\r\nHost: here\r\nContent-Length: {len(webhook.body)}\r\n{headers}\r\n"
            slow.sendall(head.encode() + webhook.body[:10])
            server.freeze()
            asking = [threading.Thread(target=it.tell, args=(url,)) for _ in range(10)]
            for thread in asking:
                thread.start()
            time.sleep(0.3)  # they wait inside
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            server.thaw()
            slow.sendall(webhook.body[10:])
            assert slow.recv(100).startswith(b"HTTP/1.1 202")
        for thread in asking:
            thread.join()
        assert process.wait(10) == 0
        assert set(it.statuses()) <= {202, 503}, "a request that had begun was cut"
        it.worker()
        it.all_come()


# --- a rolling restart ------------------------------------------------------------------------------------------------


@beside
def test_a_rolling_restart_under_load_loses_and_doubles_nothing(folder: Path) -> str:
    """Two receivers and two workers, one after the other. A client that finds a door shut tries the other one, as a
    load balancer does; no request that was begun fails."""
    with valkey(folder / "valkey") as server, fleet(folder / "fleet", server.url) as it:
        webs, workers = [it.web(), it.web()], [it.worker(), it.worker()]
        with it.load(*(url for _, url in webs), a_second=RATE):
            wait_for(lambda: len(it.far.taken) > RATE)
            shut = 0.0
            for n, (process, url) in enumerate(webs):
                began = time.monotonic()
                _told_to_stop(process, 10)
                webs[n] = it.web(int(url.rpartition(":")[2]))
                shut = max(shut, time.monotonic() - began)
            for n, worker in enumerate(workers):
                _told_to_stop(worker, DRAIN + 10)
                workers[n] = it.worker()
        assert set(it.statuses()) <= {202, None}
        assert {answer.job for answer in it.answers} == it.accepted(), "somebody found both doors shut"
        assert all(answer.seconds < 1 for answer in it.answers if answer.status is None), "not refused, but cut"
        it.all_come()
        assert it.far.repeats() == 0
        refused = it.statuses()[None]
        return f"{len(it.accepted())} notifications, {refused} connections refused; a door was shut for {shut:.1f} s"


@beside
def test_in_a_rolling_restart_with_a_new_refresh_token_the_old_workers_follow_the_new_ones(folder: Path) -> None:
    """Who still has the old one would be refused, and would hold the source off for everybody, a minute each time."""
    with valkey(folder / "valkey") as server, fleet(folder / "fleet", server.url) as it:
        _, url = it.web()
        old = it.worker()
        it.tell(url)
        it.all_come()
        before = it.seed()
        it.hover.refresh_token = "connected anew"
        it.configure('refresh_token = "connected anew"')
        it.worker()
        wait_for(lambda: it.seed() != before, BACK, "the new one has not taken over")
        it.tell(url)
        it.tell(url)
        it.hover.expire_tokens()
        began = time.monotonic()
        with it.load(url, a_second=RATE):
            wait_for(lambda: len(it.accepted()) > 3 * RATE)
        it.all_come()
        assert time.monotonic() - began < BACK
        assert old.poll() is None
        assert "reconnect" not in it.log()


# --- all of it --------------------------------------------------------------------------------------------------------


@beside
def test_up_told_to_stop_under_load_ends_well_and_the_next_one_goes_on(folder: Path) -> str:
    with running(folder) as it:
        hover = it.simulated.by_name["hover"]
        hover.stage.latency = 0.2
        jobs = {str(n) for n in range(1, 61)}
        for job in jobs:
            hover.put_job(changed(hover.sample("hover-1"), {"id": int(job), "models": []}))
            assert notify(hover, job)[0].status in (202, 200)  # 200: at the second attempt
        wait_for(it.events)
        stopped = _told_to_stop(it.process, 45)
        done = [event["data"]["job"]["id"] for event in it.events()]
        assert 0 < len(done) < len(jobs), "there was nothing left to hand on"
        it.process = start(it.folder, it.port, it.environ)
        wait_for(lambda: {event["data"]["job"]["id"] for event in it.events()} == jobs, BACK)
        told = [event["id"] for event in it.events()]
        assert len(told) == len(set(told))
        return f"stopped after {stopped:.1f} s with {len(done)} of {len(jobs)} told"
