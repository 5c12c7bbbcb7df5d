"""Tests that mostly wait are played side by side: `@beside` makes one of a scene, `played` of conftest.py plays it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

Scene = Callable[[Path], str | None]
Played = Callable[[Scene], str | None]


def beside(scene: Scene) -> Callable[[Played], None]:
    """A test of `scene`, which gets a folder of its own; it is played in a thread, with the others of its file.

    What it returns are figures for `pytest -rP`.
    """

    def test(played: Played) -> None:
        sys.stdout.write(f"{played(scene) or ''}\n")

    test.__doc__ = scene.__doc__
    test.scene = scene  # type: ignore[attr-defined]  # for conftest.py
    return test
