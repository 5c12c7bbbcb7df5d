"""Access tokens: one refresher at a time, and what was exchanged is stored before it is used."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from marshmallow import fields, validate

from processor.errors import Busy, ReconnectNeeded, Unreadable
from processor.model import Secret
from processor.ports import Answer, Http, StoredToken, Tools
from processor.reading import Document, Number, Text, read
from processor.upstream import raise_for

_DEADLINE = 15.0  # seconds for one token request
# Outlives the deadline, so that nobody exchanges the same refresh token meanwhile. Whoever is killed with it holds the
# others up for so long, and what it had in hand must go on within 30 s.
_LOCK = 20.0
_MARGIN = 300.0  # stop using a token so long before it ends; a tenth of its life if that is less
_LIFETIME = 600.0  # of a token whose answer does not say it
_RACES = 5  # that may be lost to other writers in a row; the lock makes even one unlikely


class Grant(Protocol):
    """How a source gets access tokens. `first` is the configured refresh token, None where there is no such thing."""

    @property
    def seed(self) -> str:
        """A digest of what is configured: a stored token is ours as long as it descends from this."""
        ...

    @property
    def first(self) -> str | None: ...

    @property
    def remedy(self) -> str:
        """What a person has to do when the provider refuses the grant."""
        ...

    @property
    def check(self) -> str:
        """What a person has to do when it refuses us for another reason: the grant is as good as it was."""
        ...

    def ask(self, http: Http, token_url: str, refresh: str | None) -> Answer: ...


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """RFC 6749 §4.4, form-encoded: the credentials themselves are the grant."""

    client_id: str
    client_secret: Secret
    scope: str
    first: None = None
    remedy: str = "check client_id and client_secret, and whether the application still exists"
    check: str = remedy  # the credentials are the grant

    @property
    def seed(self) -> str:
        return _digest(self.client_id, self.client_secret.reveal())

    def ask(self, http: Http, token_url: str, refresh: str | None) -> Answer:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret.reveal(),
            "scope": self.scope,
        }
        return http.request("POST", token_url, form=form, timeout=_DEADLINE)


@dataclass(frozen=True, slots=True)
class RotatingRefreshToken:
    """RFC 6749 §6 as JSON, with a refresh token that is spent once it is exchanged.

    Only the refresh token makes the seed: a renewed client secret must not send us back to a token long spent.
    """

    client_id: str
    client_secret: Secret
    refresh_token: Secret
    remedy: str = "authorise the application again and set the new refresh_token"
    check: str = "check client_id, client_secret and token_url; the refresh_token was not refused"

    @property
    def seed(self) -> str:
        return _digest(self.refresh_token.reveal())

    @property
    def first(self) -> str:
        return self.refresh_token.reveal()

    def ask(self, http: Http, token_url: str, refresh: str | None) -> Answer:
        body = {
            "grant_type": "refresh_token",
            "refresh_token": refresh,
            "client_id": self.client_id,
            "client_secret": self.client_secret.reveal(),
        }
        return http.request("POST", token_url, json=body, timeout=_DEADLINE)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class _TokenAnswer(Document):
    access_token = fields.String(required=True, validate=validate.Regexp(r"[\x21-\x7e]+\Z", error="must be ASCII"))
    refresh_token = Text(load_default=None)
    expires_in = Number(load_default=None)


class OAuth:
    """The tokens of one source, shared with all other processes through the token store.

    One instance serves many threads; what it holds in memory saves reading the store for every request.
    """

    def __init__(self, source: str, token_url: str, grant: Grant, tools: Tools) -> None:
        self._source = source
        self._token_url = token_url
        self._grant = grant
        self._http = tools.http
        self._tokens = tools.tokens
        self._clock = tools.clock
        self._began = tools.clock().timestamp()
        self._renewing = threading.Lock()
        self._cached: StoredToken | None = None
        self._unstored: tuple[StoredToken, str | None] | None = None

    def token(self) -> str:
        """An access token that should work. Raises ReconnectNeeded, or another Retryable when it cannot be had now."""
        return (self._usable(self._cached) or self._obtain()).access

    def renew(self, stale_access: str) -> str:
        """Called when the provider refused `stale_access`: a newer stored token if there is one, else a new one."""
        return self._obtain(stale_access).access

    def authorised(self, send: Callable[[str], Answer]) -> Answer:
        """What `send` gets with our access token; after a 401 once more with a newer one."""
        access = self.token()
        answer = send(access)
        return send(self.renew(access)) if answer.status == 401 else answer

    def reconnect_needed(self) -> bool:
        """Whether the grant that is configured now was refused for good."""
        stored = self._tokens.get(self._source)
        return bool(stored and stored.broken and self._ours(stored))

    def take_over(self) -> None:
        """ports.TakesOver: if what the others live on descends from another configuration, have them live on ours."""
        stored = self._tokens.get(self._source)
        if stored and not self._ours(stored):
            self.token()

    def _ours(self, token: StoredToken) -> bool:
        """Whether it descends from what is configured here, or from what was configured after this process began: in a
        rolling restart whoever has the old configuration follows the new one until its own turn comes."""
        return token.seed == self._grant.seed or token.since > self._began

    def _usable(self, token: StoredToken | None, stale: str | None = None) -> StoredToken | None:
        if token is None or not self._ours(token) or token.broken:
            return None
        return token if token.access != stale and self._clock().timestamp() < token.expires_at else None

    def _obtain(self, stale: str | None = None) -> StoredToken:
        with self._renewing:
            self._cached = (
                self._usable(self._cached, stale)
                or self._usable(self._tokens.get(self._source), stale)
                or self._refresh(stale)
            )
            return self._cached

    def _refresh(self, stale: str | None) -> StoredToken:
        with self._tokens.lock(self._source, seconds=_LOCK) as held:
            if self._unstored:
                self._store(self._tokens.get(self._source), *self._unstored)
            stored = self._tokens.get(self._source)
            if usable := self._usable(stored, stale):
                return usable
            if not held:
                raise Busy(f"{self._source}: another process is renewing the access token", retry_after=1.0)
            return self._exchange(stored)

    def _exchange(self, stored: StoredToken | None) -> StoredToken:
        ours = stored if stored and self._ours(stored) else None
        if ours and ours.broken and self._grant.first:
            raise self._refusal("the refresh token was refused before", self._grant.remedy)
        refresh = (ours.refresh if ours else None) or self._grant.first
        began = self._clock().timestamp()
        answer = self._grant.ask(self._http, self._token_url, refresh)
        if answer.status in (400, 401) and _error(answer) == "invalid_grant":
            return self._refused(refresh)
        if 400 <= answer.status < 500 and answer.status not in (408, 425, 429):
            # invalid_client above all: another refresh token would be refused just so
            raise self._refusal(f"the token endpoint answered {answer.status}", self._grant.check)
        raise_for(answer, f"{self._source}, token endpoint", self._clock())
        return self._store(stored, self._read(answer, began, refresh, ours), refresh)

    def _read(self, answer: Answer, began: float, refresh: str | None, ours: StoredToken | None) -> StoredToken:
        body = read(_TOKEN_ANSWER, answer.json())
        lifetime = max(body["expires_in"] or _LIFETIME, 0.0)
        return StoredToken(
            access=body["access_token"],
            refresh=body["refresh_token"] or refresh,  # the old one stays good only where no new one comes
            seed=ours.seed if ours else self._grant.seed,
            expires_at=began + lifetime - min(_MARGIN, lifetime / 10),
            since=ours.since if ours else self._began,
        )

    def _store(self, seen: StoredToken | None, token: StoredToken, exchanged: str | None) -> StoredToken:
        """Put `token` in the place of what it descends from; what the store holds afterwards.

        The token that was exchanged is spent: should the store fail, the new one waits in memory for the next call.
        """
        self._unstored = (token, exchanged)
        for _ in range(_RACES):
            if self._tokens.put(self._source, token, expected=seen):
                break
            seen = self._tokens.get(self._source)
            if seen and seen.seed == token.seed and seen.refresh != exchanged:
                token = seen  # somebody else's descends from ours, or is ours: the reply to the first put was lost
                break
        else:
            raise Busy(f"{self._source}: the token store changes too fast to write to", retry_after=1.0)
        self._unstored = None
        return token

    def _refused(self, refresh: str | None) -> StoredToken:
        """The provider says invalid_grant: what somebody else stored meanwhile, or a person has to reconnect."""
        newest = self._tokens.get(self._source)
        ours = newest if newest and self._ours(newest) else None
        if ours and not ours.broken and ours.refresh != refresh:
            if usable := self._usable(ours):
                return usable
            raise Busy(f"{self._source}: the refresh token was exchanged elsewhere meanwhile", retry_after=1.0)
        if newest is None or ours:  # never over what another configuration lives on
            seed, since = (ours.seed, ours.since) if ours else (self._grant.seed, self._began)
            broken = StoredToken("", refresh, seed, expires_at=0.0, broken=True, since=since)
            self._tokens.put(self._source, broken, expected=newest)
        raise self._refusal("the token endpoint answered invalid_grant", self._grant.remedy)

    def _refusal(self, why: str, what_to_do: str) -> ReconnectNeeded:
        return ReconnectNeeded(f"{self._source}: {why}: {what_to_do}")


_TOKEN_ANSWER = _TokenAnswer()


def _error(answer: Answer) -> str | None:
    """The OAuth error code of a refusing answer (RFC 6749 §5.2), None where the body has none."""
    try:
        body = answer.json()
    except Unreadable:
        return None
    code = body.get("error") if isinstance(body, dict) else None
    return code if isinstance(code, str) else None
