"""What is written is true: tables are compared with the code, configurations are loaded, commands are run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from importlib.metadata import entry_points
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import redis
from running import free_port, wait_for

from processor.cli import COMMANDS
from processor.cli.simulate import answers
from processor.cli.simulated import Simulated
from processor.embedded import socket_path
from processor.errors import ConfigError
from processor.model import EventType
from processor.options import PeopleOptions, SinkOptions
from processor.pipeline.diff import diff
from processor.pipeline.facts import Facts
from processor.providers.hover.translate import translate
from processor.settings import Settings, load
from processor.simulation import load_sample, play
from processor.wiring import registry

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("processor/providers/*/README.md"))]


def blocks(document: Path, language: str) -> list[str]:
    pattern = rf"^( *)```{language}\n(.*?)^\1```$"
    return [textwrap.dedent(m[2]) for m in re.finditer(pattern, document.read_text(), re.DOTALL | re.MULTILINE)]


def table(document: Path, header: str, after: str = "") -> list[list[str]]:
    """The rows, as cells, of the first table behind `after` whose first column has that header."""
    lines = iter(document.read_text().partition(after or "\n")[2].splitlines())
    assert any(line.startswith(f"| {header} |") for line in lines), f"no table {header} in {document}"
    next(lines)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in takewhile(_is_row, lines)]


def _is_row(line: str) -> bool:
    return line.startswith("|")


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


VALUES = {
    "SENTRY_DSN": "https://key@sentry.example/1",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x",
}


class Anything(dict[str, str]):
    """An environment in which every variable but REDIS_URL is set, to what fits everywhere."""

    def __getitem__(self, name: str) -> str:
        return VALUES.get(name, "whsec_c2V0IGFuZCBzZXQgYW5kIHNldA==")

    def get(self, name: str, default: Any = None) -> Any:
        return default if name == "REDIS_URL" else self[name]

    def __contains__(self, name: object) -> bool:
        return name != "REDIS_URL"


def read(text: str, folder: Path) -> Settings:
    file = folder / "jobwire.toml"
    file.write_text(text)
    return load(
        file,
        Anything(),
        provider_options=lambda name: registry.provider(name).Options,
        sink_options=lambda name: registry.sink(name).Options,
    )


def test_the_table_of_events_has_every_type_that_is_raised() -> None:
    told = {code(row[0])[0] for row in table(README, "type", "## Events")}
    assert told == {str(kind) for kind in EventType if not kind.startswith("ops.")}


def test_the_table_of_sinks_has_every_type_and_its_own_keys() -> None:
    told = {code(row[0])[0]: set(code(row[2])) for row in table(README, "type", "## Sinks")}
    installed = {p.name: p.load() for p in entry_points(group="jobwire.sinks") if p.dist and p.dist.name == "jobwire"}
    assert told == {name: _own(sink.Options) for name, sink in installed.items()}


def _own(options: type[SinkOptions]) -> set[str]:
    common = PeopleOptions if issubclass(options, PeopleOptions) else SinkOptions
    return {field.data_key or name for name, field in options().fields.items()} - set(common().fields)


def test_what_people_sinks_take_is_told() -> None:
    told = {code(row[0])[0].partition(" ")[0] for row in table(README, "key", "People want few messages")}
    assert told == set(PeopleOptions().fields) - set(SinkOptions().fields)


def test_the_event_in_the_readme_is_what_comes_out() -> None:
    [shown] = [json.loads(text) for text in blocks(README, "json")]
    folder = ROOT / "processor/providers/hover/samples"
    job = translate(load_sample(folder, "hover-1"), source="hover-main")
    _, events = diff(Facts(), job, fetched_at=datetime.now(UTC))
    made = next(e for e in events if e.type == "model.failed").cloudevent()
    assert shown.keys() == made.keys()
    assert shown["data"].keys() == made["data"].keys()
    assert {k: v for k, v in shown.items() if k != "data"} == {k: v for k, v in made.items() if k != "data"}
    assert shown["data"]["failure"] == made["data"]["failure"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_configuration_that_is_shown_can_be_used(document: Path, tmp_path: Path) -> None:
    for text in blocks(document, "toml"):
        read(text, tmp_path)


def test_what_the_reference_calls_a_default_is_one(tmp_path: Path) -> None:
    """A line that is not marked as an example says nothing new: without it the settings are the same."""
    [text] = blocks(ROOT / "docs/configuration.md", "toml")
    lines, whole, checked = text.splitlines(), read(text, tmp_path), 0
    for i, line in enumerate(lines):
        if " = " not in line or "example" in line or "default:" in line or line.lstrip().startswith("#"):
            continue
        try:
            without = read("\n".join(lines[:i] + lines[i + 1 :]), tmp_path)
        except ConfigError:  # it must be said
            continue
        assert without == whole, f"{line} is not the default"
        checked += 1
    assert checked >= 15


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_file_that_is_named_exists(document: Path) -> None:
    for name in re.findall(r"`((?:processor|workers|tests|docs)/[\w./-]+\.\w+)`", document.read_text()):
        assert (ROOT / name).exists(), name


def test_the_two_commands_are_one_line_each_and_what_ci_runs() -> None:
    first, second, *_ = blocks(README, "sh")
    assert first.count("\n") == second.count("\n") == 1
    assert first.rstrip().endswith("jobwire demo --once")
    together, alone = second.rstrip().split(" && ")[-2:]
    assert together.startswith(".venv/bin/pytest")
    assert alone == ".venv/bin/pytest -m alone"
    assert "-m 'not alone'" in together, "between them, all"
    run = (ROOT / ".ci/run").read_text()
    assert "$(block 1)" in run
    assert "$(block 2)" in run


def test_the_demo_tells_its_story_and_ends_well(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "processor.cli", "demo", "--once", "--port", str(free_port())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    for line in (
        "Model failed: Garage (Main House, 15084303): Lack of exterior shots",
        "Processing cost estimate: My first Reality Modeling job",
        "1 of them again; the providers said 429 1 time(s); 10 events went out, each once.",
    ):
        assert line in done.stdout
    assert not list(tmp_path.iterdir())


def test_the_script_that_is_shown_can_be_played() -> None:
    [script] = [json.loads(text) for text in blocks(ROOT / "docs/simulator.md", "json")]
    simulated = Simulated("http://127.0.0.1:1", limited=False)  # nobody there: the webhooks get no answer
    for simulator in simulated.by_name.values():
        simulator.registrations.clear()  # type: ignore[attr-defined]  # both have them
    for provider, steps in script.items():
        play(simulated.by_name[provider], steps)
    bentley = simulated.by_name["bentley"].job("cc3d35cc-416a-4262-9714-b359da70b419")
    assert bentley["job"]["state"] == "failed"


def test_the_measuring_command_works() -> None:
    """Its smallest part; what it measures is no test."""
    command = [sys.executable, "tests/benchmarks/run.py", "--quick", "--offline", "--only", "receiving"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert "| jobwire, Hover |" in done.stdout
    assert f"python {command[1]}" in (ROOT / "docs/performance.md").read_text()


@pytest.mark.timeout(180)
def test_every_further_command_of_the_readme_runs(tmp_path: Path) -> None:
    """In the order of a reader who has no account: simulate, up, and then the commands that look in."""
    commands = [line.split() for block in blocks(README, "sh")[2:] for line in block.splitlines()]
    assert all(c[0] == ".venv/bin/jobwire" and c[1] in COMMANDS for c in commands)
    told = {" ".join(c[1:]) for c in commands}
    port, here = free_port(), f"http://127.0.0.1:{free_port()}"
    config = ["--config", "simulated.toml"]
    started: list[subprocess.Popen[bytes]] = []

    def background(told_as: str, *more: str) -> None:
        told.remove(told_as)
        started.append(subprocess.Popen(jobwire(told_as, *more), cwd=tmp_path, stdout=log, stderr=log))

    def finished(told_as: str, *more: str) -> str:
        told.remove(told_as)
        done = subprocess.run(jobwire(told_as, *more), cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with (tmp_path / "log").open("ab") as log:
        try:
            simulated = ["--port", here.rpartition(":")[2], "--receiver", f"http://127.0.0.1:{port}"]
            background("simulate --write-config simulated.toml", *simulated)
            wait_for((tmp_path / "simulated.toml").exists)
            assert "no faults" in finished("check", *config)
            background("up --config simulated.toml", "--port", str(port))
            wait_for(lambda: (tmp_path / "log").read_text().count("Job succeeded: ") == 3, 90)
            assert finished("events --type 'model.*'", *config).count("Model ready") == 4
            wait_for(lambda: not _waiting(tmp_path, config))
            assert finished("deliveries", *config) == ""
            assert finished("notifications --dead", *config) == ""
            _keys_are_in_the_table(tmp_path / ".jobwire")
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(40)
    (tmp_path / "simulated.toml").rename(tmp_path / "jobwire.toml")
    told.remove("up")
    up = subprocess.Popen(jobwire("up", "--port", str(port)), cwd=tmp_path)
    wait_for(lambda: answers(f"http://127.0.0.1:{port}", "/readyz"), 60)
    up.terminate()
    assert up.wait(40) == 0
    assert not told, f"nobody runs {told}"


def jobwire(told_as: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "processor.cli", *told_as.replace("'", "").split(), *more]


def _waiting(folder: Path, config: list[str]) -> str:
    return subprocess.run(jobwire("deliveries", *config), cwd=folder, capture_output=True, text=True).stdout


def _keys_are_in_the_table(data_dir: Path) -> None:
    rows = table(ROOT / "docs/architecture.md", "key (after `jobwire:`)")
    kinds = {name.partition(":")[0] for row in rows for name in code(row[0])}
    with redis.Redis(unix_socket_path=str(socket_path(data_dir)), decode_responses=True) as client:
        found: Any = client.keys("*")
    ours = {key.split(":")[1] for key in found if key.startswith("jobwire:")}
    assert ours
    assert ours <= kinds, f"keys that the architecture does not tell of: {ours - kinds}"
    assert {key.split(":")[0] for key in found} <= {"jobwire", "rq"}
