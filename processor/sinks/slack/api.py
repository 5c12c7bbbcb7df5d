"""Slack's Web API, called with a bot's token.

The calls go through our own HTTP client and not through slack_sdk's WebClient, whose urllib knows no time-out for a
whole exchange and takes proxies from the environment.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from processor.errors import Busy, Shut, Unreadable
from processor.model import JSON, Secret
from processor.ports import Answer, Http
from processor.sinks.slack.answers import API, STATUSES, failure, word
from processor.text import clean

JSON_UTF8 = "application/json; charset=utf-8"  # without the charset Slack adds a warning to every answer

_SCOPES = re.compile(r"[a-z_.:, ]{1,200}")
_DETAIL = 300  # characters of Slack's remarks on a refused message


class Patience:
    """The seconds that one delivery may take in all, however many calls it is made of."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._until - time.monotonic())


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. `error` is None, or one of those that the caller expected."""

    content: Mapping[str, Any]
    error: str | None
    scopes: frozenset[str]  # of our token, as far as Slack tells

    def text(self, name: str) -> str:
        """A part of the answer. Raises Unreadable when it is not there."""
        value = self.content.get(name)
        if not isinstance(value, str) or not value:
            raise Unreadable(f"Slack's answer has no {name}: check `api_url`")
        return value


class Api:
    """The methods of one workspace. `about`, of an error, is what it was asked for: "channel #ops"."""

    def __init__(self, url: str, token: Secret, *, about: str, http: Http) -> None:
        self._what = f"{urlsplit(url).netloc}, {about}"
        self._url = url
        self._token = token
        self._http = http

    def post(
        self, method: str, content: Mapping[str, JSON], *, patience: Patience, expected: Collection[str] = ()
    ) -> Said:
        """Call a method that takes JSON. Errors among `expected` come back, others are raised as ours."""
        body = json.dumps(content).encode()
        return self._call(method, {"body": body}, {"Content-Type": JSON_UTF8}, patience, expected)

    def ask(self, method: str, form: Mapping[str, str], *, patience: Patience, expected: Collection[str] = ()) -> Said:
        """Call a method that reads: those take a form only."""
        return self._call(method, {"form": form}, {}, patience, expected)

    def _call(
        self,
        method: str,
        sent: Mapping[str, Any],
        headers: Mapping[str, str],
        patience: Patience,
        expected: Collection[str],
    ) -> Said:
        headers = {**headers, "Authorization": f"Bearer {self._token.reveal()}"}
        answer = self._http.request("POST", f"{self._url}/{method}", headers=headers, timeout=patience.left, **sent)
        what = f"{self._what}: {method} answered"
        if answer.status == 429 or answer.status >= 500:
            raise failure(STATUSES.get(answer.status, Busy), f"{what} {answer.status}", answer)
        content = _content(answer, what)
        if content["ok"]:
            return Said(content, None, _scopes(answer))
        error = word(content.get("error"))
        if error in expected:
            return Said(content, error, _scopes(answer))
        kind, advice = API.get(error, (Shut, f"see https://docs.slack.dev/reference/methods/{method}#errors"))
        raise failure(kind, f"{what} {error}: {advice}{self._remarks(content)}", answer)

    def _remarks(self, content: Mapping[str, Any]) -> str:
        """The scope that is missing, or which part of a message was refused. Never anything that holds our token."""
        needed = content.get("needed")
        if isinstance(needed, str) and _SCOPES.fullmatch(needed):
            return f" ({needed})"
        metadata = content.get("response_metadata")
        messages = metadata.get("messages") if isinstance(metadata, dict) else None
        said = clean("; ".join(map(str, messages)), _DETAIL) if isinstance(messages, list) else ""
        return f" ({said})" if said and self._token.reveal() not in said else ""


def _content(answer: Answer, what: str) -> Mapping[str, Any]:
    try:
        content = answer.json()
    except Unreadable:
        if answer.status != 200:
            raise Shut(f"{what} {answer.status}: check `api_url`") from None
        raise Unreadable(f"{what} something that is not JSON: check `api_url`") from None
    if not isinstance(content, dict) or not isinstance(content.get("ok"), bool):
        raise Unreadable(f"{what} what Slack would not: check `api_url`")
    return content


def _scopes(answer: Answer) -> frozenset[str]:
    return frozenset(answer.headers.get("x-oauth-scopes", "").replace(" ", "").split(",")) - {""}
