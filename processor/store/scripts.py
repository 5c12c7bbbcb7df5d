"""The Lua scripts as Python calls: named arguments in, Redis' answer out, Redis' errors as ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import redis
from redis.commands.core import Script
from redis.exceptions import NoScriptError

from processor.errors import Unavailable
from processor.store.keys import PREFIX

_DEFINED = re.compile(r"^local (?:function )?([\w, ]+)", re.MULTILINE)
REPLICA_MS = 500  # how long replicas may take: less than the receiver's patience, so that it can say what is wrong


@contextmanager
def ours() -> Iterator[None]:
    """Redis' errors as ours."""
    try:
        yield
    except redis.RedisError as e:
        raise Unavailable(f"Redis cannot take it now ({type(e).__name__})") from e


class Scripts:
    """Loads a script when it is first used. `now` (milliseconds) replaces the server's clock in tests.

    Everything raises Unavailable when Redis cannot do it now; then nothing was written, or all of it.
    """

    def __init__(self, client: redis.Redis, *, wait_replicas: int = 0) -> None:
        self.client = client
        self.now: int | None = None
        self._wait_replicas = wait_replicas
        self._loaded: dict[str, Script] = {}

    def __call__(self, name: str, arguments: dict[str, Any], *blobs: str | bytes) -> Any:
        """Run script `name` and return its answer."""
        script, args = self._script(name), self._args(arguments, blobs)
        with ours():
            try:
                return self._at_once(script.sha, args)
            except NoScriptError:  # the server is another one, or was started anew
                return script(keys=[PREFIX], args=args)

    def durably(self, name: str, arguments: dict[str, Any]) -> Any:
        """The same, and `wait_replicas` replicas have what it wrote."""
        if not self._wait_replicas:
            return self(name, arguments)
        with ours(), self.client.pipeline(transaction=False) as pipe:
            self._script(name)(keys=[PREFIX], args=self._args(arguments, ()), client=pipe)
            pipe.wait(self._wait_replicas, REPLICA_MS)  # on the connection that wrote
            answer, reached = pipe.execute()
        if reached < self._wait_replicas:
            raise Unavailable(f"only {reached} of {self._wait_replicas} replicas have it")
        return answer

    def _at_once(self, sha: str, args: Sequence[str | bytes]) -> Any:
        """EVALSHA with as little between us and the connection as redis-py allows: a third of its cost is spared."""
        pool = self.client.connection_pool
        connection: Any = pool.get_connection()

        def ask() -> Any:
            connection.send_command("EVALSHA", sha, 1, PREFIX, *args)
            return connection.read_response()

        try:
            return connection.retry.call_with_retry(ask, lambda _: connection.disconnect())
        finally:
            pool.release(connection)

    def ms(self) -> int:
        """The time as the scripts have it, by the server's own clock, in milliseconds."""
        return int(self("time", {}))

    def _args(self, arguments: dict[str, Any], blobs: Sequence[str | bytes]) -> list[str | bytes]:
        if self.now is not None:
            arguments = arguments | {"now": self.now}
        return [json.dumps(arguments), *blobs]

    def _script(self, name: str) -> Script:
        return self._loaded.get(name) or self._load(name)

    def _load(self, name: str) -> Script:
        script = self._loaded[name] = self.client.register_script(self.text(name))
        return script

    def text(self, name: str) -> str:
        """The whole text of script `name`."""
        return whole(_lua(name))


def whole(script: str) -> str:
    """The script behind those paragraphs of the prelude that it, or one that it needs, names something of. Its first
    line stays the first if that holds flags.

    The server makes every function of a script anew whenever it runs: those it never calls cost as much as the rest.
    """
    flags, newline, text = script.partition("\n") if script.startswith("#!") else ("", "", script)
    for paragraph in reversed(_lua("prelude").split("\n\n")):
        defined = [name for names in _DEFINED.findall(paragraph) for name in re.findall(r"\w+", names)]
        if not defined or any(re.search(rf"\b{name}\b", text) for name in defined):
            text = f"{paragraph}\n\n{text}"
    return flags + newline + text


def _lua(name: str) -> str:
    return (files(__package__) / "lua" / f"{name}.lua").read_text()
