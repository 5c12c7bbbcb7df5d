"""A folder as a sink."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from jobwire_folder import Folder

from processor.errors import Shut
from processor.model import JSON
from processor.testing.builders import an_event
from processor.testing.sink import CanBeShut, CarriesDocuments, TriesOut


class TestFolder(CarriesDocuments, CanBeShut, TriesOut):
    plugin = Folder
    least: ClassVar = {"type": "folder", "path": "events"}

    @pytest.fixture
    def sink(self, tmp_path: Path) -> Folder:
        return Folder("folder", tmp_path)

    @pytest.fixture
    def taken(self, tmp_path: Path) -> Callable[[], list[JSON]]:
        return lambda: [json.loads(file.read_text()) for file in sorted(tmp_path.glob("*.json"))]

    @pytest.fixture
    def shut(self, tmp_path: Path) -> Folder:
        return Folder("folder", tmp_path / "missing")

    @pytest.fixture
    def away(self, tmp_path: Path) -> Folder:
        (tmp_path / "file").touch()
        return Folder("folder", tmp_path / "file")


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Shut, match="missing: No such file or directory"):
        Folder("folder", tmp_path / "missing").deliver(an_event())


def test_no_unfinished_file_stays_behind(tmp_path: Path) -> None:
    name = Folder("folder", tmp_path).deliver(an_event())
    assert [file.name for file in tmp_path.iterdir()] == [name]
