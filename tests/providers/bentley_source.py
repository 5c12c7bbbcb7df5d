"""A Bentley source as the tests configure it, and jobs as its APIs show them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from processor.model import Request, Secret
from processor.ports import Http
from processor.providers import bentley
from processor.providers.bentley import Bentley
from processor.providers.bentley.signature import sign
from processor.testing.fakes import FakeHttp, StandingClock, some_tools

DATA = Path(__file__).parents[1] / "data" / "bentley"
SAMPLES = Path(bentley.__file__).parent / "samples"
SECRET = "e2c1b7a1d6f04b0c9a5b8e7f6d5c4b3a29181706f5e4d3c2b1a09f8e7d6c5b4a"
NOW = datetime(2025, 3, 18, 0, 3, tzinfo=UTC)
JOB = "cc3d35cc-416a-4262-9714-b359da70b419"
ITWIN = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
OPTIONS = {
    "provider": "bentley",
    "webhook_secrets": [SECRET],
    "client_id": "client",
    "client_secret": "app-secret",
}
TOKEN = {"access_token": "access-1", "expires_in": 3600, "token_type": "Bearer"}


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DATA / name).read_bytes())
    return document


def make(
    http: Http | None = None, *, registered: Callable[[str], Sequence[Secret]] = lambda source: (), **options: Any
) -> Bentley:
    """The source "itwin"; `registered` says which secrets came from registering its webhooks."""
    tools = some_tools(http=http or FakeHttp(), clock=StandingClock(NOW), secrets=registered)
    return Bentley.from_config("itwin", Bentley.Options().load({**OPTIONS, **options}), tools)


def signed(body: bytes, *, content_type: str = "application/json", key: bytes = SECRET.encode()) -> Request:
    headers = {"content-type": content_type, "signature": sign(key, body)}
    return Request("POST", "/webhooks/itwin", "", headers, body, NOW)


def event(**keys: Any) -> bytes:
    envelope = {"eventType": "realityModeling.jobCompleted.v1", "messageId": "m-1", "content": {"jobId": JOB}}
    return json.dumps({**envelope, **keys}).encode()


def sample() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SAMPLES / "bentley-1.json").read_bytes())
    return document


def v1(**keys: Any) -> dict[str, Any]:
    return {"job": {**sample()["job"], **keys}}


def v2(*, messages: Any = None, **keys: Any) -> dict[str, Any]:
    job = {**load("job-v2.json")["job"], "type": "Reconstruction", **keys}
    return {"job": job} if messages is None else {"job": job, "messages": messages}
