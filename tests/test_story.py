"""The whole way, in real processes: a signed webhook comes in, the events come out at the sinks, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
from running import BENTLEY, HOVER, Running, free_port, running, start, wait_for
from standardwebhooks import Webhook

from processor.simulation import Fault, Simulator, changed, notify, play
from processor.store.lanes import LEASE

MESH = "cc3d35cc-416a-4262-9714-b359da70b419"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLawg"


@pytest.fixture
def jobwire(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as it:
        yield it


def hover_job(it: Running, job_id: int) -> str:
    """A finished job with one failed and one good model: three events."""
    hover = it.simulated.by_name["hover"]
    return hover.put_job(changed(hover.sample("hover-1"), {"id": job_id}))


def subjects(it: Running) -> list[tuple[str, str]]:
    return [(e["type"], e["subject"]) for e in it.events()]


class Endpoint:
    """Somebody's webhook receiver: keeps what came, answers 204."""

    def __init__(self) -> None:
        got: list[tuple[dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *said: Any) -> None: ...

        self.got = got
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.mark.alone
def test_two_sources_and_four_sinks_within_a_second(tmp_path: Path) -> None:
    endpoint = Endpoint()
    more = f"""
[sinks.screen]
type = "console"
[sinks.stream]
type = "redis-stream"
stream = "events"
[sinks.hook]
type = "webhook"
url = "{endpoint.url}"
secret = "{SECRET}"
allow_private = true
events = ["*.failed", "cost_estimate.*"]
"""
    with running(tmp_path, more) as it:
        hover, bentley = it.simulated.by_name["hover"], it.simulated.by_name["bentley"]
        client: Any = redis.Redis(unix_socket_path=str(it.embedded.socket), decode_responses=True)

        def seconds_until_all_sinks_have(*jobs: tuple[Simulator, str]) -> float:
            began, before = time.monotonic(), len(it.events())
            for simulator, job in jobs:
                notify(simulator, job)
            wait_for(
                lambda: len(it.events()) == client.xlen("events") == before + 6 and len(endpoint.got) * 3 == before + 6
            )
            wait_for(lambda: all(f"({job})" in it.log() for _, job in jobs))
            return time.monotonic() - began

        took = []
        for n in range(3):
            mesh = bentley.put_job(changed(bentley.sample("bentley-1"), {"job.id": f"{MESH[:-1]}{n}"}))
            took.append(seconds_until_all_sinks_have((hover, hover_job(it, 900 + n)), (bentley, mesh)))
        assert min(took) < 1.0, took  # the first pays for tokens and connections; one quiet moment must be enough
        hover.put_job(hover.sample("hover-1"))
        bentley.put_job(bentley.sample("bentley-1"))
        seconds_until_all_sinks_have((hover, "15084303"), (bentley, MESH))
        stream = client.xrange("events")
        client.close()
    assert subjects(it)[18:] == unordered(
        ("model.failed", "jobs/15084303/models/15081686"),
        ("model.succeeded", "jobs/15084303/models/15081683"),
        ("job.succeeded", "jobs/15084303"),
        ("cost_estimate.available", f"jobs/{MESH}"),
        ("model.succeeded", f"jobs/{MESH}/models/{MESH}"),
        ("job.succeeded", f"jobs/{MESH}"),
    )
    assert sorted(row["id"] for _, row in stream) == sorted(e["id"] for e in it.events())
    assert "Model failed: Garage" in it.log()
    for headers, body in endpoint.got:
        event = Webhook(SECRET).verify(body, headers)
        assert headers["webhook-id"] == event["id"]
        assert headers["Content-Type"] == "application/cloudevents+json"


class unordered(list[tuple[str, str]]):
    """Equal to a list with the same members; those of one job in this order."""

    __hash__ = None  # type: ignore[assignment]  # a list

    def __init__(self, *members: tuple[str, str]) -> None:
        super().__init__(members)

    def __eq__(self, other: object) -> bool:
        def by_job(rows: Any) -> dict[str, list[Any]]:
            jobs: dict[str, list[Any]] = {}
            for kind, subject in rows:
                jobs.setdefault(subject.split("/")[1], []).append((kind, subject))
            return jobs

        return by_job(self) == by_job(other)


def test_the_same_notification_twice_out_of_order_and_late_changes_nothing(jobwire: Running) -> None:
    hover = jobwire.simulated.by_name["hover"]
    job = hover_job(jobwire, 77)
    told = [{"job_id": job, "state": "working"}, {"job_id": job, "state": "completed", "double": True}]
    sent = play(hover, [{"notify": told, "reorder": True}, {"after": 1.5, "notify": told}])
    assert [s.status for s in sent].count(202) >= 2
    wait_for(lambda: len(jobwire.events()) == 3)
    time.sleep(2)
    assert len(jobwire.events()) == 3


def test_a_worker_killed_in_the_middle_of_a_hundred_refreshes_loses_nothing(jobwire: Running) -> None:
    """Every event is at the sink before the leases of the killed one would have ended, and none under two ids: on its
    own machine it is found out that a process is gone."""
    hover = jobwire.simulated.by_name["hover"]
    hover.stage.latency = 0.15
    jobs = [hover_job(jobwire, 1000 + n) for n in range(100)]
    with ThreadPoolExecutor(8) as pool:
        sent = [s for some in pool.map(lambda job: notify(hover, job), jobs) for s in some]
    assert {s.status for s in sent} == {202}
    wait_for(lambda: jobwire.events())
    killed = time.monotonic()
    jobwire.kill("workers worker")
    assert len(jobwire.events()) < 300, "the worker was done before it was killed"
    wait_for(lambda: len({e["id"] for e in jobwire.events()}) == 300, LEASE, "events are missing when leases end")
    assert time.monotonic() - killed < LEASE
    for job in jobs:
        first = list(dict.fromkeys(e["type"] for e in jobwire.events() if e["data"]["job"]["id"] == job))
        assert first == ["model.failed", "model.succeeded", "job.succeeded"]


def test_three_workers_exchange_a_refresh_token_once(tmp_path: Path) -> None:
    """Hover's refresh token is spent by its exchange: a second refresher would lose the connection for good."""
    with running(tmp_path, "", "--workers", "3") as it:
        hover: Any = it.simulated.by_name["hover"]
        wait_for(lambda: len(it.pids("workers worker")) == 3)
        for turn in (1, 2):
            jobs = [hover_job(it, turn * 1000 + n) for n in range(30)]
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda job: notify(hover, job), jobs))
            wait_for(lambda turn=turn: len({e["id"] for e in it.events()}) == turn * 90)
            assert hover.stage.counts["token"] == turn
            hover.expire_tokens()


