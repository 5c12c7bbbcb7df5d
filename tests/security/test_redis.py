"""What somebody may try who can write to our Redis or to that of a sink, and whether a name reaches another's keys."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import assume, given
from hypothesis import strategies as st
from running import wait_for
from security.far_end import far_end
from security.hostile import IDS
from security.trap import Baited
from structlog.testing import capture_logs

from processor.cli.simulated import HOVER, Simulated
from processor.connect import connect
from processor.embedded import EmbeddedServer
from processor.errors import Retryable
from processor.http import HttpClient
from processor.model import Notification
from processor.ports import StoredToken
from processor.queue import QUEUE, TASKS
from processor.sinks.rq import Rq
from processor.store import keys
from processor.store.tokens import RedisTokens
from processor.store.work import Hint
from processor.testing.builders import an_event
from processor.testing.fakes import FakeHttp, answer
from processor.wiring import REDIS_FROM_PARENT, App, read_settings
from workers.shift import Shift

TESTS = Path(__file__).parents[1]
TRAP = "security.trap.spring"

# --- names and ids in keys -------------------------------------------------------------------------------------------

names = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)  # what settings take for the name of a source or sink
ids = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from([i for i in IDS if i != "\ud800"])


def _keys(source: str, job: str, sink: str) -> set[str]:
    """Everything that is spelled for one job at one source and one sink."""
    lanes = (keys.refresh_lane(source, job), keys.delivery_lane(sink, source, job))
    of_job = {keys.key(kind, keys.job_key(source, job)) for kind in ("facts", "doc")}
    return {keys.key(kind, lane) for kind in ("q", "lane") for lane in lanes} | of_job


@given(names, ids, names, ids, names)
def test_two_jobs_never_share_a_key(source: str, job: str, other_source: str, other_job: str, sink: str) -> None:
    assume((source, job) != (other_source, other_job))
    assert not _keys(source, job, sink) & _keys(other_source, other_job, sink)


@given(names, ids, names)
def test_no_id_reaches_a_key_of_another_kind(source: str, job: str, sink: str) -> None:
    """Nor the lane of everything, nor what stands behind a space or a ~ in a name that a script puts together."""
    lane, delivery = keys.refresh_lane(source, job), keys.delivery_lane(sink, source, job)
    assert (keys.source_of(lane), keys.job_of(lane), keys.job_of(delivery)) == (source, job, job)
    assert delivery.startswith(f"{keys.delivering(sink)}|")
    assert delivery != keys.everything_lane(sink)
    of_job = lane.partition("|")[2]
    assert of_job.isascii()
    assert not set(of_job) & set(" |:/*\r\n\0")
    assert of_job == keys.job_key(source, job).removeprefix(f"{source}/")


@given(
    names, st.text(st.characters(codec="utf-8"), max_size=20), names, st.text(st.characters(codec="utf-8"), max_size=20)
)
def test_what_one_sink_remembers_no_other_recalls(sink: str, name: str, other: str, other_name: str) -> None:
    assume((sink, name) != (other, other_name))
    assert keys.memory_key(sink, name) != keys.memory_key(other, other_name)


# --- RQ's jobs -------------------------------------------------------------------------------------------------------


def _rq_job(client: redis.Redis, job_id: str, **fields: Any) -> None:
    """What anybody who can write to Redis may put into our queue."""
    usual = {"created_at": "2026-01-01T00:00:00.000000Z", "origin": QUEUE, "status": "queued", "timeout": "60"}
    client.hset(f"rq:job:{job_id}", mapping={**usual, **fields})
    client.rpush(f"rq:queue:{QUEUE}", job_id)


def _named(function: str, *arguments: str) -> bytes:
    return json.dumps([function, None, arguments, {}]).encode()


def _hostile_jobs(client: redis.Redis, url: str) -> None:
    ours = _named(TASKS["r"], "nobody", "hand")
    webhooks = json.dumps([{"url": url, "job_status": status} for status in ("finished", "failed")])
    baited = pickle.dumps(Baited())
    _rq_job(client, "names-a-function", data=_named(TRAP, "called"))
    _rq_job(client, "names-a-shell", data=_named("os.system", f"echo >> {os.environ['TRAP']}"))
    _rq_job(client, "names-a-method", data=json.dumps(["format", "{}", ["x"], {}]))
    _rq_job(client, "has-callbacks", data=ours, success_callback_name=TRAP, failure_callback_name=TRAP)
    _rq_job(client, "fails-and-has-them", data=_named(TASKS["r"]), failure_callback_name=TRAP, webhooks=webhooks)
    _rq_job(client, "has-webhooks", data=ours, webhooks=webhooks)
    _rq_job(client, "is-pickled", data=baited, meta=baited, result=baited, exc_info=baited)
    _rq_job(client, "has-pickles", data=ours, meta=baited, result=baited)
    for job_id, field in (("date", "created_at"), ("status", "status"), ("time", "timeout"), ("ttl", "result_ttl")):
        _rq_job(client, f"garbage-{job_id}", **{"data": ours, field: "\0garbage"})
    _rq_job(client, "no-text", data=b"\xff\xfe\x00")
    client.set("rq:job:no-job", "x")
    client.rpush(f"rq:queue:{QUEUE}", "no-job", "not-there", "../../etc/passwd", b"\xff\xfe")


@contextmanager
def _worker(tmp_path: Path, redis_url: str, configuration: str) -> Iterator[subprocess.Popen[bytes]]:
    config = tmp_path / "jobwire.toml"
    config.write_text(configuration)
    environ = {**os.environ, "JOBWIRE_CONFIG": str(config), REDIS_FROM_PARENT: redis_url}
    search = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "workers", "worker"]
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(command, env={**environ, "PYTHONPATH": search}, stderr=log)
    try:
        yield worker
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0


def test_a_job_in_our_queue_calls_nothing_but_our_two_tasks(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RQ would call any function that a job names, in JSON as well as in a pickle, and post to any address."""
    trap, out = tmp_path / "trap", tmp_path / "events.jsonl"
    monkeypatch.setenv("TRAP", str(trap))
    simulated = Simulated("http://127.0.0.1:1", limited=False)
    hover = simulated.by_name["hover"]
    job = hover.put_job(hover.sample("hover-2"))
    served = simulated.serve("127.0.0.1", 0)
    configuration = f'{simulated.configuration(served.url)}\n[sinks.disk]\ntype = "file"\npath = "{out}"\n'
    with far_end(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as listener, redis.from_url(redis_url) as client:
        _hostile_jobs(client, listener.url)
        with _worker(tmp_path, redis_url, configuration) as worker:
            wait_for(lambda: not client.llen(f"rq:queue:{QUEUE}"), 20, "the worker does not take them")
            App(read_settings(str(tmp_path / "jobwire.toml"), {}), redis_url).inbox.put(
                Notification(HOVER, job, "v3", "job-state-changed-v2", "key", "job")
            )
            wait_for(lambda: out.exists() and len(out.read_text().splitlines()) == 3, 20, "nothing comes out any more")
            assert worker.poll() is None
        assert not trap.exists(), trap.read_text()
        assert listener.heard == []
    served.close()
    assert "garbage" not in (tmp_path / "log").read_text()


def test_what_waits_in_the_queue_of_a_sink_is_not_unpickled_here(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain RQ jobs are pickles, for whoever runs them: we only write them, and look at how one stands."""
    monkeypatch.setenv("TRAP", str(tmp_path / "trap"))
    sink = Rq("out", "theirs", "their.function", url=redis_url)
    job_id = sink.deliver(an_event())
    with redis.from_url(redis_url) as client:
        baited = pickle.dumps(Baited())
        client.hset(f"rq:job:{job_id}", mapping={"data": baited, "meta": baited, "result": baited, "status": "failed"})
        assert sink.deliver(an_event()) == job_id
        assert b"security.trap" not in (client.hget(f"rq:job:{job_id}", "data") or b""), "it was written anew"
    sink.close()
    assert not (tmp_path / "trap").exists()


# --- what we wrote ourselves -----------------------------------------------------------------------------------------

CONFIG = """
[sources.itwin]
provider = "bentley"
webhook_secrets = ["key"]
client_id = "id"
client_secret = "s"
rate_limits = []
[sinks.disk]
type = "file"
path = "{path}"
"""


@pytest.fixture
def app(redis_url: str, tmp_path: Path) -> App:
    file = tmp_path / "jobwire.toml"
    file.write_text(CONFIG.format(path=tmp_path / "events.jsonl"))
    return App(read_settings(str(file), {}), redis_url)


class Answering(FakeHttp):
    """Gives a token, and to every other question a job that succeeded."""

    def request(self, method: str, url: str, **arguments: Any) -> Any:
        self._always = answer(json={"access_token": "a", "expires_in": 3600, "job": _job(url)})
        return super().request(method, url, **arguments)


def _job(url: str) -> Mapping[str, Any]:
    return {"id": url.rpartition("/")[2], "state": "success", "type": "Full", "executionInformation": {}}


def test_a_forged_lane_leads_to_no_address(app: App, redis_client: redis.Redis) -> None:
    http = app.__dict__["http"] = Answering()
    lanes = [
        f"r:itwin|{quoted}" for quoted in ("..%2F..%2Fother", "%2F%2Fevil.example", "1%3Fa%3Db", "1%0D%0AX", "*", "")
    ]
    hints = [Hint(lane, lane, "e", "//evil.example", "job") for lane in lanes]
    app.lanes.accept(app.sources["itwin"], hints, hand="test")
    with capture_logs():
        for _ in lanes:
            Shift(app).refresh("itwin", "test")
    assert {sent.url for sent in http.sent} <= {"https://ims.bentley.com/connect/token"}


@pytest.mark.parametrize("garbage", ["", "null", "[]", "{", '{"v": 1, "state": 7}', "\x80\x04pickle", '"\\ud800"'])
def test_garbage_in_place_of_what_we_remember_stops_no_other_job(
    app: App, redis_client: redis.Redis, garbage: str
) -> None:
    app.__dict__["http"] = Answering()
    for job in ("bad", "good"):
        app.inbox.put(Notification("itwin", job, "contextcapture", "e", job, "job"))
    for kind in ("facts", "doc"):
        redis_client.set(keys.key(kind, keys.job_key("itwin", "bad")), garbage)
    redis_client.set(keys.key("sub", "itwin"), garbage)
    with capture_logs():
        Shift(app).refresh("itwin", "test")
        Shift(app).deliver("disk", "test")
    out = Path(app.settings.sinks["disk"].options["path"])
    told = [json.loads(line)["data"]["job"]["id"] for line in out.read_text().splitlines()]
    assert "good" in told


def test_a_token_put_into_redis_makes_no_header(app: App, redis_client: redis.Redis) -> None:
    with far_end(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as listener:
        RedisTokens(redis_client).put("itwin", StoredToken("x\r\nX-Admin: 1", None, "seed", 4e9), expected=None)
        stored = RedisTokens(redis_client).get("itwin")
        assert stored
        client = HttpClient()
        with pytest.raises(Retryable):
            client.request("GET", listener.url, headers={"Authorization": f"Bearer {stored.access}"})
        client.close()
        assert listener.heard == []


# --- who can read it -------------------------------------------------------------------------------------------------


def test_nobody_else_on_the_machine_can_read_the_embedded_server(tmp_path: Path) -> None:
    """Its folder may have been made by somebody with other habits."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    server = EmbeddedServer(folder)
    server.ensure()
    try:
        with connect(server.url, patient=True) as client:
            client.set("jobwire:tok:hover-main", "token")
        found = [file for file in folder.rglob("*") if not file.is_dir()]
        assert len(found) > 3
        open_to_others = [file.name for file in found if stat.S_IMODE(file.stat().st_mode) & 0o077]
    finally:
        server.stop()
    assert open_to_others == []


def test_a_redis_whose_certificate_nobody_vouches_for_is_told_no_password() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TESTS / "data" / "tls" / "server.pem")
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with closing(connection):
            try:
                heard.append(context.wrap_socket(connection, server_side=True).recv(1000))
            except (ssl.SSLError, OSError):
                heard.append(b"")

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        client = connect(f"rediss://:hush@localhost:{listener.getsockname()[1]}/0", patient=False)
        with client, pytest.raises(redis.ConnectionError, match="certificate"):
            client.ping()
        thread.join(5)
    assert b"hush" not in b"".join(heard)
