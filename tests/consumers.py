"""What the pages of docs/sinks show, taken as it stands there: the consumer is run, the configuration is loaded.

with consuming(DOCS / "nats.md", NATS_URL=url) as consumer:
    sink.deliver(an_event())
    assert "model.failed" in consumer.printed(1)[0]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from processor import registry
from processor.settings import Settings, load

DOCS = Path(__file__).parent.parent / "docs" / "sinks"
PASSWORD = "whsec_c2V0IGFuZCBzZXQgYW5kIHNldA=="  # what every variable in a page's configuration is set to


def consumer(document: Path) -> str:
    """The one ```python block of a page."""
    [found] = _blocks(document, "python")
    return found


@dataclass
class Consuming:
    """A page's consumer at work."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def printed(self, count: int, seconds: float = 20.0) -> list[str]:
        """The lines that it has printed, once there are so many. Fails when they do not come in time."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self.process.poll() is not None  # looked at first: what it printed last must count
            text = self.out.read_text()
            lines = text[: text.rfind("\n") + 1].splitlines()  # a print may come in pieces
            if len(lines) >= count:
                return lines
            assert not ended, f"the consumer ended: {self.err.read_text()}"
            assert time.monotonic() < deadline, f"{len(lines)} of {count} lines: {lines}; {self.err.read_text()}"
            time.sleep(0.02)


@contextmanager
def consuming(document: Path, **environ: str) -> Iterator[Consuming]:
    """Run the consumer of a page in a process of its own, with these variables; it is terminated afterwards."""
    with tempfile.TemporaryDirectory(prefix="jw-") as folder:
        script, out, err = (Path(folder) / name for name in ("consumer.py", "out", "err"))
        script.write_text(consumer(document))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, str(script)],
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        try:
            yield Consuming(process, out, err)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def configurations(document: Path, folder: Path) -> list[Settings]:
    """What each ```toml block of a page says, loaded as a file in `folder`, every variable set. Raises as `load`."""
    found = []
    for text in _blocks(document, "toml"):
        file = folder / "jobwire.toml"
        file.write_text(text)
        found.append(
            load(
                file,
                _Set(),
                provider_options=lambda name: registry.provider(name).Options,
                sink_options=lambda name: registry.sink(name).Options,
            )
        )
    return found


def _blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.DOTALL | re.MULTILINE)


class _Set(Mapping[str, str]):
    """An environment in which everything but REDIS_URL is set."""

    def __getitem__(self, name: str) -> str:
        if name == "REDIS_URL":
            raise KeyError(name)
        return PASSWORD

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
