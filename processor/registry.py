"""Plugins by name: entry points become classes, imported on first use."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from processor.ports import ProviderPlugin, SinkPlugin

PROVIDERS = "jobwire.providers"
SINKS = "jobwire.sinks"
DISTRIBUTION = "jobwire"


def providers() -> list[str]:
    """The names of all installed providers."""
    return sorted(_installed(PROVIDERS))


def sinks() -> list[str]:
    """The names of all installed sink types."""
    return sorted(_installed(SINKS))


def provider(name: str) -> type[ProviderPlugin]:
    """The provider's class. Raises LookupError with what is installed, or with the pip command that is missing."""
    return cast("type[ProviderPlugin]", _load(PROVIDERS, "provider", name))


def sink(name: str) -> type[SinkPlugin]:
    """The sink type's class. Raises as `provider` does."""
    return cast("type[SinkPlugin]", _load(SINKS, "sink type", name))


@cache
def _installed(group: str) -> dict[str, EntryPoint]:
    points = sorted(entry_points(group=group), key=lambda point: bool(point.dist and point.dist.name == DISTRIBUTION))
    return {point.name: point for point in points}  # ours last: nobody replaces them by accident


def _load(group: str, kind: str, name: str) -> Any:
    point = _installed(group).get(name)
    if point is None:
        names = ", ".join(sorted(_installed(group))) or f"nothing; is {DISTRIBUTION} installed with pip?"
        raise LookupError(f"{name!r} is no {kind}; installed: {names}")
    try:
        return point.load()
    except (ImportError, AttributeError) as e:
        raise LookupError(f"{kind} {name!r} {_remedy(point, e)}") from e


def _remedy(point: EntryPoint, error: ImportError | AttributeError) -> str:
    """Our plugins' client libraries are extras of the plugin's name; of others' we know only where they come from."""
    owner = point.dist.name if point.dist else point.value
    if owner == DISTRIBUTION and isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("processor"):
        return f"needs a library that is not installed: pip install '{DISTRIBUTION}[{point.name}]'"
    return f"of {owner} cannot be imported: {error}"
