"""An incoming webhook of Slack's: one address, one channel, one message for each event or for several together."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from processor.errors import Busy, ProcessorError, Retryable, Shut, Unreadable
from processor.model import JSON, Secret
from processor.ports import Answer, Http
from processor.sinks.slack.answers import ALIVE, INCOMING, LAYOUT, STATUSES, failure, word
from processor.sinks.slack.api import JSON_UTF8, Patience
from processor.sinks.slack.blocks import message
from processor.sinks.slack.pictures import Pictures
from processor.telling import Telling

_ADVICE = "check that `url` is the address of an incoming webhook"


class IncomingWebhook:
    """The path of its address is the key, so nothing but the host is ever shown."""

    def __init__(self, url: Secret, *, http: Http, pictures: Pictures) -> None:
        self._host = urlsplit(url.reveal()).netloc
        self._url = url
        self._http = http
        self._pictures = pictures

    def tell(self, telling: Telling, events: Sequence[Mapping[str, JSON]], patience: Patience) -> None:
        """Post the message. There is nothing to refer to it by: Slack answers `ok`."""
        image = self._pictures.public(telling.images, timeout=patience.left)
        if image is None or self._post(message(telling, image=image), patience, expected=LAYOUT):
            self._post(message(telling), patience)
            if image:  # it was this that Slack would not show
                self._pictures.never_again(image)

    def try_out(self, patience: Patience) -> str:
        """Posts nothing: an empty message is refused, but only by a webhook that is there."""
        self._send({}, patience, expected=ALIVE)
        return f"an incoming webhook at {self._host}"

    def _post(self, said: Mapping[str, JSON], patience: Patience, *, expected: Collection[str] = ()) -> str | None:
        return self._send({**said, "unfurl_links": False, "unfurl_media": False}, patience, expected)

    def _send(self, content: Mapping[str, JSON], patience: Patience, expected: Collection[str]) -> str | None:
        """None when it was taken, or one of the words that were expected; others are raised as ours."""
        body, headers = json.dumps(content).encode(), {"Content-Type": JSON_UTF8}
        try:
            answer = self._http.request("POST", self._url.reveal(), headers=headers, body=body, timeout=patience.left)
        except Retryable as e:  # its message begins with the address, in which there is no space
            raise type(e)(f"{self._host}: {e.message.partition(': ')[2] or 'no answer'}") from None
        said = answer.body[:200].decode(errors="replace").strip()
        if answer.status == 200 and said == "ok":
            return None
        if word(said) in expected:
            return said
        raise self._failure(answer, word(said))

    def _failure(self, answer: Answer, said: str) -> ProcessorError:
        what = f"{self._host} answered {answer.status}"
        if said in INCOMING:
            kind, advice = INCOMING[said]
            return failure(kind, f"{what}, {said}: {advice}", answer)
        if answer.status == 200:
            return Unreadable(f"{what}, but not `ok`: {_ADVICE}")
        kind = STATUSES.get(answer.status, Busy if answer.status >= 500 else Shut)
        return failure(kind, f"{what}, {said}{': ' + _ADVICE if kind is Shut else ''}", answer)
