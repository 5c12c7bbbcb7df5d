"""`jobwire events`, `jobs`, `deliveries` and `notifications` as lists: filters, order, and how rows are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from click.testing import Result
from rich.cells import cell_len

from processor.errors import Busy, NotYet, Refused
from processor.model import Address, Job, State

LISTS = ("events", "jobs", "deliveries", "notifications")
HOSTILE = "Ca\x1b[2Jfé\x9b31m\r\n\tx\u202ey  z\x07" + "😀" * 30
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def job(job_id: str = "15084303", state: State = State.PROCESSING, **changes: Any) -> Job:
    known: dict[str, Any] = {"provider": "hover", "source": "main", "id": job_id, "state": state, "name": "Main House"}
    return Job(**known | changes)


def documents(done: Result) -> list[Any]:
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def cells(done: Result) -> list[list[str]]:
    assert done.exit_code == 0, done.output
    return [line.split("  ") for line in done.stdout.splitlines()]


@pytest.fixture
def busy(office: Any) -> Any:
    """A job that began, one that failed, one that the provider does not know; ops refuses, crm is down for the last."""
    office.told["ops"].failing = Refused("410 Gone")
    office.happens(job("1"))
    office.deliver()
    office.happens(job("2", State.FAILED))
    office.deliver()
    office.told["crm"].failing = Busy("503 Service Unavailable")
    office.happens(job("3"))
    office.deliver()
    office.provider.jobs["4"] = Refused("there is no such job")
    office.knock("4")
    office.provider.jobs["5"] = NotYet("404")
    office.knock("5")
    office.look()
    return office


# --- what cannot be meant, and nobody who answers --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["deliveries", "--state", "ded"], "'ded' is not one of 'pending', 'retrying', 'delivered', 'dead'"),
        (["notifications", "--state", "delivered"], "is not one of 'pending', 'retrying', 'done', 'dead'"),
        (["jobs", "--state", "x"], "'created', 'waiting', 'processing', 'succeeded', 'failed', 'cancelled'"),
        (["events", "--outcome", "sent"], "'sent' is not one of 'pending', 'retrying', 'delivered', 'dead'"),
        (["events", "--type", "modle.*"], "--type: 'modle.*' matches no event type; did you mean 'model.failed'?"),
        (["deliveries", "--type", "x"], "--type: 'x' matches no event type; there are: cost_estimate.available, job."),
        (["events", "--sink", "opps"], "'opps' is no sink; did you mean 'ops'?"),
        (["deliveries", "--sink", "x"], "'x' is no sink; there are: crm, ops"),
        (["jobs", "--source", "mian"], "'mian' is no source; did you mean 'main'?"),
        (["notifications", "--source", "x"], "'x' is no source; there are: main"),
        (["events", "--job", "x/7"], "'x' is no source; there are: main"),
        (["events", "--job", "/"], "--job: '/' is neither SOURCE/ID nor an id"),
        (["events", "--job", "main/7", "--source", "other"], "--job main/7 is not of --source other"),
        (["jobs", "--since", "yesterday"], "--since: 'yesterday' is no time such as 2h (ago)"),
        (["jobs", "--since", "1h", "--until", "2h"], "must lie before --until"),
        (["events", "--limit", "0"], "0 is not in the range x>=1"),
        (["events", "--follow", "--until", "2h"], "--until does not go with --follow"),
        (["jobs", "--follow"], "No such option"),
    ],
)
def test_a_wrong_filter_is_told_with_what_there_is_and_status_2(office: Any, arguments: list[str], said: str) -> None:
    done = office.run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize("command", [*([name] for name in LISTS), ["jobs", "7"], ["events", "--follow"]])
def test_without_a_redis_that_answers_it_is_one_line_and_status_1(office: Any, command: list[str]) -> None:
    (office.desk.folder / "jobwire.toml").write_text('[redis]\nurl = "redis://:hush@127.0.0.1:1"\n')
    done = office.run(*command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "error: Redis cannot take it now (ConnectionError)\n"
    (office.desk.folder / "jobwire.toml").write_text("")
    done = office.run(*command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no Redis: set [redis].url or REDIS_URL, or start `jobwire up`")


@pytest.mark.parametrize("command", LISTS)
@pytest.mark.parametrize("how", [[], ["--json"], ["--since", "1h"]])
def test_where_there_is_nothing_nothing_is_shown(office: Any, command: str, how: list[str]) -> None:
    done = office.run(command, *how)
    assert (done.exit_code, done.output) == (0, "")
    done = office.on_terminal(80, command, *how)
    assert (done.exit_code, done.output) == (0, "")


# --- what is listed --------------------------------------------------------------------------------------------------


def test_events_are_documents_oldest_first(busy: Any) -> None:
    shown = documents(busy.run("events", "--json"))
    assert [(e["type"], e["subject"]) for e in shown] == [
        ("job.created", "jobs/1"),
        ("job.failed", "jobs/2"),
        ("job.created", "jobs/3"),
    ]
    assert shown == busy.events()


def test_of_more_than_the_limit_the_newest_are_shown_and_that_there_are_more_is_told(busy: Any) -> None:
    done = busy.run("events", "--limit", "2", "--json")
    assert [e["subject"] for e in documents(done)] == ["jobs/2", "jobs/3"]
    assert done.stderr == "the newest 2 are shown: --limit shows more\n"
    assert busy.run("events", "--limit", "3").stderr == ""


def test_more_than_a_page_is_one_list(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor.cli.listing.MOST", 2)
    for n in range(7):
        office.happens(job(str(n)))
    shown = documents(office.run("events", "--limit", "6", "--json"))
    assert [e["subject"] for e in shown] == [f"jobs/{n}" for n in range(1, 7)]


@pytest.mark.parametrize(
    ("filters", "subjects"),
    [
        (["--type", "*.failed"], ["jobs/2"]),
        (["--source", "main"], ["jobs/1", "jobs/2", "jobs/3"]),
        (["--job", "3"], ["jobs/3"]),
        (["--job", "main/1"], ["jobs/1"]),
        (["--job", "1", "--source", "main"], ["jobs/1"]),
        (["--sink", "ops"], ["jobs/2"]),
        (["--outcome", "dead"], ["jobs/2"]),
        (["--sink", "crm", "--outcome", "delivered"], ["jobs/1", "jobs/2"]),
        (["--since", "1h"], ["jobs/1", "jobs/2", "jobs/3"]),
        (["--until", "1h"], []),
        (["--type", "job.*", "--job", "9"], []),
    ],
)
def test_every_filter_of_events_that_is_given_must_fit(busy: Any, filters: list[str], subjects: list[str]) -> None:
    assert [e["subject"] for e in documents(busy.run("events", "--json", *filters))] == subjects


def test_deliveries_that_are_not_well_are_shown_newest_last_and_keep_their_keys(busy: Any) -> None:
    shown = documents(busy.run("deliveries", "--json"))
    assert [(d["sink"], d["state"], d["job_id"]) for d in shown] == [("ops", "dead", "2"), ("crm", "retrying", "3")]
    dead, retrying = shown
    assert {"id", "event_id", "sink", "state", "attempts", "next_at", "last_error"} <= dead.keys()
    assert dead["id"] == f"{dead['event_id']}:ops"
    assert (dead["attempts"], dead["next_at"], dead["last_error"]) == (1, None, "410 Gone")
    assert (retrying["attempts"], retrying["last_error"]) == (1, "503 Service Unavailable")
    assert retrying["next_at"] > retrying["at"]


@pytest.mark.parametrize(
    ("filters", "sinks"),
    [
        (["--dead"], ["ops"]),
        (["--state", "delivered"], ["crm", "crm"]),
        (["--state", "delivered", "--dead"], ["crm", "crm", "ops"]),
        (["--state", "delivered", "--state", "retrying"], ["crm", "crm", "crm"]),
        (["--sink", "crm"], ["crm"]),
        (["--job", "2"], ["crm", "ops"]),  # of one job everything is shown
        (["--job", "2", "--state", "dead"], ["ops"]),
        (["--type", "*.failed"], ["ops"]),
        (["--dead", "--until", "1h"], []),
    ],
)
def test_every_filter_of_deliveries_that_is_given_must_fit(busy: Any, filters: list[str], sinks: list[str]) -> None:
    assert [d["sink"] for d in documents(busy.run("deliveries", "--json", *filters))] == sinks


def test_of_one_event_every_delivery_is_shown(busy: Any) -> None:
    [event] = busy.events(of="job.failed")
    shown = documents(busy.run("deliveries", "--event", event["id"], "--json"))
    assert [(d["sink"], d["state"]) for d in shown] == [("crm", "delivered"), ("ops", "dead")]


def test_notifications_that_are_not_well_are_shown_and_keep_their_keys(busy: Any) -> None:
    shown = documents(busy.run("notifications", "--json"))
    assert [(n["job_id"], n["state"], n["last_error"]) for n in shown] == [
        ("4", "dead", "there is no such job"),
        ("5", "retrying", "404"),
    ]
    assert {"id", "source", "job_id", "state", "attempts", "next_at", "last_error"} <= shown[0].keys()
    assert [n["job_id"] for n in documents(busy.run("notifications", "--dead", "--json"))] == ["4"]
    assert [n["job_id"] for n in documents(busy.run("notifications", "--state", "done", "--json"))] == ["1", "2", "3"]
    assert [n["job_id"] for n in documents(busy.run("notifications", "--job", "main/2", "--json"))] == ["2"]


def test_jobs_are_listed_by_when_they_came_into_their_state(busy: Any) -> None:
    busy.happens(job("1", State.SUCCEEDED, external_id="A-1"))
    shown = documents(busy.run("jobs", "--json"))
    assert [(j["id"], j["state"]) for j in shown] == [("2", "failed"), ("3", "processing"), ("1", "succeeded")]
    assert shown[2]["external_id"] == "A-1"
    assert [j["id"] for j in documents(busy.run("jobs", "--state", "processing", "--json"))] == ["3"]
    assert [j["id"] for j in documents(busy.run("jobs", "house", "--source", "main", "--json"))] == ["2", "3", "1"]
    assert [j["id"] for j in documents(busy.run("jobs", "a-1", "--since", "1h", "--json"))] == ["1"]


def test_what_is_kept_of_a_sink_that_is_no_longer_configured_can_be_asked_for(use: Callable[..., Any]) -> None:
    office = use()
    office.told["ops"].failing = Refused("410 Gone")
    office.happens(job("2", State.FAILED))
    office.deliver()
    office = use('[sources.main]\nprovider = "hover"\n[sinks.crm]\ntype = "console"\n')
    assert [d["state"] for d in documents(office.run("deliveries", "--sink", "ops", "--json"))] == ["dead"]


# --- how rows are shown ----------------------------------------------------------------------------------------------


def test_in_a_pipe_a_row_is_a_line_whose_columns_are_always_the_same(busy: Any) -> None:
    busy.told["crm"].failing = Busy("5" * 900)
    busy.happens(job("6", address=Address(line1="4312  Meadow\tDrive", city="Santa Maria")))
    busy.deliver()
    events = busy.events()
    assert cells(busy.run("events"))[-1] == [
        *(events[-1]["time"], events[-1]["id"], "job.created", "main/6"),
        "New job: Main House (6)",
    ]
    dead, retrying, long = cells(busy.run("deliveries"))
    assert dead[1:] == [f"{events[1]['id']}:ops", "dead", "1", "-", "job.failed", "main/2", "410 Gone"]
    assert (retrying[2:4], retrying[5:]) == (["retrying", "1"], ["job.created", "main/3", "503 Service Unavailable"])
    assert len(long[7]) >= 500  # as much as is kept
    assert [row[2:4] + row[5:] for row in cells(busy.run("notifications"))] == [
        ["dead", "1", "main/4", "job-updated", "there is no such job"],
        ["retrying", "1", "main/5", "job-updated", "404"],
    ]
    assert cells(busy.run("jobs"))[-1][1:] == [
        *("main/6", "processing", "-", "-", "Main House"),
        "4312 Meadow Drive, Santa Maria",
    ]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("command", LISTS)
def test_on_a_terminal_every_line_fits_and_no_id_is_cut_or_broken(busy: Any, command: str, width: int) -> None:
    busy.happens(job("cc3d35cc-416a-4262-9714-b359da70b419", name="A house with a long name " * 5))
    ids = [document["id"] for document in documents(busy.run(command, "--json"))]
    assert ids
    done = busy.on_terminal(width, command)
    assert done.exit_code == 0
    for one in ids:
        assert one in done.stdout
    too_long = [line for line in done.stdout.splitlines() if cell_len(line.rstrip()) > width]
    assert not [line for line in too_long if " " in line.strip()], "only an id that stands alone may be longer"


def test_a_wide_terminal_gets_a_table_with_a_head_and_a_narrow_one_does_not(busy: Any) -> None:
    head = busy.on_terminal(200, "deliveries").stdout.splitlines()[0]
    assert head.split() == ["At", "(UTC)", "Delivery", "State", "Tries", "Event", "About", "Said"]
    narrow = busy.on_terminal(80, "deliveries").stdout.splitlines()
    assert re.fullmatch(r"[-\d]{10} [:\d]{8}  evt_\w+:ops  dead  1 try", narrow[0])
    assert narrow[1] == "    job.failed  main/2  410 Gone"


@pytest.mark.parametrize("how", [["--json"], [], 40, 80, 200])
@pytest.mark.parametrize("command", [*LISTS, "jobs hostile"])
def test_text_by_strangers_drives_no_terminal_and_makes_no_line(office: Any, command: str, how: Any) -> None:
    office.told["crm"].failing = Busy(HOSTILE)
    office.happens(job(f"7{HOSTILE[:5]}", name=HOSTILE, external_id="hostile", address=Address(line1=HOSTILE)))
    office.provider.jobs["8"] = Refused(HOSTILE)
    office.knock("8")
    office.look()
    office.deliver()
    done = office.on_terminal(how, *command.split()) if isinstance(how, int) else office.run(*command.split(), *how)
    assert done.exit_code == 0
    assert done.stdout
    assert not CONTROL.search(done.output)
    if how == ["--json"]:
        assert done.stdout.isascii()


def test_a_row_without_a_document_is_shown_all_the_same(busy: Any) -> None:
    [event] = busy.events(of="job.failed")
    busy.app.scripts.client.delete(f"jobwire:ev:{event['id']}")
    [row] = documents(busy.run("deliveries", "--dead", "--json"))
    assert (row["event_id"], row["type"], row["job_id"]) == (event["id"], None, None)
    assert cells(busy.run("deliveries", "--dead"))[0][5:7] == ["-", "-"]


def test_changed_names_do_not_move_a_job_in_the_list(busy: Any) -> None:
    before = [j["id"] for j in documents(busy.run("jobs", "--json"))]
    busy.happens(replace(job("1"), name="Another name"))
    after = documents(busy.run("jobs", "--json"))
    assert [j["id"] for j in after] == before
    assert after[0]["name"] == "Another name"
