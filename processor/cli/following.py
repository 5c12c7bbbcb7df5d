"""What is new in a list from now on, oldest first, until Ctrl-C; a Redis that goes away is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import click

from processor.errors import Unavailable

LOOK = 0.5  # seconds between looks
OVERLAP = 10.0  # seconds that a look reaches back behind the one before: what was written then may be seen only now

T = TypeVar("T")


class Following(Generic[T]):
    """`ask` gives what has come since then (epoch seconds, by Redis' own clock, which is `clock`), newest first; `key`
    tells rows apart. What is there when this is made is not new. Raises Unavailable."""

    def __init__(
        self, ask: Callable[[float], Iterable[T]], key: Callable[[T], Hashable], clock: Callable[[], float]
    ) -> None:
        self._ask, self._key, self._clock = ask, key, clock
        self._since = clock()
        self._seen: set[Hashable] = {key(row) for row in ask(self._since - OVERLAP)}

    def told(self, rows: Iterable[T]) -> None:
        """These were shown already, also if they came only just now."""
        self._seen |= {self._key(row) for row in rows}

    def new(self) -> Sequence[T]:
        """What is new since the look before, oldest first. When it raises, the next one makes up for it."""
        began = self._clock()
        rows = {self._key(row): row for row in list(self._ask(self._since - OVERLAP))[::-1]}
        fresh = [row for key, row in rows.items() if key not in self._seen]
        self._since, self._seen = began, set(rows)
        return fresh


def follow(following: Following[T], show: Callable[[Sequence[T]], None]) -> None:
    """Show what comes. Returns after Ctrl-C."""
    away = False
    try:
        while True:
            try:
                show(following.new())
                away = False
            except Unavailable as e:
                if not away:
                    click.echo(f"{e.message}; waiting for it", err=True)
                away = True
            time.sleep(LOOK)
    except KeyboardInterrupt:
        return
