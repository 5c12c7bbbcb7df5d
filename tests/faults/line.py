"""A line to Redis with a fault injector in it: at a named call it kills, freezes or cuts off whoever makes it.

It stands between our processes and their server, on Unix sockets: the kernel says which process each connection is of.
Everything else passes as it is.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from faults.calls import Call, Reader

_SUBSCRIBE = (b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE")
_LIMIT = 1 << 20  # bytes of one line of the protocol


class When(StrEnum):
    """What happens at a call: its process is killed before Redis has it, or after it took effect; the reply is lost
    and the connection cut; or its process stands still, and the call arrives late."""

    BEFORE = "before"
    AFTER = "after"
    CUT = "cut"
    LATE = "late"


@dataclass
class Trap:
    """Springs once: at the `nth` call of this name about this kind of resource ("r" or "d") of which the reply, where
    there is one to be seen, holds `answer`. `go_on` lets a late call pass."""

    when: When
    name: str
    of: str = ""
    answer: bytes = b""
    nth: int = 1
    reached: int = 0
    pid: int = 0
    at: float = 0.0
    reply: bytes = b""
    sprung: threading.Event = field(default_factory=threading.Event)
    answered: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def meets(self, call: Call | None, reply: bytes | None = None) -> bool:
        """Whether this is the call; asked before it is sent, and again with its reply."""
        looks_at_reply = self.when in (When.AFTER, When.CUT)
        if call is None or self.sprung.is_set() or looks_at_reply != (reply is not None):
            return False
        if call.name != self.name or not call.resource.startswith(self.of):
            return False
        if reply is not None and (reply.startswith(b"-") or self.answer not in reply):
            return False
        self.nth -= 1
        return self.nth == 0

    def spring(self, pid: int) -> None:
        assert self.when is When.CUT or pid != os.getpid(), "a test would kill itself"
        self.at, self.pid, self.reached = time.monotonic(), pid, self.reached + 1
        if self.when in (When.BEFORE, When.AFTER):
            os.kill(pid, signal.SIGKILL)
        elif self.when is When.LATE:
            os.kill(pid, signal.SIGSTOP)
        self.sprung.set()


class Exchange:
    """Where all lines of a test meet: one thread. Close it when done."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines", daemon=True)
        self._thread.start()

    def line(self, path: Path, server: Path, names: Mapping[bytes, str]) -> Line:
        """Listen at `path` for those who want to talk to `server`; `names` are those of `calls.by_digest`."""
        line = Line(server, names)
        self._servers.append(asyncio.run_coroutine_threadsafe(line.open(path), self._loop).result(10))
        return line

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.02)  # until what was aborted is closed


class Line:
    """`trap` is the one that is set, if any."""

    def __init__(self, server: Path, names: Mapping[bytes, str]) -> None:
        self.trap: Trap | None = None
        self._server = server
        self._names = names

    async def open(self, path: Path) -> asyncio.Server:
        return await asyncio.start_unix_server(self._connected, path, limit=_LIMIT, backlog=512)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs: asyncio.StreamWriter | None = None
        try:
            answers, theirs = await asyncio.open_unix_connection(self._server, limit=_LIMIT)
            talk = _Talk(self, reader, writer, answers, theirs, Reader(self._names))
            await talk.until_over()
        except (OSError, asyncio.CancelledError):
            pass  # somebody died, which is what this is for
        finally:
            for end in (writer, theirs):
                if end:
                    end.transport.abort()


@dataclass
class _Talk:
    """One connection: two pumps, of which the end of either ends both."""

    line: Line
    asks: asyncio.StreamReader
    back: asyncio.StreamWriter
    answers: asyncio.StreamReader
    forth: asyncio.StreamWriter
    reader: Reader
    _calls: deque[Call | None] = field(default_factory=deque)
    _listens: bool = False  # from a SUBSCRIBE on replies are no answers

    async def until_over(self) -> None:
        pumps = [asyncio.create_task(self._ask()), asyncio.create_task(self._answer())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _ask(self) -> None:
        while True:
            raw, words = await command(self.asks)
            self._listens = self._listens or words[0].upper() in _SUBSCRIBE
            call, trap = self.reader.call(words), self.line.trap
            if trap and trap.meets(call):
                trap.spring(self._pid())
                if trap.when is When.BEFORE:
                    return
                while not trap.go_on.is_set():
                    await asyncio.sleep(0.02)
            self._calls.append(call)
            self.forth.write(raw)
            await self.forth.drain()

    async def _answer(self) -> None:
        while True:
            reply = await frame(self.answers)
            if not self._listens and not reply.startswith(b">"):
                call, trap = self._calls.popleft(), self.line.trap
                if trap and trap.meets(call, reply):
                    trap.reply = reply
                    trap.spring(self._pid())
                    return
                if trap and trap.when is When.LATE and trap.go_on.is_set() and not trap.answered.is_set():
                    self._woken(trap, call, reply)
            self.back.write(reply)
            await self.back.drain()

    def _woken(self, trap: Trap, call: Call | None, reply: bytes) -> None:
        """Called with what was answered since a late call was let go: is this the answer to it?"""
        if self._pid() == trap.pid and call and call.name == trap.name:
            trap.reply = reply
            trap.answered.set()
            with suppress(ProcessLookupError):
                os.kill(trap.pid, signal.SIGCONT)

    def _pid(self) -> int:
        peer = self.back.get_extra_info("socket")
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0])


# --- the protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/) -------------------------------------


async def command(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes]]:
    """One command: as it came, and its words. Raises OSError at the end."""
    raw, words = [await _line(reader)], []
    for _ in range(int(raw[0][1:])):
        raw.append(await _line(reader))
        raw.append(await _exactly(reader, int(raw[-1][1:]) + 2))
        words.append(raw[-1][:-2])
    return b"".join(raw), words


async def frame(reader: asyncio.StreamReader) -> bytes:
    """One reply, whatever it holds, as it came. Raises OSError at the end."""
    line = await _line(reader)
    kind = line[:1]
    if kind in b"$=!":
        length = int(line[1:])
        return line + (await _exactly(reader, length + 2) if length >= 0 else b"")
    if kind in b"*~>%":
        count = int(line[1:]) * (2 if kind == b"%" else 1)
        return line + b"".join([await frame(reader) for _ in range(count)])
    return line


async def _line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the other side is gone")
    return line


async def _exactly(reader: asyncio.StreamReader, length: int) -> bytes:
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as e:
        raise ConnectionError("the other side is gone") from e
