"""A question to a far end, in a thread of its own: an answer, a doubt, a fault, or no answer in time."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple

import click

from processor.errors import ProcessorError, ReconnectNeeded
from processor.text import clean

WIDEST = 500
RECONNECT = "reconnect needed"


class Finding(NamedTuple):
    """What was found about something. `level` is "" for what is fine, "warning", or "FAULT"."""

    level: str
    about: str
    said: str

    def __str__(self) -> str:
        if self.level == "warning":
            return f"warning: {self.about}: {self.said}"
        return f"{self.about}: {self.level}: {self.said}" if self.level else f"{self.about}: {self.said}"


class Doubtful(ProcessorError):
    """Raised by a question whose answer is no fault, but something to know of."""


class Question:
    """Asked when it is made. `ask` returns what is there, in a few words, or raises what is wrong."""

    def __init__(self, about: str, ask: Callable[[], str], seconds: float) -> None:
        self._about = about
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._answer: Finding | None = None
        # a daemon: somebody who never answers does not keep the command from ending
        self._thread = threading.Thread(target=self._run, args=(ask,), name=about, daemon=True)
        self._thread.start()

    def told(self) -> bool:
        """Wait for the answer and print it in a line; whether it is none that is a fault."""
        self._thread.join(max(0.0, self._deadline - time.monotonic()))
        found = self._answer or self._found("FAULT", f"no answer within {self._seconds:g} s")
        click.echo(str(found))
        return found.level != "FAULT"

    def _found(self, level: str, said: str, before: str = "") -> Finding:
        name = self._about.partition(" ")[2]
        return Finding(level, self._about, clean(before + said.removeprefix(f"{name}: "), WIDEST))

    def _run(self, ask: Callable[[], str]) -> None:
        try:
            self._answer = self._found("", ask())
        except Doubtful as e:
            self._answer = self._found("warning", e.message)
        except ReconnectNeeded as e:
            self._answer = self._found("FAULT", e.message, f"{RECONNECT}: ")
        except ProcessorError as e:
            self._answer = self._found("FAULT", e.message)
        except Exception as e:  # noqa: BLE001  # a bug in one plugin is no reason not to ask the others
            if os.environ.get("JOBWIRE_DEBUG") == "1":
                traceback.print_exc()
            self._answer = self._found("FAULT", f"unexpected {type(e).__name__}; JOBWIRE_DEBUG=1 shows where")
