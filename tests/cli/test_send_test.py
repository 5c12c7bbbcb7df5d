"""`jobwire send-test`: one marked event through the real sink, tried once; whatever goes wrong is one line."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks import Webhook as Verifier

from processor import registry
from processor.cli import main
from processor.cli.samples import sample
from processor.embedded import EmbeddedServer
from processor.errors import Shut
from processor.model import JSON, EventType
from processor.options import SinkOptions
from processor.ports import Tools
from processor.simulation import serve
from processor.testing.builders import an_alarm, an_event
from processor.text import headline

SECRET = "whsec_dGhlIHNlY3JldCBvZiAzMiBieXRlcy4uLi4uLg=="
Run = Callable[..., tuple[int, str]]


class FarEnd:
    """A web server that keeps what it is sent and answers with `status`."""

    def __init__(self) -> None:
        self.status = "204 No Content"
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.served = serve(self)
        self.url = f"{self.served.url}/hook?key=hush-in-query"

    def __call__(self, environ: Mapping[str, Any], start_response: Any) -> list[bytes]:
        headers = {k[5:].lower().replace("_", "-"): v for k, v in environ.items() if k.startswith("HTTP_")}
        self.received.append((headers, environ["wsgi.input"].read()))
        start_response(self.status, [])
        return []


@pytest.fixture
def far_end() -> Iterator[FarEnd]:
    far_end = FarEnd()
    yield far_end
    far_end.served.close()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `jobwire send-test` beside a jobwire.toml of this text; returns exit status and output, both streams as one.

    No Redis is configured and none runs, unless the text names one.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("JOBWIRE_CONFIG", "JOBWIRE_DEBUG", "JOBWIRE_DATA_DIR", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)

    def invoke(text: str, *args: str) -> tuple[int, str]:
        Path("jobwire.toml").write_text(text)
        done = CliRunner().invoke(main, ["send-test", *args])
        assert "hush" not in done.output
        assert SECRET not in done.output
        return done.exit_code, done.output

    return invoke


def webhook(url: str, more: str = "") -> str:
    return f'[sinks.crm]\ntype = "webhook"\nallow_private = true\nurl = "{url}"\nsecret = "{SECRET}"\n{more}\n'


def to_file(more: str = "") -> str:
    return f'[sinks.disk]\ntype = "file"\npath = "events.jsonl"\n{more}\n'


def written() -> list[dict[str, JSON]]:
    return [json.loads(line) for line in Path("events.jsonl").read_text().splitlines()]


# --- what cannot be meant --------------------------------------------------------------------------------------------


def test_an_unknown_sink_is_a_usage_error_with_the_nearest_name(run: Run) -> None:
    assert run(to_file(), "dsik") == (2, "error: 'dsik' is no sink; did you mean 'disk'?\n")
    assert run("", "ops") == (2, "error: 'ops' is no sink; there are: console\n")


def test_an_unknown_type_is_a_usage_error_with_the_nearest_one(run: Run) -> None:
    answer = (2, "error: 'model.faild' is no type of event; did you mean 'model.failed'?\n")
    assert run(to_file(), "disk", "--type", "model.faild") == answer
    assert not Path("events.jsonl").exists()


def test_a_fault_of_the_configuration_is_told_as_everywhere(run: Run) -> None:
    assert run(to_file("pat = 1"), "disk") == (
        2,
        "jobwire.toml: sinks.disk.pat: is not a key here; did you mean 'path'?\n",
    )


def test_a_library_that_is_not_installed_is_named_with_its_extra(tmp_path: Path) -> None:
    (tmp_path / "jobwire.toml").write_text(
        '[sinks.queue]\ntype = "amqp"\nurl = "amqp://u:hush@h/"\nexchange = "e"\n[sinks.screen]\ntype = "console"\n'
    )
    code = "import sys; sys.modules['pika'] = None; from processor.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "send-test", "queue"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs a library that is not installed: pip install 'jobwire[amqp]'" in done.stderr
    assert "hush" not in done.stderr


# --- what is not taken -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"),
    [("422 Unprocessable", "Refused"), ("401 Unauthorized", "Shut"), ("503 Busy", "Busy"), ("429 Slow", "RateLimited")],
)
def test_what_is_not_taken_is_one_line_after_one_attempt(run: Run, far_end: FarEnd, status: str, reason: str) -> None:
    far_end.status = status
    assert run(webhook(far_end.url), "crm") == (
        1,
        f"error: sink crm did not take the test event (ops.test): {reason}: "
        f"{far_end.served.url}/… answered {status[:3]}: without a word\n",
    )
    assert len(far_end.received) == 1


def test_nobody_there_is_one_line(run: Run) -> None:
    status, output = run(webhook("http://127.0.0.1:9/?key=hush"), "crm")
    assert status == 1
    assert output == (
        "error: sink crm did not take the test event (ops.test): Unreachable: "
        "http://127.0.0.1:9/: the connection was refused\n"
    )


def test_a_sink_that_needs_a_redis_says_so_where_there_is_none(run: Run) -> None:
    status, output = run('[sinks.bus]\ntype = "redis-stream"\nstream = "s"\n', "bus")
    assert status == 1
    assert output.startswith("error: sinks.bus.url: name the Redis of the stream")
    assert "no Redis: set [redis].url or REDIS_URL, or start `jobwire up`" in output
    assert output.count("\n") == 1


REDIS_AWAY = '[redis]\nurl = "redis://:hush@127.0.0.1:9/0"\n'


def test_a_redis_that_does_not_answer_is_told_by_the_sink_that_uses_it(run: Run) -> None:
    status, output = run(f'{REDIS_AWAY}[sinks.bus]\ntype = "redis-stream"\nstream = "s"\n', "bus")
    assert status == 1
    assert "Unreachable: redis://127.0.0.1:9/0, stream s: no connection" in output
    assert output.count("\n") == 1


def test_a_redis_that_does_not_answer_concerns_no_other_sink(run: Run, far_end: FarEnd) -> None:
    assert run(REDIS_AWAY + webhook(far_end.url), "crm") == (0, "sent to crm (ops.test), reference: none\n")


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_the_test_event_says_that_it_is_one_and_nothing_else(run: Run, far_end: FarEnd) -> None:
    assert run(webhook(far_end.url), "crm") == (0, "sent to crm (ops.test), reference: none\n")
    [(headers, body)] = far_end.received
    event = Verifier(SECRET).verify(body, headers)
    assert event["id"] == headers["webhook-id"]
    assert event["id"].startswith("evt_test_")
    assert datetime.now(UTC).timestamp() - datetime.fromisoformat(event["time"]).timestamp() < 60
    assert event == {
        **an_alarm(EventType.OPS_TEST, place="sinks/crm"),
        "id": event["id"],
        "time": event["time"],
        "data": {
            **dict.fromkeys(["provider", "source", "job", "model", "cost_estimate", "failure", "previous_state"]),
            "ops": {
                "state": "raised",
                "since": event["time"],
                "until": None,
                "count": None,
                "detail": "Sent by `jobwire send-test`; nothing happened.",
            },
        },
    }


def test_every_test_event_is_another_one(run: Run) -> None:
    for _ in range(2):
        assert run(to_file(), "disk")[0] == 0
    first, second = written()
    assert first["id"] != second["id"]


@pytest.mark.parametrize("kind", EventType)
def test_an_example_of_each_type_is_marked_and_looks_like_a_real_one(run: Run, kind: EventType) -> None:
    assert run(to_file(), "disk", "--type", kind) == (0, f"sent to disk ({kind}), reference: none\n")
    [event] = written()
    JSONFormat().read(None, json.dumps(event).encode())  # the specification's own reader
    assert event["type"] == kind
    assert event["id"].startswith("evt_test_")
    alarm = kind.startswith("ops.")
    assert shape(event) == shape(an_alarm(kind) if alarm else an_event(kind))
    if alarm:
        assert "Sent by `jobwire send-test`; nothing happened." in headline(event)
    else:
        assert event["data"]["job"]["name"].startswith("TEST: ")
        assert event["source"] == "/sources/send-test"
        assert "TEST: " in headline(event)


def shape(event: dict[str, JSON]) -> object:
    """The keys of an event, where both sides have something."""
    data = event["data"]
    return event.keys(), data.keys(), data["job"] and data["job"].keys(), (data.get("ops") or {}).keys()


def test_people_read_that_it_is_a_test_before_anything_that_can_be_cut_off() -> None:
    for kind in (EventType.MODEL_FAILED, EventType.JOB_FAILED, EventType.COST_ESTIMATE_AVAILABLE):
        assert "TEST: " in headline(sample(kind, sink="ops", now=datetime.now(UTC)))[:40]


def test_what_the_sink_omits_is_omitted_and_its_filters_do_not_hold_back(run: Run) -> None:
    more = 'omit = ["data.job.address", "data.model"]\nevents = ["job.created"]\nsources = []\nwhere = "`false`"'
    assert run(to_file(more), "disk", "--type", "model.failed")[0] == 0
    [event] = written()
    assert event["data"]["model"] is None
    assert event["data"]["job"]["address"] is None
    assert event["data"]["job"]["name"] == "TEST: Main House"


def test_the_far_ends_reference_is_told(run: Run, redis_url: str, redis_client: redis.Redis) -> None:
    text = f'[redis]\nurl = "{redis_url}"\n[sinks.bus]\ntype = "redis-stream"\nstream = "test-events"\n'
    status, output = run(text, "bus")
    [(reference, entry)] = redis_client.xrange("test-events")
    assert (status, output) == (0, f"sent to bus (ops.test), reference: {reference}\n")
    assert json.loads(entry["event"])["subject"] == "sinks/bus"
    assert redis_client.keys("*") == ["test-events"]


def test_the_redis_of_a_running_up_is_found(run: Run, tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "data")
    server.ensure()
    try:
        status, output = run('[sinks.bus]\ntype = "redis-stream"\nstream = "s"\n', "bus", "--data-dir", "data")
    finally:
        server.stop()
    assert status == 0
    assert output.startswith("sent to bus (ops.test), reference: 1")


def test_the_built_in_console_can_be_tested_with_nothing_configured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "processor.cli", "send-test", "console"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "This is a test of sink console" in done.stdout
    assert "Sent by `jobwire send-test`; nothing happened." in done.stdout
    assert done.stdout.endswith("\nsent to console (ops.test), reference: none\n")
    assert not list(tmp_path.iterdir())


# --- what a sink may use ---------------------------------------------------------------------------------------------


class Probe:
    """A sink that does what the test says, and notes whether it was closed."""

    Options = SinkOptions

    def __init__(self, act: Callable[[Tools], str | None]) -> None:
        self.act, self.closed = act, 0

    def from_config(self, name: str, options: Mapping[str, Any], tools: Tools) -> Probe:
        self.name, self.tools = name, tools
        return self

    def deliver(self, event: Mapping[str, JSON]) -> str | None:
        return self.act(self.tools)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def probed(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, Probe]]:
    """Tests a sink that acts so."""

    def probe(act: Callable[[Tools], str | None], more: str = "") -> tuple[int, str, Probe]:
        sink = Probe(act)
        monkeypatch.setattr(registry, "sink", lambda name: sink)
        return *run(f'{more}\n[sinks.probe]\ntype = "probe"\n', "probe"), sink

    return probe


def test_a_sink_is_closed_however_it_went(probed: Callable[..., tuple[int, str, Probe]]) -> None:
    def refuse(tools: Tools) -> str:
        raise Shut("two\r\nlines \x1b[31m")

    status, output, sink = probed(refuse)
    assert (status, sink.closed) == (1, 1)
    assert output == "error: sink probe did not take the test event (ops.test): Shut: two lines [31m\n"
    status, output, sink = probed(lambda tools: "ref-\x1b7")
    assert (status, sink.closed) == (0, 1)
    assert output == "sent to probe (ops.test), reference: ref-7\n"


def test_a_bug_in_a_sink_is_no_traceback(probed: Callable[..., tuple[int, str, Probe]]) -> None:
    status, output, sink = probed(lambda tools: {}["hush"])
    assert (status, output) == (1, "error: unexpected KeyError; JOBWIRE_DEBUG=1 shows where\n")
    assert sink.closed == 1


def test_what_a_library_logs_is_not_seen(
    probed: Callable[..., tuple[int, str, Probe]], caplog: pytest.LogCaptureFixture
) -> None:
    """Some quote addresses with their keys; what matters comes as an error."""

    def log(tools: Tools) -> None:
        logging.getLogger("library").critical("https://user:hush@example.com")

    assert probed(log)[0] == 0
    assert not caplog.records
    logging.getLogger("library").critical("afterwards")
    assert len(caplog.records) == 1


def remembering(tools: Tools) -> str | None:
    before = tools.memory.recall("probe", "message")
    tools.memory.remember("probe", "message", "17", seconds=60)
    return f"{before}, {tools.memory.recall('probe', 'message')}"


def test_what_a_sink_remembers_ends_with_the_call(
    probed: Callable[..., tuple[int, str, Probe]], redis_url: str, redis_client: redis.Redis
) -> None:
    """Whether there is a Redis or not: a test is a message of its own each time, and real ones do not change."""
    for more in ("", f'[redis]\nurl = "{redis_url}"', REDIS_AWAY):
        assert probed(remembering, more)[1] == "sent to probe (ops.test), reference: None, 17\n"
    assert redis_client.keys("*") == []


@pytest.mark.parametrize(
    "use",
    [
        lambda tools: tools.tokens.get("x"),
        lambda tools: tools.tokens.lock("x", seconds=1),
        lambda tools: tools.tokens.put("x", None, expected=None),
    ],
)
def test_tokens_need_a_redis(probed: Callable[..., tuple[int, str, Probe]], use: Callable[[Tools], str | None]) -> None:
    status, output, _ = probed(use)
    assert status == 1
    assert "Unavailable: no Redis: set [redis].url or REDIS_URL" in output
