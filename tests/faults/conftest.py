"""Plays the scenes of a file side by side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from faults.beside import Played

AT_ONCE = 5  # scenes, each of several processes


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Plays every scene of this file whose test was asked for; gives what one came to, or raises what it raised."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    scenes = [
        item.function.scene for item in items if item.module is request.module and hasattr(item.function, "scene")
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = {scene: pool.submit(scene, tmp_path_factory.mktemp("scene")) for scene in scenes}
        yield lambda scene: outcomes[scene].result()
