"""A Hover source as the tests configure it, and requests and documents that fit it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from processor.model import Request, Secret
from processor.ports import Http
from processor.providers import hover
from processor.providers.hover import Hover
from processor.providers.hover.signature import sign
from processor.testing.fakes import FakeHttp, StandingClock, some_tools

DATA = Path(__file__).parents[1] / "data" / "hover"
SAMPLES = Path(hover.__file__).parent / "samples"
SECRET = "dGVzdC1zZWNyZXQtbm90LXJlYWw="
PATH = "/webhooks/hover-main"
DATE = "Tue, 18 Mar 2025 00:02:58 GMT"
NOW = datetime(2025, 3, 18, 0, 3, tzinfo=UTC)
OPTIONS = {
    "provider": "hover",
    "webhook_secrets": [SECRET],
    "client_id": "client",
    "client_secret": "app-secret",
    "refresh_token": "refresh-0",
}
TOKEN = {"access_token": "access-1", "expires_in": 7200, "refresh_token": "refresh-1"}


def make(http: Http | None = None, *, registered: Sequence[str] = (), **options: Any) -> Hover:
    """`registered` are secrets of webhooks that we registered ourselves."""
    tools = some_tools(
        http=http or FakeHttp(),
        clock=StandingClock(NOW),
        secrets=lambda source: [Secret(secret) for secret in registered if source == "hover-main"],
    )
    return Hover.from_config("hover-main", Hover.Options().load({**OPTIONS, **options}), tools)


def signed(
    body: bytes,
    *,
    content_type: str = "application/json",
    key: bytes = SECRET.encode(),
    path: str = PATH,
    signed_path: str | None = None,
    date: str = DATE,
) -> Request:
    value = sign(key, webhook_id="12343", content_type=content_type, body=body, path=signed_path or path, date=date)
    headers = {"content-type": content_type, "date": date, "hover-signature-256": value}
    return Request("POST", path, "", headers, body, NOW)


def event(**keys: Any) -> bytes:
    return json.dumps({"event": "job-state-changed-v2", "webhook_id": 1, "job_id": 15084303, **keys}).encode()


def sample(n: int = 1) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SAMPLES / f"hover-{n}.json").read_bytes())
    return document


def changed(**keys: Any) -> dict[str, Any]:
    return {**sample(), **keys}
