"""Tells people in a Slack channel: by an incoming webhook, or as a bot with one living message and thread a job."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate, validates_schema

from processor.http import HttpClient
from processor.model import JSON, Secret
from processor.options import PeopleOptions, SecretField, Url
from processor.ports import Occasion, Tools
from processor.sinks.slack.api import Api, Patience
from processor.sinks.slack.incoming import IncomingWebhook
from processor.sinks.slack.living import Bot
from processor.sinks.slack.pictures import Pictures
from processor.telling import Telling, tell, tell_together

API_URL = "https://slack.com/api"

_SECONDS = 10.0  # for one delivery, all its calls together
_SMALL = 64 * 1024  # bytes of an answer about an image, of which only the head counts
_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+/[!-~]*")


class WebhookAddress(SecretField):
    """The address of an incoming webhook: whoever knows it can post."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        secret = super()._deserialize(value, attr, data, **kwargs)
        try:
            usable = bool(_URL.fullmatch(secret.reveal()) and urlsplit(secret.reveal()).port != 0)
        except ValueError:
            usable = False
        if not usable:
            raise ValidationError("must be the address of an incoming webhook: https://hooks.slack.com/services/…")
        return secret


class Token(SecretField):
    """Something that can stand in a header."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        secret = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch(r"[!-~]+", secret.reveal()):
            raise ValidationError("must be a token of the app: xoxb-…")
        return secret


class Options(PeopleOptions):
    url = WebhookAddress(load_default=None)
    token = Token(load_default=None)
    channel = fields.String(load_default=None, validate=validate.Regexp(r"\S+\Z", error="must be a name or an id"))
    api_url = Url(load_default=API_URL)

    @validates_schema
    def _one_way(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        given = {name for name in ("url", "token", "channel") if data[name] is not None}
        if given in ({"url"}, {"token", "channel"}):
            return
        if "url" in given:
            raise ValidationError("is one way, token and channel are the other: keep one of them", "url")
        if given:
            missing = ({"token", "channel"} - given).pop()
            raise ValidationError(
                f"is missing: a bot needs both token and channel, and has only {given.pop()}", missing
            )
        raise ValidationError("is missing: give url (an incoming webhook), or token and channel (a bot)", "url")


class Slack:
    """A channel as a sink; the reference of a bot's delivery is its living message."""

    Options = Options

    def __init__(
        self,
        name: str,
        options: Mapping[str, Any],
        tools: Tools,
        *,
        images: HttpClient | None = None,
        timeout: float = _SECONDS,
    ) -> None:
        """`images` looks at what providers call images, so it must refuse addresses that are not public."""
        self.name = name
        self._public_url = tools.public_url
        self._timeout = timeout
        # A POST is sent again where a kept connection turns out to be closed. Like any retry that may double a message,
        # and without it the first message after a quiet while would wait for a retry.
        self._http = HttpClient(repeatable={"POST"})
        self._images = images or HttpClient(allow_private=False, max_body=_SMALL)
        pictures = Pictures(name, http=self._images, memory=tools.memory)
        self._way: IncomingWebhook | Bot
        if options["url"]:
            self._way = IncomingWebhook(options["url"], http=self._http, pictures=pictures)
        else:
            channel = options["channel"]
            api = Api(options["api_url"], options["token"], about=f"channel {channel}", http=self._http)
            self._way = Bot(name, channel, api=api, memory=tools.memory, pictures=pictures)

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Slack:
        return cls(name, options, tools)

    def deliver(self, event: Mapping[str, JSON]) -> str | None:
        return self._tell(tell(event, public_url=self._public_url), [event])

    def deliver_together(self, events: Sequence[Mapping[str, JSON]], occasion: Occasion) -> str | None:
        return self._tell(tell_together(events, occasion, public_url=self._public_url), events)

    def try_out(self) -> str:
        return self._way.try_out(Patience(self._timeout))

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()
        self._images.close()

    def _tell(self, telling: Telling, events: Sequence[Mapping[str, JSON]]) -> str | None:
        return self._way.tell(telling, events, Patience(self._timeout))
