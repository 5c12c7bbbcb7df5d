"""What strangers' words do to who reads them; whether a secret is ever written: in logs, reports, answers, output."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from itertools import cycle
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
import redis
import requests
from click.testing import CliRunner
from running import free_port, wait_for
from security.hostile import TEXTS

from processor.cli import main
from processor.cli.simulated import HOVER, Simulated
from processor.model import Notification
from processor.providers.bentley import signature as bentley
from processor.wiring import App, read_settings

# --- lines -----------------------------------------------------------------------------------------------------------

LINES = """
import json, logging, sys, structlog
from processor import observe
observe.set_up(sys.argv[1], None)
for text in json.load(sys.stdin):
    structlog.get_logger().info("said", source=text)
    structlog.get_logger().info("said", detail=[text, {"inner": text}])
    logging.getLogger("theirs").warning(text.replace("%", "%%"))
    logging.getLogger("theirs").warning("said %s", text)
"""
TRACES = """
import sys, json, structlog
from processor import observe
observe.set_up(sys.argv[1], None)
for text in json.load(sys.stdin):
    try:
        raise ValueError(text)
    except ValueError:
        structlog.get_logger().exception("broken")
"""
UNSEEN = re.compile("[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]")


def written(script: str, log_format: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script, log_format], input=json.dumps(TEXTS).encode(), capture_output=True, check=True
    )
    return done.stderr.decode().removesuffix("\n").split("\n")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_text_commands_the_terminal_that_shows_a_log_or_begins_a_line_of_its_own(log_format: str) -> None:
    lines = written(LINES, log_format)
    assert len(lines) == 4 * len(TEXTS)
    assert not [line for line in lines if UNSEEN.search(line)]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_an_exception_says_looks_like_no_line(log_format: str) -> None:
    lines = written(TRACES, log_format)
    begin = [line for line in lines if line.startswith(("2", "{"))]
    assert len(begin) == len(TEXTS)
    assert all("broken" in line for line in begin)
    assert not [line for line in lines if UNSEEN.search(line)]


UNCAUGHT = """
import sys, threading
from processor import observe
from processor.model import Secret
observe.set_up("json", None, hidden={"a": [Secret(sys.argv[1]), Secret("redis://:" + sys.argv[2] + "@host/0")]})
def fail():
    raise ValueError("it said " + sys.argv[1] + " and " + sys.argv[2])
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_what_ends_a_process_or_a_thread_is_a_line_like_any_other() -> None:
    command = [sys.executable, "-c", UNCAUGHT, "MARKED-secret-1", "MARKED-secret-2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, [line["event"] for line in lines]) == (1, ["uncaught", "uncaught"])
    assert all(line["exception"].endswith("ValueError: it said *** and ***") for line in lines)


# --- secrets ---------------------------------------------------------------------------------------------------------


class Echo(BaseHTTPRequestHandler):
    """Answers in every way that is wrong, and repeats everything that it was told."""

    protocol_version = "HTTP/1.1"
    statuses = cycle((401, 500, 403, 200, 400, 302, 404, 429, 503))

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = f"{self.requestline}\n{self.headers}\n".encode() + body
        self.send_response(next(self.statuses), "said " + base64.b64encode(said[:200]).decode())
        self.send_header("Location", f"/{base64.urlsafe_b64encode(said[:300]).decode()}")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_HEAD = do_OPTIONS = _answer

    def log_message(self, *said: Any) -> None: ...


class Lines(BaseRequestHandler):
    """The same for whatever is no HTTP; a mail server by its looks, since that is told a password before it refuses."""

    def handle(self) -> None:
        self.request.sendall(b"220 hello\r\n")
        while said := self.request.recv(65536):
            if said.startswith(b"AMQP"):
                return  # which would wait for more
            self.request.sendall(b"250 AUTH PLAIN\r\n" if said.startswith(b"ehlo") else b"535 you said " + said)


class Sentry(BaseHTTPRequestHandler):
    heard: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body).decode())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *said: Any) -> None: ...


@contextmanager
def listening(handler: type[BaseRequestHandler]) -> Iterator[str]:
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has heard enough."""


@dataclass
class Marks:
    """Secrets that are told from everything else. Some take a form of their own; those are kept in `made`."""

    made: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> str:
        self.made.append(f"MARKED-{name}-{len(self.made):04}")
        return self.made[-1]

    def whsec(self) -> str:
        key = base64.b64encode(b"MARKED-signing-key-of-24").decode()
        self.made.append(key)
        return f"whsec_{key}"

    def found_in(self, written: str) -> list[str]:
        spelled = [(mark, base64.b64encode(mark.encode()).decode().rstrip("=")[:-1]) for mark in self.made]
        return [mark for mark, encoded in spelled if mark in written or encoded in written]


def sinks(mark: Marks, far: str, lines: str) -> str:
    """One of each kind whose far end is told a secret, none of which takes anything."""
    return f"""
