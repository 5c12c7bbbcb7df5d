"""POSTs events to an address as CloudEvents, signed the way of Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, validate
from standardwebhooks import Webhook as Signer

from processor import tracing
from processor.errors import Busy, ProcessorError, RateLimited, Refused, Retryable, Shut
from processor.http import HttpClient, check_address, origin, retry_after, shown
from processor.model import CLOUDEVENTS_JSON, JSON, Secret
from processor.options import Duration, SecretField, SinkOptions
from processor.ports import Answer, Clock, Tools
from processor.text import clean, json_line

# What an answer means; any other 5xx is Busy, and anything else a shut door: a 401, 403 or 404 is somebody's
# configuration, a 3xx somebody's move, and either may be put right while the delivery waits.
_MEANINGS: Mapping[int, type[ProcessorError]] = {
    400: Refused,
    410: Refused,
    413: Refused,
    415: Refused,
    422: Refused,
    408: Busy,
    425: Busy,
    429: RateLimited,
}
_EXCERPT = 200  # characters of an answer that a message quotes

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110: token
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_OURS = re.compile(r"webhook-.*|content-.*|transfer-encoding", re.IGNORECASE)


def _usable(url: str) -> None:
    try:
        check_address(url)
    except Shut as e:
        raise ValidationError(e.message) from None


class SigningSecret(SecretField):
    """`whsec_` and base64. The signer itself would skip what is not base64 and sign with what remains."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        secret = super()._deserialize(value, attr, data, **kwargs)
        prefix, _, key = secret.reveal().partition("_")
        key = key.rstrip("=")
        try:
            usable = prefix == "whsec" and bool(base64.b64decode(key + "=" * (-len(key) % 4), validate=True))
        except ValueError:
            usable = False
        if not usable:
            raise ValidationError("must be a signing secret: whsec_ followed by base64")
        return secret


class HeaderName(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        name = super()._deserialize(value, attr, data, **kwargs)
        if not _NAME.fullmatch(name) or _OURS.fullmatch(name):
            raise ValidationError("must be the name of a header other than webhook-*, content-* and transfer-encoding")
        return name


class HeaderValue(SecretField):
    """A header's value: very often a key, so always treated as one."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        secret = super()._deserialize(value, attr, data, **kwargs)
        if not _VALUE.fullmatch(secret.reveal()):
            raise ValidationError("must be one line of Latin-1")
        return secret


class Options(SinkOptions):
    url = fields.String(required=True, validate=_usable)
    secret = SigningSecret(load_default=None)
    secrets = fields.List(SigningSecret(), load_default=list)
    headers = fields.Dict(keys=HeaderName(), values=HeaderValue(), load_default=dict)
    timeout = Duration(load_default=10.0, validate=validate.Range(min=0, min_inclusive=False))
    allow_private = fields.Boolean(load_default=False)


class Webhook:
    """A web address as a sink. A 2xx is a delivery; a redirect is not followed."""

    Options = Options

    def __init__(
        self,
        name: str,
        url: str,
        *,
        http: HttpClient,
        clock: Clock,
        secrets: Sequence[Secret] = (),
        headers: Mapping[str, Secret] | None = None,
    ) -> None:
        self.name = name
        self._url = url
        self._shown = origin(url)
        self._http = http
        self._clock = clock
        self._signers = [Signer(secret.reveal()) for secret in secrets]
        self._headers = {key: value.reveal() for key, value in (headers or {}).items()}

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Webhook:
        """A client of its own, for the guard; it sends a POST twice where a kept connection turns out to be closed,
        because the event's id makes the repeat harmless."""
        return cls(
            name,
            options["url"],
            http=HttpClient(timeout=options["timeout"], allow_private=options["allow_private"], repeatable={"POST"}),
            clock=tools.clock,
            secrets=[*([options["secret"]] if options["secret"] else []), *options["secrets"]],
            headers=options["headers"],
        )

    def deliver(self, event: Mapping[str, JSON]) -> None:
        body = json_line(event)
        about = {"Content-Type": CLOUDEVENTS_JSON, **self._signed(str(event["id"]), body)}
        headers = {**tracing.outgoing(), **self._headers, **about}
        answer = self._ask("POST", headers, body.encode())
        if not 200 <= answer.status < 300:
            raise self._failure(answer, headers)

    def try_out(self) -> str:
        """Whether somebody answers there: any status will do, since few receivers are made for a request but POST.

        Raises Shut for an address that we may not use or that is not there, else what `Http.request` raises.
        """
        answer = self._ask("OPTIONS", self._headers)
        if answer.status in (404, 410):
            raise Shut(f"{self._shown} answered OPTIONS with {answer.status}: is the url right? Only an event can tell")
        return f"{self._shown} answers (OPTIONS: {answer.status}); whether it takes events, only one can tell"

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _ask(self, method: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Http.request; a message of its errors has no path in it, which at many services is the key."""
        try:
            return self._http.request(method, self._url, headers=headers, body=body)
        except Retryable as error:
            said = error.message.replace(shown(self._url), self._shown)
            raise type(error)(said, retry_after=error.retry_after) from None

    def _signed(self, event_id: str, body: str) -> dict[str, str]:
        """The headers of Standard Webhooks: one signature for each secret, so that a receiver may know any of them."""
        now = self._clock()
        signatures = [signer.sign(event_id, now, body) for signer in self._signers]
        headers = {"webhook-id": event_id, "webhook-timestamp": str(int(now.timestamp()))}
        return {**headers, "webhook-signature": " ".join(signatures)} if signatures else headers

    def _failure(self, answer: Answer, sent: Mapping[str, str]) -> ProcessorError:
        message = f"{self._shown} answered {answer.status}: {self._excerpt(answer, sent)}"
        meaning = _MEANINGS.get(answer.status, Busy if answer.status >= 500 else Shut)
        if issubclass(meaning, Retryable):
            return meaning(message, retry_after=retry_after(answer.headers))
        return meaning(message)

    def _excerpt(self, answer: Answer, sent: Mapping[str, str]) -> str:
        said = answer.body[: 20 * _EXCERPT].decode(errors="replace")
        secret = " ".join([*self._headers.values(), sent.get("webhook-signature", "")]).split()
        if any(part in said.replace("\\", "") for part in secret):  # JSON may write / as \/
            return "its answer repeats what we sent"
        return clean(said, _EXCERPT) or "without a word"
