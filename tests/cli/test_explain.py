"""`jobwire explain`: which sinks an event goes to, why, and why not the others; what another configuration changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processor.errors import Refused
from processor.model import Job, State
from processor.testing.builders import an_alarm, an_event

CONFIG = """
[sources.main]
provider = "hover"
rate_limits = []
reconcile = 0
[sinks.crm]
type = "console"
[sinks.ops]
type = "console"
events = ["*.failed"]
"""
MAYBE = '[sinks.maybe]\ntype = "console"\nwhere = "data.job.id == \'2\'"\n'
MATCH = "events and sources match"
OUGHT = "type job.created matches none of events = ['*.failed']"


def job(job_id: str = "1", state: State = State.PROCESSING) -> Job:
    return Job(provider="hover", source="main", id=job_id, state=state, name="Main House")


def rows(done: Any) -> list[list[str]]:
    assert done.exit_code == 0, done.output
    return [line.split("  ") for line in done.stdout.splitlines()]


def documents(done: Any) -> list[Any]:
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- what cannot be explained ----------------------------------------------------------------------------------------


def test_an_event_that_is_not_kept_is_status_1(office: Any) -> None:
    done = office.run("explain", "evt_no\x1b[31mne")
    expected = "error: no event evt_no[31mne is kept (retention.events is 30 days), nor is there such a file\n"
    assert (done.exit_code, done.output) == (1, expected)


@pytest.mark.parametrize("what", ["gone.json", "./gone", "a/b"])
def test_a_file_that_is_not_there_is_a_usage_error(office: Any, what: str) -> None:
    done = office.run("explain", what)
    assert (done.exit_code, done.output) == (2, f"error: there is no file {what}\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "line 1: is not a JSON object"),
        (b"null\n", "line 1: is not a JSON object"),
        (b"{}", "line 1: is no event: it has no type"),
        (b'{"type": 7}', "line 1: is no event: it has no type"),
        (b'{"type": "a"}', "line 1: is no event of ours: its source is not /sources/NAME or /sinks/NAME"),
        (
            b'{"type": "a", "source": "x"}',
            "line 1: is no event of ours: its source is not /sources/NAME or /sinks/NAME",
        ),
        (b'{"type": "a", "source": []}', "line 1: is no event of ours: its source is not /sources/NAME or /sinks/NAME"),
        (b'{"type": "a", "source": "/sources/x"}\n\n{', "line 3: is not JSON"),
        (b'{"type": "a", "source": "/sources/x"}\n{}', "line 2: is no event: it has no type"),
    ],
)
def test_what_is_no_event_is_one_line_and_status_2(office: Any, content: bytes, said: str) -> None:
    Path("x.json").write_bytes(content)
    done = office.run("explain", "x.json")
    assert (done.exit_code, done.stderr) == (2, f"error: x.json: {said}\n")


def test_a_folder_is_no_file(office: Any) -> None:
    Path("folder").mkdir()
    done = office.run("explain", "folder")
    assert (done.exit_code, done.output) == (2, "error: folder: cannot be read: Is a directory\n")


@pytest.mark.parametrize("more", [["--since", "2h"], ["--until", "2026-03-01"]])
def test_a_time_goes_with_no_event(office: Any, more: list[str]) -> None:
    done = office.run("explain", "evt_1", *more)
    assert (done.exit_code, done.output) == (2, "error: --since and --until go without EVENT_ID and FILE\n")


def test_a_configuration_with_faults_explains_nothing(office: Any) -> None:
    Path("new.toml").write_text('[sinks.x]\ntype = "consol"\n')
    done = office.run("explain", "--config", "new.toml")
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert done.output.startswith("new.toml: sinks.x.type: 'consol' is no sink type; installed: ")


@pytest.mark.parametrize("what", [[], ["evt_1"]])
def test_without_a_redis_there_is_nothing_to_explain_but_files(use: Callable[..., Any], what: list[str]) -> None:
    office = use()
    Path("jobwire.toml").write_text('[redis]\nurl = "redis://127.0.0.1:1"\n')
    done = office.run("explain", *what)
    assert (done.exit_code, done.output) == (1, "error: Redis cannot take it now (ConnectionError)\n")
    Path("x.json").write_text(json.dumps(an_event()))
    assert rows(office.run("explain", "x.json"))[0][1:3] == ["console", "yes"]


# --- one event -------------------------------------------------------------------------------------------------------


def test_an_event_that_is_kept_is_explained_for_every_sink_with_how_it_stands(use: Callable[..., Any]) -> None:
    office = use(CONFIG + MAYBE)
    office.told["ops"].failing = Refused("410")
    office.happens(job(state=State.FAILED))
    office.deliver()
    [event] = office.events()
    assert rows(office.run("explain", event["id"])) == [
        [event["id"], "crm", "yes", "delivered", MATCH],
        [event["id"], "ops", "yes", "dead", MATCH],
        [event["id"], "maybe", "no", "-", "where is not true: data.job.id == '2'"],
    ]
    assert documents(office.run("explain", event["id"], "--json"))[2] == {
        "event_id": event["id"],
        "sink": "maybe",
        "wanted": False,
        "reason": "where is not true: data.job.id == '2'",
        "state": None,
    }


def test_a_sink_that_had_it_and_is_gone_is_told_too(use: Callable[..., Any]) -> None:
    office = use()
    office.happens(job(state=State.FAILED))
    office.deliver()
    [event] = office.events()
    office = use(CONFIG.replace("[sinks.ops]", "[sinks.oops]"))
    assert [row[1:4] for row in rows(office.run("explain", event["id"]))] == [
        ["crm", "yes", "delivered"],
        ["oops", "yes", "-"],
        ["ops", "no", "delivered"],
    ]


def test_an_alarm_goes_only_where_it_is_named(use: Callable[..., Any]) -> None:
    office = use(CONFIG + '[sinks.pager]\ntype = "console"\nevents = ["ops.*"]\n')
    Path("x.json").write_text(json.dumps(an_alarm()))
    assert [row[1:3] for row in rows(office.run("explain", "x.json"))] == [
        ["crm", "no"],
        ["ops", "no"],
        ["pager", "yes"],
    ]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_on_a_terminal_the_event_comes_first_then_the_sinks(use: Callable[..., Any], width: int) -> None:
    office = use(CONFIG + MAYBE)
    office.happens(job())
    [event] = office.events()
    first, *table = office.on_terminal(width, "explain", event["id"]).stdout.splitlines()
    assert first == f"{event['id']}  New job: Main House (1)"
    assert all(len(line.rstrip()) <= width for line in table)
    assert all(name in "\n".join(table) for name in ("crm", "ops", "maybe"))


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_has_one_document_over_several_lines_or_one_a_line(office: Any) -> None:
    event, alarm = an_event(), an_alarm()
    Path("one.json").write_text(json.dumps(event, indent=2))
    Path("many.jsonl").write_text(f"\ufeff{json.dumps(event)}\n\n{json.dumps(alarm)}\n")
    assert {row[0] for row in rows(office.run("explain", "one.json"))} == {event["id"]}
    assert [row[:2] for row in rows(office.run("explain", "many.jsonl"))] == [
        [event["id"], "crm"],
        [event["id"], "ops"],
        [alarm["id"], "crm"],
        [alarm["id"], "ops"],
    ]


def test_standard_input_is_a_file_too(office: Any) -> None:
    done = office.desk.run("explain", "-", typed=json.dumps(an_event()))
    assert [row[1:4] for row in rows(done)] == [["crm", "yes", "-"], ["ops", "yes", "-"]]
    done = office.desk.run("explain", "-", typed="nonsense")
    assert (done.exit_code, done.output) == (2, "error: standard input: is not JSON\n")


def test_what_events_prints_explain_reads(office: Any) -> None:
    office.happens(job())
    office.happens(job("2", State.FAILED))
    Path("week.jsonl").write_text(office.run("events", "--json").stdout)
    assert len(rows(office.run("explain", "week.jsonl"))) == 4


def test_hostile_text_in_a_file_drives_no_terminal(office: Any) -> None:
    bad = "\x1b[2J\n\x9b\u202e"
    Path("x.json").write_text(json.dumps({"id": bad, "type": f"model.{bad}", "source": f"/sources/{bad}", "data": bad}))
    for done in (office.run("explain", "x.json"), office.on_terminal(80, "explain", "x.json")):
        assert done.exit_code == 0
        assert not {"\x1b", "\x9b", "\u202e"} & set(done.stdout)


# --- a week under another configuration ------------------------------------------------------------------------------


@pytest.fixture
def week(use: Callable[..., Any]) -> Any:
    """Two jobs that began and one that failed; crm had all of that, ops what failed."""
    office = use()
    office.happens(job("1"))
    office.happens(job("2"))
    office.happens(job("3", State.FAILED))
    office.deliver()
    return office


def new(office: Any, config: str) -> str:
    Path("new.toml").write_text(f'[redis]\nurl = "{office.desk.redis_url}"\n{config}')
    return "new.toml"


def test_the_same_configuration_changes_nothing_and_says_so(week: Any) -> None:
    done = week.run("explain")
    assert rows(done) == [["crm", "same", "-", "3", "-"], ["ops", "same", "-", "1", "-"]]
    first, last = done.stderr.splitlines()
    assert first.startswith("3 events found since ")
    assert first.endswith("put through jobwire.toml")
    assert last == "every sink would get what it got"


def test_who_would_have_got_more_and_fewer_is_told_by_type_with_examples(week: Any) -> None:
    changed = CONFIG.replace('["*.failed"]', '["job.created"]') + MAYBE
    changed = changed.replace('[sinks.crm]\ntype = "console"', '[sinks.crm]\ntype = "console"\nevents = ["*.created"]')
    done = week.run("explain", "--config", new(week, changed), "--json")
    one, two, failed = (event["id"] for event in week.events())
    assert documents(done) == [
        change("crm", "same", None, 2),
        change("crm", "fewer", "job.failed", 1, failed),
        change("maybe", "same", None, 0),
        change("maybe", "more", "job.created", 1, two),
        change("ops", "same", None, 0),
        change("ops", "more", "job.created", 2, one, two),
        change("ops", "fewer", "job.failed", 1, failed),
    ]
    assert done.stderr.endswith("why, for one: jobwire explain EVENT_ID with the same --config\n")
    why = rows(week.run("explain", "--config", "new.toml", two))
    assert [row[1:4] for row in why] == [["crm", "yes", "delivered"], ["ops", "yes", "-"], ["maybe", "yes", "-"]]


def change(sink: str, what: str, kind: str | None, count: int, *examples: str, configured: bool = True) -> Any:
    named = {"sink": sink, "change": what, "type": kind, "count": count}
    return named | {"examples": list(examples), "configured": configured}


def test_a_sink_that_the_new_one_does_not_have_would_get_fewer(week: Any) -> None:
    done = week.run("explain", "--config", new(week, CONFIG.partition("[sinks.ops]")[0]), "--json")
    failed = week.events()[2]["id"]
    assert documents(done)[1:] == [change("ops", "fewer", "job.failed", 1, failed, configured=False)]
    assert "fewer (no sink here)" in week.on_terminal(100, "explain", "--config", "new.toml").stdout


def test_there_are_at_most_three_examples_of_each(use: Callable[..., Any]) -> None:
    office = use(CONFIG.partition("[sinks.ops]")[0])
    for n in range(5):
        office.happens(job(str(n)))
    done = office.run("explain", "--json", "--config", new(office, CONFIG.replace('["*.failed"]', '["*"]')))
    ids = [event["id"] for event in office.events()]
    assert documents(done)[-1] == change("ops", "more", "job.created", 5, *ids[:3])


@pytest.mark.parametrize(("span", "count"), [(["--until", "1h"], 0), (["--since", "1h"], 3), (["--since", "30d"], 3)])
def test_another_time_can_be_named(week: Any, span: list[str], count: int) -> None:
    assert rows(week.run("explain", *span))[0][3] == str(count)


def test_an_event_whose_document_is_gone_is_left_out_where_a_rule_asks_about_it(week: Any) -> None:
    week.app.scripts.client.delete(f"jobwire:ev:{week.events()[0]['id']}")
    done = week.run("explain", "--config", new(week, CONFIG + MAYBE))
    assert rows(done)[0] == ["crm", "same", "-", "2", "-"]
    assert "1 event left out: the document is no longer kept\n" in done.stderr
    assert rows(week.run("explain"))[0][3] == "3"  # its type and source are enough


def test_the_events_are_those_of_the_redis_that_is_named_outside_the_new_file(
    week: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("new.toml").write_text(CONFIG)
    monkeypatch.setenv("REDIS_URL", week.desk.redis_url)
    assert rows(week.run("explain", "--config", "new.toml"))[0][3] == "3"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_comparison_fits_the_terminal(week: Any, width: int) -> None:
    done = week.on_terminal(width, "explain", "--config", new(week, CONFIG.replace("*.failed", "*")))
    assert done.exit_code == 0
    assert week.events()[0]["id"] in done.stdout
    assert all(len(line.rstrip()) <= width for line in done.stdout.splitlines())
