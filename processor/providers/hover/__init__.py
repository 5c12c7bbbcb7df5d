"""Hover (hover.to): jobs of a building's photos, with a model for each structure or level."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from processor.errors import ReconnectNeeded, Shut
from processor.model import JSON, CostEstimate, Handshake, Ignored, Job, Notification, Request, Secret
from processor.oauth import OAuth, RotatingRefreshToken
from processor.options import Duration, Rate, RateField, SecretField, SourceOptions, Url
from processor.ports import Http, Listed, Subscription, Tools
from processor.providers.hover import drift, lists, notices, signature
from processor.providers.hover.api import Api
from processor.providers.hover.estimates import translate_estimate
from processor.providers.hover.translate import translate
from processor.providers.hover.webhooks import UNVERIFIED


class HoverOptions(SourceOptions):
    """The keys of a `[sources.*]` with `provider = "hover"`; README.md here explains them."""

    secret_from_registration = True  # Hover makes the secret and tells it in its answer to the registration

    client_id = fields.String(required=True)
    client_secret = SecretField(required=True)
    refresh_token = SecretField(required=True)
    api_url = Url(load_default="https://hover.to")
    token_url = Url(load_default=None)
    current_user_id = fields.Integer(load_default=None, validate=validate.Range(min=1))
    replay_window = Duration(load_default=24 * 3600.0)
    signature_key = fields.String(load_default="raw", validate=validate.OneOf(("raw", "base64")))
    signed_path = fields.String(
        load_default=None,
        validate=validate.Regexp(r"/[^?#]*\Z", error="must be a path: begin with / and have no query"),
    )
    currency = fields.String(
        load_default=None, validate=validate.Regexp(r"[A-Z]{3}\Z", error='must be a currency code such as "USD"')
    )
    # https://developers.hover.to/docs/api-usage-and-limits
    rate_limits = fields.List(RateField(), load_default=lambda: [Rate(120, 60.0), Rate(7200, 3600.0)])

    @validates_schema
    def _keys_decode(self, options: Mapping[str, Any], **kwargs: Any) -> None:
        form = options.get("signature_key", "raw")
        for i, secret in enumerate(options.get("webhook_secrets", [])):
            try:
                signature.key_bytes(secret.reveal(), form)
            except ValueError:
                raise ValidationError({"webhook_secrets": {i: ["is not base64, as signature_key says"]}}) from None


@dataclass(frozen=True)
class Hover:
    """One Hover account: a ports.Provider that also Greets, HoldsGrant, CanBeTried, Lists, Estimates, NoticesDrift and
    Subscribes."""

    source: str
    keys: tuple[bytes, ...] = field(repr=False)  # of the signature; they are secrets
    registered: Callable[[], Sequence[Secret]] = field(repr=False)  # those that our own registrations brought
    signature_key: str
    signed_path: str | None
    replay_window: timedelta
    currency: str | None
    api: Api
    # the document that a thread translated last: what is strange in it is asked next, and would be read all over again
    _read: threading.local = field(default_factory=threading.local, init=False, repr=False, compare=False)

    Options = HoverOptions

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Hover:
        grant = RotatingRefreshToken(options["client_id"], options["client_secret"], options["refresh_token"])
        token_url = options["token_url"] or f"{options['api_url']}/oauth/token"
        return cls(
            source=name,
            keys=tuple(signature.key_bytes(s.reveal(), options["signature_key"]) for s in options["webhook_secrets"]),
            registered=partial(tools.secrets, name),
            signature_key=options["signature_key"],
            signed_path=options["signed_path"],
            replay_window=timedelta(seconds=options["replay_window"]),
            currency=options["currency"],
            api=Api(options["api_url"], options["current_user_id"], OAuth(name, token_url, grant, tools), tools.clock),
        )

    # --- its grant

    def reconnect_needed(self) -> bool:
        return self.api.oauth.reconnect_needed()

    def take_over(self) -> None:
        self.api.oauth.take_over()

    def try_out(self) -> str:
        """ports.CanBeTried: whether an access token can be had.

        One that is stored and still good is not renewed for this: what is exchanged for nothing can only get lost.
        """
        try:
            self.api.oauth.token()
        except ReconnectNeeded:
            if self.reconnect_needed():
                raise
            who = f"{self.source}: the token endpoint refuses the application, not its refresh_token"
            raise Shut(f"{who}: check client_id, client_secret and token_url") from None
        return "has an access token"

    # --- what it sends

    def verify(self, request: Request) -> None:
        signature.verify(
            request, keys=self.keys, more=self._registered, signed_path=self.signed_path, window=self.replay_window
        )

    def parse(self, request: Request) -> Notification | Ignored:
        return notices.parse(request, source=self.source)

    def handshake(self, request: Request) -> Handshake | Ignored | None:
        return notices.verification(request, source=self.source)

    def confirm(self, code: str, *, http: Http) -> None:
        self.api.confirm(code, http)

    # --- what it is asked

    def fetch(self, job_id: str, *, api: str, http: Http) -> JSON:
        return self.api.job(job_id, http)

    def translate(self, original: JSON, *, api: str) -> Job:
        job = translate(original, source=self.source, current_user_id=self.api.current_user_id)
        self._read.document = original
        return job

    def strange(self, original: JSON, *, api: str) -> Sequence[str]:
        return drift.strange(original, readable=getattr(self._read, "document", None) is original)

    def fetch_estimate(self, estimate_id: str, *, http: Http) -> JSON:
        return self.api.estimate(estimate_id, http)

    def translate_estimate(self, original: JSON) -> tuple[str, CostEstimate]:
        return translate_estimate(original, currency=self.currency)

    def lists(self) -> Sequence[str]:
        return lists.LISTS

    def page(self, name: str, *, since: JSON, at: JSON, http: Http) -> Listed:
        place = lists.Place.of(since, at)
        answer = self.api.jobs(place.query(name), http)
        return lists.listed(place, answer, translate=partial(self.translate, api=notices.API), now=self.api.clock())

    # --- its webhooks

    def subscriptions(self, *, http: Http) -> Sequence[Subscription]:
        return self.api.webhooks(http)

    def subscribe(self, url: str, *, http: Http) -> Subscription:
        """Hover sends a code to `url` at once; the webhook is alive when `confirm` has sent that back."""
        return self.api.register(url, http)

    def unsubscribe(self, subscription_id: str, *, http: Http) -> None:
        self.api.delete(subscription_id, http)

    def mend(self, subscription: Subscription, *, http: Http) -> bool:
        """Have it verified: with the code in Hover's own answer, else with the one that comes to the address."""
        if subscription.state != UNVERIFIED:
            return False
        if code := self.api.ask_for_code(subscription.id, http):
            self.api.confirm(code, http)
        return True

    def _registered(self) -> Iterator[bytes]:
        for secret in self.registered():
            try:
                yield signature.key_bytes(secret.reveal(), self.signature_key)
            except ValueError:
                continue  # not base64, as signature_key says: nothing can be signed with it
