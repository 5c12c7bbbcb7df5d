"""`jobwire check`, and what every command has in common."""

import logging
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
from at_work import Desk, Subscribing
from click.testing import CliRunner
from redis.exceptions import ResponseError

from processor import cli, registry
from processor.cli import main
from processor.cli.redis_state import redis_state
from processor.cli.simulated import Simulated
from processor.errors import Busy, Forbidden, RateLimited, Refused, Unreachable, Usage
from processor.model import EventType, Job, State
from processor.options import SinkOptions
from processor.ports import Subscription
from processor.providers.hover import Hover
from processor.simulation import serve
from processor.wiring import App, read_settings
from workers import scheduler
from workers.alarming import begin

FAILED = Job(provider="hover", source="main", id="7", state=State.FAILED)
GOOD = """
[sources.itwin]
provider = "bentley"
itwin_ids = ["i"]
webhook_secrets = ["${HOOK}"]
client_id = "id"
client_secret = "hush"

[sinks.ops]
type = "console"
events = ["*.failed"]
sources = ["itwin"]
where = "data.job"
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `jobwire` in an empty folder; returns exit status and output, both streams as one."""
    monkeypatch.chdir(tmp_path)
    for name in ("JOBWIRE_CONFIG", "JOBWIRE_DEBUG", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*args: str, **environ: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, args, env=environ)
        return done.exit_code, done.output

    return invoke


# --- check -----------------------------------------------------------------------------------------------------------


def test_every_fault_is_a_line_and_the_status_is_1(run):
    Path("jobwire.toml").write_text('[server]\nport = "x"\n[sinks.a]\ntype = "consol"\n' + GOOD)
    status, output = run("check")
    assert status == 1
    lines = output.splitlines()
    assert len(lines) == 3
    assert lines[0] == "jobwire.toml: server.port: must be a whole number"
    assert lines[1].startswith("jobwire.toml: sinks.a.type: 'consol' is no sink type; installed: ")
    assert lines[2].endswith("webhook_secrets[0]: needs the environment variable HOOK, which is not set")


def test_a_file_that_was_named_and_is_not_there_is_a_fault(run):
    assert run("check", "--config", "gone.toml") == (1, "gone.toml: there is no such file\n")
    assert run("check", JOBWIRE_CONFIG="gone.toml") == (1, "gone.toml: there is no such file\n")


def test_a_configuration_without_faults_is_summed_up(run):
    Path("jobwire.toml").write_text(GOOD)
    status, output = run("check", HOOK="hush")
    assert (status, output.splitlines()) == (
        0,
        [
            "jobwire.toml: no faults",
            "source itwin: bentley, POST /webhooks/itwin, 500 in 60 s, 5000 in 3600 s",
            "sink ops: console, *.failed of itwin where data.job",
        ],
    )


def test_without_any_configuration_the_built_in_one_is_fine_and_useless(run):
    status, output = run("check")
    assert status == 0
    assert output.startswith("built-in defaults: no faults\nsink console: console, everything but ops.*\nwarning: ")


# --- check --online --------------------------------------------------------------------------------------------------

BUILT_IN = "sink console: cannot be asked without sending: jobwire send-test console"


def asked(run, text, *, times=1):
    """Runs `jobwire check --online`; returns the status and the lines that come beyond those of `jobwire check`."""
    Path("jobwire.toml").write_text(text)
    offline = run("check")[1]
    for _ in range(times):
        status, output = run("check", "--online")
    assert output.startswith(offline)
    assert "hush" not in output
    return status, output.removeprefix(offline).splitlines()


def test_online_says_in_one_line_that_redis_does_not_answer(run):
    status, lines = asked(run, '[redis]\nurl = "redis://:hush@127.0.0.1:1/0"\n')
    what_to_do = "see that it runs, and that [redis].url or REDIS_URL leads to it"
    assert (status, lines) == (1, [f"redis: FAULT: Redis does not answer (ConnectionError): {what_to_do}", BUILT_IN])


def test_online_without_a_redis_says_what_to_do(run):
    status, lines = asked(run, "")
    assert status == 1
    assert lines[0].startswith("redis: FAULT: no Redis: set [redis].url or REDIS_URL, or start `jobwire up`")
    assert lines[1:] == [BUILT_IN]


