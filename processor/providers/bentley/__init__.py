"""Bentley's iTwin Platform: reality modelling, analysis and conversion jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import fields

from processor.model import JSON, Ignored, Job, Notification, Request
from processor.oauth import ClientCredentials, OAuth
from processor.options import Duration, Rate, RateField, SecretField, SourceOptions, Url
from processor.ports import Http, Tools
from processor.providers.bentley import notices, signature
from processor.providers.bentley.api import Api
from processor.providers.bentley.families import family
from processor.providers.bentley.translate import translate

# https://github.com/iTwin/platform-api-documentation, apis/overview/authorization/service-app.md
_SCOPE = "itwin-platform"


class BentleyOptions(SourceOptions):
    """The keys of a `[sources.*]` with `provider = "bentley"`; README.md here explains them."""

    client_id = fields.String(required=True)
    client_secret = SecretField(required=True)
    api_url = Url(load_default="https://api.bentley.com")
    token_url = Url(load_default="https://ims.bentley.com/connect/token")
    itwin_ids = fields.List(fields.String(), load_default=list)
    # https://developer.bentley.com/apis/overview/rate-limits, the smallest plans; the larger ones have 5000 a minute
    rate_limits = fields.List(RateField(), load_default=lambda: [Rate(500, 60.0), Rate(5000, 3600.0)])
    reconcile = Duration(load_default=300.0)


@dataclass(frozen=True)
class Bentley:
    """One Bentley service application: a ports.Provider that also AnswersOptions, HoldsGrant and CanBeTried."""

    source: str
    keys: tuple[bytes, ...] = field(repr=False)  # of the signature; they are secrets
    api: Api

    Options = BentleyOptions

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Bentley:
        grant = ClientCredentials(options["client_id"], options["client_secret"], _SCOPE)
        return cls(
            source=name,
            keys=tuple(secret.reveal().encode() for secret in options["webhook_secrets"]),
            api=Api(options["api_url"], OAuth(name, options["token_url"], grant, tools), tools.clock),
        )

    def reconnect_needed(self) -> bool:
        return self.api.oauth.reconnect_needed()

    def try_out(self) -> str:
        """ports.CanBeTried: whether an access token can be had. One that is stored and still good is not renewed."""
        self.api.oauth.token()
        return "has an access token"

    def verify(self, request: Request) -> None:
        signature.verify(request, keys=self.keys)

    def parse(self, request: Request) -> Notification | Ignored:
        return notices.parse(request, source=self.source)

    def options(self, request: Request) -> Mapping[str, str] | None:
        return notices.options(request)

    def fetch(self, job_id: str, *, api: str, http: Http) -> JSON:
        return self.api.job(job_id, family(api), http)

    def translate(self, original: JSON, *, api: str) -> Job:
        return translate(original, source=self.source, family=family(api))
