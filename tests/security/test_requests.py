"""What somebody who can reach the port may try: with heads, with bodies, with time, and with what was genuine once."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
import redis
from flask.testing import FlaskClient
from running import wait_for
from security.wire import BODY, head, read, receiver, send, whole
from structlog.testing import capture_logs
from web.stand_in import signature
from werkzeug.test import TestResponse

from processor.cli.simulated import BENTLEY, HOVER, Simulated
from processor.providers.bentley import signature as bentley
from processor.providers.hover import signature as hover
from processor.simulation import Webhook
from processor.store import keys
from processor.web import create_app
from processor.wiring import App, read_settings
from workers.shift import Shift

TYPE = "application/json"
STALLED = 600  # more than the threads of one process

# ids that a job cannot have; all of them can be written in JSON
HOSTILE_IDS = [
    "../../../oauth/token",
    "..%2f..%2foauth",
    "1/../2",
    "1?admin=true",
    "1#fragment",
    "1%00",
    "1\0",
    "1\n2",
    "1\r\nHost: evil",
    "1 2",
    "１２",
    "1;2",
    "1|2",
    "1:2",
    "r:other|1",
    "~confirm",
    "~estimate-1",
    "*",
    "\ud800",
    "\u202e1",
    "9" * 10_000,
    "a" * 10_000,
    "",
]


def taken(answer: tuple[int, bytes]) -> bool:
    return answer[0] in (200, 202)


# --- time ------------------------------------------------------------------------------------------------------------


def test_clients_that_stall_in_their_bodies_are_let_go_and_hold_nobody_for_ever(tmp_path: Path) -> None:
    """One process has 512 threads. Half of the clients are silent, half of them drip."""
    log, patience = tmp_path / "log", 6.0
    with receiver(log, answer_seconds=patience) as port, ExitStack() as stack:
        clients = [_stalling(port, stack) for _ in range(STALLED)]
        stack.enter_context(_dripping(clients[::2]))
        _wait_until_nobody_is_answered(port, patience)
        assert [read(client)[0] for client in clients] == [0] * STALLED, "each is closed without an answer"
        began = time.monotonic()
        assert all(taken(send(port, whole())) for _ in range(20))
        assert time.monotonic() - began < 5
    assert "connections closed that stalled" in log.read_text()


def _stalling(port: int, stack: ExitStack) -> socket.socket:
    client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=20)))
    client.sendall(head("Content-Length: 1000") + b"{")
    return client


def _wait_until_nobody_is_answered(port: int, patience: float) -> None:
    """Threads are started one by one."""
    deadline = time.monotonic() + patience - 1
    while time.monotonic() < deadline:
        try:
            send(port, whole(), timeout=0.5)
        except TimeoutError:
            return
    pytest.fail("they hold nobody, so nothing is proved")


class _dripping:
    """Sends one more byte of each body now and then."""

    def __init__(self, clients: list[socket.socket]) -> None:
        self._clients, self._over = clients, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.5):
            for client in self._clients:
                try:
                    client.send(b" ")
                except OSError:
                    continue  # this one has been let go


def test_a_client_that_gets_its_answers_is_not_cut_off_however_long_it_stays(tmp_path: Path) -> None:
    with (
        receiver(tmp_path / "log", answer_seconds=1.5) as port,
        closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as client,
    ):
        began = time.monotonic()
        while time.monotonic() - began < 3:
            request = whole()
            client.sendall(request[:-4])
            time.sleep(0.3)  # slow, and in time
            client.sendall(request[-4:])
            assert taken(read(client))


# --- heads -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A receiver whose environment has what could pass for headers."""
    log = tmp_path_factory.mktemp("receiver") / "log"
    with receiver(log, HTTP_SIGNATURE=signature(BODY), CONTENT_TYPE="text/plain") as port:
        yield port


