"""Our webhooks at a provider: at which address they are, which of them are ours, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from processor.errors import ProcessorError
from processor.model import JSON, Secret
from processor.ports import Answer, Subscribes, Subscription
from processor.wiring import App

_PORTS = {"http": 80, "https": 443}


def subscriber(app: App, source: str) -> Subscribes:
    """The source's provider. Raises ProcessorError when its webhooks cannot be managed from here."""
    provider = app.providers[source]
    if not isinstance(provider, Subscribes):
        kind = app.settings.sources[source].provider
        raise ProcessorError(f"{source}: the webhooks of a {kind} source cannot be managed from here")
    return provider


def address(app: App, source: str) -> str | None:
    """Where the provider is to send this source's webhooks, None without `server.public_url`."""
    public_url = app.settings.server.public_url
    return f"{public_url}/webhooks/{source}" if public_url else None


def is_at(subscription: Subscription, url: str) -> bool:
    """Whether the webhook is sent to this address, however it is spelled."""
    return _spelled(subscription.url) == _spelled(url)


def _spelled(url: str) -> tuple[str | int | None, ...] | str:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return url
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/"), parts.query


def wrong(ours: Sequence[Subscription], source: str, url: str) -> str:
    """What keeps the provider from telling us everything at `url`, a short sentence; "" when nothing does.

    `ours` are the webhooks at that address: one that is well is enough.
    """
    if not ours:
        return f"the provider has no webhook for {url}: jobwire webhooks register {source}"
    if not all(one.trouble for one in ours):
        return ""
    return "; ".join(f"webhook {one.id}: {one.trouble}" for one in ours)


def is_new(app: App, source: str, secret: Secret) -> bool:
    """Whether a secret is neither in the configuration nor kept already."""
    return secret not in (*app.settings.sources[source].options["webhook_secrets"], *app.secrets(source))


def keep_secrets(app: App, source: str, ours: Sequence[Subscription]) -> list[str]:
    """Keep those secrets of our webhooks that the provider told and nobody knew; the ids of their webhooks.

    They are lost together with Redis, and some providers tell them in every list. Raises Unavailable.
    """
    lost = {one.id: one.secret for one in ours if one.secret and is_new(app, source, one.secret)}
    for webhook_id, secret in lost.items():
        app.secrets.keep(source, webhook_id, secret)
    return list(lost)


class Paying:
    """An Http whose calls, but for the first `paid`, are paid for out of the source's budget, which goes into debt
    rather than waiting."""

    def __init__(self, app: App, source: str, *, paid: int = 0) -> None:
        self._app = app
        self._source = source
        self._paid = paid

    def request(self, method: str, url: str, **arguments: JSON) -> Answer:
        if self._paid:
            self._paid -= 1
        else:
            self._app.lanes.charge(self._app.sources[self._source], 1)
        return self._app.http.request(method, url, **arguments)
