"""Trace context (https://www.w3.org/TR/trace-context/): one trace leads from a request by way of our lines to the sink.

A context is the text of a `traceparent` header: version, trace id, the caller's span and flags, in lower-case hex.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "traceparent"
_FORM = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-[\x21-\x7e]{0,200})?"
)
_now: ContextVar[str] = ContextVar("jobwire_trace", default="")


def parse(header: str | None) -> str:
    """The context that a request came with, as of version 00; "" for none, and for what is none."""
    if not header:
        return ""
    found = _FORM.fullmatch(header.strip())
    if not found or (found["version"] == "00" and found["more"]):
        return ""
    return f"00-{found['trace']}-{found['span']}-{found['flags']}"


def begun_by(seed: str) -> str:
    """The context of what nobody gave one: the same for the same id, whoever asks."""
    digest = hashlib.sha256(seed.encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-01"


def trace_of(context: str) -> str:
    """The trace id, as log lines have it in `trace`."""
    return context[3:35]


@contextmanager
def going_on(context: str) -> Iterator[None]:
    """What this thread sends meanwhile belongs to that trace."""
    token = _now.set(context)
    try:
        yield
    finally:
        _now.reset(token)


def outgoing() -> dict[str, str]:
    """The header for a far end, with a span of its own for each attempt; none outside of any trace."""
    context = _now.get()
    return {HEADER: f"{context[:36]}{secrets.token_hex(8)}{context[52:]}"} if context else {}
