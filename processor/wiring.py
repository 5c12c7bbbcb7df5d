"""Settings in, everything put together out: the only module that knows all the others."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Literal

import structlog

from processor import observe, process, registry, settings
from processor.connect import Room, connect, safety
from processor.errors import Unavailable, Usage
from processor.http import HttpClient
from processor.model import Handshake, Notification, State
from processor.pipeline.accept import Inbox, Taken
from processor.pipeline.gather import LONGEST_WAIT
from processor.pipeline.reconcile import Teller
from processor.pipeline.route import Rule
from processor.ports import HoldsGrant, Http, Provider, Sink, Tools
from processor.queue import Tasks, new_hand
from processor.settings import Settings, SinkSettings, SourceSettings
from processor.store import keys
from processor.store.batches import Batches
from processor.store.drift import Drift
from processor.store.figures import Figures, figures
from processor.store.index import Index
from processor.store.journal import Journal
from processor.store.lanes import OUTAGE, TOGETHER, Lanes
from processor.store.memory import RedisMemory
from processor.store.pulse import Pulse
from processor.store.registrations import Registrations
from processor.store.rejections import OFF, Rejections
from processor.store.scripts import Scripts
from processor.store.secrets import RedisSecrets
from processor.store.tally import Tally
from processor.store.tokens import RedisTokens
from processor.store.watched import Watched
from processor.store.work import Accepted, Hint, Resource, windows

log = structlog.get_logger(__name__)

# How many lanes of one source or sink may be in hand at once, in all workers together: enough to hide a far end's
# latency, and half of one worker's threads, so that a far end that hangs leaves the other half to the rest.
CAP = 16
STORING = 2  # calls of one receiver process at once for a source: while one waits for the disk, the next goes out
OWN_SHARE = 0.3  # of a provider's rate limits: lists, and looking again at jobs that no webhook told of
CONFIRM = "webhook-verification-code"  # the event of a handshake that waits in a source's lane
CONFIRM_JOB = "~confirm"
_OTHER_TELLERS = frozenset(Teller) - {Teller.WEBHOOK}  # than the provider
_Let = tuple[Accepted, list[tuple[str, str]]]  # what became of a hint, and the hands to be sent
REDIS_FROM_PARENT = "JOBWIRE_REDIS_URL"  # how `jobwire up` tells its children where its server is


def read_settings(file: str | None, environ: Mapping[str, str]) -> Settings:
    """The configuration that `file`, $JOBWIRE_CONFIG or ./jobwire.toml holds. Raises ConfigError."""
    return settings.load(
        settings.locate(file, environ),
        environ,
        provider_options=lambda name: registry.provider(name).Options,
        sink_options=lambda name: registry.sink(name).Options,
    )


@dataclass(frozen=True)
class App:
    """Everything a process needs. Plugins and connections are made when they are first used.

    `patient` processes (workers) re-send to Redis; the receiver does not, so that a 503 comes in time.
    """

    settings: Settings
    redis_url: str
    patient: bool = True

    @cached_property
    def scripts(self) -> Scripts:
        client = connect(self.redis_url, patient=self.patient, resident=self.patient)
        return Scripts(client, wait_replicas=self.settings.redis.wait_replicas)

    @cached_property
    def lanes(self) -> Lanes:
        retention = self.settings.retention
        sinks = self.settings.sinks.values()
        policies = [s.retry for s in self.settings.sources.values()] + [s.retry for s in sinks]
        keep = retention.events + max(policy.max_age for policy in policies)  # nothing goes while it is still tried
        if any(s.manner.gathers for s in sinks):
            keep += LONGEST_WAIT  # … or before it was told
        patience = OUTAGE if self.patient else 0.0
        return Lanes(self.scripts, keep=keep, dedup=retention.dedup, patience=patience, by=process.name())

    @cached_property
    def journal(self) -> Journal:
        return Journal(connect(self.redis_url, patient=self.patient, text=False))

    @cached_property
    def index(self) -> Index:
        return Index(connect(self.redis_url, patient=self.patient, text=False))

    @cached_property
    def pulse(self) -> Pulse:
        return Pulse(self.scripts.client)

    @cached_property
    def tasks(self) -> Tasks:
        return Tasks(connect(self.redis_url, patient=self.patient, text=False))

    @cached_property
    def http(self) -> Http:
        return HttpClient()

    @cached_property
    def tools(self) -> Tools:
        tokens = RedisTokens(self.scripts.client, wait_replicas=self.settings.redis.wait_replicas)
        return Tools(
            http=self.http,
            tokens=tokens,
            clock=now,
            memory=RedisMemory(self.scripts.client),
            secrets=self.secrets,
            redis_url=self.redis_url,
            public_url=self.settings.server.public_url,
        )

    @cached_property
    def drift(self) -> Drift:
        return Drift(self.scripts.client)

    @cached_property
    def secrets(self) -> RedisSecrets:
        return RedisSecrets(self.scripts.client)

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        return {
            s.name: registry.provider(s.provider).from_config(s.name, s.options, self.tools)
            for s in self.settings.sources.values()
        }

    @cached_property
    def sinks(self) -> Mapping[str, Sink]:
        return {
            s.name: registry.sink(s.type).from_config(s.name, s.options, self.tools)
            for s in self.settings.sinks.values()
        }

    @cached_property
    def sources(self) -> Mapping[str, Resource]:
        """What each source may be asked, by name."""
        return {name: _source(s) for name, s in self.settings.sources.items()}

    @cached_property
    def targets(self) -> Mapping[str, Resource]:
        """What each sink may be told, by name."""
        return {name: _sink(s) for name, s in self.settings.sinks.items()}

    @property
    def known(self) -> frozenset[str]:
        """The R of all that is configured."""
        return frozenset(resource.name for resource in (*self.sources.values(), *self.targets.values()))

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(Rule(s.name, s.events, s.sources, s.where) for s in self.settings.sinks.values())

    @cached_property
    def registrations(self) -> Registrations:
        return Registrations(self.scripts.client)

    @cached_property
    def rejections(self) -> Rejections:
        watched = self.settings.alarms.rejections
        return Rejections(self.scripts, window=watched.seconds if watched else OFF)

    @cached_property
    def watched(self) -> Watched:
        return Watched(self.scripts.client)

    def figures(self) -> Figures:
        """What the metrics tell. Raises Unavailable."""
        resources = [*self.sources.values(), *self.targets.values()]
        jobs = [(source, str(state)) for source in self.sources for state in State]
        return figures(self.scripts, resources, jobs_of=jobs)

    @cached_property
    def inbox(self) -> Inbox:
        return _Inbox(self)

    def send(self, hands: Sequence[tuple[str, str]]) -> None:
        """Send RQ tasks. What cannot be sent now is found by the next tick: the lanes are the truth."""
        try:
            self.tasks.send(hands)
        except Unavailable as e:
            log.warning("no task could be sent", reason=e.message)

    def readiness(self) -> observe.Readiness:
        """What `/readyz` tells: configuration, Redis, workers seen lately, and each source's token."""
        parts = {"config": observe.Part(True, "ok")}
        try:
            full = Room(self.scripts.client).full()
            parts["redis"] = observe.Part(not full, "; ".join([*full, *safety(self.scripts.client)]) or "ok")
            seen = self.journal.workers()
            parts["workers"] = observe.Part(bool(seen), f"{seen} seen" if seen else "none seen: start `jobwire worker`")
            for name in self.settings.sources:
                parts[f"token:{name}"] = self._token(name)
        except Unavailable as e:
            parts["redis"] = observe.Part(False, e.message)
        return observe.Readiness(parts)

    def _token(self, source: str) -> observe.Part:
        """Told, and not counted: notifications are taken all the same."""
        provider = self.providers[source]
        if isinstance(provider, HoldsGrant) and provider.reconnect_needed():
            return observe.Part(False, "reconnect needed", counts=False)
        trouble = self.journal.troubled(source)
        return observe.Part(not trouble, f"reconnect needed: {trouble}" if trouble else "ok", counts=False)

    def close(self) -> None:
        """Let go of what the sinks hold open."""
        for sink in self.__dict__.get("sinks", {}).values():
            sink.close()


