"""The shapes: what a provider, a sink, an HTTP client and a token store must look like.

Plugins are found through entry points (`jobwire.providers`, `jobwire.sinks`) that name a class with an `Options` schema
and a `from_config(name, options, tools)` constructor. What only some providers can do is a protocol of its own, found
with isinstance.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from processor.errors import Unreadable
from processor.model import JSON, CostEstimate, Handshake, Ignored, Job, Notification, Request, Secret

Clock = Callable[[], datetime]  # now, aware, in UTC


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read whole. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> JSON:
        """The body as JSON. Raises Unreadable when it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as e:  # a text of brackets alone is deeper than Python goes
            raise Unreadable(f"the answer (status {self.status}, {len(self.body)} bytes) is not JSON") from e


class Http(Protocol):
    """One HTTP exchange within a time limit: no redirects followed, no environment read, body capped.

    Every status comes back as an Answer. Raises Unreachable (no answer in time, refused, cut) and Unreadable (too big).
    At most one of `json`, `form` and `body` is given.
    """

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: JSON | None = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Answer: ...


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A source's tokens as stored. `seed` is a digest of the configured credential they descend from; `expires_at` is
    in epoch seconds. `broken` says that the grant was refused: a person must reconnect. `since` is when the process
    began that brought the credential, likewise: the one that was configured last wins."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    seed: str
    expires_at: float
    broken: bool = False
    since: float = 0.0


class TokenStore(Protocol):
    """Where tokens live, shared by all processes."""

    def get(self, source: str) -> StoredToken | None: ...

    def put(self, source: str, token: StoredToken, *, expected: StoredToken | None) -> bool:
        """Store `token` if what is stored still is `expected`; False when somebody else was first."""
        ...

    def lock(self, source: str, *, seconds: float) -> AbstractContextManager[bool]:
        """One refresher at a time across processes. Yields False when another holds it and did not let go in time."""
        ...


class Memory(Protocol):
    """A little that a sink wants to know again, shared by all processes. Both raise Unavailable."""

    def recall(self, sink: str, key: str) -> str | None:
        """What was remembered last, None when nothing is (any more)."""
        ...

    def remember(self, sink: str, key: str, value: str, *, seconds: float) -> None:
        """Keep `value` for so long."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """The few things a plugin may use."""

    http: Http
    tokens: TokenStore
    clock: Clock
    memory: Memory
    redis_url: str | None = None  # our own Redis, for the sinks that write to it
    secrets: Callable[[str], Sequence[Secret]] = (
        lambda source: ()
    )  # of a source's webhooks that we registered ourselves
    public_url: str | None = None  # where people reach this jobwire; None: messages have no links to it


class Provider(Protocol):
    """One configured source of a provider. One instance serves many threads."""

    source: str

    def verify(self, request: Request) -> None:
        """Raise Unverified unless the raw bytes are genuine. Parses nothing."""
        ...

    def parse(self, request: Request) -> Notification | Ignored:
        """Say what a genuine request announces. Raises Malformed or UnsupportedType."""
        ...

    def fetch(self, job_id: str, *, api: str, http: Http) -> JSON:
        """Ask the provider for the whole job. The only method that talks.

        Raises NotYet for a job the provider does not know, Shut, Forbidden, RateLimited, Busy, Unreachable,
        Unreadable, ReconnectNeeded.
        """
        ...

    def translate(self, original: JSON, *, api: str) -> Job:
        """Turn what `fetch` returned into a Job. Pure. Raises Unreadable with the path that is wrong."""
        ...


@runtime_checkable
class Greets(Protocol):
    """A provider that asks us to prove that the address is ours, by a code in an unsigned request."""

    def handshake(self, request: Request) -> Handshake | Ignored | None:
        """Called before `verify`: the code, Ignored for a code that cannot be one, None for any other request."""
        ...

    def confirm(self, code: str, *, http: Http) -> None:
        """Send the code back. Raises as `fetch` does."""
        ...


@runtime_checkable
class AnswersOptions(Protocol):
    """A provider whose older handshake is an OPTIONS request."""

    def options(self, request: Request) -> Mapping[str, str] | None:
        """The headers to answer with, or None when this is no handshake."""
        ...


@runtime_checkable
class HoldsGrant(Protocol):
    """A provider whose access rests on a grant that may be lost."""

    def reconnect_needed(self) -> bool:
        """Whether the configured grant was refused for good: a person must reconnect. Raises Unavailable."""
        ...


@runtime_checkable
class TakesOver(Protocol):
    """A provider whose grant may be configured anew while others still run with the old one."""

    def take_over(self) -> None:
        """Called when a worker begins: a grant that was configured since is used from now on, and the others follow.

        Raises ProcessorError when it cannot be used now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a provider's list of jobs.

    `next` is where the next page begins, None: this was the last one. `reached` is what the list is to be asked from by
    the next pass; both are the provider's own and come back as they were. `unread` says what of the page could not be
    read, a short line for each row.
    """

    jobs: tuple[Job, ...]
    api: str
    next: JSON = None
    reached: JSON = None
    unread: tuple[str, ...] = ()


@runtime_checkable
class Lists(Protocol):
    """A provider whose jobs can be listed: what no webhook told is found by reconciliation."""

    def lists(self) -> Sequence[str]:
        """The names of the lists that together have every job of the source."""
        ...

    def page(self, name: str, *, since: JSON, at: JSON, http: Http) -> Listed:
        """One page of the list `name`; `since` is what a former pass reached (None: everything), `at` the `next` of the
        page before (None: the first). One call. Raises as `fetch` does."""
        ...


@runtime_checkable
class Finds(Protocol):
    """A provider with several job APIs that can find out which of them knows a job."""

    def find(self, job_id: str, *, http: Http) -> str:
        """The `api` of the job. Raises NotYet when none knows it, else as `fetch` does."""
        ...


@runtime_checkable
class Estimates(Provider, Protocol):
    """A provider some of whose cost estimates are things of their own, told by webhooks of their own.

    Such a notification's `job_id` is `model.estimate_lane(id)`, since what it tells of is no job.
    """

    def fetch_estimate(self, estimate_id: str, *, http: Http) -> JSON:
        """Ask for one. Raises as `fetch` does."""
        ...

    def translate_estimate(self, original: JSON) -> tuple[str, CostEstimate]:
        """The id of the job that it belongs to, and the estimate. Pure. Raises Unreadable."""
        ...


@runtime_checkable
class NoticesDrift(Protocol):
    """A provider that knows which words it knows."""

    def strange(self, original: JSON, *, api: str) -> Sequence[str]:
        """What in a fetched job is not known or not there: 'job state "fancy"', 'no field models'. Pure, never raises.

        Words of theirs only, never values that tell of a person.
        """
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook as the provider has it. `state` is in the provider's words; `trouble` says why it does not tell us
    everything ("" = it does). `secret` is there when the provider told it just now."""

    id: str
    url: str
    state: str
    trouble: str = ""
    events: tuple[str, ...] = ()
    secret: Secret | None = None


