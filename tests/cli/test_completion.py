"""Tab in a shell: commands, options, and the names that the configuration has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from processor.cli import COMMANDS, main

CONFIG = """
[sources.main]
provider = "hover"
webhook_secrets = ["${NOT_SET_ANYWHERE}"]
[sources.itwin]
provider = "no such provider"
[sinks.crm]
[sinks.ops]
[sinks."$(touch hacked)"]
[sinks."two\\nlines"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobwire.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def offered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What is offered at the end of a line, as click's own script for bash asks for it."""
    monkeypatch.chdir(folder)
    for name in ("JOBWIRE_CONFIG", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)

    def asked(line: str, **environ: str) -> list[str]:
        words = line.split()
        at = len(words) if line.endswith(" ") else len(words) - 1
        environ |= {"_JOBWIRE_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(at)}
        done = CliRunner().invoke(main, [], prog_name="jobwire", env=environ)
        assert (done.exit_code, done.stderr) == (0, "")
        return [found.partition(",")[2] for found in done.stdout.splitlines() if found]

    return asked


def test_the_commands_are_offered_without_importing_any(folder: Path) -> None:
    """Tab answers at once."""
    probe = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from processor.cli import main; main()"
    environ = {"_JOBWIRE_COMPLETE": "bash_complete", "COMP_WORDS": "jobwire ", "COMP_CWORD": "1"}
    code = f"import sys; sys.argv[0] = 'jobwire'; {probe}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=os.environ | environ, capture_output=True, text=True, timeout=60
    )
    *names, loaded = done.stdout.splitlines()
    assert names == [f"plain,{name}" for name in sorted(COMMANDS)]
    assert not {"flask", "redis", "marshmallow", "structlog", "rich"} & set(loaded.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("jobwire re", ["reconcile", "replay"]),
        ("jobwire webhooks ", ["delete", "list", "register"]),
        ("jobwire deliveries --sink ", ["crm", "ops"]),
        ("jobwire events --sink o", ["ops"]),
        ("jobwire replay --sink c", ["crm"]),
        ("jobwire send-test ", ["crm", "ops"]),
        ("jobwire notifications --source ", ["itwin", "main"]),
        ("jobwire watch m", ["main"]),
        ("jobwire reconcile ", ["itwin", "main"]),
        ("jobwire webhooks list i", ["itwin"]),
        ("jobwire events --type mod", ["model.*", "model.succeeded", "model.failed"]),
        ("jobwire send-test crm --type model.", ["model.succeeded", "model.failed"]),
        ("jobwire deliveries --state de", ["delivered", "dead"]),
        ("jobwire jobs --state ", ["created", "waiting", "processing", "succeeded", "failed", "cancelled"]),
        ("jobwire explain --s", ["--since"]),
    ],
)
def test_names_types_and_states_are_offered_also_from_a_configuration_with_faults(
    offered: Callable[..., list[str]], line: str, expected: list[str]
) -> None:
    """What cannot be a name is not put into anybody's command line."""
    assert offered(line) == expected


def test_the_configuration_is_the_one_that_the_line_or_the_environment_names(
    folder: Path, offered: Callable[..., list[str]]
) -> None:
    (folder / "other.toml").write_text("[sinks.elsewhere]\n")
    assert offered("jobwire deliveries --config other.toml --sink ") == ["elsewhere"]
    assert offered("jobwire deliveries --sink ", JOBWIRE_CONFIG="other.toml") == ["elsewhere"]


@pytest.mark.parametrize("content", [b"[sources", b"\xff", b"sources = 7\nsinks = 7"])
def test_a_file_that_cannot_be_read_offers_nothing_and_says_nothing(
    folder: Path, offered: Callable[..., list[str]], content: bytes
) -> None:
    (folder / "jobwire.toml").write_bytes(content)
    assert offered("jobwire watch ") == []


def test_without_a_file_the_sink_is_the_built_in_one(folder: Path, offered: Callable[..., list[str]]) -> None:
    (folder / "jobwire.toml").unlink()
    assert offered("jobwire send-test ") == ["console"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(shell: str) -> None:
    done = CliRunner().invoke(main, [], prog_name="jobwire", env={"_JOBWIRE_COMPLETE": f"{shell}_source"})
    assert done.exit_code == 0
    assert "_JOBWIRE_COMPLETE=" in done.stdout


def test_bash_itself_offers_a_sink(folder: Path) -> None:
    """The line of docs/cli.md, in a real shell."""
    (folder / "jobwire").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m processor.cli "$@"\n')
    (folder / "jobwire").chmod(0o755)
    script = """
eval "$(_JOBWIRE_COMPLETE=bash_source jobwire)"
COMP_WORDS=(jobwire deliveries --sink c); COMP_CWORD=3
_jobwire_completion jobwire
echo "${COMPREPLY[@]}"
"""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JOBWIRE", "REDIS"))}
    environ = kept | {"PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout == "crm\n", done.stderr
    assert not (folder / "hacked").exists()
