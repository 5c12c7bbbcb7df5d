"""One pass over a parsed file: variables in, sections and plugins' tables checked, faults collected on the way."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError

from processor.errors import ConfigError, Fault
from processor.model import EventType, Secret
from processor.options import RetryPolicy, SinkOptions, SourceOptions
from processor.paths import wrong_step
from processor.pipeline.gather import Manner
from processor.settings.faults import faults_of, nearest, unknown
from processor.settings.sections import DAY, REDIS_URL_FAULT, SECTIONS, is_redis_url
from processor.settings.shapes import (
    Alarms,
    RedisSettings,
    Retention,
    Server,
    Settings,
    SinkSettings,
    SourceSettings,
    Telemetry,
)

OptionsOf = Callable[[str], type[Schema]]  # a plugin's Options by its name; raises LookupError with what is installed

ENVIRONMENT = "environment"
SOURCE_MAX_AGE = 7 * DAY
SINK_MAX_AGE = DAY

_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,64}")  # . and .. would not survive in an address
_REFERENCE = re.compile(r"\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})?")


class Reading:
    """One pass over one file: collects the faults on the way, the first of each key."""

    def __init__(
        self, file: str, environ: Mapping[str, str], provider_options: OptionsOf, sink_options: OptionsOf
    ) -> None:
        self.file = file
        self.environ = environ
        self.provider_options = provider_options
        self.sink_options = sink_options
        self.faults: dict[str, Fault] = {}
        self.warnings: list[Fault] = []

    def settings(self, raw: Mapping[str, Any]) -> Settings:
        raw = self.expand(raw, "")
        for key in sorted(raw.keys() - {*SECTIONS, "sources", "sinks"}):
            self.fault(key, unknown(key, [*SECTIONS, "sources", "sinks"]))
        sections = {name: self.load(schema, raw.get(name, {}), name) for name, schema in SECTIONS.items()}
        if not sections["redis"].get("url"):
            sections["redis"]["url"] = self.redis_url()
        sources = {name: self.source(name, table) for name, table in self.tables(raw, "sources")}
        sinks = {name: self.sink(name, table, sources) for name, table in self.tables(raw, "sinks")}
        if not sinks:
            sinks = {"console": self.sink("console", {"type": "console"}, sources)}
        if self.faults:
            raise ConfigError(sorted(self.faults.values(), key=lambda fault: fault.key))
        return Settings(
            server=Server(**sections["server"]),
            redis=RedisSettings(**sections["redis"]),
            telemetry=Telemetry(**sections["telemetry"]),
            retention=Retention(**sections["retention"]),
            alarms=Alarms(**sections["alarms"]),
            sources=MappingProxyType({name: source for name, source in sources.items() if source}),
            sinks=MappingProxyType({name: sink for name, sink in sinks.items() if sink}),
            file=self.file,
            warnings=tuple(self.warnings),
        )

    def fault(self, key: str, reason: str, *, file: str | None = None) -> None:
        shown = key if key.isprintable() else ascii(key)
        self.faults.setdefault(key, Fault(file or self.file, shown, reason))

    def warn(self, key: str, reason: str) -> None:
        self.warnings.append(Fault(self.file, key, reason))

    def load(
        self, schema: type[Schema], table: Any, key: str, *, unknown_keys: Literal["raise", "exclude"] = RAISE
    ) -> dict[str, Any]:
        """What the schema reads; empty after a fault."""
        reader = schema(unknown=unknown_keys)
        try:
            return dict(reader.load(table))
        except ValidationError as e:
            for where, reason in faults_of(e.messages, reader, key):
                self.fault(where, reason)
            return {}

    def expand(self, value: Any, key: str) -> Any:
        """Replace `${NAME}` and `${NAME:-default}` inside every text; the default also stands in for an empty value."""
        if isinstance(value, dict):
            return {name: self.expand(inner, f"{key}.{name}" if key else name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.expand(inner, f"{key}[{i}]") for i, inner in enumerate(value)]
        return _REFERENCE.sub(lambda m: self.variable(m, key), value) if isinstance(value, str) else value

    def variable(self, reference: re.Match[str], key: str) -> str:
        name, fallback = reference["name"], reference["default"]
        if name is None:
            self.fault(key, "has a ${ that is neither ${NAME} nor ${NAME:-default}")
        elif not _is_text(self.environ.get(name, "")):
            self.fault(key, f"needs the environment variable {name}, which is not UTF-8")
        elif fallback is not None:
            return self.environ.get(name) or fallback
        elif name in self.environ:
            return self.environ[name]
        else:
            self.fault(key, f"needs the environment variable {name}, which is not set")
        return reference[0]

    def redis_url(self) -> Secret | None:
        url = self.environ.get("REDIS_URL", "").strip()
        if not _is_text(url):
            self.fault("REDIS_URL", "is not UTF-8", file=ENVIRONMENT)
        elif url and not is_redis_url(url):
            self.fault("REDIS_URL", REDIS_URL_FAULT, file=ENVIRONMENT)
        return Secret(url) if url else None

    def tables(self, raw: Mapping[str, Any], section: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The named tables of `[sources.*]` or `[sinks.*]`."""
        tables = raw.get(section, {})
        if not isinstance(tables, dict):
            self.fault(section, f"must be tables with a name: [{section}.NAME]")
            return
        for name, table in tables.items():
            key = f"{section}.{name}"
            if not _NAME.fullmatch(name):
                self.fault(key, "the name may hold letters, digits, _, - and . only, at most 64 of them")
            elif not isinstance(table, dict):
                self.fault(key, f"must be a table: [{key}]")
            else:
                yield name, table

    def plugin(self, options_of: OptionsOf, name: Any, key: str) -> type[Schema] | None:
        """The options of the plugin that `key` names; None after a fault."""
        if not isinstance(name, str):
            self.fault(key, "is missing" if name is None else "must be a text")
            return None
        try:
            return options_of(name)
        except LookupError as e:
            self.fault(key, str(e))
            return None

    def source(self, name: str, table: dict[str, Any]) -> SourceSettings | None:
        key = f"sources.{name}"
        schema = self.plugin(self.provider_options, table.get("provider"), f"{key}.provider")
        # without its provider's schema a table can still have faults in the keys that all sources have
        options = self.load(schema or SourceOptions, table, key, unknown_keys=RAISE if schema else EXCLUDE)
        if schema and not table.get("webhook_secrets"):
            self.no_secrets(f"{key}.webhook_secrets", schema)
        if not options:
            return None
        if isinstance(schema, type) and issubclass(schema, SourceOptions):
            for name_of_key, reason in schema.advice(options):
                self.warn(f"{key}.{name_of_key}", reason)
        return SourceSettings(
            name=name,
            provider=options["provider"],
            options=options,
            rate_limits=tuple(options["rate_limits"]),
            retry=_retry(options.pop("retry"), SOURCE_MAX_AGE),
            reconcile=options["reconcile"],
            client_key=_client_key(name, options),
        )

    def no_secrets(self, key: str, schema: type[Schema]) -> None:
        if getattr(schema, "secret_from_registration", False):
            self.warn(key, "has no secret: no webhook can be verified until it has one")
        else:
            self.fault(key, "has no secret: without one no webhook can be verified")

    def sink(self, name: str, table: dict[str, Any], sources: Collection[str]) -> SinkSettings | None:
        key = f"sinks.{name}"
        for where, glob in _texts(table.get("events"), f"{key}.events"):
            if not any(fnmatchcase(kind, glob) for kind in EventType):
                self.fault(where, f"{glob!r} matches no event type{nearest(glob, EventType)}")
        for where, source in _texts(table.get("sources"), f"{key}.sources"):
            if source not in sources:
                self.fault(where, f"{source!r} is no source{nearest(source, sources)}")
        for where, path in _texts(table.get("omit"), f"{key}.omit"):
            if path.partition(".")[0] != "data":
                self.fault(
                    where, f"{path!r} is of the envelope, which every sink needs: only `data` and below may be omitted"
                )
            elif wrong := wrong_step(path):
                self.fault(where, f"{path!r} is in no event: {wrong}")
        schema = self.plugin(self.sink_options, table.get("type"), f"{key}.type")
        options = self.load(schema or SinkOptions, table, key, unknown_keys=RAISE if schema else EXCLUDE)
        if not options:
            return None
        return SinkSettings(
            name=name,
            type=options["type"],
            options=options,
            events=None if options["events"] is None else tuple(options["events"]),
            sources=None if options["sources"] is None else tuple(options["sources"]),
            where=options["where"],
            retry=_retry(options.pop("retry"), SINK_MAX_AGE),
            rate=options["rate"],
            omit=tuple(options["omit"]),
            manner=_manner(options),
        )


