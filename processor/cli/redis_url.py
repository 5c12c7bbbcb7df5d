"""Which Redis a command talks to: the configured one, else that of a running `up`, else one that it brings."""

from __future__ import annotations

from pathlib import Path

from processor.embedded import EmbeddedServer
from processor.errors import ProcessorError
from processor.settings import Settings


def configured_or_running(settings: Settings, data_dir: str) -> str:
    """The address of a Redis that is there already. Raises ProcessorError when there is none."""
    if settings.redis.url:
        return settings.redis.url.reveal()
    server = EmbeddedServer(Path(data_dir))
    if server.answers():
        return server.url
    raise ProcessorError(
        f"no Redis: set [redis].url or REDIS_URL, or start `jobwire up` (looked for its server in {data_dir})"
    )
