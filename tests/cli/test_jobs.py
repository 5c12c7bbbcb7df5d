"""`jobwire jobs WHAT`: where is job 15084303, what did we tell whom, and why not?"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from processor.errors import Busy, NotYet, Refused
from processor.model import Address, Customer, EventType, Job, Model, ModelState, State
from processor.pipeline.alarms import alarm

ENDED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
GARAGE = Model(id="71", name="Garage", state=ModelState.FAILED, failure_reason="Lack of exterior shots")
ID = "15084303"


def job(job_id: str = ID, state: State = State.PROCESSING, **changes: Any) -> Job:
    known: dict[str, Any] = {
        "provider": "hover",
        "source": "main",
        "id": job_id,
        "state": state,
        "name": "Main House",
        "external_id": "ORDER-8675309",
        "address": Address(line1="4312 Meadow Drive", city="Santa Maria"),
        "customer": Customer(name="Ada Lovelace", email="ada@example.com"),
    }
    return Job(**known | changes)


@pytest.fixture
def told(office: Any) -> Any:
    """A job that ended; crm was told, ops refused it, and one more model than the job has is waited for by nobody."""
    office.told["ops"].failing = Refused("410 Gone")
    office.happens(job())
    office.deliver()
    office.happens(job(state=State.SUCCEEDED, provider_state="complete", updated_at=ENDED, models=(GARAGE,)))
    office.deliver()
    return office


def story(done: Any) -> Any:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


# --- nothing, and too much -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["nobody", "main/nobody", "evt_none", "ntf_none", "evt_none:crm", "\x1b[2J", "../x"])
def test_what_fits_nothing_is_one_line_and_status_1(told: Any, what: str) -> None:
    done = told.run("jobs", what)
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.fullmatch(r"error: nothing that is kept fits '[ -~]*'\n", done.stderr)


def test_an_alarm_is_about_no_job(told: Any) -> None:
    raised = alarm(EventType.OPS_REPAIRED, "sources/main", state="raised", since=ENDED, now=ENDED, count=1, detail="x")
    told.app.lanes.announce(raised, [], sinks=told.app.targets, hand="h")
    assert told.run("jobs", raised.id).exit_code == 1


def test_when_several_fit_they_are_listed_with_how_to_go_on(told: Any) -> None:
    told.happens(job("9"))
    done = told.run("jobs", "house")
    assert done.exit_code == 0
    assert [line.split("  ")[:2] for line in done.stdout.splitlines()] == [
        ["main/9", "Main House (9)"],
        [f"main/{ID}", f"Main House ({ID})"],
    ]
    assert done.stderr == "several jobs fit: jobwire jobs SOURCE/ID tells the story of one\n"
    assert [json.loads(line)["id"] for line in told.run("jobs", "house", "--json").stdout.splitlines()] == ["9", ID]


# --- found by anything that a person has in hand ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        [f"main/{ID}"],
        [ID],
        ["ORDER-8675309"],
        ["order-8675309"],
        ["8675309"],
        ["main", "house"],
        ["Main House"],
        ["4312 meadow"],
        ["santa", "maria"],
        ["ada@example.com"],
        ["lovelace"],
    ],
)
def test_a_job_is_found_by_its_ids_and_by_the_words_of_its_name_address_and_customer(
    told: Any, what: list[str]
) -> None:
    found = story(told.run("jobs", *what, "--json"))
    assert (found["source"], found["id"]) == ("main", ID)


def test_a_job_is_found_by_what_is_about_it(told: Any) -> None:
    event = told.events(of="model.failed")[0]["id"]
    for what in (event, f"{event}:ops", told.knock()):
        assert story(told.run("jobs", what, "--json"))["id"] == ID


@pytest.mark.parametrize("other", [{"external_id": ID}, {"name": f"{ID} again"}, {"job_id": f"{ID}0"}])
def test_of_several_that_fit_the_one_with_this_very_id_is_meant(told: Any, other: dict[str, Any]) -> None:
    told.happens(job(**{"job_id": "9"} | other))
    assert story(told.run("jobs", ID, "--json"))["id"] == ID


@pytest.mark.parametrize("what", ["A-1", "a-1", "Barn"])
def test_then_the_one_with_this_very_external_id_or_name(told: Any, what: str) -> None:
    told.happens(job("8", external_id="A-1", name="Barn"))
    told.happens(job("9", external_id="A-10", name="Barn and stable"))
    assert story(told.run("jobs", what, "--json"))["id"] == "8"


def test_one_id_at_two_sources_is_two_jobs(use: Callable[..., Any]) -> None:
    config = "".join(
        f'[sources.{name}]\nprovider = "hover"\nrate_limits = []\nreconcile = 0\n' for name in ("main", "x")
    )
    office = use(config)
    office.happens(job())
    office.app.scripts.client.rename(f"jobwire:facts:main/{ID}", "kept")
    office.app.scripts.client.set(f"jobwire:facts:x/{ID}", office.app.scripts.client.get("kept"))
    done = office.run("jobs", ID)
    assert {line.split("  ")[0] for line in done.stdout.splitlines()} == {f"main/{ID}", f"x/{ID}"}
    assert story(office.run("jobs", f"main/{ID}", "--json"))["source"] == "main"


# --- its story -------------------------------------------------------------------------------------------------------


def test_the_story_says_how_the_job_stands_and_all_that_happened_oldest_first(told: Any) -> None:
    lines = told.run("jobs", ID).stdout.splitlines()
    head, timeline = lines[:4], [line.split("  ") for line in lines[4:]]
    assert head[:3] == [f"Job  main/{ID}", "Name  Main House", "External id  ORDER-8675309"]
    assert re.fullmatch(r"State  succeeded \(complete\) since [-\d]{10} [:\d]{8} UTC", head[3])
    created, failed, done = (event["id"] for event in told.events())
    kinds = [(kind, concerned, text) for _, kind, concerned, _, text in timeline if kind in ("found", "told", "dead")]
    assert kinds == [
        ("found", created, f"New job: Main House ({ID})"),
        ("told", f"{created}:crm", "crm was told (taken)"),
        ("found", failed, f"Model failed: Garage (Main House, {ID}): Lack of exterior shots"),
        ("found", done, timeline[7][4]),
        ("told", f"{failed}:crm", "crm was told (taken)"),
        ("told", f"{done}:crm", "crm was told (taken)"),
        ("dead", f"{failed}:ops", "ops will not be told: 410 Gone"),
    ]
    assert [row[0] for row in timeline] == sorted(row[0] for row in timeline)
    took = [row[3] for row in timeline if row[1] in ("fetched", "told", "not_told")]
    assert all(re.fullmatch(r"[\d.]+ ms", ms) for ms in took)


def test_as_json_it_is_one_document(told: Any) -> None:
    found = story(told.run("jobs", ID, "--json"))
    assert {"source", "id", "snapshot", "timeline", "since", "next_look"} <= found.keys()
    assert found["snapshot"]["models"][0]["name"] == "Garage"
    assert {"at", "kind", "text", "event_id", "sink", "ms"} <= found["timeline"][0].keys()


def test_a_job_that_nobody_could_ask_for_says_why(office: Any) -> None:
    office.provider.jobs["404"] = NotYet("the provider knows no such job: 404")
    office.knock("404")
    office.look()
    done = office.run("jobs", "404")
    assert done.exit_code == 0, done.output
    assert "State  not known: no document of it is kept\n" in done.stdout
    assert "  not_fetched  " in done.stdout
    assert "the provider knows no such job: 404" in done.stdout


def test_what_is_still_due_comes_last_with_its_time(office: Any) -> None:
    office.told["crm"].failing = Busy("503")
    office.happens(job())
    office.deliver()
    last = office.run("jobs", ID).stdout.splitlines()[-1].split("  ")
    assert (last[1], last[4]) == ("waits", "crm is to be told")


def test_of_two_notifications_only_the_one_that_was_not_looked_into_is_still_due(office: Any) -> None:
    office.happens(job())
    waiting = office.knock()
    found = story(office.run("jobs", ID, "--json"))["timeline"]
    due = [one["notification_id"] for one in found if one["kind"] == "waits" and one["notification_id"]]
    assert due == [waiting]


def test_of_a_long_story_the_newest_is_shown(told: Any) -> None:
    whole = told.run("jobs", ID).stdout.splitlines()
    done = told.run("jobs", ID, "--limit", "2")
    assert done.stdout.splitlines() == whole[:4] + whole[-2:]
    assert done.stderr == f"the newest 2 of {len(whole) - 4} are shown: --limit shows more\n"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_on_a_terminal_every_id_is_whole(told: Any, width: int) -> None:
    done = told.on_terminal(width, "jobs", ID)
    assert done.exit_code == 0
    for event in told.events():
        assert f"{event['id']}:crm" in done.stdout
    assert not [line for line in done.stdout.splitlines() if len(line.rstrip()) > width and " " in line.strip()]


def test_an_address_that_is_not_safe_to_open_is_not_shown(office: Any) -> None:
    office.happens(job(url="https://hover.to/jobs/1"))
    assert "Page  https://hover.to/jobs/1\n" in office.run("jobs", ID).stdout
    office.happens(job("9", url="javascript:alert(1)"))
    assert "javascript" not in office.run("jobs", "main/9").stdout
