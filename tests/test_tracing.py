"""Trace context: only what is one is taken, and one trace leads from the request by way of the lines to the sink."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from processor import tracing
from processor.errors import Busy
from processor.model import Ignored, Job, Notification, Request, State
from processor.ports import Http
from processor.store import keys
from processor.store.work import Hint
from processor.web import create_app
from processor.wiring import App, read_settings
from workers.shift import Shift

CONFIG = """
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
rate_limits = []
[sinks.out]
type = "console"
"""
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        CONTEXT.upper(),
        CONTEXT[:-1],
        f"{CONTEXT}-more",  # version 00 ends here
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0g",
        f"00-{TRACE}-{SPAN}-01\n00-{TRACE}-{SPAN}-01",
        f"{CONTEXT},{CONTEXT}",  # a header that came twice
    ],
)
def test_what_is_no_context_is_none(header: str | None) -> None:
    assert tracing.parse(header) == ""


def test_a_context_is_taken_as_it_is_and_one_of_a_later_version_as_far_as_it_is_known() -> None:
    assert tracing.parse(f" {CONTEXT} ") == CONTEXT
    assert tracing.parse(f"01-{TRACE}-{SPAN}-01-what-comes-later") == CONTEXT


def test_what_has_no_context_begins_one_that_is_the_same_for_all() -> None:
    begun = tracing.begun_by("ntf_1")
    assert tracing.parse(begun) == begun == tracing.begun_by("ntf_1") != tracing.begun_by("ntf_2")


def test_each_attempt_has_a_span_of_its_own_in_the_one_trace() -> None:
    with tracing.going_on(CONTEXT):
        first, second = (tracing.outgoing()[tracing.HEADER] for _ in range(2))
    assert first != second
    for header in (first, second):
        assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", header)
        assert SPAN not in header


def test_outside_of_a_trace_and_in_other_threads_nothing_is_sent() -> None:
    sent: list[dict[str, str]] = [tracing.outgoing()]
    with tracing.going_on(CONTEXT):
        thread = threading.Thread(target=lambda: sent.append(tracing.outgoing()))
        thread.start()
        thread.join()
    assert [*sent, tracing.outgoing()] == [{}, {}, {}]


# --- from the request to the sink ------------------------------------------------------------------------------------


class Jobs:
    """A provider that takes every request, and whose jobs have succeeded."""

    source = "main"

    def verify(self, request: Request) -> None: ...

    def parse(self, request: Request) -> Notification | Ignored:
        return Notification("main", request.body.decode(), "v3", "e", request.body.decode())

    def fetch(self, job_id: str, *, api: str, http: Http) -> Any:
        return job_id

    def translate(self, original: Any, *, api: str) -> Job:
        return Job(provider="hover", source="main", id=original, state=State.SUCCEEDED)


class Far:
    """Takes events at the second attempt; `headers` are what each attempt would send."""

    def __init__(self) -> None:
        self.headers: list[str] = []

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        self.headers.append(tracing.outgoing()[tracing.HEADER])
        if len(self.headers) == 1:
            raise Busy("503")
        return None

    def close(self) -> None: ...


@pytest.fixture
def far() -> Far:
    return Far()


@pytest.fixture
def app(tmp_path: Path, redis_url: str, far: Far) -> App:
    file = tmp_path / "jobwire.toml"
    file.write_text(CONFIG)
    app = App(read_settings(str(file), {}), redis_url)
    app.__dict__["providers"], app.__dict__["sinks"] = {"main": Jobs()}, {"out": far}
    return app


def work(app: App) -> None:
    """Look, tell, and tell again when the time has come."""
    Shift(app).refresh("main", "hand")
    Shift(app).deliver("out", "hand")
    app.scripts.now = app.scripts.ms() + 10_000
    Shift(app).deliver("out", "hand")


def traces(lines: list[Any]) -> dict[str, str]:
    """The trace of each line, by what it tells."""
    return {line["event"]: line["trace"] for line in lines if "trace" in line}


def test_a_trace_that_came_with_the_request_is_in_every_line_and_at_the_sink(app: App, far: Far) -> None:
    with capture_logs() as lines:
        create_app(app).test_client().post("/webhooks/main", data=b"1", headers={"traceparent": CONTEXT})
        work(app)
    assert traces(lines) == dict.fromkeys(("notification", "refreshed", "again later", "delivered"), TRACE)
    assert [header[:36] for header in far.headers] == [CONTEXT[:36]] * 2
    assert far.headers[0] != far.headers[1]


def test_where_there_was_none_the_notification_begins_one(app: App, far: Far) -> None:
    with capture_logs() as lines:
        answer = create_app(app).test_client().post("/webhooks/main", data=b"1")
        work(app)
    assert answer.json is not None
    begun = tracing.trace_of(tracing.begun_by(answer.json["id"]))
    assert traces(lines) == dict.fromkeys(("notification", "refreshed", "again later", "delivered"), begun)
    assert [tracing.trace_of(header) for header in far.headers] == [begun] * 2


def test_what_a_list_found_begins_one_too(app: App, far: Far) -> None:
    hint = Hint("seen", keys.refresh_lane("main", "1"), "reconciliation", "v3", "")
    with capture_logs() as lines:
        app.lanes.accept(app.sources["main"], [hint], hand="hand")
        work(app)
    begun = tracing.trace_of(tracing.begun_by(hint.id))
    assert traces(lines) == dict.fromkeys(("refreshed", "again later", "delivered"), begun)


def test_each_unit_of_work_is_a_line_with_its_ids_attempt_outcome_and_duration(app: App) -> None:
    with capture_logs() as lines:
        create_app(app).test_client().post("/webhooks/main", data=b"1")
        work(app)
    notification, refreshed, again, delivered = (line for line in lines if "trace" in line)
    assert (notification["source"], notification["status"]) == ("main", "accepted")
    assert refreshed["notifications"] == [notification["id"]]
    assert (refreshed["source"], refreshed["job"], refreshed["attempt"], refreshed["outcome"]) == ("main", "1", 1, "ok")
    [event_id] = refreshed["events"]
    for line, attempt, outcome in ((again, 1, "again"), (delivered, 2, "ok")):
        told = line["sink"], line["source"], line["job"], line["event_id"], line["attempt"], line["outcome"]
        assert told == ("out", "main", "1", event_id, attempt, outcome)
    assert (again["reason"], again["detail"]) == ("Busy", "503")
    assert all(line["ms"] >= 0 for line in (notification, refreshed, again, delivered))
