"""docs/api.md says what is so: its addresses and parameters are all there are, and its examples are answered."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from marshmallow import Schema
from web.api_stand_in import BEARER, TOKEN, Doing, Looking, app

from processor.web.api import asked

GUIDE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
CURLS = re.findall(r"^curl .*$", GUIDE, re.MULTILINE)
LISTS: dict[str, type[Schema]] = {
    "events": asked.Events,
    "jobs": asked.Jobs,
    "deliveries": asked.Deliveries,
    "notifications": asked.Notifications,
}


def rows(header: str) -> list[list[str]]:
    lines = GUIDE.partition(f"| {header} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_addresses_are_all_there_are() -> None:
    description = app().test_client().get("/api/openapi.json", headers=BEARER).json
    there_are = {f"{way.upper()} {path}" for path, ways in description["paths"].items() for way in ways}
    told = {address.strip("`") for address, _ in rows("address")}
    assert told == {way for way in there_are if not way.startswith("PARAMETERS")}


def test_the_parameters_are_all_there_are() -> None:
    told = {name.strip("`"): set(re.findall(r"`(\w+)`", takes)) for name, takes in rows("list")}
    assert told == {name: schema().fields.keys() - asked.Wanted().fields.keys() for name, schema in LISTS.items()}
    common = GUIDE.partition("All of them take ")[2].partition("\n")[0]
    assert set(re.findall(r"`(\w+)`", common)) == asked.Wanted().fields.keys()


def test_the_limits_are_as_told() -> None:
    assert f"(1 to {asked.MOST}, {asked.LIMIT} unless said)" in GUIDE


@pytest.mark.parametrize("line", CURLS)
def test_every_example_is_answered(line: str) -> None:
    looking, doing = Looking(everything=True), Doing(everything=True)
    client = app(looking, doing, sources=["hover-main"], sinks=["ops"]).test_client()
    words = shlex.split(line.replace("$JOBWIRE_ADMIN_TOKEN", TOKEN).replace("$API", "/api/v1"))
    name, _, value = words[words.index("-H") + 1].partition(": ")
    answer = client.open(words[-1], method="POST" if "POST" in words else "GET", headers={name: value})
    assert answer.status_code == (202 if "POST" in words else 200), answer.text
    assert looking.asked or doing.asked
