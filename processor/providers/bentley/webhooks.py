"""Our webhooks at Bentley: registered, listed, set to work again, removed.

https://developer.bentley.com/apis/webhooks-v2/operations; only a service application may do this. A new webhook is
inactive until it is told otherwise, and its secret is in the answer to its creation and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from processor.errors import Forbidden, NotYet, Permanent, Refused, Retryable, Unreadable
from processor.http import shown
from processor.model import JSON, Secret, timestamp
from processor.ports import Answer, Http, Subscription
from processor.providers.bentley.api import Api
from processor.providers.bentley.families import FAMILIES
from processor.providers.bentley.links import next_token
from processor.providers.bentley.notices import is_job_id
from processor.providers.bentley.payload import WEBHOOK, WEBHOOKS
from processor.reading import read

ACTIVE, INACTIVE, UNKNOWN = "active", "inactive", "unknown"
_ACCEPT = "application/vnd.bentley.itwin-platform.v2+json"
_PATH = "/webhooks/"
_WHAT = "Bentley, webhooks"
_MOST_PAGES = 50  # no paging is documented at all
_SOON = timedelta(days=3)
_NOT_ACTIVE = "is not active"

ALL_EVENTS = [family.event for family in FAMILIES]
DOCUMENTED_EVENTS = [family.event for family in FAMILIES if family.event_documented]


def subscribe(api: Api, url: str, http: Http) -> Subscription:
    """Register `url` for the ends of all jobs in the service application's account, and activate it.

    Raises Refused for an address that is not https. A failed activation is told in `trouble`: the secret must not get
    lost with it.
    """
    if not _is_https(url):
        raise Refused(f"{_WHAT}: {shown(url)}: Bentley takes only addresses that begin with https://")
    webhook = _create(api, url, http)
    made = _subscription(webhook, api.clock())
    if made.secret is None:
        which = f"webhook {made.id}" if is_job_id(made.id) else "a webhook with an id that can be none"
        raise Unreadable(f"{_WHAT}: {which} was made, but no secret came with it: delete it, and try again")
    try:
        _activate(api, made.id, http)
    except (Retryable, Permanent) as e:
        return replace(made, trouble=f"{_NOT_ACTIVE}: {e.message}")
    return _subscription({**webhook, "active": True}, api.clock())


def subscriptions(api: Api, http: Http) -> tuple[Subscription, ...]:
    """All webhooks of the service application, their secrets apart."""
    found: list[Subscription] = []
    token: str | None = None
    for _ in range(_MOST_PAGES):
        path = f"{_PATH}?continuationToken={token}" if token else _PATH
        document = _ask(api, "GET", path, http).json()
        found += [_subscription(webhook, api.clock()) for webhook in read(WEBHOOKS, document)["webhooks"]]
        token, note = next_token(document, after=token)
        if note:
            raise Unreadable(f"{_WHAT}: {note}")
        if not token:
            return tuple(found)
    raise Unreadable(f"{_WHAT}: there are more than {_MOST_PAGES} pages of them")


def mend(api: Api, subscription: Subscription, http: Http) -> bool:
    """Activate a webhook that is inactive; for whatever else is wrong with one there is no call."""
    if subscription.state != INACTIVE:
        return False
    _activate(api, subscription.id, http)
    return True


def unsubscribe(api: Api, subscription_id: str, http: Http) -> None:
    """Raises NotYet for a webhook that is not there."""
    _ask(api, "DELETE", _one(subscription_id), http)


# --- their calls -----------------------------------------------------------------------------------------------------


def _create(api: Api, url: str, http: Http) -> Mapping[str, Any]:
    """The webhook as it was made. It comes alone; older calls wrap it."""
    body = {"callbackUrl": url, "scope": "Account", "eventTypes": ALL_EVENTS}
    answer = api.send("POST", _PATH, _ACCEPT, http, body)
    if answer.status in (400, 422):  # an event type that no page names may be the reason: all others without it
        answer = api.send("POST", _PATH, _ACCEPT, http, body | {"eventTypes": DOCUMENTED_EVENTS})
    document = _checked(api, answer).json()
    inner = document.get("webhook") if isinstance(document, dict) else None
    return read(WEBHOOK, document if inner is None else inner)


def _activate(api: Api, webhook_id: str, http: Http) -> None:
    _ask(api, "PATCH", _one(webhook_id), http, {"active": True})


def _ask(api: Api, method: str, path: str, http: Http, body: JSON | None = None) -> Answer:
    return _checked(api, api.send(method, path, _ACCEPT, http, body))


def _checked(api: Api, answer: Answer) -> Answer:
    try:
        return api.checked(answer, _WHAT)
    except Forbidden as e:
        # https://developer.bentley.com/tutorials/authorizing-service-applications-for-managing-itwin-level-webhooks
        needed = "the service application needs webhooks_maintainer on the iTwin, or its organization's administrators"
        raise Forbidden(f"{e.message}: {needed}") from None


def _one(webhook_id: str) -> str:
    if not is_job_id(webhook_id):  # the same letters; ids go into addresses
        raise NotYet(f"{_WHAT}: their ids are letters, digits and hyphens: there is no such webhook")
    return f"{_PATH}{webhook_id}"


# --- their words, ours -----------------------------------------------------------------------------------------------


def _subscription(webhook: Mapping[str, Any], now: datetime) -> Subscription:
    events = None if webhook["events"] is None else tuple(event for event in webhook["events"] if event)
    state = {True: ACTIVE, False: INACTIVE, None: UNKNOWN}[webhook["active"]]
    troubles = [_NOT_ACTIVE] if state == INACTIVE else []
    troubles += [*_shortcomings(events), *_expiry(webhook["expires"], now)]
    secret = Secret(webhook["secret"]) if webhook["secret"] else None
    return Subscription(webhook["id"], webhook["url"] or "", state, _listed(troubles), events or (), secret)


def _shortcomings(events: Sequence[str] | None) -> list[str]:
    """What we act on and the webhook does not tell of; nothing where it does not say what it tells of."""
    if events is None:
        return []
    told = {event.lower() for event in events}
    missing = [event for event in DOCUMENTED_EVENTS if event.lower() not in told]
    return [f"does not tell of {', '.join(missing)}"] if missing else []


def _expiry(text: JSON, now: datetime) -> list[str]:
    """What a time of expiry means, where a webhook has one."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return []
    if moment <= now:
        return [f"expired at {timestamp(moment)}: register it anew"]
    return [f"expires at {timestamp(moment)}: register it anew"] if moment <= now + _SOON else []


def _listed(troubles: Sequence[str]) -> str:
    return "; ".join(troubles)


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.netloc)