def test_no_variable_of_the_environment_passes_for_a_header(port: int) -> None:
    assert send(port, whole(signed=False))[0] == 401
    bare = (
        f"POST /webhooks/plain HTTP/1.1\r\nHost: here\r\nSignature: {signature(b'{}')}\r\nContent-Length: 2\r\n\r\n{{}}"
    )
    assert b"must be application/json" in send(port, bare.encode())[1]
    assert taken(send(port, whole()))


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(head("Content-Length: 10", "Content-Length: 11") + BODY, id="two lengths"),
        pytest.param(head("Content-Length: 10, 10") + BODY, id="a list of lengths"),
        pytest.param(head("Content-Length: +10") + BODY, id="a length with a sign"),
        pytest.param(head("Content-Length: -1") + BODY, id="a length below zero"),
        pytest.param(head("Content-Length: 18446744073709551626") + BODY, id="a length that overflows"),
        pytest.param(head("Content-Length: 10", "Transfer-Encoding: xchunked") + BODY, id="no known encoding"),
        pytest.param(head("Content-Length: 10", "Transfer-Encoding: identity") + BODY, id="an encoding that is none"),
        pytest.param(whole("X: a\0b"), id="NUL"),
        pytest.param(whole("X: a\rSignature: x"), id="a carriage return"),
        pytest.param(whole("X: a", " Signature: x"), id="a folded line"),
        pytest.param(whole("Signature : x"), id="a space before the colon"),
        pytest.param(whole(": x"), id="a header without a name"),
        pytest.param(whole("Signature: x"), id="a signature beside the right one"),
        pytest.param(
            head("Transfer-Encoding: chunked") + b"a;" + b"x" * 20_000 + b"\r\n" + BODY, id="chunk extensions"
        ),
        pytest.param(whole("X: " + "a" * 500_000), id="a header without end"),
        pytest.param(whole(*["X: a"] * 200), id="headers without end"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), id="TLS"),
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_not_taken(port: int, request_: bytes) -> None:
    answer = send(port, request_)
    assert answer[0] in (0, 400, 401, 431), answer


def test_a_request_inside_another_is_never_answered(port: int) -> None:
    """Whoever stands before us may have read only the Content-Length."""
    body = b"a\r\n" + BODY + b"\r\n0\r\n\r\n"
    inner = b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as client:
        client.sendall(head(f"Content-Length: {len(body + inner)}", "Transfer-Encoding: chunked") + body + inner)
        assert taken(read(client))
        assert client.recv(1000) == b"", "the connection is over with the first answer"


def test_a_header_given_twice_counts_as_neither_or_as_the_first(port: int) -> None:
    assert send(port, whole(f"Signature: {signature(BODY)}"))[0] == 401
    assert taken(send(port, whole("Content-Type: text/plain")))


# --- bodies, at the real providers -----------------------------------------------------------------------------------


@dataclass
class Desk:
    """A receiver on a real store, with two sources whose one secret we have."""

    app: App
    client: FlaskClient
    redis: redis.Redis

    def bentley(self, body: bytes, **headers: str) -> TestResponse:
        signed = {bentley.HEADER: bentley.sign(b"key", body), **headers}
        return self.client.post("/webhooks/itwin", data=body, content_type=TYPE, headers=signed)

    def hover(self, body: bytes, **headers: str) -> TestResponse:
        date = format_datetime(datetime.now(UTC), usegmt=True)
        sign = hover.sign(b"key", webhook_id="1", content_type=TYPE, body=body, path="/webhooks/house", date=date)
        signed = {hover.HEADER: sign, "Date": date, **headers}
        return self.client.post("/webhooks/house", data=body, content_type=TYPE, headers=signed)


@pytest.fixture
def desk(redis_url: str, redis_client: redis.Redis, tmp_path: Path) -> Desk:
    file = tmp_path / "jobwire.toml"
    common = 'webhook_secrets = ["key"]\nclient_id = "id"\nclient_secret = "s"\n'
    house = f'[sources.house]\nprovider = "hover"\nrefresh_token = "r"\n{common}'
    file.write_text(f'[sources.itwin]\nprovider = "bentley"\n{common}{house}')
    app = App(read_settings(str(file), {}), redis_url, patient=False)
    return Desk(app, create_app(app).test_client(), redis_client)


