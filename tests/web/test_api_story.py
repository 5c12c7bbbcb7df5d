"""The API on a real store: what died is found, read, and done again; and what is answered when the store is away."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from looking.life import HOUSE, Life, life
from running import free_port

from processor.errors import NotYet, Refused
from processor.looking import Doing, Looking
from processor.model import State
from processor.web import create_app
from processor.wiring import App

TOKEN = '[server]\nadmin_token = "token-of-the-tests"\n'


def client_of(app: App) -> FlaskClient:
    client = create_app(app, looking=Looking(app), doing=Doing(app)).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer token-of-the-tests"
    return client


@pytest.fixture
def world(redis_url: str, tmp_path: Path) -> Iterator[Life]:
    world = life(redis_url, tmp_path, TOKEN)
    yield world
    world.app.close()


@pytest.fixture
def client(world: Life) -> FlaskClient:
    return client_of(world.app)


def ask(client: FlaskClient, path: str) -> Any:
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json


def do(client: FlaskClient, path: str) -> tuple[int, Any]:
    answer = client.post(f"/api/v1/{path}")
    return answer.status_code, answer.json


def test_a_dead_delivery_is_found_read_made_again_and_arrives(world: Life, client: FlaskClient) -> None:
    world.trouble = lambda sink, event: Refused("no such field") if event["type"] == "job.failed" else None
    world.show("1/a", State.FAILED, **HOUSE)
    world.work()
    [hit] = ask(client, f"search?q={quote('PO-2024/17')}")["items"]
    story = ask(client, f"jobs/{hit['source']}/{quote(hit['id'], safe='')}")
    assert story["snapshot"]["name"] == "Miller residence"
    assert [moment["kind"] for moment in story["timeline"]][:2] == ["received", "fetched"]
    assert "dead" in [moment["kind"] for moment in story["timeline"]]

    [dead] = ask(client, "deliveries?state=dead&sink=out&since=1h")["items"]
    assert dead["last_error"] == "no such field"
    one = ask(client, f"deliveries/{quote(dead['id'])}")
    assert [attempt["said"] for attempt in one["attempts_made"]] == ["no such field"]
    assert ask(client, f"events/{dead['event_id']}")["type"] == "job.failed"
    wanted = {sink["sink"]: sink["wanted"] for sink in ask(client, f"events/{dead['event_id']}/explain")["sinks"]}
    assert wanted == {"out": True, "failures": True}

    world.trouble = lambda sink, event: None
    assert do(client, f"deliveries/{dead['id']}/retry") == (202, {"outcome": "again"})
    assert do(client, f"deliveries/{dead['id']}/retry") == (202, {"outcome": "waits"})
    world.work()
    assert ask(client, f"deliveries/{dead['id']}")["state"] == "delivered"
    assert ask(client, "deliveries?state=dead&sink=out")["items"] == []


def test_a_notification_that_died_is_looked_into_again(world: Life, client: FlaskClient) -> None:
    notification = world.show("1", State.FAILED)
    world.fetching = _unknown
    for _ in range(20):
        world.work(after=86400)
    [dead] = ask(client, "notifications?state=dead&source=main&job=1")["items"]
    assert (dead["id"], dead["job_id"]) == (notification, "1")
    assert len(ask(client, f"notifications/{notification}")["attempts_made"]) > 1
    world.fetching = lambda job: None
    assert do(client, f"notifications/{notification}/retry") == (202, {"outcome": "again"})
    world.work()
    assert ask(client, f"notifications/{notification}")["state"] == "done"
    assert do(client, f"notifications/{notification}/retry")[0] == 409


def _unknown(job_id: str) -> None:
    raise NotYet("404: no such job")


def test_an_event_is_delivered_again_to_whoever_wants_it_today(world: Life, client: FlaskClient) -> None:
    world.show("1", State.SUCCEEDED)
    world.work()
    [event] = ask(client, "events?type=job.succeeded")["items"]
    assert do(client, f"events/{event['id']}/replay") == (202, {"sinks": {"out": "again", "failures": "unwanted"}})


def test_pages_lead_through_every_list_to_its_end(world: Life, client: FlaskClient) -> None:
    for n in range(9):
        world.show(str(n), State.FAILED)
    world.work()
    for name in ("events", "jobs", "deliveries", "notifications"):
        whole = ask(client, f"{name}?limit=500")
        assert len(whole["items"]) >= 9
        assert whole["next"] is None
        found, following = [], ""
        while following is not None:
            page = ask(client, f"{name}?limit=4{following and f'&cursor={following}'}")
            found, following = found + page["items"], page["next"]
        assert found == whole["items"]


def test_a_cursor_of_another_list_does_no_harm(world: Life, client: FlaskClient) -> None:
    for n in range(3):
        world.show(str(n), State.FAILED)
    world.work()
    cursors = [ask(client, f"{name}?limit=1")["next"] for name in ("events", "jobs", "deliveries", "notifications")]
    for name in ("events", "jobs", "deliveries", "notifications"):
        for cursor in cursors:
            ask(client, f"{name}?cursor={cursor}")


@pytest.mark.parametrize("time", ["0001-01-01", "1969-12-31T23:59:59.999Z", "9999-12-30", "9999d", "0s"])
def test_no_time_is_too_far_away(world: Life, client: FlaskClient, time: str) -> None:
    world.show("1", State.FAILED)
    world.work()
    for name in ("events", "events?job=1", "jobs", "jobs?text=1", "deliveries", "notifications", "notifications?job=1"):
        more = "&" if "?" in name else "?"
        since, until = (len(ask(client, f"{name}{more}{end}={time}")["items"]) for end in ("since", "until"))
        assert bool(since) != bool(until), "all or nothing lies there"


def test_the_overview_tells_of_what_died(world: Life, client: FlaskClient) -> None:
    world.trouble = lambda sink, event: Refused("no such field")
    world.show("1", State.FAILED)
    world.work()
    overview = ask(client, "overview")
    assert overview["jobs"]["failed"] == 1
    assert {sink["name"]: sink["dead"] for sink in overview["sinks"]} == {"out": 2, "failures": 2}


# --- the store is away -----------------------------------------------------------------------------------------------

EVERYTHING = [
    ("GET", "events"),
    ("GET", "events?source=main&job=1"),
    ("GET", "events/evt_1"),
    ("GET", "events/evt_1/explain"),
    ("GET", "jobs"),
    ("GET", "jobs?text=house"),
    ("GET", "jobs/main/1"),
    ("GET", "deliveries"),
    ("GET", "deliveries/evt_1:out"),
    ("GET", "notifications"),
    ("GET", "notifications/ntf_1"),
    ("GET", "overview"),
    ("GET", "search?q=1"),
    ("POST", "deliveries/evt_1:out/retry"),
    ("POST", "notifications/ntf_1/retry"),
    ("POST", "events/evt_1/replay"),
]


def without(world: Life, port: int) -> FlaskClient:
    """A client of one whose Redis is to be at this port."""
    return client_of(App(world.app.settings, f"redis://127.0.0.1:{port}", patient=False))


def test_when_redis_is_not_there_everything_says_so_and_when_to_come_back(world: Life) -> None:
    client = without(world, free_port())
    for method, path in EVERYTHING:
        answer = client.open(f"/api/v1/{path}", method=method)
        assert (answer.status_code, answer.content_type) == (503, "application/problem+json"), path
        assert int(answer.headers["Retry-After"]) > 0
        assert "127.0.0.1" not in answer.text


def test_when_redis_does_not_answer_it_is_given_up_in_time(world: Life) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        client = without(world, silent.getsockname()[1])
        began = time.monotonic()
        assert client.get("/api/v1/events").status_code == 503
        assert time.monotonic() - began < 4
