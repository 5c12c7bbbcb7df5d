"""`/healthz` and `/readyz`."""

import pytest
from web.stand_in import StandIn

from processor.observe import Part
from processor.web import create_app


@pytest.fixture
def core() -> StandIn:
    return StandIn()


@pytest.fixture
def client(core):
    return create_app(core).test_client()


def test_alive_is_alive_whatever_is_not_ready(core, client):
    core.parts["redis"] = Part(False, "does not answer")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_a_part_that_is_not_well_makes_it_503_and_is_told(core, client):
    core.parts["workers"] = Part(False, "none seen")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {
        "status": "not ready",
        "parts": {"redis": {"ok": True, "detail": "fine"}, "workers": {"ok": False, "detail": "none seen"}},
    }


def test_a_part_that_does_not_count_is_told_and_changes_nothing(core, client):
    core.parts["token:hover"] = Part(False, "reconnect needed", counts=False)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (200, "ready")
    assert answer.json["parts"]["token:hover"] == {"ok": False, "detail": "reconnect needed"}
