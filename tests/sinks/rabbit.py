"""A RabbitMQ for the tests: the one that listens on this machine, and a node of their own that may be killed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pika
import pytest
from running import free_port, wait_for

CERTIFICATE = Path(__file__).parent.parent / "data/tls/server.pem"
HERE = "amqp://guest:guest@127.0.0.1:5672"
BOOT = 60.0  # seconds at most
SCRIPTS = ("/usr/lib/rabbitmq/bin", "/usr/lib/rabbitmq/sbin", "/opt/homebrew/sbin", "/usr/local/sbin", "/usr/sbin")

CONFIG = """
listeners.tcp.local = 127.0.0.1:{port}
listeners.ssl.local = 127.0.0.1:{tls_port}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {certificate}
loopback_users = none
disk_free_limit.absolute = 1MB
load_definitions = {folder}/definitions.json
"""


def missing(what: str) -> NoReturn:
    """Skip the test, but fail it in CI, where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def broker() -> str:
    """The address of the RabbitMQ of this machine, which others use too."""
    try:
        pika.BlockingConnection(pika.URLParameters(HERE)).close()
    except pika.exceptions.AMQPError:
        missing("no RabbitMQ answers guest at 127.0.0.1:5672")
    return HERE


class Node:
    """A node of our own, with an epmd of its own, in a folder that is removed afterwards.

    `guest` may do everything, `writer` may only write, `reader` only read; each one's password is the name.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jw-"))
        self._epmd_port, self._name = free_port(), f"jw{secrets.token_hex(4)}@localhost"
        port, tls_port = free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{port}"
        self.tls_url = f"amqps://guest:guest@localhost:{tls_port}"  # what the certificate names
        self._node: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        config = CONFIG.format(port=port, tls_port=tls_port, certificate=CERTIFICATE, folder=self.folder)
        (self.folder / "rabbitmq.conf").write_text(config)
        (self.folder / "plugins").write_text("[].")
        (self.folder / "definitions.json").write_text(json.dumps(_definitions()))

    def start(self) -> None:
        """Return when it answers; skip the test where it cannot be started."""
        script, epmd = _script("rabbitmq-server"), shutil.which("epmd")
        if not script or not epmd:
            missing("no rabbitmq-server or no epmd is installed")
        if not self._epmd:
            command = [epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            self._epmd = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with (self.folder / "out").open("ab") as out:
            self._node = subprocess.Popen(
                [script],
                cwd=self.folder,
                env=self._environ(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            wait_for(self._answers, BOOT, "no answer in time")
        except AssertionError as error:
            missing(f"a RabbitMQ node of our own does not start here: {error}")

    def kill(self) -> None:
        """Without warning."""
        self._signal(signal.SIGKILL)
        if self._node:
            self._node.wait()
        self._node = None

    def restart(self) -> None:
        """Kill it, start it again, and return when it answers."""
        self.kill()
        self.start()

    def halt(self) -> None:
        """Have it stand still: connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def control(self, *arguments: str) -> str:
        """What rabbitmqctl prints."""
        script = _script("rabbitmqctl")
        assert script
        command = [script, "--node", self._name, "--quiet", *arguments]
        done = subprocess.run(
            command, env=self._environ(), cwd=self.folder, check=True, capture_output=True, timeout=60
        )
        return done.stdout.decode()

    def remove(self) -> None:
        self.kill()
        if self._epmd:
            self._epmd.kill()
            self._epmd.wait()
        shutil.rmtree(self.folder)

    def _environ(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": folder,  # of its cookie
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP_SECONDS": "0",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _signal(self, number: int) -> None:
        if self._node:
            with suppress(ProcessLookupError):
                os.killpg(self._node.pid, number)

    def _answers(self) -> bool:
        assert self._node
        assert self._node.poll() is None, (self.folder / "out").read_text()
        try:
            pika.BlockingConnection(pika.URLParameters(self.url + "?stack_timeout=5")).close()
        except pika.exceptions.AMQPError:
            time.sleep(0.05)
            return False
        return True


def _script(name: str) -> str | None:
    """Where it is. Debian's in /usr/sbin only become the user rabbitmq before they run those in /usr/lib."""
    return shutil.which(name, path=os.pathsep.join([*SCRIPTS, os.environ["PATH"]]))


def _definitions() -> dict[str, object]:
    may = {"guest": ("configure", "write", "read"), "writer": ("write",), "reader": ("read",)}
    none = dict.fromkeys(("configure", "write", "read"), "^$")
    return {
        "vhosts": [{"name": "/"}],
        "users": [_user(name) for name in may],
        "permissions": [{"user": name, "vhost": "/", **none, **dict.fromkeys(may[name], ".*")} for name in may],
    }


def _user(name: str) -> dict[str, str]:
    """Whose password is the name (https://www.rabbitmq.com/docs/passwords#computing-password-hash)."""
    salt = secrets.token_bytes(4)
    digest = base64.b64encode(salt + hashlib.sha256(salt + name.encode()).digest()).decode()
    return {"name": name, "password_hash": digest, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""}