@runtime_checkable
class Subscribes(Protocol):
    """A provider whose webhooks can be registered by us. Everything raises as `fetch` does."""

    def subscriptions(self, *, http: Http) -> Sequence[Subscription]:
        """All webhooks of the account."""
        ...

    def subscribe(self, url: str, *, http: Http) -> Subscription:
        """Register `url` for everything that we act on, and set it to work as far as that is ours to do."""
        ...

    def unsubscribe(self, subscription_id: str, *, http: Http) -> None: ...

    def mend(self, subscription: Subscription, *, http: Http) -> bool:
        """Set a webhook to work again that is in trouble, as far as that is possible; whether something was done."""
        ...


class Sink(Protocol):
    """One configured destination. One instance serves many threads; connections are opened on first use."""

    name: str

    def deliver(self, event: Mapping[str, JSON]) -> str | None:
        """Hand over one CloudEvents document; return once the far end has taken it, with its own reference if any.

        Raises Refused when this document will never be taken, otherwise a Retryable. Never sleeps, never retries.
        """
        ...

    def close(self) -> None:
        """Let go of connections. Closing twice is fine."""
        ...


class Occasion(StrEnum):
    """Why several events come in one message."""

    GROUP = "group"  # all of one job, within `group` or the quiet hours
    DIGEST = "digest"  # everything of a day
    STORM = "storm"  # what went beyond `storm_limit`


@runtime_checkable
class Gathers(Protocol):
    """A sink that people read: it can tell several events in one message. Its options are a `PeopleOptions`."""

    def deliver_together(self, events: Sequence[Mapping[str, JSON]], occasion: Occasion) -> str | None:
        """Hand over the events, oldest first, as one message. Returns and raises as `Sink.deliver` does.

        A repeat has the same events in the same order.
        """
        ...


@runtime_checkable
class CanBeTried(Protocol):
    """A sink whose far end can be asked whether it would take events, without giving it one; or a provider whose token
    endpoint can be asked for a token."""

    def try_out(self) -> str:
        """A few words about what is there: "channel #ops as jobwire". Leaves nothing behind that anybody would see.

        Raises a ProcessorError that says what is wrong, and what to change, in one line.
        """
        ...


class ProviderPlugin(Protocol):
    """What a `jobwire.providers` entry point names."""

    Options: type[Any]  # an options.SourceOptions schema

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Provider: ...


class SinkPlugin(Protocol):
    """What a `jobwire.sinks` entry point names."""

    Options: type[Any]  # an options.SinkOptions schema

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Sink: ...
