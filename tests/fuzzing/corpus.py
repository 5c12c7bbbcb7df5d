"""The real messages that inputs are made of, and sources that stand ready to read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fuzzing.mutating import Chance, as_bytes, odd, odd_text
from providers import bentley_source, hover_account

from processor.ports import Answer, Tools
from processor.providers.bentley import Bentley
from processor.providers.hover import Hover
from processor.testing.fakes import FakeHttp, StandingClock, some_tools

HOVER_DATA, HOVER_SAMPLES = hover_account.DATA, hover_account.SAMPLES
BENTLEY_DATA, BENTLEY_SAMPLES = bentley_source.DATA, bentley_source.SAMPLES
SECRETS = (hover_account.SECRET, bentley_source.SECRET, "app-secret", "access-1", "refresh-1")
API_URL = "https://api.example"


@cache
def _text(path: Path) -> str:
    return path.read_text()


def load(path: Path) -> Any:
    """A fresh copy, to be changed."""
    return json.loads(_text(path))


def hover_job(chance: Chance) -> Any:
    return load(HOVER_SAMPLES / chance.choice(("hover-1.json", "hover-2.json", "hover-2.json")))


def bentley_job(chance: Chance) -> Any:
    return load(chance.choice((BENTLEY_SAMPLES / "bentley-1.json", BENTLEY_DATA / "job-v2.json")))


def answer(chance: Chance, document: Any) -> Answer:
    """What a far end says: mostly 200, and `document` or something near it."""
    status = chance.choice(
        (200,) * 20 + (201, 202, 204, 302, 304, 400, 401, 403, 404, 408, 422, 425, 429, 500, 503, 599, 99)
    )
    headers = {}
    if chance.randrange(8) == 0:
        headers["retry-after"] = odd_text(chance) if chance.randrange(2) else str(chance.choice((0, 5, 1e9, -3)))
    return Answer(status, headers, as_bytes(chance, document if chance.randrange(20) == 0 else odd(chance, document)))


class FarEnd:
    """Answers with what the input says, in turn; the last goes on."""

    def __init__(self) -> None:
        self.answers: Sequence[Answer] = ()
        self.calls = 0

    def request(self, method: str, url: str, **_: Any) -> Answer:
        """Raises AssertionError for an address that an answer made up."""
        assert url.startswith(f"{API_URL}/"), url
        assert all("!" <= character <= "~" for character in url), url
        self.calls += 1
        assert self.calls < 300, "it asks without end"
        return self.answers[min(self.calls, len(self.answers)) - 1]

    def says(self, answers: Sequence[Answer]) -> FarEnd:
        self.answers, self.calls = answers, 0
        return self


def hover() -> Hover:
    options = {**hover_account.OPTIONS, "api_url": API_URL, "current_user_id": 7, "currency": "USD"}
    return Hover.from_config("hover-main", Hover.Options().load(options), _tools(hover_account.TOKEN))


def bentley() -> Bentley:
    options = {**bentley_source.OPTIONS, "api_url": API_URL, "itwin_ids": [bentley_source.ITWIN]}
    return Bentley.from_config("itwin", Bentley.Options().load(options), _tools(bentley_source.TOKEN))


def _tools(token: Any) -> Tools:
    always = Answer(200, {}, json.dumps(token).encode())
    return some_tools(http=FakeHttp(always=always), clock=StandingClock(hover_account.NOW))