@dataclass(frozen=True)
class _Inbox:
    """pipeline.accept.Inbox on the lanes: store, arm the job's lane, set a hand to work if there is room for one."""

    app: App

    def put(self, notification: Notification) -> Taken:
        n = notification
        lane = keys.refresh_lane(n.source, n.job_id)
        genuine = n.event not in _OTHER_TELLERS
        seen, claim = digest(n.source, n.key), n.claim or ""
        return self._take(n.source, Hint(seen, lane, n.event, n.api, claim, genuine, n.trace))

    def met(self, source: str, strange: str) -> None:
        try:
            self.app.drift.note(source, [strange])
        except Unavailable as e:  # the request was genuine, and there is nothing in it to keep
            log.warning("drift could not be counted", source=source, drift=strange, reason=e.message)

    def awaits_code(self, source: str) -> bool:
        return self.app.registrations.awaits_code(source)

    def put_handshake(self, handshake: Handshake) -> Taken:
        """A code waits in a lane like any notification: it is sent back late rather than never."""
        lane = keys.refresh_lane(handshake.source, CONFIRM_JOB)
        seen = digest(handshake.source, handshake.code)
        return self._take(handshake.source, Hint(seen, lane, CONFIRM, handshake.code, "", genuine=True))

    def _take(self, source: str, hint: Hint) -> Taken:
        accepted, hands = self._doors[source](hint)
        self.app.send(hands)
        return Taken(accepted.id, accepted.outcome == "new")

    def ignored(self, source: str, *, genuine: bool) -> None:
        self._tally.ignored(source, genuine=genuine)

    def rejected(self, source: str, reason: str) -> None:
        self._tally.rejected(source, reason)

    @cached_property
    def _tally(self) -> Tally:
        return Tally(self.app.rejections.add, self.app.settings.sources)

    @cached_property
    def _room(self) -> Room:
        return Room(self.app.scripts.client)

    @cached_property
    def _doors(self) -> Mapping[str, Batches[Hint, _Let]]:
        """One for each source: requests that come together are stored in one round trip, and synced to disk once."""
        return {name: Batches(partial(self._let_in, resource), STORING) for name, resource in self.app.sources.items()}

    def _let_in(self, resource: Resource, hints: Sequence[Hint]) -> list[_Let]:
        """Store them. The first one's thread gets the hands of all to send."""
        self._room.check()
        accepted, hands = self.app.lanes.accept(resource, hints, hand=new_hand())
        return [(one, hands if i == 0 else []) for i, one in enumerate(accepted)]


