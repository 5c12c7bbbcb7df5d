"""Makes odd inputs of real ones: other kinds of values, keys gone or doubled, depth, huge numbers, broken bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

Chance = random.Random
JSON = Any

GIANT = 60_000  # characters of a text, and now and then more
RARELY = 300  # one value in so many is a giant
LIMIT = 64 * 1024  # bytes of an input: some eight times the largest sample

TEXTS = (
    *("", " ", "\0", "\ud800", "a\udfffb", "é", "家", "\U0001f3e0", "\u202eexe", "\x1b[2J", "\r\nX-Evil: 1", "\ufeff"),
    *("null", "true", "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x10", "１２", "1_000", "+1", "²", "1/0"),
    *(
        "../../etc/passwd",
        "%s%n%d",
        "%1 %2 %99 %0",
        "%ff",
        "${HOME}",
        "${",
        "{{7*7}}",
        "<b>&",
        "';--",
        "a|b",
        "*",
        "[]",
    ),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "2025-02-30T00:00:00Z", "2025-W01-1"),
    *("20250318T000258Z", "2025-03-18", "2025-03-18T00:02:58+25:00", "24:00", "0000-00-00T00:00:00Z", "1e3"),
    *("Tue, 18 Mar 2025 00:02:58 GMT", "Tue, 18 Mar 99999 00:02:58 GMT", "Tue, 18 Mar 0001 00:00:00 +9999", "Tue,"),
    *(
        "https://[",
        "https://[::1",
        "http://h:99999999/",
        "http://u:p@h/",
        "https://\ud800/",
        "//h",
        "http://h:-1",
        "mailto:x",
    ),
    *("complete", "COMPLETED", "failed", "Success", "Cancelled", "Active", "job", "1", "0", "-1", "9" * 25, "9" * 400),
)
NUMBERS: tuple[float, ...] = (
    *(0, 1, -1, 7, 2**31, 2**53 + 1, 2**63, -(2**64), 10**30, 10**400, -(10**400), 10**4200),
    *(0.0, -0.0, 0.1, 1e-320, 1e308, -1e308, float("nan"), float("inf"), float("-inf")),
)
_LETTERS = "aZ09 _-./:%\\\"'\0\n\ud800é家{}[]()|*?$#@&=+,;<>~^`!"


def odd_text(chance: Chance, cut: str = "") -> str:
    if chance.randrange(RARELY) == 0:
        return chance.choice(TEXTS + tuple(_LETTERS))[:20] * chance.choice((100, 1000, GIANT // 20))
    if chance.randrange(3) == 0:
        return "".join(chance.choice(_LETTERS) for _ in range(chance.randrange(12)))
    return chance.choice(TEXTS)


def odd_value(chance: Chance, depth: int = 3) -> JSON:
    """Of any kind that JSON has, not-a-number and infinity included."""
    kind = chance.randrange(8 if depth else 6)
    if kind < 2:
        return odd_text(chance)
    if kind == 2:
        return chance.choice(NUMBERS)
    if kind < 6:
        return chance.choice((None, True, False, {}, [], ""))
    some = range(chance.randrange(4))
    if kind == 6:
        return [odd_value(chance, depth - 1) for _ in some]
    return {odd_text(chance): odd_value(chance, depth - 1) for _ in some}


# --- texts -----------------------------------------------------------------------------------------------------------


def odd_version(chance: Chance, text: str) -> str:
    """Mostly something near `text`."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        begin = chance.randrange(len(text) + 1)
        end = min(len(text), begin + chance.choice((0, 1, 1, 3, 20)))
        middle = chance.choice((_nothing, odd_text, _letter, _twice))(chance, text[begin:end])
        text = text[:begin] + middle + text[end:]
        if chance.randrange(12) == 0:
            text = chance.choice((str.upper, str.lower, str.swapcase, str.strip))(text)
    return text


def _nothing(chance: Chance, cut: str) -> str:
    return ""


def _letter(chance: Chance, cut: str) -> str:
    return chance.choice(_LETTERS)


def _twice(chance: Chance, cut: str) -> str:
    return cut * 2


# --- documents -------------------------------------------------------------------------------------------------------


def odd(chance: Chance, document: JSON) -> JSON:
    """`document` with a few nodes changed, in place where that can be."""
    box = [document]
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        holder, key = _somewhere(chance, box)
        chance.choice(_CHANGES)(chance, holder, key)
    return box[0]


Holder = Any  # a list or an object that has something at a key


def _somewhere(chance: Chance, box: Holder) -> tuple[Holder, Any]:
    holder, key = box, 0
    while True:
        inner = holder[key]
        if not isinstance(inner, (dict, list)) or not inner or chance.randrange(5) == 0:
            return holder, key
        holder = inner
        key = chance.choice(list(inner)) if isinstance(inner, dict) else chance.randrange(len(inner))


