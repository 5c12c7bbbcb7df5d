"""The embedded server: its data survive, two starts share it, a long path is no obstacle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from processor.embedded import LONGEST_SOCKET, EmbeddedServer, socket_path
from processor.errors import Usage


@contextmanager
def server(folder: Path) -> Iterator[EmbeddedServer]:
    embedded = EmbeddedServer(folder)
    embedded.ensure()
    try:
        yield embedded
    finally:
        embedded.stop()


def client(embedded: EmbeddedServer) -> Any:
    return redis.Redis.from_url(embedded.url, decode_responses=True)


def pid(embedded: EmbeddedServer) -> int:
    return int(client(embedded).info("server")["process_id"])


def test_it_syncs_every_write_and_evicts_nothing(tmp_path: Path) -> None:
    with server(tmp_path) as embedded:
        said = client(embedded).config_get("append*") | client(embedded).config_get("maxmemory-policy")
    assert (said["appendonly"], said["appendfsync"], said["maxmemory-policy"]) == ("yes", "always", "noeviction")


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    with server(tmp_path) as embedded:
        client(embedded).set("a", "1")
        os.kill(pid(embedded), signal.SIGKILL)
        embedded.ensure()
        assert client(embedded).get("a") == "1"


def test_a_second_start_uses_the_server_of_the_first_and_leaves_it_running(tmp_path: Path) -> None:
    with server(tmp_path) as first:
        with server(tmp_path) as second:
            assert pid(second) == pid(first)
            assert not second.ours
        assert first.answers()


OWNER = """
import sys, time
from pathlib import Path
from processor.embedded import EmbeddedServer
EmbeddedServer(Path(sys.argv[1])).ensure()
print("up", flush=True)
time.sleep(60)
"""


def test_a_server_that_survived_its_owner_is_adopted(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, tmp_path], stdout=subprocess.PIPE) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == b"up\n"
        before = pid(EmbeddedServer(tmp_path))
        owner.kill()
    with server(tmp_path) as heir:
        assert heir.ours
        assert pid(heir) == before
    assert not heir.answers()


def test_a_path_that_is_too_long_for_a_socket_gets_a_private_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    with server(deep) as embedded:
        assert client(embedded).ping()
        assert len(str(embedded.socket)) <= LONGEST_SOCKET
        assert embedded.socket.parent.stat().st_mode & 0o077 == 0
        assert list(deep.glob("appendonlydir"))
        folder = embedded.socket.parent
    assert not folder.exists()


def test_somebody_elses_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    deep = tmp_path / ("y" * 100)
    socket_path(deep).parent.chmod(0o755)
    with pytest.raises(Usage, match="not private"):
        socket_path(deep)


def test_a_directory_that_cannot_be_used_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Usage, match="cannot be used"):
        EmbeddedServer(tmp_path / "file" / "data").ensure()
