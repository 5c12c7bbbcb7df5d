"""What the receiver counts, by its real processes: together with those of others, and nothing lost at the end."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import redis
import requests
from running import free_port, ready, wait_for

CONFIG = """
[redis]
url = "{redis}"
[sources.main]
provider = "hover"
webhook_secrets = ["s3cret-of-the-tests"]
client_id = "c"
client_secret = "s"
refresh_token = "r"
"""


def test_every_request_that_was_turned_away_is_counted_though_the_server_stops(
    tmp_path: Path, redis_url: str, redis_client: redis.Redis
) -> None:
    (tmp_path / "jobwire.toml").write_text(CONFIG.format(redis=redis_url))
    port = free_port()
    command = [sys.executable, "-m", "processor.cli", "web", "--port", str(port), "--processes", "2"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        redis_client.zadd("jobwire:workers", {"w": 4e9})  # one that was seen, so that it is ready
        wait_for(lambda: ready(f"http://127.0.0.1:{port}"), 60)

        def forged(n: int) -> int:
            return requests.post(f"http://127.0.0.1:{port}/webhooks/main", data=b"{}", timeout=10).status_code

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(forged, range(40))) == {401}
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()
    assert redis_client.hget("jobwire:cnt", "rejections:main:Unverified") == "40", (tmp_path / "log").read_text()