def test_what_was_accepted_survives_a_kill_of_everything(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        hover = it.simulated.by_name["hover"]
        hover.stage.fault(Fault(on="job", status=503, times=1000))
        job = hover_job(it, 5)
        assert [s.status for s in notify(hover, job)] == [202]
        os.kill(it.server, signal.SIGKILL)
        it.process.kill()
        it.process.wait()
        for of in ("workers", "processor.cli"):
            it.kill(of)
        assert not it.embedded.answers()
        hover.stage.mend()
        it.process = start(it.folder, it.port, it.environ)
        wait_for(lambda: len(it.events()) == 3, 80)


def test_the_embedded_server_is_started_again_when_it_dies(jobwire: Running) -> None:
    hover = jobwire.simulated.by_name["hover"]
    notify(hover, hover_job(jobwire, 6))
    wait_for(lambda: len(jobwire.events()) == 3)
    before, workers = jobwire.server, jobwire.pids("workers worker")
    os.kill(before, signal.SIGKILL)
    job = hover_job(jobwire, 7)
    wait_for(lambda: any(s.status == 202 for s in notify(hover, job)))
    wait_for(lambda: len({e["id"] for e in jobwire.events()}) == 6, 40)
    assert jobwire.server != before
    assert jobwire.pids("workers worker") == workers, "the worker did not reconnect, it was started again"


def test_whatever_dies_is_started_again(jobwire: Running) -> None:
    hover = jobwire.simulated.by_name["hover"]
    notify(hover, hover_job(jobwire, 6))
    wait_for(lambda: len(jobwire.events()) == 3)  # there is a token: a kill amid its exchange would cost more time
    for of in ("workers scheduler", "processor.cli web"):
        [before, *_] = jobwire.pids(of)
        jobwire.kill(of)
        wait_for(lambda of=of, before=before: jobwire.pids(of) and before not in jobwire.pids(of))
    job = hover_job(jobwire, 8)
    wait_for(lambda: any(s.status == 202 for s in notify(hover, job)))
    wait_for(lambda: len({e["id"] for e in jobwire.events()}) == 6)


def test_a_job_that_the_provider_does_not_know_becomes_a_visible_dead_notification(jobwire: Running) -> None:
    hover = jobwire.simulated.by_name["hover"]
    [sent] = notify(hover, "404404", state="completed")
    assert sent.status == 202
    row = wait_for(lambda: _dead(jobwire), 90)
    assert row["source"] == HOVER
    assert row["job_id"] == "404404"
    assert row["state"] == "dead"
    assert "404" in row["last_error"]


def _dead(it: Running) -> Any:
    command = [sys.executable, "-m", "processor.cli", "notifications", "--dead", "--json"]
    where = ["--config", str(it.folder / "jobwire.toml"), "--data-dir", str(it.folder / "data")]
    shown = subprocess.run([*command, *where], capture_output=True, text=True, check=True, env=it.environ)
    return json.loads(shown.stdout) if shown.stdout else None


def test_two_starts_in_one_folder_share_the_server(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        before = it.server
        second = start(it.folder, free_port(), it.environ)
        try:
            bentley = it.simulated.by_name["bentley"]
            wait_for(lambda: len(it.pids("workers worker")) == 2)
            assert it.server == before
            bentley.put_job(bentley.sample("bentley-1"))
            notify(bentley, MESH)
            wait_for(lambda: len(it.events()) == 3)
        finally:
            second.send_signal(signal.SIGTERM)
            assert second.wait(40) == 0
        assert it.embedded.answers(), "the second one stopped the first one's server"
        assert BENTLEY in {e["data"]["source"] for e in it.events()}


def test_a_port_that_is_taken_is_said_in_one_line(jobwire: Running) -> None:
    command = [sys.executable, "-m", "processor.cli", "up", "--port", str(jobwire.port)]
    where = ["--config", str(jobwire.folder / "jobwire.toml"), "--data-dir", str(jobwire.folder / "other")]
    refused = subprocess.run([*command, *where], capture_output=True, text=True, env=jobwire.environ, timeout=30)
    assert refused.returncode == 2
    assert len(refused.stderr.strip().splitlines()) == 1
    assert str(jobwire.port) in refused.stderr
