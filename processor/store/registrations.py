"""Registrations at the providers: whether one waits for its verification code, and what the watchdog knows of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import cast

import redis

from processor.store import keys
from processor.store.scripts import ours

WAITS = 3600  # seconds: the providers do not say how long a code lives


@dataclass(frozen=True, slots=True)
class Broken:
    """A source whose webhooks do not tell us everything: `seen` is what was wrong at the last look, `told` what people
    were told last ("" = nothing yet), for the `times`th time, `since` when they were first told (RFC 3339), `mended`
    when mending was tried last (epoch seconds)."""

    seen: str = ""
    told: str = ""
    times: int = 0
    since: str = ""
    mended: float = 0.0


class Registrations:
    """`client` decodes answers. Raises Unavailable when Redis cannot do it now."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def begin(self, source: str, *, seconds: int = WAITS) -> None:
        """From now on, for so long, a verification code for `source` is expected."""
        with ours():
            self._client.set(keys.key("reg", source), "1", ex=seconds)

    def awaits_code(self, source: str) -> bool:
        with ours():
            return bool(self._client.exists(keys.key("reg", source)))

    def end(self, source: str) -> None:
        """The code was sent back, or none is to come."""
        with ours():
            self._client.delete(keys.key("reg", source))

    def broken(self, source: str) -> Broken | None:
        """What the watchdog wrote down last; None: all was well."""
        with ours():
            text = cast("str | None", self._client.get(keys.key("sub", source)))
        return Broken(**json.loads(text)) if text else None

    def note(self, source: str, broken: Broken | None) -> None:
        """Write down how the source's webhooks are; None: all is well."""
        with ours():
            if broken:
                self._client.set(keys.key("sub", source), json.dumps(asdict(broken)))
            else:
                self._client.delete(keys.key("sub", source))