def _of_bentley(**changes: object) -> bytes:
    event = "realityModeling.jobCompleted.v1"
    return json.dumps({"eventType": event, "content": {"jobId": "job-1"}, "messageId": "m-1", **changes}).encode()


def _of_hover(**changes: object) -> bytes:
    return json.dumps({"event": "job-state-changed", "job_id": 1, "state": "completed", **changes}).encode()


def stored(desk: Desk) -> set[str]:
    """The keys that there are, but for the counts of what was turned away."""
    time.sleep(0.05)  # the counts are written by a thread of their own
    ours = ("jobwire:cnt", "jobwire:clock", "jobwire:heard", "jobwire:lock:tally:")
    return {key for key in desk.redis.scan_iter() if not key.startswith(ours)}


def test_who_cannot_sign_writes_nothing_but_a_count(desk: Desk) -> None:
    for body in (b"", _of_bentley(), _of_hover(), b"[" * 100_000, bytes(1024**2)):
        for path in ("/webhooks/itwin", "/webhooks/house"):
            for wrong in ("", "sha256=" + "0" * 64, "sha256=1:" + "A" * 43 + "=", "sha1=" + "0" * 40):
                headers = {bentley.HEADER: wrong, hover.HEADER: wrong, "Date": format_datetime(datetime.now(UTC))}
                assert desk.client.post(path, data=body, content_type=TYPE, headers=headers).status_code == 401
    assert stored(desk) == set()
    wait_for(lambda: desk.redis.hget("jobwire:cnt", "rejections:itwin:Unverified") == "20", 5)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":' + b"[" * 200_000 + b"}", id="deep"),
        pytest.param(b'{"a":' * 100_000, id="deep objects"),
        pytest.param(b'{"a":' + b"9" * 5_000 + b"}", id="a number of 5,000 digits"),
        pytest.param(b'{"a":NaN,"b":-Infinity,"c":1e999}', id="no numbers"),
        pytest.param(b'{"event":"\\ud800","eventType":"\\udfff"}', id="halves of characters"),
        pytest.param("{}".encode("utf-32"), id="another encoding"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', id="a byte order mark"),
        pytest.param(b'{"__proto__":{},"__class__":"x","constructor":1}', id="names that mean something elsewhere"),
        pytest.param(_of_bentley(messageId=["m"], content={"jobId": {"$ne": None}}), id="objects for texts"),
        pytest.param(_of_hover(job_id=True), id="true for a number"),
        pytest.param(_of_hover(job_id=10**18 * 10), id="a number beyond 64 bits"),
    ],
)
def test_hostile_json_is_answered_even_when_it_is_genuine(desk: Desk, body: bytes) -> None:
    for answer in (desk.bentley(body), desk.hover(body)):
        assert answer.status_code in (200, 400), answer.text
    assert not list(desk.redis.scan_iter("jobwire:n:*"))


def test_half_a_character_in_the_id_of_a_message_is_no_reason_to_fail(desk: Desk) -> None:
    assert desk.bentley(_of_bentley(messageId="\ud800")).status_code == 202
    assert desk.bentley(_of_bentley(messageId="\ud800")).status_code == 200
    assert desk.bentley(_of_bentley(messageId="\udfff")).status_code == 202


def test_of_a_key_given_twice_the_last_counts(desk: Desk) -> None:
    """Whoever checks a body before us may have looked at the first: nothing but the signature is checked anyway."""
    body = _of_bentley().replace(b'"messageId"', b'"content": {"jobId": "last"}, "messageId"')
    assert desk.bentley(body).status_code == 202
    assert desk.redis.zrange(keys.key("due", "r:itwin"), 0, -1) == ["r:itwin|last"]


@pytest.mark.parametrize("job_id", HOSTILE_IDS, ids=ascii)
def test_an_id_that_no_job_can_have_is_refused_and_stored_nowhere(desk: Desk, job_id: str) -> None:
    with capture_logs() as lines:
        assert desk.bentley(_of_bentley(content={"jobId": job_id})).status_code == 400
        assert desk.hover(_of_hover(job_id=job_id)).status_code == 400
    assert stored(desk) == set()
    assert [line["detail"] for line in lines] == [
        "`content.jobId` must be the id of a job",
        "`job_id` must be a whole number above zero",
    ]


