"""Ids and texts as somebody would choose them who means harm."""

from __future__ import annotations

# ids that no job has, at neither provider
IDS = [
    "../../../oauth/token",
    "..%2f..%2foauth",
    "1/../2",
    "1?admin=true",
    "1#fragment",
    "1%00",
    "1\0",
    "1\n2",
    "1\r\nHost: evil",
    "1 2",
    "１２",
    "1;2",
    "1|2",
    "1:2",
    "1@evil.example",
    "//evil.example/1",
    "r:other|1",
    "~confirm",
    "*",
    "\ud800",
    "\u202e1",
    "9" * 10_000,
    "a" * 10_000,
    "",
]

# what a terminal obeys, what forges a line, what turns it round, what cannot be written
TEXTS = [
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[31mred",
    "\x9b31mred",
    "first\nsecond",
    'x"}\n{"event": "accepted"}',
    "a\r\n2026-01-01T00:00:00Z [info     ] forged",
    "over\rwritten",
    "back\x08\x08\x08\x7f",
    "\u202eteg.exe",
    "\u2066\u2069\u200f",
    "line\u2028separator\u2029paragraph\x85next",
    "nul\0nul",
    "half \ud800 of one",
    "%s %d {0} ${HOME} {{7*7}}",
]
