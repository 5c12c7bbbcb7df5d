"""What Sentry hears: bugs, wherever they happen, with release and tags, and nothing of a request, a job or a secret."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from processor import __version__
from processor.observe import STARS, scrub_report
from workers import __main__ as main
from workers import worker

ADDRESS, CUSTOMER, SECRET = "4312 Meadow Drive", "Ms Doe", "hush-hush-hush-hush"
CONFIG = f"""
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "{SECRET}"
refresh_token = "r"
reconcile = 0
[sinks.out]
type = "console"
"""
# Each is a process of its own, since Sentry is set up once in each: reports go to a transport that prints them.
BEGIN = """
import json, sys
import sentry_sdk
from sentry_sdk.transport import Transport
from processor import observe
from processor.model import Notification, Secret
from processor.wiring import App, read_settings
from tests.buggy import Buggy

class Local(Transport):
    def capture_envelope(self, envelope):
        for item in envelope.items:
            print(json.dumps({"type": item.type, **(item.payload.json or {})}))

def begin(process):
    app = App(read_settings(sys.argv[1], {}), sys.argv[2])
    dsn = Secret("http://key-of-the-project@127.0.0.1:1/4")
    observe.set_up("json", dsn, hidden=app.settings, process=process, transport=Local)
    app.__dict__["providers"] = app.__dict__["sinks"] = {"main": Buggy(), "out": Buggy()}
    return app
"""
IN_A_WORKER = """
app = begin("worker")
import logging
from datetime import UTC, datetime
from processor.errors import Busy, Forbidden
from processor.model import Event, EventType
from processor.store.work import Row
from workers.shift import Shift
for job, error in enumerate([Busy("503 of a far end"), Forbidden("403")]):  # expected
    Buggy.error = error
    app.inbox.put(Notification("main", str(job), "v3", "e", str(job)))
    Shift(app).refresh("main", "hand")
logging.getLogger("rq.worker").error("Redis connection error")  # a library's way to tell of an outage
logging.getLogger("pika").exception("lost it", exc_info=OSError("connection cut"))
Buggy.error = None
app.inbox.put(Notification("main", "15084303", "v3", "e", "k"))
Shift(app).refresh("main", "hand")
event = Event("evt_1", EventType.MODEL_FAILED, "main", "1", "jobs/1", datetime.now(UTC), {"job": Buggy.job})
app.lanes.announce(event, [Row("out", event)], sinks=app.targets, hand="hand")
Shift(app).deliver("out", "hand")
"""
IN_THE_WEB = """
app = begin("web")
from processor.web import create_app
client = create_app(app).test_client()
assert client.post("/webhooks/nobody").status_code == 404  # expected
assert client.get("/nowhere").status_code == 404
answer = client.post("/webhooks/main?token=hush-hush-hush-hush", data=json.dumps(Buggy.job),
    headers={"Authorization": "Bearer hush-hush-hush-hush", "hover-signature": "sha256=hush", "Cookie": "a=hush"})
assert answer.status_code == 500, answer.status_code
"""
IN_THE_SCHEDULER = """
app = begin("scheduler")
from workers.scheduler import Duty, turn
turn(app, (Duty("broken", 1, lambda app: Buggy().fetch("1")),))
"""


def reports(folder: Path, redis_url: str, script: str) -> list[Any]:
    file = folder / "jobwire.toml"
    file.write_text(CONFIG)
    command = [sys.executable, "-c", f"{BEGIN}\n{script}\nsentry_sdk.flush()", str(file), redis_url]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("script", "tags"),
    [
        pytest.param(
            IN_A_WORKER,
            [
                {"process": "worker", "source": "main"},
                {"process": "worker", "sink": "out", "source": "main"},
            ],
            id="a provider's and a sink's, in a worker",
        ),
        pytest.param(IN_THE_WEB, [{"process": "web", "source": "main"}], id="a provider's, in the web"),
        pytest.param(IN_THE_SCHEDULER, [{"process": "scheduler"}], id="a duty's"),
    ],
)
def test_a_bug_is_reported_once_with_release_and_tags_and_what_is_expected_is_not(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, script: str, tags: list[dict[str, str]]
) -> None:
    """And none has anything of the request, the job or the configuration."""
    monkeypatch.setenv("SENTRY_ENVIRONMENT", "staging")
    told = reports(tmp_path, redis_url, script)
    assert [report["tags"] for report in told] == tags
    for report in told:
        assert (report["type"], report["environment"]) == ("event", "staging")
        assert report["release"] == f"jobwire@{__version__}"
        [raised] = report["exception"]["values"]
        assert (raised["type"], raised["value"]) == ("ValueError", f"cannot read {STARS}")
        assert raised["stacktrace"]["frames"][-1]["filename"].endswith("tests/buggy.py")
        assert not any("vars" in frame for frame in raised["stacktrace"]["frames"])
        assert not report["breadcrumbs"]["values"]
        whole = json.dumps(report)
        assert not [word for word in (ADDRESS, CUSTOMER, SECRET, "hush", "15084303") if word in whole]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("'email'", "'email'"),
        ("'NoneType' object has no attribute 'get'", "'NoneType' object has no attribute 'get'"),
        ("'4312 Meadow Drive'", STARS),
        ("invalid literal for int() with base 10: '12b'", f"invalid literal for int() with base 10: {STARS}"),
        ("can't read b'{\"a\": \"it\\'s\"}' here", f"can't read {STARS} here"),
        ('no "a b" in {"name": "Ms Doe"}', f"no {STARS} in {STARS}"),
        ("['Ms Doe'", STARS),
        ("'cut off in the mid", STARS),
        ("x" * 1000, "x" * 300),
    ],
)
def test_of_what_a_bug_says_only_words_of_a_program_are_told(said: str, told: str) -> None:
    report: Any = scrub_report({"exception": {"values": [{"type": "ValueError", "value": said}]}}, {})
    assert report["exception"]["values"][0]["value"] == told


def test_a_task_that_fails_by_a_bug_is_reported_and_one_that_fails_by_an_outage_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(worker.observe, "report", told.append)
    monkeypatch.setattr(worker.SimpleWorker, "handle_exception", lambda *_: None)
    rq = worker.ThreadWorker.__new__(worker.ThreadWorker)
    outage, bug = redis.ConnectionError("away"), KeyError("bug")
    for error in (outage, bug):
        rq.handle_exception(None, type(error), error, None)  # type: ignore[arg-type]  # RQ's job is not looked at
    assert told == [bug]


@pytest.mark.parametrize("role", ["worker", "scheduler"])
def test_each_process_says_what_it_is(role: str, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    said: list[Any] = []
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setattr(main.observe, "set_up", lambda *_, **about: said.append(about["process"]))
    monkeypatch.setitem(main.ROLES, role, lambda app: None)
    assert main.main([role]) == 0
    assert said == [role]
