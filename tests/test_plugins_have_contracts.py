"""Every provider and every sink type that is installed from here passes the contract of its kind."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from processor.testing.fakes import FakeHttp
from processor.testing.provider import ProviderContract
from processor.testing.sink import SinkContract

TESTS = Path(__file__).parent


def installed(group: str) -> dict[str, object]:
    return {
        point.name: point.load() for point in entry_points(group=group) if point.dist and point.dist.name == "jobwire"
    }


def subclasses(folder: str, contract: type) -> Iterator[type]:
    """The test classes below a folder that pytest would collect and that subclass the contract."""
    for path in sorted((TESTS / folder).rglob("test_*.py")):
        for value in vars(imported(path)).values():
            if isinstance(value, type) and issubclass(value, contract) and value.__name__.startswith("Test"):
                yield value


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"contracts_of_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_sink_passes_the_contract_of_sinks() -> None:
    covered = {test.plugin for test in subclasses("sinks", SinkContract)}
    plugins = installed("jobwire.sinks")
    assert plugins
    assert not [name for name, plugin in plugins.items() if plugin not in covered]


def test_every_provider_passes_the_contract_of_providers() -> None:
    covered = {type(test().make(FakeHttp())) for test in subclasses("providers", ProviderContract)}
    plugins = installed("jobwire.providers")
    assert plugins
    assert not [name for name, plugin in plugins.items() if plugin not in covered]