def test_online_tells_how_redis_is(run, redis_url):
    status, lines = asked(run, f'[redis]\nurl = "{redis_url}"\n')
    assert (status, lines[-1]) == (0, BUILT_IN)
    assert re.fullmatch(r"redis: answers: Valkey [\d.]+, [\d.]+[KMG] used, clocks 0\.\d s apart", lines[0])
    assert any(line.startswith("warning: redis: no append-only file") for line in lines)


def test_one_fault_does_not_hide_the_others(run, tmp_path):
    sinks = f"""
[sinks.archive]
type = "file"
path = "{tmp_path}/missing/events.jsonl"
[sinks.inside]
type = "webhook"
url = "https://127.0.0.1/?key=hush"
[sinks.crm]
type = "webhook"
allow_private = true
url = "http://127.0.0.1:9/hook?key=hush"
[sinks.bus]
type = "redis-stream"
stream = "events"
[sinks.disk]
type = "file"
path = "events.jsonl"
"""
    status, lines = asked(run, sinks)
    assert status == 1
    assert lines[1:4] == [
        f"sink archive: FAULT: {tmp_path}/missing/events.jsonl: "
        f"the folder {tmp_path}/missing does not exist; create it",
        "sink inside: FAULT: 127.0.0.1: 127.0.0.1 is not a public address; set `allow_private = true` if it is meant",
        "sink crm: FAULT: http://127.0.0.1:9/…: the connection was refused",
    ]
    assert lines[4].startswith("sink bus: FAULT: sinks.bus.url: name the Redis of the stream")
    assert lines[5:] == ["sink disk: events.jsonl is not there yet, and may be made"]
    assert not Path("events.jsonl").exists()


def test_a_receiver_that_is_there_is_asked_without_an_event(run, redis_url):
    seen = []

    def far_end(environ, start_response):
        seen.append((environ["REQUEST_METHOD"], environ["wsgi.input"].read()))
        start_response("405 Method Not Allowed", [])
        return []

    served = serve(far_end)
    sink = f'[sinks.crm]\ntype = "webhook"\nallow_private = true\nurl = "{served.url}/hook?key=hush"\n'
    status, lines = asked(run, f'{sink}[redis]\nurl = "{redis_url}"\n')
    served.close()
    assert (status, lines[-1]) == (
        0,
        f"sink crm: {served.url}/… answers (OPTIONS: 405); whether it takes events, only one can tell",
    )
    assert seen == [("OPTIONS", b"")]


# --- Redis, and who is at work


@dataclass
class Server:
    """A Redis that is asked how it is; `seconds` is how far its clock is behind."""

    info_: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    hides: bool = False

    def info(self, section: str = "") -> dict[str, Any]:
        well = {"redis_version": "8.0.1", "aof_enabled": 1, "used_memory_human": "2.00M", "connected_slaves": 0}
        return well | self.info_

    def time(self) -> tuple[int, int]:
        at = time.time() - self.seconds
        return int(at), int(at % 1 * 1e6)

    def config_get(self, name: str) -> dict[str, str]:
        if self.hides:
            raise ResponseError("unknown command CONFIG")
        return self.settings


def said(server: Server, *, wait_replicas: int = 0) -> list[str]:
    return [str(finding) for finding in redis_state(server, wait_replicas=wait_replicas)]


def test_a_redis_that_is_well_is_one_line():
    assert said(Server()) == ["redis: answers: Redis 8.0.1, 2.00M used, clocks 0.0 s apart"]
    assert said(Server(hides=True)) == said(Server())


@pytest.mark.parametrize(
    ("info", "line"),
    [
        ({"redis_version": "6.2.0"}, "redis: FAULT: version 6.2.0 is too old: 7 or later is needed"),
        (
            {"aof_last_write_status": "err"},
            "redis: FAULT: its append-only file cannot be written: see whether its disk is full",
        ),
        (
            {"maxmemory": 100, "used_memory": 95},
            "redis: FAULT: Redis has used 95% of its maxmemory: notifications are refused from 90% on; "
            "raise maxmemory, or shorten retention.events",
        ),
        (
            {"maxmemory": 100, "used_memory": 80},
            "warning: redis: 80% of its maxmemory is used; raise maxmemory, or shorten retention.events",
        ),
        ({"maxmemory": 100, "used_memory": 70}, None),
        (
            {"maxmemory": 100, "used_memory": 1, "maxmemory_policy": "allkeys-lru"},
            "warning: redis: maxmemory-policy is allkeys-lru: work may be evicted; use noeviction",
        ),
    ],
)
def test_what_a_redis_lacks_is_told_with_what_to_do(info, line):
    assert said(Server(info))[1:] == ([line] if line else [])


