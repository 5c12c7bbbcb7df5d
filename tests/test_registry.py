"""Plugins by name."""

from importlib.metadata import EntryPoint

import pytest

from processor import registry


@pytest.fixture
def installed(monkeypatch):
    """Installs entry points, as pairs of name and value, of our own distribution or another."""

    def install(group: str, *points: tuple[str, str], distribution: str = "jobwire") -> None:
        class Distribution:
            name = distribution

        found = {}
        for name, value in points:
            found[name] = EntryPoint(name, value, group)
            vars(found[name])["dist"] = Distribution()
        monkeypatch.setattr(registry, "_installed", lambda asked: found if asked == group else {})

    return install


def test_an_unknown_name_lists_what_is_installed(installed):
    installed(registry.SINKS, ("file", "a:b"), ("console", "a:b"))
    assert registry.sinks() == ["console", "file"]
    with pytest.raises(LookupError, match="'fiel' is no sink type; installed: console, file"):
        registry.sink("fiel")


def test_without_any_plugin_the_installation_is_doubted(installed):
    installed(registry.SINKS)
    with pytest.raises(LookupError, match="is jobwire installed with pip"):
        registry.provider("hover")


def test_a_missing_client_library_names_the_pip_command(installed):
    installed(registry.SINKS, ("kafka", "no_such_library.sink:Kafka"))
    with pytest.raises(
        LookupError, match=r"'kafka' needs a library that is not installed: pip install 'jobwire\[kafka\]'"
    ):
        registry.sink("kafka")


def test_a_broken_plugin_of_others_says_whose_it_is(installed):
    installed(registry.PROVIDERS, ("theirs", "no_such_library:Theirs"), distribution="jobwire-theirs")
    with pytest.raises(LookupError, match="of jobwire-theirs cannot be imported: No module named 'no_such_library'"):
        registry.provider("theirs")


def test_a_broken_plugin_of_ours_is_not_blamed_on_an_extra(installed):
    installed(registry.SINKS, ("odd", "processor.sinks_that_are_not:Odd"), ("none", "processor.errors:Nothing"))
    with pytest.raises(LookupError, match=r"cannot be imported: No module named 'processor.sinks_that_are_not'"):
        registry.sink("odd")
    with pytest.raises(LookupError, match=r"cannot be imported: .*Nothing"):
        registry.sink("none")


def test_what_we_ship_is_installed():
    assert {"hover", "bentley"} <= set(registry.providers())
    assert {"console", "file", "webhook", "redis-stream"} <= set(registry.sinks())
