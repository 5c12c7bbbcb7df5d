"""`jobwire check`, and what every command has in common."""

import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from processor import cli
from processor.cli import main
from processor.errors import Unreachable, Usage

GOOD = """
[sources.itwin]
provider = "bentley"
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


def test_alarms_are_warned_about_since_nothing_raises_them_yet(run):
    Path("jobwire.toml").write_text('[alarms]\njob_stuck = "48h"\n' + GOOD)
    status, output = run("check", HOOK="hush")
    assert status == 0
    assert output.splitlines()[-1].startswith("warning: jobwire.toml: alarms.job_stuck: ")


def test_without_any_configuration_the_built_in_one_is_fine_and_useless(run):
    status, output = run("check")
    assert status == 0
    assert output.startswith("built-in defaults: no faults\nsink console: console, everything but ops.*\nwarning: ")


def test_online_tries_redis(run, redis_url):
    Path("jobwire.toml").write_text(f'[redis]\nurl = "{redis_url}"\n')
    status, output = run("check", "--online")
    assert status == 0
    assert "redis: answers\n" in output
    assert "warning: redis: no append-only file" in output


def test_online_says_in_one_line_that_redis_does_not_answer(run):
    Path("jobwire.toml").write_text('[redis]\nurl = "redis://:hush@127.0.0.1:1/0"\n')
    status, output = run("check", "--online")
    assert status == 1
    assert output.splitlines()[-1].startswith("error: Redis does not answer")
    assert "hush" not in output


def test_online_without_a_redis_says_what_to_do(run):
    status, output = run("check", "--online")
    assert status == 1
    assert output.splitlines()[-1].startswith("error: no Redis: set [redis].url or REDIS_URL, or start `jobwire up`")


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