def test_an_append_only_file_that_is_never_synced_is_warned_about():
    found = said(Server(settings={"appendfsync": "no"}))
    expected = "appendfsync is no: a crash of its machine loses what was accepted; use everysec or always"
    assert found[1:] == [f"warning: redis: {expected}"]
    assert said(Server(settings={"appendfsync": "everysec"}))[1:] == []


def test_replicas_that_are_missing_are_a_fault_since_nothing_is_accepted():
    found = said(Server({"connected_slaves": 1}), wait_replicas=2)
    assert found[1:] == ["redis: FAULT: has 1 replicas, and redis.wait_replicas is 2: each webhook is answered 503"]
    assert said(Server({"connected_slaves": 2}), wait_replicas=2)[1:] == []


@pytest.mark.parametrize(("behind", "which"), [(90, "ahead of"), (-90, "behind")])
def test_clocks_that_differ_are_warned_about(behind, which):
    [_, found] = said(Server(seconds=behind))
    assert found == f"warning: redis: the clock of this machine is 90 s {which} that of Redis: set both by NTP"


def test_nobody_at_work_is_a_warning_and_says_what_does_not_happen(run, redis_url):
    status, lines = asked(run, f'[redis]\nurl = "{redis_url}"\n')
    assert status == 0
    assert [line for line in lines if line.startswith(("warning: workers", "warning: scheduler"))] == [
        "warning: workers: none seen: nothing is looked at or delivered until `jobwire worker` or `jobwire up` runs",
        "warning: scheduler: none seen: no lists are read, no alarms raised, nothing old forgotten until "
        "`jobwire scheduler` runs",
    ]


def test_who_is_at_work_is_seen(run, redis_url):
    text = f'[redis]\nurl = "{redis_url}"\n'
    Path("jobwire.toml").write_text(text)
    app = App(read_settings("jobwire.toml", {}), redis_url)
    app.journal.seen("worker of the test")
    scheduler.turn(app)
    status, lines = asked(run, text)
    assert status == 0
    assert "workers: 1 seen within the last minute" in lines
    assert any(re.fullmatch(r"scheduler: seen \d+ s ago", line) for line in lines)


def test_what_is_not_well_already_is_told_last_with_the_command_that_shows_it(office):
    office.told["ops"].failing = office.told["crm"].failing = Refused("410")
    office.happens(FAILED)
    office.deliver()
    office.provider.jobs["404"] = Refused("no such job")
    office.knock("404")
    office.look()
    begin(office.app, EventType.OPS_JOB_STUCK, "sources/main", detail="job 7\x1b is stuck")
    lines = office.run("check", "--online").stdout.splitlines()
    since = r"[-\d]{10} [:\d]{8} UTC"
    assert lines[-4:-1] == [
        "warning: source main: 1 notification dead: jobwire notifications --dead --source main",
        "warning: sink crm: 1 delivery dead: jobwire deliveries --dead --sink crm; jobwire replay --dead --sink crm",
        "warning: sink ops: 1 delivery dead: jobwire deliveries --dead --sink ops; jobwire replay --dead --sink ops",
    ]
    assert re.fullmatch(rf"warning: ops\.job_stuck: sources/main since {since}: job 7 is stuck", lines[-1])


def test_a_sink_that_takes_nothing_is_told(office):
    office.told["crm"].failing = Unreachable("the connection was refused")
    office.happens(FAILED)
    office.deliver()
    lines = office.run("check", "--online").stdout.splitlines()
    assert any(
        re.match(r"warning: sink crm: takes nothing since .* UTC: jobwire deliveries --sink crm", x) for x in lines
    )


