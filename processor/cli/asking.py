"""A question to a far end, in a thread of its own: an answer, a fault, or no answer in time."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable

import click

from processor.errors import ProcessorError
from processor.text import clean

WIDEST = 500


class Question:
    """Asked when it is made. `ask` returns what is there, in a few words, or raises what is wrong."""

    def __init__(self, about: str, ask: Callable[[], str], seconds: float) -> None:
        self._about = about
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._answer: tuple[bool, str] | None = None
        # a daemon: somebody who never answers does not keep the command from ending
        self._thread = threading.Thread(target=self._run, args=(ask,), name=about, daemon=True)
        self._thread.start()

    def told(self) -> bool:
        """Wait for the answer and print it in a line; whether it is a good one."""
        self._thread.join(max(0.0, self._deadline - time.monotonic()))
        well, said = self._answer or (False, f"no answer within {self._seconds:g} s")
        said = clean(said.removeprefix(f"{self._about.partition(' ')[2]}: "), WIDEST)
        click.echo(f"{self._about}: {said}" if well else f"{self._about}: FAULT: {said}")
        return well

    def _run(self, ask: Callable[[], str]) -> None:
        try:
            self._answer = True, ask()
        except ProcessorError as e:
            self._answer = False, e.message
        except Exception as e:  # noqa: BLE001  # a bug in one plugin is no reason not to ask the others
            if os.environ.get("JOBWIRE_DEBUG") == "1":
                traceback.print_exc()
            self._answer = False, f"unexpected {type(e).__name__}; JOBWIRE_DEBUG=1 shows where"
