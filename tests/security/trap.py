"""Something that must never be called: it leaves a file where TRAP says."""

from __future__ import annotations

import os
from pathlib import Path


def spring(*arguments: object) -> None:
    with Path(os.environ["TRAP"]).open("a") as file:
        file.write(f"{[type(argument).__name__ for argument in arguments]}\n")


class Baited:
    """Springs the trap as soon as it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return spring, ("unpickled",)