def test_what_waits_for_a_sink_that_is_not_configured_any_more_is_told(use):
    office = use()
    office.happens(FAILED)
    office = use('[sinks.crm]\ntype = "console"\n')
    [line] = [x for x in office.run("check", "--online").stdout.splitlines() if x.startswith("warning: sink ops")]
    assert 'there is no sink "ops" in the configuration (any more), and 1 delivery waits for it' in line


# --- webhooks


OURS = "https://jobs.example.com/webhooks/main"
WEBHOOKS = f"""
[server]
public_url = "{OURS.removesuffix("/webhooks/main")}"
[sources.main]
provider = "hover"
rate_limits = []
reconcile = 0
"""


@pytest.fixture
def subscribed(tmp_path, redis_url, monkeypatch):
    """A provider that can be asked for its webhooks; what `check --online` says of them."""
    monkeypatch.chdir(tmp_path)
    provider = Subscribing()
    monkeypatch.setattr(registry, "provider", lambda name: provider)
    desk = Desk(tmp_path, redis_url)
    desk.write(WEBHOOKS)

    def told() -> tuple[int, list[str]]:
        done = desk.run("check", "--online")
        return done.exit_code, [line for line in done.output.splitlines() if "webhooks main" in line]

    return provider.hooks, told


def test_a_webhook_that_is_not_registered_is_a_fault_with_the_command_to_run(subscribed):
    hooks, told = subscribed
    hooks.there = [Subscription("7", "https://other.example.com/", "active")]
    line = f"webhooks main: FAULT: the provider has no webhook for {OURS}: jobwire webhooks register main"
    assert told() == (1, [line])


def test_a_webhook_in_trouble_is_a_fault(subscribed):
    hooks, told = subscribed
    hooks.there = [Subscription("7", OURS, "inactive", "inactive")]
    line = "webhooks main: FAULT: webhook 7: inactive; the scheduler mends that, or tells that it cannot"
    assert told() == (1, [line])


def test_a_webhook_that_is_well_is_told_with_its_address(subscribed):
    hooks, told = subscribed
    hooks.there = [Subscription("7", OURS, "active"), Subscription("8", OURS, "inactive", "inactive")]
    assert told() == (0, [f"webhooks main: {OURS} is registered"])


@pytest.mark.parametrize("error", [Busy("500"), Forbidden("403: no permission"), RateLimited("429", retry_after=9.0)])
def test_webhooks_that_cannot_be_looked_at_are_a_warning(subscribed, error):
    hooks, told = subscribed
    hooks.failing["subscriptions"] = error
    status, [line] = told()
    assert status == 0
    assert line.startswith(f"warning: webhooks main: cannot be looked at: {error.message}")


def test_without_a_public_url_no_webhook_is_asked_for(subscribed, tmp_path):
    hooks, told = subscribed
    file = tmp_path / "jobwire.toml"
    file.write_text(re.sub("public_url = .*", "", file.read_text()))
    assert told() == (0, [])
    assert hooks.calls == []


# --- tokens


@pytest.fixture
def simulated():
    """Both providers, and the configuration that fits them."""
    simulated = Simulated("http://127.0.0.1:9", limited=False)
    served = simulated.serve("127.0.0.1", 0)
    simulated.text = simulated.configuration(served.url)
    yield simulated
    served.close()


def test_a_token_is_obtained_from_each_source(run, redis_url, simulated):
    status, lines = asked(run, f'{simulated.text}[redis]\nurl = "{redis_url}"\n')
    assert status == 0
    assert "source hover-demo: has an access token, obtained now" in lines
    assert "source itwin-demo: has an access token, obtained now" in lines


def test_a_token_that_is_still_good_is_not_exchanged(run, redis_url, simulated):
    """Hover's refresh token is spent by that: a check must not put a working connection at risk."""
    status, lines = asked(run, f'{simulated.text}[redis]\nurl = "{redis_url}"\n', times=3)
    assert status == 0
    assert "source hover-demo: has an access token, obtained earlier and still good" in lines
    assert "source itwin-demo: has an access token, obtained earlier and still good" in lines
    assert simulated.by_name["hover"].stage.counts["token"] == 1


