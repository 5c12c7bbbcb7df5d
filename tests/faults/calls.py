"""What passes between our processes and Redis, told by name: which of our scripts a command is, and about what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import redis

from processor.queue import QUEUE
from processor.store import tokens
from processor.store.scripts import Scripts

TOKEN, TASK = "token", "task"  # no files of lua/: the token store's script, and a task on its way into RQ's queue
_RUNS = (b"EVALSHA", b"EVAL", b"EVALSHA_RO", b"EVAL_RO")
_QUEUE = f"rq:queue:{QUEUE}".encode()


class Mutation(NamedTuple):
    """A safeguard taken out: in script `name` (or all, when it is in their prelude) `old` is replaced by `new`."""

    name: str
    old: str
    new: str

    def of(self, name: str, text: str) -> str:
        if self.name not in (name, "prelude"):
            return text
        # a script has of the prelude what it needs, so that not each has what is taken out there
        assert self.old in text or self.name == "prelude", f"{name} no longer has {self.old!r}"
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Call:
    """One of our scripts on its way, by name; `resource` is the R that it is about, "" where there is none."""

    name: str
    resource: str = ""


def script_names() -> list[str]:
    """Every script that Redis is sent."""
    folder = files("processor.store") / "lua"
    return sorted(f.name.removesuffix(".lua") for f in folder.iterdir() if f.name != "prelude.lua")


@cache
def script_texts(mutation: Mutation | None = None) -> Mapping[str, str]:
    """Name -> text, as it is sent to Redis."""
    scripts = Scripts(redis.Redis())  # nothing is connected
    texts = {name: scripts.text(name) for name in script_names()}
    if mutation:
        texts = {name: mutation.of(name, text) for name, text in texts.items()}
    return texts | {TOKEN: tokens._SWAP}


def by_digest(texts: Mapping[str, str]) -> dict[bytes, str]:
    """What EVALSHA calls them -> name."""
    return {hashlib.sha1(text.encode()).hexdigest().encode(): name for name, text in texts.items()}


class Reader:
    """Tells the commands of one connection. A transaction counts when it is carried out."""

    def __init__(self, names: Mapping[bytes, str]) -> None:
        self._names = names
        self._gathering = self._enqueues = False

    def call(self, words: list[bytes]) -> Call | None:
        """What of ours this command is, if anything."""
        verb = words[0].upper()
        if verb in _RUNS:
            return self._script(words)
        if verb == b"MULTI":
            self._gathering, self._enqueues = True, False
        elif verb == b"RPUSH" and words[1] == _QUEUE:
            if not self._gathering:
                return Call(TASK)
            self._enqueues = True
        elif verb in (b"EXEC", b"DISCARD"):
            self._gathering, enqueues = False, self._enqueues and verb == b"EXEC"
            return Call(TASK) if enqueues else None
        return None

    def _script(self, words: list[bytes]) -> Call | None:
        digest = words[1] if words[0].upper().startswith(b"EVALSHA") else hashlib.sha1(words[1]).hexdigest().encode()
        name = self._names.get(digest)
        if name is None:
            return None
        return Call(name) if name == TOKEN else Call(name, _resource(json.loads(words[4])))


def _resource(arguments: Mapping[str, Any]) -> str:
    lanes = arguments.get("lanes")  # KEEP has many
    return str(lanes[0][0] if lanes else arguments.get("R", ""))