def _is_text(value: str) -> bool:
    """Whether a variable was UTF-8: for bytes that are not, Python's environment has halves of characters."""
    return value.isascii() or value == value.encode(errors="replace").decode()


def _texts(values: Any, key: str) -> Iterator[tuple[str, str]]:
    """The texts in a list, each with its own key; what is no text is the schema's to complain about."""
    for i, value in enumerate(values if isinstance(values, list) else []):
        if isinstance(value, str):
            yield f"{key}[{i}]", value


def _manner(options: Mapping[str, Any]) -> Manner:
    """How a sink for people is told; a sink that systems read has none of these keys."""
    storm = options.get("storm_limit")
    return Manner(
        group=options.get("group") or None,
        storm_limit=(storm.count, storm.seconds) if storm else None,
        digest=options.get("digest"),
        quiet_hours=options.get("quiet_hours"),
    )


def _retry(said: Mapping[str, Any], max_age: float) -> RetryPolicy:
    return RetryPolicy(**{"max_age": max_age, **said})


def _client_key(name: str, options: Mapping[str, Any]) -> str:
    """Whose rate limits these are: the provider's account, else the source alone. A digest, since it becomes a key."""
    client = options.get("client_id")
    client = client.reveal() if isinstance(client, Secret) else client
    owner = ["client", options["provider"], client] if client else ["source", name]
    return hashlib.sha256("\0".join(owner).encode()).hexdigest()[:16]
