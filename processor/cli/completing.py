"""What the shell offers behind Tab, from the configuration as it is: also from one with faults."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable

import click

from processor.model import EventType
from processor.settings import locate

BUILT_IN_SINK = "console"
_NAME = re.compile(r"[A-Za-z0-9_.-]+")  # what can be a name at all: nothing else is put into a command line


def sources(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The configured sources."""
    return _fitting(_section(ctx, "sources"), incomplete)


def sinks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The configured sinks."""
    return _fitting(_section(ctx, "sinks") or [BUILT_IN_SINK], incomplete)


def types(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The types of events."""
    return _fitting(EventType, incomplete)


def globs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The types of events, and the families of them."""
    families = dict.fromkeys(f"{kind.partition('.')[0]}.*" for kind in EventType)
    return _fitting([*families, *EventType], incomplete)


def _fitting(names: Iterable[str], incomplete: str) -> list[str]:
    return [str(name) for name in names if name.startswith(incomplete)]


def _section(ctx: click.Context, name: str) -> list[str]:
    """The names in a section. Read without our own reading: no variable needs to be set, no plugin to be there."""
    try:
        file = locate(ctx.params.get("config"), os.environ)
        raw = tomllib.loads(file.read_bytes().decode("utf-8-sig")) if file else {}
    except (OSError, ValueError, RecursionError):  # nothing is offered, and nothing is said in the middle of a line
        return []
    section = raw.get(name)
    return sorted(filter(_NAME.fullmatch, section)) if isinstance(section, dict) else []