def _other(chance: Chance, holder: Holder, key: Any) -> None:
    holder[key] = odd_value(chance)


def _near(chance: Chance, holder: Holder, key: Any) -> None:
    """Another of the same kind."""
    here = holder[key]
    if isinstance(here, str):
        holder[key] = odd_version(chance, here)
    elif isinstance(here, (int, float)) and not isinstance(here, bool):
        holder[key] = chance.choice(NUMBERS)
    elif isinstance(here, list) and here:
        holder[key] = here * chance.choice((0, 2, 3))
    elif isinstance(here, dict):
        here[odd_text(chance)] = odd_value(chance)
    else:
        holder[key] = odd_value(chance, 0)


def _gone(chance: Chance, holder: Holder, key: Any) -> None:
    if isinstance(holder, dict):
        del holder[key]
    elif len(holder) > 1:
        holder.pop(key)


def _doubled(chance: Chance, holder: Holder, key: Any) -> None:
    if isinstance(holder, dict):
        holder[odd_version(chance, key) or "x"] = holder[key]
    else:
        holder.extend([holder[key]] * (_as_often_as_fits(holder[key]) if chance.randrange(RARELY) == 0 else 1))


def _as_often_as_fits(value: JSON) -> int:
    try:
        return LIMIT // (len(json.dumps(value)) + 2)
    except RecursionError:
        return 1


def _renamed(chance: Chance, holder: Holder, key: Any) -> None:
    if isinstance(holder, dict):
        holder[odd_version(chance, key)] = holder.pop(key)


def _deeper(chance: Chance, holder: Holder, key: Any) -> None:
    value = holder[key]
    for _ in range(chance.choice((1, 1, 2, 19, 20, 21, 60, 150))):
        value = [value] if chance.randrange(2) else {chance.choice(("a", "", "id", "models")): value}
    holder[key] = value


def _moved(chance: Chance, holder: Holder, key: Any) -> None:
    """What is here is what is elsewhere in the same holder."""
    keys = list(holder) if isinstance(holder, dict) else range(len(holder))
    holder[key] = holder[chance.choice(keys)]


_Change = Callable[[Chance, Holder, Any], None]
_CHANGES: Sequence[_Change] = (
    _other,
    _other,
    _other,
    _near,
    _near,
    _near,
    _gone,
    _gone,
    _doubled,
    _renamed,
    _deeper,
    _moved,
)


# --- bytes -----------------------------------------------------------------------------------------------------------


def as_bytes(chance: Chance, document: JSON) -> bytes:
    """JSON, now and then in another encoding, with raw characters, or broken."""
    try:
        text = json.dumps(document, ensure_ascii=bool(chance.randrange(4)))
    except RecursionError:  # several depths in one another
        return _depth(chance, b"")
    way = chance.randrange(40)
    encoding = {0: "utf-16", 1: "utf-32", 2: "utf-8-sig", 3: "latin-1", 4: "utf-16-le"}.get(way, "utf-8")
    errors = "replace" if encoding == "latin-1" else "surrogatepass"
    raw = text.encode(encoding, errors)
    return (broken(chance, raw) if way > 34 else raw)[:LIMIT]


def broken(chance: Chance, raw: bytes) -> bytes:
    for _ in range(chance.choice((1, 1, 2, 5))):
        begin = chance.randrange(len(raw) + 1)
        end = min(len(raw), begin + chance.choice((0, 1, 1, 4, 100, len(raw))))
        raw = raw[:begin] + chance.choice(_SPLICES)(chance, raw[begin:end]) + raw[end:]
    return raw


def _depth(chance: Chance, cut: bytes) -> bytes:
    """Brackets, closed or not."""
    deep = chance.choice((30, 400, 900, 3000))
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return opening * deep + (cut or b"0") + closing * chance.choice((deep, deep, 0))


_SPLICES: Sequence[Callable[[Chance, bytes], bytes]] = (
    lambda chance, cut: b"",
    lambda chance, cut: cut * 2,
    lambda chance, cut: bytes(chance.randrange(256) for _ in range(chance.randrange(6))),
    lambda chance, cut: chance.choice(
        (b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\0", b"\\ud800", b"\\u", b'"', b",")
    ),
    lambda chance, cut: chance.choice(
        (b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"9" * 5000, b"-", b"00", b"1.", b"1E")
    ),
    _depth,
)


def any_bytes(chance: Chance) -> bytes:
    """Nothing that was ever a message."""
    return bytes(chance.randrange(256) for _ in range(chance.choice((0, 1, 2, 8, 60))))