def test_a_compressed_body_is_not_unpacked(desk: Desk) -> None:
    """50 MB in 50 KB: the bytes that came are what is signed, and what is read."""
    for body in (gzip.compress(_of_bentley()), gzip.compress(bytes(50_000_000))):
        began = time.monotonic()
        answer = desk.bentley(body, **{"Content-Encoding": "gzip"})
        assert (answer.status_code, answer.json["detail"]) == (400, "the body is not JSON")
        assert time.monotonic() - began < 1


def test_an_answer_quotes_nothing_of_the_request(desk: Desk) -> None:
    mark, kinds = "MARKED", ("Authorization", "Cookie", "X-Forwarded-Host", "Host", "Origin", hover.HEADER)
    marked = dict.fromkeys(kinds, f"{mark}.example")
    for method in ("GET", "POST", "PUT", "OPTIONS", "TRACE", "CONNECT", mark):
        for path in (f"/{mark}", f"/webhooks/{mark}", f"/webhooks/itwin?{mark}", f"/webhooks/house/{mark}", "/readyz"):
            answer = desk.client.open(path, method=method, data=f'{{"{mark}": 1}}', content_type=TYPE, headers=marked)
            assert mark not in answer.text + str(answer.headers), f"{method} {path}"
            assert "Access-Control-Allow-Origin" not in answer.headers


# --- what was genuine once -------------------------------------------------------------------------------------------


@dataclass
class Scene:
    """A receiver and a worker in this process, beside simulated providers; what comes out goes to a file."""

    app: App
    client: FlaskClient
    simulated: Simulated
    events: Path

    def post(self, webhook: Webhook) -> tuple[int, str]:
        path = "/" + webhook.url.split("/", 3)[3]
        answer = self.client.post(path, data=webhook.body, headers=dict(webhook.headers))
        return answer.status_code, answer.json["status"]

    def work(self, source: str) -> list[str]:
        """What has come out so far, once nothing is left to be done."""
        shift = Shift(self.app)
        shift.refresh(source, "test")
        shift.deliver("disk", "test")
        return [json.loads(line)["id"] for line in self.events.read_text().splitlines()]


@pytest.fixture
def scene(redis_url: str, tmp_path: Path) -> Iterator[Scene]:
    simulated = Simulated("http://receiver.example", limited=False)
    served = simulated.serve("127.0.0.1", 0)
    file, events = tmp_path / "jobwire.toml", tmp_path / "events.jsonl"
    file.write_text(f'{simulated.configuration(served.url)}\n[sinks.disk]\ntype = "file"\npath = "{events}"\n')
    app = App(read_settings(str(file), {}), redis_url)
    yield Scene(app, create_app(app).test_client(), simulated, events)
    app.close()
    served.close()


@pytest.mark.parametrize(
    ("source", "provider", "sample"), [(BENTLEY, "bentley", "bentley-1"), (HOVER, "hover", "hover-2")]
)
def test_an_old_notification_makes_nothing_new_once_it_is_forgotten(
    scene: Scene, redis_client: redis.Redis, source: str, provider: str, sample: str
) -> None:
    """After `dedup` nobody knows it any more, and Bentley signs no time: it costs one more look at the job."""
    simulator = scene.simulated.by_name[provider]
    job = simulator.put_job(simulator.sample(sample))
    [webhook, *_] = simulator.webhooks(job)
    assert scene.post(webhook) == (202, "accepted")
    told = scene.work(source)
    assert told
    assert scene.post(webhook) == (200, "duplicate")
    asked = simulator.stage.counts["job"]
    forgotten = list(redis_client.scan_iter("jobwire:seen:*"))
    redis_client.delete(*forgotten)
    time.sleep(1)  # the pace of one job
    assert scene.post(webhook) == (202, "accepted")
    assert scene.work(source) == told, "the same events, none of them a second time"
    assert simulator.stage.counts["job"] == asked + 1
