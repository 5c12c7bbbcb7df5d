"""The scripts as the server gets them."""

from __future__ import annotations

from importlib.resources import files

import pytest
import redis

from processor.store import scripts
from processor.store.scripts import Scripts

LUA = files(scripts.__package__) / "lua"
NAMES = sorted(entry.name.removesuffix(".lua") for entry in LUA.iterdir() if entry.name != "prelude.lua")


@pytest.mark.parametrize("name", NAMES)
def test_a_script_with_what_it_needs_of_the_prelude_is_whole(name: str, redis_client: redis.Redis) -> None:
    assert redis_client.script_load(Scripts(redis_client).text(name))


@pytest.mark.parametrize("paragraph", (LUA / "prelude.lua").read_text().strip().split("\n\n")[1:])
def test_a_paragraph_of_the_prelude_begins_with_what_it_defines(paragraph: str) -> None:
    """A script gets those that it names something of, so a blank line within a function would cut it in two."""
    code = [line for line in paragraph.splitlines() if not line.startswith("--")]
    assert code[0].startswith(("local ", "if not t then"))
