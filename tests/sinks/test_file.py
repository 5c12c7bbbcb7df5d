"""A file as a sink: whole lines, on the disk, whoever else writes and whoever died before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from consumers import DOCS, configurations, consuming
from marshmallow import ValidationError
from running import wait_for

from processor.errors import Shut, Unreachable
from processor.model import JSON
from processor.sinks.file import File
from processor.testing.builders import a_job, an_event
from processor.testing.sink import CanBeShut, CarriesDocuments, TriesOut


class TestFile(CarriesDocuments, CanBeShut, TriesOut):
    plugin = File
    least: ClassVar = {"type": "file", "path": "events.jsonl"}

    @pytest.fixture
    def sink(self, tmp_path: Path) -> File:
        return File("file", str(tmp_path / "events.jsonl"))

    @pytest.fixture
    def taken(self, tmp_path: Path) -> Callable[[], list[JSON]]:
        path = tmp_path / "events.jsonl"
        return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @pytest.fixture
    def shut(self, tmp_path: Path) -> File:
        return File("file", str(tmp_path / "missing" / "events.jsonl"))

    @pytest.fixture
    def away(self, tmp_path: Path) -> File:
        """A link that leads to itself, as after a bad move: neither there nor missing."""
        (tmp_path / "circle").symlink_to(tmp_path / "circle")
        return File("file", str(tmp_path / "circle"))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(Shut, match=f"the folder {tmp_path}/missing does not exist; create it"):
        File("file", str(tmp_path / "missing" / "events.jsonl")).deliver(an_event())


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Shut, match="Is a directory"):
        File("file", str(tmp_path)).deliver(an_event())


def test_a_full_disk_is_tried_again() -> None:
    with pytest.raises(Unreachable, match="No space left"):
        File("file", "/dev/full").deliver(an_event())


def test_a_half_written_line_stays_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"id": "evt_1"}\n{"id": "ev')
    File("file", str(path)).deliver(an_event())
    first, broken, last = path.read_text().splitlines()
    assert (first, broken) == ('{"id": "evt_1"}', '{"id": "ev')
    assert json.loads(last) == an_event()


def test_a_line_that_was_cut_short_is_tried_again_on_a_line_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:9]))
    with pytest.raises(Unreachable, match="only 9 of"):
        File("file", str(path)).deliver(an_event())
    monkeypatch.undo()
    File("file", str(path)).deliver(an_event())
    assert [len(line) == 9 for line in path.read_text().splitlines()] == [True, False]


def test_each_event_is_on_the_disk_when_it_counts_as_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    File("file", str(tmp_path / "events.jsonl")).deliver(an_event())
    assert synced == [(tmp_path / "events.jsonl").stat().st_size]


def test_a_file_that_was_rotated_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = File("file", str(path))
    sink.deliver(an_event())
    path.rename(tmp_path / "events.jsonl.1")
    sink.deliver(an_event())
    assert len(path.read_text().splitlines()) == 1


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    File("file", str(path)).deliver(an_event())
    assert path.stat().st_mode & 0o777 == 0o600


def test_processes_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    script = """
import sys
from processor.sinks.file import File
from processor.testing.builders import a_job, an_event
for number in range(30):
    File("file", sys.argv[1]).deliver(an_event(job=a_job(id=f"{sys.argv[2]}-{number}", name="n" * 20_000)))
"""
    running = [subprocess.Popen([sys.executable, "-c", script, path, name]) for name in ("a", "b")]
    assert [process.wait(60) for process in running] == [0, 0]
    lines = path.read_text().splitlines()
    expected = {f"{name}-{number}" for name in ("a", "b") for number in range(30)}
    assert len(lines) == 60
    assert {json.loads(line)["data"]["job"]["id"] for line in lines} == expected


def test_a_path_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    File("file", "~/events.jsonl").deliver(an_event(job=a_job()))
    assert (tmp_path / "events.jsonl").exists()


# --- trying out ------------------------------------------------------------------------------------------------------


@pytest.fixture
def nobody() -> Iterator[None]:
    """Whoever runs the tests may not write what a folder's mode forbids: root may, so root is somebody else here."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.fixture
def readable(nobody: None) -> Iterator[Path]:
    """A folder in which nothing may be made, with a file in it that may not be written."""
    folder = Path(tempfile.mkdtemp(prefix="jw-"))  # not tmp_path: its parents let nobody else in
    (folder / "events.jsonl").touch(0o400)
    folder.chmod(0o500)
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


def test_a_folder_in_which_no_file_may_be_made_is_named(readable: Path) -> None:
    with pytest.raises(Shut, match=f"new.jsonl: no file may be made in the folder {readable}$"):
        File("file", str(readable / "new.jsonl")).try_out()


def test_a_file_that_may_not_be_written_is_named(readable: Path) -> None:
    with pytest.raises(Shut, match=r"events.jsonl: Permission denied; events need a file that may be written"):
        File("file", str(readable / "events.jsonl")).try_out()


def test_trying_out_tells_a_folder_from_a_file_and_a_missing_folder_from_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(Shut, match="Is a directory"):
        File("file", str(tmp_path)).try_out()
    for path in ("missing/", "missing/events.jsonl"):
        with pytest.raises(Shut, match=f"the folder {tmp_path}/missing does not exist; create it"):
            File("file", f"{tmp_path}/{path}").try_out()
    with pytest.raises(Shut, match="the folder /dev/null does not exist"):
        File("file", "/dev/null/events.jsonl").try_out()


def test_trying_out_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sink = File("file", "events.jsonl")
    assert sink.try_out() == "events.jsonl is not there yet, and may be made"
    assert not list(tmp_path.iterdir())
    (tmp_path / "events.jsonl").write_text("a line without an end")
    assert sink.try_out() == "events.jsonl may be appended to"
    assert (tmp_path / "events.jsonl").read_text() == "a line without an end"


# --- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_a_path_that_cannot_be_is_a_fault(path: str) -> None:
    with pytest.raises(ValidationError):
        File.Options().load({"type": "file", "path": path})


def test_the_configuration_of_the_page_can_be_used(tmp_path: Path) -> None:
    settings = configurations(DOCS / "file.md", tmp_path)
    assert settings
    assert all(sink.type == "file" for found in settings for sink in found.sinks.values())


def test_the_consumer_of_the_page_reads_what_is_written_and_what_comes_after(tmp_path: Path) -> None:
    """It begins where it ended the last time, and leaves a line that is not whole yet to the next look."""
    path = tmp_path / "events.jsonl"
    sink = File("file", str(path))
    sink.deliver(an_event())
    for job in ("1", "2"):
        sink.deliver(an_event(job=a_job(id=job)))
    with consuming(DOCS / "file.md", EVENTS=str(path), PLACE=str(tmp_path / "place")) as reader:
        assert len(reader.printed(3)) == 3
        with path.open("a") as other:
            other.write('{"id": "ev')
        sink.deliver(an_event(job=a_job(id="3")))
        assert [line.split()[0] for line in reader.printed(4)] == ["model.failed"] * 4
        wait_for(lambda: (tmp_path / "place").read_text() == str(path.stat().st_size))
    sink.deliver(an_event(job=a_job(id="4")))
    with consuming(DOCS / "file.md", EVENTS=str(path), PLACE=str(tmp_path / "place")) as reader:
        [line] = reader.printed(1)
    assert "jobs/4/" in line
