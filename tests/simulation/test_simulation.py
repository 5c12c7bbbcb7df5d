"""The simulators' common ground: the server, the stage, sending, and scripts."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import pytest
import requests

from processor.errors import Usage
from processor.simulation import Fault, Served, Stage, Webhook, changed, notify, play, send, serve

Start = Callable[[Any], Served]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Served] = []

    def start(app: Any) -> Served:
        running.append(serve(app))
        return running[-1]

    yield start
    for server in running:
        server.close()


def staged(stage: Stage) -> flask.Flask:
    """An application with one page, which counts against the limits."""
    app = flask.Flask("staged")
    stage.attach(app)

    @app.route("/page", methods=["GET", "POST"], endpoint="page")
    def page() -> Any:
        if wait := stage.retry_after():
            return "", 429, {"Retry-After": str(wait)}
        return {"said": flask.request.get_data(as_text=True)}

    return app


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


class TestServer:
    def test_a_taken_port_is_an_error_at_once(self, start: Start) -> None:
        server = start(staged(Stage(())))
        with pytest.raises(OSError, match="in use"):
            serve(staged(Stage(())), port=server.port)

    def test_one_connection_serves_many_requests(self, start: Start) -> None:
        server = start(staged(Stage(())))
        request = b"POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            answers = connection.makefile("rb")
            for _ in range(3):
                connection.sendall(request)
                assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                assert json.loads(answers.read(length)) == {"said": "hi"}
            answers.close()

    def test_a_closed_server_is_gone(self, start: Start, session: requests.Session) -> None:
        server = start(staged(Stage(())))
        assert session.get(f"{server.url}/page", timeout=5).ok
        server.close()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{server.url}/page", timeout=5)


class TestStage:
    def test_what_is_over_a_window_waits_until_that_has_room(self) -> None:
        stage = Stage([(2, 0.2), (3, 60.0)])
        assert [stage.retry_after() for _ in range(3)] == [None, None, 1]
        time.sleep(0.25)
        assert stage.retry_after() is None
        assert (stage.retry_after() or 0) > 50

    def test_many_threads_get_no_more_than_there_is(self) -> None:
        stage = Stage([(50, 60.0)])
        with ThreadPoolExecutor(8) as threads:
            given = list(threads.map(lambda _: stage.retry_after(), range(200)))
        assert given.count(None) == 50

    def test_faults_come_in_order_and_as_often_as_they_shall(self, start: Start, session: requests.Session) -> None:
        stage = Stage(())
        url = f"{start(staged(stage)).url}/page"
        stage.fault(Fault(on="elsewhere", status=500))
        stage.fault(Fault(on="page", status=503, times=2, retry_after=9))
        stage.fault(Fault(body="not-json"))
        answers = [session.get(url, timeout=5) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [503, 503, 200, 200]
        assert answers[0].headers["Retry-After"] == "9"
        assert answers[2].text == "<html>simulated fault</html>"
        assert answers[3].json() == {"said": ""}
        assert stage.counts == {"page": 4, "503": 2}

    def test_a_slow_answer_takes_its_time(self, start: Start, session: requests.Session) -> None:
        stage = Stage((), latency=0.05)
        url = f"{start(staged(stage)).url}/page"
        stage.fault(Fault(slow=0.2))
        began = time.monotonic()
        session.get(url, timeout=5)
        assert time.monotonic() - began >= 0.25

    def test_a_body_that_is_cut_off_ends_the_connection(self, start: Start, session: requests.Session) -> None:
        stage = Stage(())
        url = f"{start(staged(stage)).url}/page"
        stage.fault(Fault(body="cut"))
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
            session.get(url, timeout=5)
        assert session.get(url, timeout=5).ok


class TestSend:
    def test_a_webhook_is_tried_again_until_it_is_taken(self, start: Start) -> None:
        stage = Stage(())
        url = f"{start(staged(stage)).url}/page"
        stage.fault(Fault(status=503, times=2))
        sent = send(Webhook(url, {}, b"{}"))
        assert (sent.status, sent.attempts) == (200, 3)

    def test_nobody_there_is_no_status(self, start: Start) -> None:
        server = start(staged(Stage(())))
        server.close()
        sent = send(Webhook(server.url, {}, b"{}"))
        assert (sent.status, sent.attempts) == (None, 4)


class Recorder:
    """A Simulator that only writes down what a script makes it do."""

    def __init__(self) -> None:
        self.stage = Stage(())
        self.app = staged(self.stage)
        self.jobs: dict[str, Any] = {}
        self.told: list[Any] = []

    def sample(self, name: str) -> Any:
        return {"id": name, "models": [{"state": "new"}]}

    def job(self, job_id: str) -> Any:
        return self.jobs[job_id]

    def put_job(self, document: Any, **how: Any) -> str:
        self.jobs[document["id"]] = {**document, **how}
        return str(document["id"])

    def webhooks(self, job_id: str, **what: Any) -> list[Webhook]:
        self.told.append((job_id, what))
        return []


class TestScript:
    @pytest.mark.parametrize(
        ("step", "said"),
        [
            ({"jobs": {}}, "has no jobs"),
            ({"fault": {"code": 503}}, "keys on, times, slow"),
            ({"job": {"sample": "s", "change": {"models.7.state": "x"}}}, "models.7.state"),
            ({"job": {"sample": "s", "change": {"models.first": "x"}}}, "models.first"),
            ({"job": {"sample": "s", "change": {"id.x": "x"}}}, "id.x"),
        ],
    )
    def test_a_step_that_cannot_be_played_is_refused_in_a_sentence(self, step: Any, said: str) -> None:
        with pytest.raises(Usage, match=said):
            play(Recorder(), [step])

    def test_a_script_is_played_in_its_order(self) -> None:
        simulator = Recorder()
        play(
            simulator,
            [
                {"job": {"sample": "s"}, "how": {"api": "v2"}, "notify": {"job_id": "s", "state": "x"}},
                {"after": 0.05, "job": {"id": "s", "change": {"models.0.state": "done", "name": "n"}}},
                {"job": {"id": 7, "models": []}, "notify": [{"job_id": 7}, {"job_id": "s"}], "reorder": True},
                {"fault": {"on": "page", "status": 503}},
            ],
        )
        assert simulator.jobs["s"] == {"id": "s", "models": [{"state": "done"}], "name": "n", "api": "v2"}
        assert simulator.told == [("s", {"state": "x"}), ("s", {}), ("7", {})]
        assert simulator.app.test_client().get("/page").status_code == 503

    def test_a_change_leaves_the_original_alone(self) -> None:
        original = {"a": [{"b": 1}]}
        assert changed(original, {"a.0.b": 2}) == {"a": [{"b": 2}]}
        assert original == {"a": [{"b": 1}]}

    def test_a_double_notification_is_the_same_request_twice(self, start: Start) -> None:
        stage = Stage(())
        url = f"{start(staged(stage)).url}/page"
        simulator = Recorder()
        simulator.webhooks = lambda job_id, **what: [Webhook(url, {}, b"{}")]  # one registration
        assert [sent.status for sent in notify(simulator, "s", double=True)] == [200, 200]
        assert stage.counts["page"] == 2
