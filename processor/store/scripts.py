"""The Lua scripts as Python calls: named arguments in, Redis' answer out, Redis' errors as ours."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import redis
from redis.commands.core import Script

from processor.errors import Unavailable
from processor.store.keys import PREFIX


class Scripts:
    """Loads a script when it is first used. `now` (milliseconds) replaces the server's clock in tests."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.now: int | None = None
        self._loaded: dict[str, Script] = {}

    def __call__(self, name: str, arguments: dict[str, Any], *blobs: str | bytes) -> Any:
        """Run script `name`. Raises Unavailable when Redis cannot do it now; nothing was written then, or all of it."""
        if self.now is not None:
            arguments["now"] = self.now
        script = self._loaded.get(name) or self._load(name)
        try:
            return script(keys=[PREFIX], args=[json.dumps(arguments), *blobs])
        except redis.RedisError as e:
            raise Unavailable(f"Redis cannot take it now ({type(e).__name__})") from e

    def _load(self, name: str) -> Script:
        script = self._loaded[name] = self.client.register_script(self.text(name))
        return script

    def text(self, name: str) -> str:
        """The script's whole text: its own first line if that holds flags, the prelude, the script."""
        lua = files(__package__) / "lua"
        prelude, script = ((lua / f"{part}.lua").read_text() for part in ("prelude", name))
        if script.startswith("#!"):
            flags, newline, script = script.partition("\n")
            return flags + newline + prelude + script
        return prelude + script
