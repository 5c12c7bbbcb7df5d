"""What the web tests serve: providers of three kinds and an inbox in memory. Also a WSGI target for a real server."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flask import Flask

from processor.errors import ConfigError, Fault, Malformed, Unavailable, UnsupportedType, Unverified
from processor.model import JSON, Handshake, Ignored, Job, Notification, Request
from processor.observe import Part, Readiness
from processor.options import SinkOptions
from processor.pipeline.accept import Taken
from processor.ports import Http, Provider
from processor.settings import Settings, load
from processor.web import create_app

SECRET = "s3cret-of-the-tests"
CODE = "7da4ba7e-3a35-4d97-a1b0-6d453aa97493"
MAX_BODY = 4096


def signature(body: bytes) -> str:
    return hashlib.sha256(SECRET.encode() + body).hexdigest()


@dataclass
class Signs:
    """A provider that signs the body."""

    source: str

    def verify(self, request: Request) -> None:
        if request.headers.get("signature") != signature(request.body):
            raise Unverified("the Signature header is missing or not that of the body")

    def parse(self, request: Request) -> Notification | Ignored:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise UnsupportedType("the Content-Type must be application/json")
        try:
            document = json.loads(request.body)
        except (ValueError, RecursionError):
            raise Malformed("the body is not JSON") from None
        if not isinstance(document, dict):
            raise Malformed("the body is not a JSON object")
        if "job" not in document:
            return Ignored("an event without a job")
        return Notification(self.source, str(document["job"]), "api", "changed", signature(request.body))

    def fetch(self, job_id: str, *, api: str, http: Http) -> JSON:
        raise NotImplementedError

    def translate(self, original: JSON, *, api: str) -> Job:
        raise NotImplementedError


class SendsCodes(Signs):
    def handshake(self, request: Request) -> Handshake | Ignored | None:
        if not request.body.startswith(b"code:"):
            return None
        return Handshake(self.source, request.body.removeprefix(b"code:").decode("latin-1"))

    def confirm(self, code: str, *, http: Http) -> None:
        raise NotImplementedError


class AsksFirst(Signs):
    def options(self, request: Request) -> Mapping[str, str] | None:
        origin = request.headers.get("webhook-request-origin")
        return {"Allow": "POST", "WebHook-Allowed-Origin": origin} if origin else None


@dataclass
class Inbox:
    """In memory. `down` is a Redis that cannot take it, `waiting` the sources whose registration we started."""

    down: bool = False
    waiting: set[str] = field(default_factory=set)
    strange: list[tuple[str, str]] = field(default_factory=list)
    kept: dict[str, Notification | Handshake] = field(default_factory=dict)
    turned_away: list[tuple[str, str]] = field(default_factory=list)
    idle: list[tuple[str, bool]] = field(default_factory=list)

    def put(self, notification: Notification) -> Taken:
        return self._keep(notification.key, notification)

    def met(self, source: str, strange: str) -> None:
        self.strange.append((source, strange))

    def awaits_code(self, source: str) -> bool:
        return source in self.waiting

    def put_handshake(self, handshake: Handshake) -> Taken:
        return self._keep(handshake.code, handshake)

    def ignored(self, source: str, *, genuine: bool) -> None:
        self.idle.append((source, genuine))

    def rejected(self, source: str, reason: str) -> None:
        self.turned_away.append((source, reason))

    def _keep(self, key: str, thing: Notification | Handshake) -> Taken:
        if self.down:
            raise Unavailable("redis://:hush@inside:6379 is not there")
        new = key not in self.kept
        self.kept.setdefault(key, thing)
        return Taken(f"n-{key[:8]}", new)


def defaults() -> Settings:
    settings = load(None, {}, provider_options=lambda _: SinkOptions, sink_options=lambda _: SinkOptions)
    return replace(settings, server=replace(settings.server, max_body=MAX_BODY))


@dataclass
class StandIn:
    """The web's Core."""

    settings: Settings = field(default_factory=defaults)
    inbox: Inbox = field(default_factory=Inbox)
    parts: dict[str, Part] = field(default_factory=lambda: {"redis": Part(True, "fine")})
    providers: Mapping[str, Provider] = field(
        default_factory=lambda: {"plain": Signs("plain"), "codes": SendsCodes("codes"), "asks": AsksFirst("asks")}
    )

    def readiness(self) -> Readiness:
        return Readiness(self.parts)


def faulty() -> Flask:
    raise ConfigError([Fault("jobwire.toml", "server.port", "wrong")])


def app() -> Flask:
    """The target of the tests that start a server."""
    core = StandIn()
    core.parts["pid"] = Part(True, str(os.getpid()))
    return create_app(core)
