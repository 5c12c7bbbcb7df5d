"""What a configuration is, once read: frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processor.errors import Fault
from processor.model import Secret
from processor.options import Rate, RetryPolicy
from processor.pipeline.gather import Manner

# --- what comes out --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """`port` is None when the file names none: each command has its own default."""

    host: str
    port: int | None
    public_url: str | None
    max_body: int
    admin_token: Secret | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """`url` is None when neither file nor environment names one: the embedded server then."""

    url: Secret | None
    wait_replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """`log_format` is None for text on a terminal and JSON elsewhere."""

    sentry_dsn: Secret | None
    log_format: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Seconds."""

    events: float
    dedup: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """None is off."""

    source_silent: float | None
    rejections: Rate | None
    job_stuck: float | None
    sink_failing: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """One configured account of a provider. Sources with one `client_key` share the provider's rate limits.

    `options` is everything the provider's schema read; `reconcile` is seconds, 0 for no polling.
    """

    name: str
    provider: str
    options: Mapping[str, Any]
    rate_limits: tuple[Rate, ...]
    retry: RetryPolicy
    reconcile: float
    client_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings:
    """One configured destination. `events` None is everything but ops.*, `sources` None all."""

    name: str
    type: str
    options: Mapping[str, Any]
    events: tuple[str, ...] | None
    sources: tuple[str, ...] | None
    where: str | None
    retry: RetryPolicy
    rate: Rate | None
    omit: tuple[str, ...]
    manner: Manner


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration. `file` is where it was read; `warnings` are what `check` tells beside the faults."""

    server: Server
    redis: RedisSettings
    telemetry: Telemetry
    retention: Retention
    sources: Mapping[str, SourceSettings]
    alarms: Alarms
    sinks: Mapping[str, SinkSettings]
    file: str
    warnings: tuple[Fault, ...] = ()
