"""Bentley's iTwin Platform: reality modelling, analysis and conversion jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import structlog
from marshmallow import fields, validate

from processor.errors import Refused
from processor.model import JSON, Ignored, Job, Notification, Request, Secret
from processor.oauth import ClientCredentials, OAuth
from processor.options import Duration, Rate, RateField, SecretField, SourceOptions, Url
from processor.ports import Http, Listed, Subscription, Tools
from processor.providers.bentley import drift, notices, signature, webhooks
from processor.providers.bentley.api import Api
from processor.providers.bentley.families import FAMILIES, family
from processor.providers.bentley.lists import JobList
from processor.providers.bentley.translate import translate

log = structlog.get_logger(__name__)

# https://github.com/iTwin/platform-api-documentation, apis/overview/authorization/service-app.md
_SCOPE = "itwin-platform"
# not only UUIDs: what must not be in a filter or a list's name is kept out
_ITWIN_ID = validate.Regexp(
    r"[^\s'\"(),/]{1,100}\Z", error='must be the id of an iTwin, such as "3fa85f64-5717-4562-b3fc-2c963f66afa6"'
)


class BentleyOptions(SourceOptions):
    """The keys of a `[sources.*]` with `provider = "bentley"`; README.md here explains them."""

    secret_from_registration = True  # Bentley makes one and tells it in its answer to the registration

    client_id = fields.String(required=True)
    client_secret = SecretField(required=True)
    api_url = Url(load_default="https://api.bentley.com")
    token_url = Url(load_default="https://ims.bentley.com/connect/token")
    itwin_ids = fields.List(fields.String(validate=_ITWIN_ID), load_default=list)
    # https://developer.bentley.com/apis/overview/rate-limits, the smallest plans; the larger ones have 5000 a minute
    rate_limits = fields.List(RateField(), load_default=lambda: [Rate(500, 60.0), Rate(5000, 3600.0)])
    reconcile = Duration(load_default=300.0)

    @classmethod
    def advice(cls, options: Mapping[str, Any]) -> list[tuple[str, str]]:
        if options["itwin_ids"] or not options["reconcile"]:
            return []
        return [("itwin_ids", "names no iTwin, so no job is found that no webhook tells of, nor any cost estimate")]


@dataclass(frozen=True)
class Bentley:
    """One Bentley service application: a ports.Provider that also AnswersOptions, HoldsGrant, CanBeTried, Lists, Finds,
    Subscribes and NoticesDrift."""

    source: str
    keys: tuple[bytes, ...] = field(repr=False)  # of the signature; they are secrets
    registered: Callable[[], Sequence[Secret]] = field(repr=False)  # those of webhooks that we registered ourselves
    api: Api
    itwin_ids: tuple[str, ...] = ()

    Options = BentleyOptions

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Bentley:
        grant = ClientCredentials(options["client_id"], options["client_secret"], _SCOPE)
        return cls(
            source=name,
            keys=tuple(secret.reveal().encode() for secret in options["webhook_secrets"]),
            registered=partial(tools.secrets, name),
            api=Api(options["api_url"], OAuth(name, options["token_url"], grant, tools), tools.clock),
            itwin_ids=tuple(options["itwin_ids"]),
        )

    def reconnect_needed(self) -> bool:
        return self.api.oauth.reconnect_needed()

    def take_over(self) -> None:
        self.api.oauth.take_over()

    def try_out(self) -> str:
        """ports.CanBeTried: whether an access token can be had. One that is stored and still good is not renewed."""
        self.api.oauth.token()
        return "has an access token"

    # --- what comes in

    def verify(self, request: Request) -> None:
        signature.verify(request, keys=self.keys, more=self._registered_keys)

    def _registered_keys(self) -> tuple[bytes, ...]:
        return tuple(secret.reveal().encode() for secret in self.registered())

    def parse(self, request: Request) -> Notification | Ignored:
        return notices.parse(request, source=self.source)

    def options(self, request: Request) -> Mapping[str, str] | None:
        return notices.options(request)

    # --- what a job is

    def fetch(self, job_id: str, *, api: str, http: Http) -> JSON:
        return self.api.job(job_id, family(api), http)

    def translate(self, original: JSON, *, api: str) -> Job:
        return translate(original, source=self.source, family=family(api))

    def strange(self, original: JSON, *, api: str) -> Sequence[str]:
        return drift.strange(original, api=api)

    def find(self, job_id: str, *, http: Http) -> str:
        return self.api.find(job_id, http)

    # --- what there is

    def lists(self) -> Sequence[str]:
        return tuple(self._lists)

    def page(self, name: str, *, since: JSON, at: JSON, http: Http) -> Listed:
        """Raises Refused for a list that `lists` does not name, as after a change of itwin_ids, and Forbidden where the
        service application may not see one."""
        if name not in self._lists:
            raise Refused(f"{self.source}: there is no list {name}: itwin_ids says what is listed")
        return self._lists[name].page(self.api, since=since, at=at, http=http)

    @cached_property
    def _lists(self) -> Mapping[str, JobList]:
        """Made once, so that the warning comes once a process."""
        if not self.itwin_ids:
            log.warning("no jobs are listed", source=self.source, reason="itwin_ids names no iTwin")
        lists = [JobList(row, itwin_id, self.source) for itwin_id in self.itwin_ids for row in FAMILIES]
        return {one.name: one for one in lists}

    # --- what tells us

    def subscriptions(self, *, http: Http) -> Sequence[Subscription]:
        return webhooks.subscriptions(self.api, http)

    def subscribe(self, url: str, *, http: Http) -> Subscription:
        return webhooks.subscribe(self.api, url, http)

    def unsubscribe(self, subscription_id: str, *, http: Http) -> None:
        webhooks.unsubscribe(self.api, subscription_id, http)

    def mend(self, subscription: Subscription, *, http: Http) -> bool:
        return webhooks.mend(self.api, subscription, http)
