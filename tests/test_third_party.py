"""A sink of somebody else's: a package of its own, found by its entry point, without a line of ours being touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tests/data/third_party_sink"
PAGE = (ROOT / "docs/plugins.md").read_text()


def blocks(language: str) -> list[str]:
    """The page's own examples; between tildes, because test_prose.py loads what stands between backticks."""
    fence = "~~~" if language == "toml" else "```"
    return re.findall(rf"^{fence}{language}\n(.*?)^{fence}$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, in which building and testing may leave something behind."""
    copy = tmp_path_factory.mktemp("third_party") / "source"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def installed(source: Path) -> Path:
    """Where pip has installed it: a folder that only the processes below look into."""
    target = source.parent / "installed"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    if done.returncode and not os.environ.get("CI"):
        pytest.skip("pip cannot build the package: it needs hatchling, from PyPI")
    assert done.returncode == 0, done.stderr
    return target


def run(folder: Path, *command: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("JOBWIRE_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(path or "")},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def check(folder: Path, text: str, path: Path | None = None) -> tuple[int, str]:
    (folder / "jobwire.toml").write_text(text)
    done = run(folder, "processor.cli", "check", "--config", "jobwire.toml", path=path)
    return done.returncode, done.stdout + done.stderr


def test_without_the_package_its_type_is_a_fault(tmp_path: Path) -> None:
    status, said = check(tmp_path, blocks("toml")[1])
    assert status == 1
    assert "jobwire.toml: sinks.inbox.type: 'folder' is no sink type; installed: " in said


def test_an_option_that_it_does_not_have_is_a_fault_with_a_suggestion(tmp_path: Path, installed: Path) -> None:
    status, said = check(tmp_path, '[sinks.inbox]\ntype = "folder"\npath = "x"\nindnt = 2\n', installed)
    assert status == 1
    [fault] = said.splitlines()
    assert fault.startswith("jobwire.toml: sinks.inbox.indnt: ")
    assert fault.endswith("did you mean 'indent'?")


def test_an_option_that_is_missing_or_wrong_is_a_fault(tmp_path: Path, installed: Path) -> None:
    status, said = check(tmp_path, '[sinks.inbox]\ntype = "folder"\nindent = -1\n', installed)
    assert status == 1
    assert sorted(line.split(": ")[1] for line in said.splitlines()) == ["sinks.inbox.indent", "sinks.inbox.path"]


def test_the_configuration_on_the_page_can_be_used(tmp_path: Path, installed: Path) -> None:
    status, said = check(tmp_path, blocks("toml")[1], installed)
    assert status == 0, said
    assert "jobwire.toml: no faults\n" in said
    assert "sink inbox: folder, *.failed\n" in said


def test_its_own_tests_pass_the_contract_suite_among_them(source: Path, installed: Path) -> None:
    done = run(source, "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", path=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 30
    assert "skipped" not in done.stdout


def test_ours_leave_its_tests_alone() -> None:
    """To them it is data: they could not even import it."""
    done = run(ROOT, "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", str(PACKAGE))
    assert done.returncode == 5, done.stdout + done.stderr  # no test was found


def test_the_code_on_the_page_is_that_of_the_package() -> None:
    assert blocks("python") == [
        (PACKAGE / "jobwire_folder.py").read_text(),
        (PACKAGE / "tests/test_folder.py").read_text(),
    ]
    assert blocks("toml")[0] == (PACKAGE / "pyproject.toml").read_text()