def test_without_a_redis_no_token_is_tried(run, simulated):
    status, lines = asked(run, simulated.text + '[redis]\nurl = "redis://127.0.0.1:9/0"\n')
    assert status == 1
    assert lines[1:3] == [
        f"source {name}: its token is not tried, since it would be kept in Redis"
        for name in ("hover-demo", "itwin-demo")
    ]
    assert simulated.by_name["hover"].stage.counts["token"] == 0


def test_no_refresh_token_is_spent_where_its_successor_could_not_be_kept(run, redis_url, redis_client, simulated):
    redis_client.config_set("maxmemory", 1)
    try:
        status, lines = asked(run, f'{simulated.text}[redis]\nurl = "{redis_url}"\n')
    finally:
        redis_client.config_set("maxmemory", 0)
    assert status == 1
    assert "source hover-demo: FAULT: Redis cannot take it now (OutOfMemoryError)" in lines
    assert simulated.by_name["hover"].stage.counts["token"] == 0


def test_a_wrong_secret_of_the_application_is_told_for_each_source(run, redis_url, simulated):
    text = re.sub("client_secret = .*", 'client_secret = "hush-and-wrong"', simulated.text)
    status, lines = asked(run, f'{text}[redis]\nurl = "{redis_url}"\n')
    assert status == 1
    assert lines[-3:-1] == [
        "source hover-demo: FAULT: the token endpoint refuses the application, not its refresh_token: "
        "check client_id, client_secret and token_url",
        "source itwin-demo: FAULT: reconnect needed: the token endpoint answered 400: "
        "check client_id and client_secret, and whether the application still exists",
    ]


def test_a_spent_refresh_token_needs_a_person(run, redis_url, simulated):
    text = re.sub("refresh_token = .*", 'refresh_token = "hush-and-spent"', simulated.text)
    for why in ("the token endpoint answered invalid_grant", "the refresh token was refused before"):
        status, lines = asked(run, f'{text}[redis]\nurl = "{redis_url}"\n')
        assert status == 1
        assert lines[-3:-1] == [
            f"source hover-demo: FAULT: reconnect needed: {why}: "
            "authorise the application again and set the new refresh_token",
            lines[-2],
        ]
        assert lines[-2].startswith("source itwin-demo: has an access token")


def test_a_token_address_where_nobody_is_is_told(run, redis_url, simulated):
    text = re.sub("provider = .*", r'\g<0>\ntoken_url = "http://127.0.0.1:9/token?key=hush"', simulated.text)
    text = re.sub(r'\ntoken_url = "[^"]*/connect/token"', "", text)
    status, lines = asked(run, f'{text}[redis]\nurl = "{redis_url}"\n')
    assert status == 1
    assert lines[-3:-1] == [
        f"source {name}: FAULT: http://127.0.0.1:9/token: the connection was refused"
        for name in ("hover-demo", "itwin-demo")
    ]


# --- how sinks are asked


class Probe:
    """A sink type whose sinks answer as their name says."""

    Options = SinkOptions

    def __init__(self):
        self.closed = []
        self.together = threading.Barrier(2)
        self.release = threading.Event()
        self.threads = []

    def from_config(self, name, options, tools):
        return self._Sink(self, name)

    class _Sink:
        def __init__(self, probe, name):
            self.probe, self.name = probe, name

        def try_out(self):
            self.probe.threads.append(threading.current_thread())
            logging.getLogger("library").critical("https://user:hush@example.com")
            if self.name == "stuck":
                self.probe.release.wait(60)
                return "too late"
            if self.name == "buggy":
                return {}["hush"]
            if self.name == "wordy":
                return "channel\r\n#ops \x1b[31m" + "x" * 1000
            self.probe.together.wait(20)
            return f"channel #{self.name} as jobwire"

        def deliver(self, event):
            raise AssertionError("a check sends nothing")

        def close(self):
            self.probe.closed.append(self.name)


@pytest.fixture
def probe(monkeypatch):
    probe = Probe()
    monkeypatch.setattr(registry, "sink", lambda name: probe)
    yield probe
    probe.release.set()
    for thread in probe.threads:
        thread.join(10)


def probes(*names):
    return "".join(f'[sinks.{name}]\ntype = "probe"\n' for name in names)