[sinks.hook]
type = "webhook"
url = "http://{far}/{mark("path-of-url")}?key={mark("query-of-url")}"
secret = "{mark.whsec()}"
headers = {{ X-Api-Key = "{mark("header")}", Authorization = "Bearer {mark("bearer")}" }}
allow_private = true
[sinks.incoming]
type = "slack"
url = "http://{far}/services/{mark("slack-path")}"
[sinks.bot]
type = "slack"
token = "{mark("slack-token")}"
channel = "ops"
api_url = "http://{far}/api"
[sinks.mail]
type = "email"
smtp_url = "smtp://user:{mark("smtp")}@{lines}?starttls=false"
from = "a@example.com"
to = ["b@example.com"]
[sinks.stream]
type = "redis-stream"
stream = "s"
url = "redis://:{mark("stream")}@{lines}/0"
[sinks.queue]
type = "rq"
queue = "q"
function = "a.b"
url = "redis://user:{mark("rq")}@127.0.0.1:1/0"
[sinks.broker]
type = "amqp"
url = "amqp://user:{mark("amqp")}@{lines}/"
exchange = "e"
[sinks.subjects]
type = "nats"
url = "nats://user:{mark("nats")}@{lines}"
[sinks.amazon]
type = "sqs"
queue_url = "http://{far}/1/q"
endpoint_url = "http://{far}"
region = "eu-west-1"
[sinks.chats]
type = "apprise"
urls = ["json://user:{mark("apprise")}@{far}/{mark("apprise-path")}"]
"""


def source(name: str, provider: str, mark: Marks, far: str, more: str = "") -> str:
    return f"""
[sources.{name}]
provider = "{provider}"
webhook_secrets = ["{mark(f"{name}-hook-1")}", "{mark(f"{name}-hook-2")}"]
client_id = "id"
client_secret = "{mark(f"{name}-client")}"
api_url = "http://{far}/{name}"
token_url = "http://{far}/{name}/token"
rate_limits = []
reconcile = 0
{more}
"""


# Both processes have a bug whose message holds everything that is secret.
BUGGY = """
import json, os, sys
from processor.providers.bentley import Bentley
from processor.sinks.console import Console
def fail(*args, **kwargs):
    raise ValueError("a bug that says " + " ".join(json.loads(os.environ["MARKS"])))
"""
WEB = (
    BUGGY
    + "Bentley.parse = fail\nfrom processor.web.server import serve\nserve('127.0.0.1', int(sys.argv[1]), workers=1)"
)
WORKER = BUGGY + "Console.deliver = fail\nfrom workers.__main__ import main\nmain(['worker'])"


@contextmanager
def running(log: Path, script: str, environ: dict[str, str], *arguments: str) -> Iterator[None]:
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", script, *arguments], env=environ, stdout=file, stderr=file)
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()


def test_no_secret_is_written_anywhere_whatever_fails(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every far end refuses, repeating what it was told; every command, log, report and answer is searched."""
    mark, heard, port = Marks(), [], free_port()
    monkeypatch.setattr(Sentry, "heard", heard, raising=False)
    redis_client.execute_command("ACL", "SETUSER", "marked", "on", f">{mark('redis')}", "~*", "&*", "+@all")
    address = redis_url.replace("unix://", f"unix://marked:{mark.made[-1]}@")
    simulated = Simulated("http://127.0.0.1:1", limited=False)
    hover = simulated.by_name["hover"]
    job = hover.put_job(hover.sample("hover-2"))
    served = simulated.serve("127.0.0.1", 0)
    good = simulated.configuration(served.url).partition("[sources.itwin")[0]
    with listening(Echo) as far, listening(Lines) as lines, listening(Sentry) as sentry:
        config = tmp_path / "jobwire.toml"
        config.write_text(
            f'[server]\nadmin_token = "{mark("admin")}"\n[redis]\nurl = "{address}"\n'
            f'[telemetry]\nsentry_dsn = "http://{mark("sentry")}@{sentry}/4"\n[sinks.bug]\ntype = "console"\n'
            + good
            + source("house", "hover", mark, far, f'refresh_token = "{mark("refresh")}"')
            + source("itwin", "bentley", mark, far)
            + sinks(mark, far, lines)
        )
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("JOBWIRE", "REDIS"))}
        environ |= {"MARKS": json.dumps([made for made in mark.made if "-of-url-" not in made])}
        environ |= {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": mark("aws"), "JOBWIRE_CONFIG": str(config)}
        logs = [tmp_path / "web.log", tmp_path / "worker.log"]
        with running(logs[0], WEB, environ, str(port)), running(logs[1], WORKER, environ):
            said = _provoke(f"http://127.0.0.1:{port}", mark)
            app = App(read_settings(str(config), {}), redis_url)
            for name, job_id, api in ((HOVER, job, "v3"), ("house", "1", "v3"), ("itwin", "j", "contextcapture")):
                _announce(app, name, job_id, api)
            failed = [*app.settings.sinks, "house", "itwin"]
            wait_for(lambda: all(f'"{name}"' in logs[1].read_text() for name in failed), 30, "not all were tried")
            wait_for(lambda: len(heard) >= 2, 20, "no report came")
            said += _commands(config, environ, monkeypatch, app)
            said += [requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).text]
        served.close()
    redis_client.execute_command("ACL", "DELUSER", "marked")
    told = {"log of web": logs[0].read_text(), "log of worker": logs[1].read_text(), "reports": "".join(heard)}
    told |= {"answers and commands": "\n".join(said), "what is kept": "\n".join(_kept(redis_client))}
    assert "a bug that says" in told["log of web"]
    assert "a bug that says" in told["log of worker"]
    assert told["reports"].count("a bug that says") >= 2
    assert {where: found for where, text in told.items() if (found := mark.found_in(text))} == {}


