"""A NATS server with JetStream for the tests, on a free port, with a folder that is removed afterwards."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from running import free_port, wait_for

T = TypeVar("T")

CONFIG = """
listen: "127.0.0.1:{port}"
{jetstream}
{more}
"""
JETSTREAM = 'jetstream {{ store_dir: "{folder}", max_mem: 64M, max_file: 256M }}'


def missing(what: str) -> NoReturn:
    """Skip the test, but fail it in CI, where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


class Server:
    """`more` is added to its configuration; `login` (`user:password@`) and `options` are how the tests ask it."""

    def __init__(self, more: str = "", *, login: str = "", jetstream: bool = True, **options: Any) -> None:
        self._binary = shutil.which("nats-server", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
        if not self._binary:
            missing("no nats-server is installed")
        self.folder = Path(tempfile.mkdtemp(prefix="jw-"))
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._asking = {"servers": f"nats://{login}{self.host}", **options}
        stores = JETSTREAM.format(folder=self.folder) if jetstream else ""
        self._configuration = self.folder / "nats.conf"
        self._configuration.write_text(CONFIG.format(port=self.port, jetstream=stores, more=more))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Return when it takes connections."""
        assert self._binary
        with (self.folder / "log").open("ab") as log:
            command = [self._binary, "--config", str(self._configuration)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self._answers, 20, "our NATS server did not start")
        return self

    def kill(self) -> None:
        """Without warning."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self) -> None:
        """Kill it, and start it again on what it had stored."""
        self.kill()
        self.start()

    def halt(self) -> None:
        """Have it stand still: connections stay, the system takes more of them, and nothing is answered."""
        assert self._process
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        assert self._process
        os.kill(self._process.pid, signal.SIGCONT)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def ask(self, question: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        """What `question` returns, on a connection of its own."""

        async def asked() -> T:
            async with await nats.connect(**self._asking) as client:
                return await question(client.jetstream())

        return asyncio.run(asked())

    def create(self, *subjects: str, **options: Any) -> str:
        """A stream with a name of its own."""
        name = f"stream-{secrets.token_hex(4)}"
        self.ask(lambda js: js.add_stream(name=name, subjects=list(subjects), **options))
        return name

    def delete(self, stream: str) -> None:
        self.ask(lambda js: js.delete_stream(stream))

    def messages(self, stream: str) -> list[RawStreamMsg]:
        """All of a stream."""

        async def read(js: JetStreamContext) -> list[RawStreamMsg]:
            state = (await js.stream_info(stream)).state
            return [await js.get_msg(stream, number) for number in range(max(state.first_seq, 1), state.last_seq + 1)]

        return self.ask(read)

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


# --- a server that knows its users by their keys ---------------------------------------------------------------------


def guarded_by_keys() -> tuple[str, str]:
    """The configuration of a server with an operator, and the file of a user's credentials that it lets in.

    As `nsc` would make them: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt.
    """
    nkeys: Any = pytest.importorskip("nkeys") if not os.environ.get("CI") else __import__("nkeys")
    operator, system, account, user = (
        nkeys.from_seed(bytearray(nkeys.encode_seed(secrets.token_bytes(32), prefix)))
        for prefix in (
            nkeys.PREFIX_BYTE_OPERATOR,
            nkeys.PREFIX_BYTE_ACCOUNT,
            nkeys.PREFIX_BYTE_ACCOUNT,
            nkeys.PREFIX_BYTE_USER,
        )
    )
    names = (
        "mem_storage",
        "disk_storage",
        "streams",
        "consumer",
        "subs",
        "conn",
        "data",
        "payload",
        "imports",
        "exports",
    )
    limits = {**dict.fromkeys(names, -1), "wildcards": True, "leaf": -1}
    accounts = {
        _public(one): _jwt(operator, one, {"type": "account", "limits": limits if one is account else {"conn": -1}})
        for one in (system, account)
    }
    preloaded = "\n".join(f"{name}: {jwt}" for name, jwt in accounts.items())
    configuration = (
        f"operator: {_jwt(operator, operator, {'type': 'operator'})}\n"
        f"system_account: {_public(system)}\nresolver: MEMORY\nresolver_preload: {{\n{preloaded}\n}}"
    )
    jwt = _jwt(account, user, {"type": "user", "subs": -1, "data": -1, "payload": -1})
    seed = user.seed.decode()
    return configuration, (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )


def _jwt(issuer: Any, subject: Any, claims: dict[str, Any]) -> str:
    body = {"iss": _public(issuer), "sub": _public(subject), "iat": 1700000000, "nats": {**claims, "version": 2}}
    digest = hashlib.sha256(json.dumps(body).encode()).digest()
    body["jti"] = base64.b32encode(digest).decode().rstrip("=")
    signed = ".".join(_base64(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body))
    return f"{signed}.{_base64(issuer.sign(signed.encode()))}"


def _public(key: Any) -> str:
    return str(key.public_key.decode()).rstrip("=")


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