def test_sinks_are_asked_at_the_same_time_and_closed(run, probe, redis_url):
    status, lines = asked(run, f'[redis]\nurl = "{redis_url}"\n' + probes("ops", "sales"))
    assert (status, lines[-2:]) == (0, ["sink ops: channel #ops as jobwire", "sink sales: channel #sales as jobwire"])
    assert sorted(probe.closed) == ["ops", "sales"]


def test_a_sink_that_does_not_answer_is_a_fault_in_a_limited_time(run, probe, monkeypatch, caplog):
    monkeypatch.setattr("processor.cli.online.SINK_SECONDS", 0.5)
    began = time.monotonic()
    status, lines = asked(run, probes("stuck", "buggy", "wordy"))
    assert time.monotonic() - began < 20
    assert status == 1
    assert lines[1:3] == [
        "sink stuck: FAULT: no answer within 0.5 s",
        "sink buggy: FAULT: unexpected KeyError; JOBWIRE_DEBUG=1 shows where",
    ]
    assert lines[3].startswith("sink wordy: channel #ops [31mxxx")
    assert len(lines[3]) < 600
    assert not caplog.records  # a library's own words may hold what must not be seen


def test_only_debugging_shows_where_a_sink_has_its_bug(run, probe):
    Path("jobwire.toml").write_text(probes("buggy"))
    assert "Traceback" not in run("check", "--online")[1]
    assert "in try_out" in run("check", "--online", JOBWIRE_DEBUG="1")[1]


def test_a_stuck_sink_does_not_keep_the_command_from_ending(tmp_path):
    (tmp_path / "jobwire.toml").write_text('[sinks.x]\ntype = "console"\n')
    code = """
import time
from processor.cli import main, online
from processor.sinks.console import Console
Console.try_out = lambda self: time.sleep(600)
online.SINK_SECONDS = 0.2
main(["check", "--online"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith("sink x: FAULT: no answer within 0.2 s\n")


class OnlyItsName:
    """A provider that can do nothing that is asked here."""

    Options = Hover.Options

    @classmethod
    def from_config(cls, name, options, tools):
        return object()


def test_a_provider_that_cannot_be_asked_is_no_fault(run, redis_url, simulated, monkeypatch):
    hover = registry.provider
    monkeypatch.setattr(registry, "provider", lambda name: OnlyItsName if name == "hover" else hover(name))
    status, lines = asked(run, f'{simulated.text}[redis]\nurl = "{redis_url}"\n')
    assert "source hover-demo: cannot be asked" in lines
    assert status == 0


# --- every command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def failing(monkeypatch):
    """Makes `jobwire check` raise."""

    def fail(error: BaseException) -> None:
        @click.command()
        def check():
            raise error

        monkeypatch.setattr(cli, "import_module", lambda name: type("module", (), {"check": check}))

    return fail


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (Usage("port 1 is taken"), 2, "error: port 1 is taken"),
        (Unreachable("no answer"), 1, "error: no answer"),
        (FileExistsError(17, "File exists", "x"), 1, "error: [Errno 17] File exists: 'x'"),
        (KeyError("hush"), 1, "error: unexpected KeyError; JOBWIRE_DEBUG=1 shows where"),
    ],
)
def test_an_error_is_a_line_with_the_status_of_its_kind(run, failing, error, status, said):
    failing(error)
    assert run("check") == (status, said + "\n")


def test_only_debugging_shows_a_traceback(run, failing):
    failing(KeyError("x"))
    assert "Traceback" in run("check", JOBWIRE_DEBUG="1")[1]


def test_an_unknown_command_or_option_is_a_usage_error(run):
    assert run("chekc")[0] == 2
    assert run("check", "--colour")[0] == 2


def jobwire(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from processor.cli import main; main()", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_every_command_without_importing_any():
    began = time.monotonic()
    done = jobwire("--help")
    assert time.monotonic() - began < 5  # 0.1 s on an idle machine
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in cli.COMMANDS)
    probe = "import sys; from processor.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert not {"flask", "redis", "marshmallow", "structlog"} & set(loaded.split())


def test_the_version_is_told():
    assert jobwire("--version").stdout == "jobwire 0.1.0\n"


def test_a_real_process_exits_with_the_status_too(tmp_path):
    done = jobwire("check", "--config", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (1, f"{tmp_path}: is a directory, not a file\n", "")
