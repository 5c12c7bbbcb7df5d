"""Configuration: a TOML file and the environment in, one frozen object out, every fault at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from processor.errors import ConfigError, Fault
from processor.settings.reading import OptionsOf, Reading
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

__all__ = [
    "Alarms",
    "OptionsOf",
    "RedisSettings",
    "Retention",
    "Server",
    "Settings",
    "SinkSettings",
    "SourceSettings",
    "Telemetry",
    "load",
    "locate",
]

BUILT_IN = "built-in defaults"
DEFAULT_FILE = "jobwire.toml"


def locate(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    """Which file to read: the one named, else $JOBWIRE_CONFIG, else ./jobwire.toml if there is one, else none."""
    named = explicit or environ.get("JOBWIRE_CONFIG")
    if named:
        return Path(named)
    return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None


def load(
    path: Path | None, environ: Mapping[str, str], *, provider_options: OptionsOf, sink_options: OptionsOf
) -> Settings:
    """Read `path` (None: the built-in defaults); the last two say what options a plugin has.

    Raises ConfigError with every fault that was found.
    """
    file = BUILT_IN if path is None else str(path)
    raw = {} if path is None else _parse(path)
    try:
        return Reading(file, environ, provider_options, sink_options).settings(raw)
    except RecursionError:  # a key of a thousand dots
        raise ConfigError([Fault(file, "", "nests too deep")]) from None


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        reason = "there is no such file"
    except IsADirectoryError:
        reason = "is a directory, not a file"
    except OSError as e:
        reason = f"cannot be read: {e.strerror}"
    except UnicodeDecodeError as e:
        reason = f"is not UTF-8 (byte {e.start})"
    except tomllib.TOMLDecodeError as e:
        reason = f"is not TOML: {e}"
    except (ValueError, RecursionError):  # a NUL in the name; a thousand brackets
        reason = "cannot be read"
    raise ConfigError([Fault(str(path), "", reason)])