def web_core() -> App:
    """The receiver's application, from this process's environment. Raises ConfigError and Usage."""
    return from_environment(os.environ, patient=False)


def from_environment(environ: Mapping[str, str], *, patient: bool = True) -> App:
    """The application of one process of `jobwire up`, or of one started alone."""
    configured = read_settings(None, environ)
    url = environ.get(REDIS_FROM_PARENT) or (configured.redis.url.reveal() if configured.redis.url else None)
    if url is None:
        raise Usage("no Redis: set [redis].url or REDIS_URL, or run `jobwire up`, which brings its own")
    return App(configured, url, patient)


def now() -> datetime:
    return datetime.now(UTC)


def _source(source: SourceSettings) -> Resource:
    rates = [(r.count, r.seconds) for r in source.rate_limits]
    own = [_part(count, seconds) for count, seconds in rates]
    budget = f"b:{source.client_key}"
    return Resource(keys.refreshing(source.name), CAP, windows(rates), budget=budget, share=windows(own))


def _part(count: int, seconds: float) -> tuple[int, float]:
    """What of a rate limit we may use for what nobody told us to ask."""
    own = count * OWN_SHARE
    return (int(own), seconds) if own >= 1 else (1, seconds / own)


def _sink(sink: SinkSettings) -> Resource:
    rates = [(sink.rate.count, sink.rate.seconds)] if sink.rate else []
    if not (sink.manner.gathers or "digest" in sink.options):  # it is of no type that could tell things together
        return Resource(keys.delivering(sink.name), CAP, windows(rates), batch=1)
    joins: Literal["", "now", "then"] = "" if sink.manner.storm_limit else "then" if sink.manner.digest else "now"
    return Resource(keys.delivering(sink.name), CAP, windows(rates), batch=TOGETHER, joins=joins)


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:40]
