"""Configuration files: their bytes, and values of any kind at any key; what is accepted must also be usable."""

from __future__ import annotations

import json
import re
import tempfile
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

from fuzzing.mutating import LIMIT, Chance, broken, odd, odd_text, odd_version
from fuzzing.target import Target

from processor import registry, settings
from processor.connect import connect
from processor.errors import ConfigError
from processor.settings.reading import Reading
from processor.wiring import App

_DOCUMENTS = Path(__file__).parents[2]
_REFERENCE = _DOCUMENTS / "docs" / "configuration.md"
_SINKS = sorted((_DOCUMENTS / "docs" / "sinks").glob("*.md"))
_TIMES = (date(2025, 3, 18), datetime.fromisoformat("2025-03-18T00:02:58"), time(0, 2), 2**63, 10**400)


@cache
def _texts() -> list[str]:
    """Every configuration that the documentation shows."""
    found = [
        text
        for path in (_REFERENCE, *_SINKS)
        for text in re.findall(r"^```toml\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE)
    ]
    assert len(found) > 10
    return found


@dataclass
class File:
    """Bytes of a file, or what a file held; and its environment."""

    raw: bytes
    table: Any
    environ: dict[str, str]


def _file(chance: Chance) -> File:
    text = chance.choice(_texts())
    environ = {name: _variable(chance) for name in re.findall(r"\$\{(\w+)", text)}
    if chance.randrange(20) == 0:
        environ["REDIS_URL"] = odd_version(chance, "redis://user:pw@localhost:6379/0?db=1")
    if chance.randrange(3) == 0:
        lines = text.splitlines()
        way = chance.randrange(3)
        if way == 0:
            lines.insert(chance.randrange(len(lines)), f"{odd_version(chance, 'key')} = {chance.choice(_VALUES)}")
        elif way == 1:
            lines[number] = odd_version(chance, lines[number := chance.randrange(len(lines))])
        raw = "\n".join(lines).encode("utf-8", "surrogatepass")
        return File((broken(chance, raw) if way == 2 else raw)[:LIMIT], None, environ)
    table = _whole(odd(chance, tomllib.loads(text)))
    for _ in range(chance.choice((0, 0, 1, 2))):
        table = _dated(chance, table)
    return File(b"", table if isinstance(table, dict) else {}, environ)


def _whole(value: Any) -> Any:
    """No file holds half a character."""
    if isinstance(value, dict):
        return {_whole(key): _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _variable(chance: Chance) -> str:
    """What an environment can hold: no NUL, and what is not UTF-8 as surrogates."""
    if chance.randrange(3):
        return "whsec_c2V0IGFuZCBzZXQgYW5kIHNldA=="
    return odd_text(chance).replace("\0", "").encode("utf-8", "replace").decode() + chance.choice(("", "", "\udcff"))


def _dated(chance: Chance, table: Any) -> Any:
    """A value that TOML has and JSON has not, somewhere."""
    holder = table
    while isinstance(holder, dict) and holder:
        key = chance.choice(list(holder))
        if not isinstance(holder[key], dict):
            holder[key] = chance.choice(_TIMES)
            break
        holder = holder[key]
    return table


_VALUES = (
    *("1979-05-27T07:32:00Z", "07:32:00", "1979-05-27", "inf", "-inf", "nan", "0x_f", "1e400", "9" * 400, "9" * 5000),
    *(
        '"a"',
        "'''a\nb'''",
        "[]",
        "{}",
        "{a.b.c = 1}",
        "[" * 500 + "]" * 500,
        "true",
        '"\\ud800"',
        '"\\U00110000"',
        '"${X"',
    ),
)


def _configure(file: File) -> None:
    configured = _read_file(file) if file.table is None else _reading(file).settings(file.table)
    url = configured.redis.url
    app = App(configured, url.reveal() if url else "redis://localhost")
    connect(app.redis_url, patient=False)
    json.dumps([[r.windows, r.share] for r in (*app.sources.values(), *app.targets.values())], allow_nan=False)
    for made in (app.rules, app.lanes, app.providers, app.sinks):
        assert made is not None
    app.close()


def _reading(file: File) -> Reading:
    return Reading("jobwire.toml", file.environ, *_options())


def _options() -> Any:
    return lambda name: registry.provider(name).Options, lambda name: registry.sink(name).Options


def _read_file(file: File) -> settings.Settings:
    with tempfile.NamedTemporaryFile(prefix="jw-", suffix=".toml") as there:
        there.write(file.raw)
        there.flush()
        providers, sinks = _options()
        return settings.load(Path(there.name), file.environ, provider_options=providers, sink_options=sinks)


TARGETS = (Target("configuration", _file, _configure, (ConfigError,), longest=10 * LIMIT),)  # every fault at once
