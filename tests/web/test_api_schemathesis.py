"""The API on a real store, under questions that its own description allows, and under those that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
import redis
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from looking.life import HOUSE, life
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance
from security.hostile import IDS
from web.api_stand_in import BEARER, app

from processor.errors import Refused, Retryable
from processor.looking import Doing, EventFilter, Looking
from processor.model import State

SOURCES, SINKS = ("main", "second", "hover-main"), ("out", "failures", "ops")  # the last are those of the examples
JOBS = ["1", "2", "a/b", "é 1?#%2f", "x\ny", "../.."]
WAITS = "waits"


@dataclass
class There:
    """What is answered from: it is filled once there is a store. Descriptions are read before."""

    found: Any = None
    ids: dict[str, list[str]] = field(default_factory=dict)
    cursor: str = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.found, name)


looking, doing = There(), There()


@pytest.fixture(scope="module", autouse=True)
def _filled(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Jobs have ended, one is asked for in vain, and deliveries are dead."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
    world = life(valkey_server, tmp_path_factory.mktemp("api"))
    world.trouble = lambda sink, event: Refused("no such field") if event["type"] == "job.failed" else None
    for job_id in JOBS:
        world.show(job_id, State.FAILED, **HOUSE)
    world.work()
    world.fetching = _busy
    notification = world.show(WAITS, State.PROCESSING)
    world.work()
    looking.found, doing.found = Looking(world.app), Doing(world.app)
    page = looking.events(EventFilter(), limit=3)
    events = [event["id"] for event in page.items]
    looking.cursor = page.next
    looking.ids = {
        "event_id": events,
        "delivery_id": [f"{event}:out" for event in events],
        "notification_id": [notification],
        "source": ["main"],
        "job_id": [quote(job_id, safe="") for job_id in (*JOBS, WAITS)],
    }
    yield
    world.app.close()


def _busy(job_id: str) -> None:
    raise Retryable("503 from the provider")


# --- what is more than any text, in the words of the description -----------------------------------------------------

moments = st.sampled_from(["2h", "90 s", "2026-03-01", "2026-03-01T12:00:00.5+01:00", "2999-12-31"])
schemathesis.openapi.format("age-or-time", moments)
schemathesis.openapi.format("glob", st.sampled_from(["*", "model.*", "job.[fs]*", "cost_estimate.available"]))
schemathesis.openapi.format("cursor", st.builds(lambda: looking.cursor))
schemathesis.openapi.format("source", st.sampled_from(SOURCES))
schemathesis.openapi.format("sink", st.sampled_from(SINKS))

schema = schemathesis.openapi.from_wsgi(
    "/api/openapi.json", app(looking, doing, sources=SOURCES, sinks=SINKS), headers=BEARER
)


@schema.hook
def before_generate_path_parameters(context: Any, strategy: Any) -> Any:
    """Half of the ids are those of something that is there."""
    names = [parameter.name for parameter in context.operation.path_parameters]
    return strategy | st.builds(lambda: None).flatmap(
        lambda _: st.fixed_dictionaries({name: st.sampled_from(looking.ids[name]) for name in names})
    )


@schema.hook
def filter_query(context: Any, query: dict[str, Any] | None) -> bool:
    """A time that ends before it begins is refused, and no description can say so."""
    return not (query and query.get("since") and query.get("until"))


@schema.parametrize()
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_what_is_described_is_what_is_answered(case: Case) -> None:
    case.call_and_validate(headers=BEARER)


@pytest.mark.parametrize("named", [i.encode("utf-8", "replace").decode() for i in IDS if i], ids=ascii)
def test_whatever_is_named_is_answered(named: str) -> None:
    """In each place of each address, alone."""
    for operation in (result.ok() for result in schema.get_all_operations()):
        ids = {part.name: "1" for part in operation.path_parameters}
        cases = [operation.Case(path_parameters={**ids, name: quote(named, safe="")}) for name in ids]
        cases += [operation.Case(path_parameters=ids, query={part.name: named}) for part in operation.query]
        for case in cases:
            answer = case.call(headers=BEARER)
            assert answer.status_code in (200, 400, 404), (case, answer.text)
            case.validate_response(answer, headers=BEARER, excluded_checks=[positive_data_acceptance])