def _announce(app: App, source: str, job_id: str, api: str) -> None:
    app.inbox.put(Notification(source, job_id, api, "event", f"{source} {job_id}", "job"))


def _provoke(url: str, mark: Marks) -> list[str]:
    """Requests that are refused, with secrets in every place; the last is genuine, and meets the bug."""
    wait_for(lambda: _answers(url), 30, "the receiver does not come")
    secret = next(made for made in mark.made if "itwin-hook-1" in made)
    body = json.dumps({"eventType": "x", "messageId": secret}).encode()
    requests_: list[dict[str, Any]] = [
        {"url": f"{url}/webhooks/itwin?token={secret}", "headers": {"Authorization": f"Bearer {secret}"}},
        {"url": f"{url}/webhooks/house", "headers": {"Hover-Signature-256": secret, "Cookie": f"a={secret}"}},
        {"url": f"{url}/nothing?key={secret}", "headers": {"X-Api-Key": secret}},
        {"url": f"{url}/webhooks/itwin", "headers": {"Signature": bentley.sign(secret.encode(), body)}},
    ]
    said = []
    for request in requests_:
        answer = requests.post(**request, data=body, timeout=10)
        said.append(f"{answer.headers}\n{answer.text}")
    assert answer.status_code == 500
    return said


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=2).status_code == 200
    except requests.ConnectionError:
        return False


def _commands(config: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, app: App) -> list[str]:
    """What the commands say that try things out, and those that show what became of them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", environ["AWS_ACCESS_KEY_ID"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", environ["AWS_SECRET_ACCESS_KEY"])
    commands = [
        ["check"],
        ["check", "--online"],
        *(["send-test", name] for name in app.settings.sinks if name != "bug"),
    ]
    commands += [["notifications"], ["deliveries"], ["notifications", "--json"], ["deliveries", "--json"], ["events"]]
    commands += [["webhooks", "list", name] for name in ("house", "itwin")]
    said = []
    for command in commands:
        done = CliRunner().invoke(main, [*command, "--config", str(config)])
        assert done.exit_code in (0, 1), f"{command}: {done.output}"
        said.append(f"{command}: {done.output}")
    return said


def _kept(client: redis.Redis) -> Iterator[str]:
    """All that is in Redis for people to see: everything but the tokens, and the secrets of webhooks."""
    raw: Any = client
    read = {
        "string": raw.get,
        "hash": raw.hgetall,
        "list": lambda key: raw.lrange(key, 0, -1),
        "zset": lambda key: raw.zrange(key, 0, -1),
        "set": raw.smembers,
        "stream": raw.xrange,
    }
    for key in raw.scan_iter("*"):
        if not key.startswith(("jobwire:tok:", "jobwire:sec:", "jobwire:doc:")):  # doc: deflated, and in the events
            yield f"{key} {read[raw.type(key)](key)}"
