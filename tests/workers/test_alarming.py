"""Alarms of our own: once when they begin, once when they are over, to the sinks that want them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processor.model import EventType
from processor.wiring import App, read_settings
from workers import alarming
from workers.scheduler import grants

CONFIG = """
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
[sinks.wants]
type = "console"
events = ["ops.*"]
[sinks.wants-not]
type = "console"
"""
PLACE = "sources/main"
KIND = EventType.OPS_SUBSCRIPTION_BROKEN


@pytest.fixture
def app(redis_url: str, tmp_path: Path) -> App:
    file = tmp_path / "jobwire.toml"
    file.write_text(CONFIG)
    return App(read_settings(str(file), {}), redis_url)


def told(app: App) -> list[Any]:
    return [(e["data"]["ops"]["state"], e["data"]["ops"]["detail"]) for e in app.journal.events()]


def waiting(app: App, sink: str) -> int:
    return len(list(app.journal.waiting(f"d:{sink}")))


def test_an_alarm_that_stands_is_not_raised_again(app: App) -> None:
    assert alarming.begin(app, KIND, PLACE, detail="gone")
    assert not alarming.begin(app, KIND, PLACE, detail="still gone")
    assert told(app) == [("raised", "gone")]


def test_it_ends_once_and_says_since_when_it_stood(app: App) -> None:
    assert not alarming.end(app, KIND, PLACE), "it never began"
    alarming.begin(app, KIND, PLACE, detail="gone")
    assert alarming.end(app, KIND, PLACE)
    assert not alarming.end(app, KIND, PLACE)
    raised, over = (e["data"]["ops"] for e in app.journal.events())
    assert over["state"] == "over"
    assert over["since"] == raised["since"]
    assert over["until"] >= over["since"]
    assert raised["until"] is None


def test_it_may_begin_again_and_is_then_another_event(app: App) -> None:
    for _ in range(2):
        alarming.begin(app, KIND, PLACE, detail="gone")
        alarming.end(app, KIND, PLACE)
    ids = [e["id"] for e in app.journal.events()]
    assert len(ids) == len(set(ids)) == 4


def test_things_at_one_place_have_alarms_of_their_own(app: App) -> None:
    assert alarming.begin(app, KIND, PLACE, detail="a", thing="webhook 1")
    assert alarming.begin(app, KIND, PLACE, detail="b", thing="webhook 2")
    assert alarming.end(app, KIND, PLACE, thing="webhook 1")
    assert list(app.journal.alarms()) == [f"{KIND} {PLACE} webhook 2"]


def test_only_sinks_whose_events_name_alarms_are_told(app: App) -> None:
    alarming.begin(app, KIND, PLACE, detail="gone")
    assert (waiting(app, "wants"), waiting(app, "wants-not")) == (1, 0)


def test_the_document_is_an_alarm_of_the_contract(app: App) -> None:
    alarming.begin(app, KIND, PLACE, detail="gone", count=3)
    [event] = app.journal.events()
    assert (event["source"], event["subject"], event["partitionkey"]) == ("/sources/main", PLACE, PLACE)
    assert {k: v for k, v in event["data"].items() if k != "ops"} == dict.fromkeys(
        ("provider", "source", "job", "model", "cost_estimate", "failure", "previous_state")
    )
    assert set(event["data"]["ops"]) == {"state", "since", "until", "count", "detail"}
    assert json.dumps(event)


def test_a_lost_grant_is_told_and_so_is_its_return(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    lost: Callable[[], bool] = lambda: True  # noqa: E731  # two stand-ins, side by side
    found: Callable[[], bool] = lambda: False  # noqa: E731
    provider = type(app.providers["main"])
    monkeypatch.setattr(provider, "reconnect_needed", lambda self: lost())
    grants(app)
    grants(app)
    monkeypatch.setattr(provider, "reconnect_needed", lambda self: found())
    grants(app)
    states = told(app)
    assert [state for state, _ in states] == ["raised", "over"]
    assert states[0][1].startswith("reconnect needed")
