"""The rivals, installed once into a folder of their own: from PyPI, from npm and from Debian, and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from progress import say

DEFAULT = Path.home() / ".cache" / "jobwire-benchmarks"
SECONDS = 600.0  # that one of them may take to install

# Each has an environment of its own, since they do not agree on a redis-py. What jobwire needs as well (Flask, RQ,
# marshmallow, granian, requests) is what jobwire itself runs with.
PYTHON = {
    "celery": ["celery[redis]==5.7.0", "redis==8.1.0", "hiredis==3.5.0"],
    "dramatiq": ["dramatiq[redis]==2.2.1", "redis==8.1.0", "hiredis==3.5.0"],
    "huey": ["huey==3.5.4", "redis==8.1.0", "hiredis==3.5.0"],
    "arq": ["arq==0.28.0", "redis==5.3.1", "hiredis==3.5.0", "aiohttp==3.14.5", "uvloop==0.23.0"],
    "taskiq": ["taskiq[uv]==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", "hiredis==3.5.0", "aiohttp==3.14.5"],
    "charts": ["matplotlib==3.11.2"],
}
NODE = ["fastify@5.12.8", "ioredis@6.0.0"]
WEBHOOK = "webhook"


class Missing(Exception):
    """Something cannot be had here; the message says why, in a few words."""


@dataclass(frozen=True)
class Cache:
    """Where the rivals are. Methods install what is asked for and is not there yet, if they may. Raises Missing."""

    folder: Path
    installs: bool = True

    def python(self, name: str) -> str:
        """The interpreter of a rival's environment; what it lacks, it finds in jobwire's."""
        if name not in PYTHON:
            return sys.executable
        home = self.folder / name
        mark = home / "installed.json"
        if not mark.exists() or json.loads(mark.read_text()) != PYTHON[name]:
            self._may_install(name)
            shutil.rmtree(home, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(home)])
            pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*pip, *PYTHON[name]])
            site = next(home.glob("lib/python*/site-packages"))
            (site / "zz_jobwire.pth").write_text(sysconfig.get_path("purelib") + "\n")  # after its own
            mark.write_text(json.dumps(PYTHON[name]))
        return str(home / "bin" / "python")

    def node(self) -> tuple[str, Path]:
        """Node, and where its packages are."""
        node, npm, home = shutil.which("node"), shutil.which("npm"), self.folder / "node"
        if node is None or npm is None:
            raise Missing("no node and npm here")
        mark = home / "installed.json"
        if not mark.exists() or json.loads(mark.read_text()) != NODE:
            self._may_install("fastify")
            home.mkdir(parents=True, exist_ok=True)
            _run([npm, "install", "--prefix", str(home), "--no-fund", "--no-audit", "--silent", *NODE])
            mark.write_text(json.dumps(NODE))
        return node, home / "node_modules"

    def webhook(self) -> str:
        """Debian's webhook; unpacked here where the system has none."""
        home = self.folder / "debian"
        for place in (shutil.which(WEBHOOK), str(home / "usr" / "bin" / WEBHOOK)):
            if place and Path(place).exists():
                return place
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            raise Missing("no Debian here")
        self._may_install(WEBHOOK)
        home.mkdir(parents=True, exist_ok=True)
        _run(["apt-get", "download", WEBHOOK], home)
        for package in home.glob("*.deb"):
            _run(["dpkg", "-x", str(package), str(home)])
        return self.webhook()

    def _may_install(self, what: str) -> None:
        if not self.installs:
            raise Missing(f"{what} is not installed in {self.folder}")
        say(f"installing {what} in {self.folder}")

    def versions(self) -> list[str]:
        """What is installed by now, each with its version."""
        found = [
            pin for name, pins in PYTHON.items() if (self.folder / name / "installed.json").exists() for pin in pins[:1]
        ]
        if (self.folder / "node" / "installed.json").exists():
            found.append(NODE[0].replace("@", " "))
        return [pin.replace("==", " ").replace("[redis]", "").replace("[uv]", "") for pin in found]


def _run(command: Sequence[str], folder: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Missing(f"{Path(command[0]).name}: {type(e).__name__}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Missing(f"{' '.join(Path(part).name for part in command[:3])}: {said[-1][:200] if said else 'failed'}")
