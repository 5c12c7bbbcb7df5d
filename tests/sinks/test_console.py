"""Standard output as a sink: what people read there, and that nobody else's text can disturb it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from processor.errors import Unreachable
from processor.model import JSON, Address, CostEstimate, EventType, Message
from processor.sinks.console import Console
from processor.testing.builders import a_job, a_model, an_alarm, an_event
from processor.testing.sink import CarriesDocuments


class TestConsole(CarriesDocuments):
    plugin = Console
    least: ClassVar = {"type": "console"}

    @pytest.fixture
    def sink(self) -> Console:
        return Console("console", as_json=True)

    @pytest.fixture
    def taken(self, capfd: pytest.CaptureFixture[str]) -> Callable[[], list[JSON]]:
        return lambda: [json.loads(line) for line in capfd.readouterr().out.splitlines()]


BENTLEY = a_job(
    provider="bentley",
    source="itwin",
    id="cc3d35cc-416a-4262-9714-b359da70b419",
    name="My first Reality Modeling job",
    address=None,
    models=(),
)
ESTIMATE = CostEstimate(
    id="processing",
    kind="processing",
    amount=3.5,
    basis={"gigaPixels": 2.1, "megaPoints": 1.5, "meshQuality": "Extra"},
)
EVIL = "\x1b]0;owned\x07\x1b[2J[red]x[/red] \u202eevil\u2066\r\nJob failed: not really"


@pytest.mark.parametrize(
    ("event", "told"),
    [
        pytest.param(
            an_event(),
            """\
2025-03-17 00:02:58 UTC  Model failed: Garage (Main House, 15084303): Lack of exterior shots
    Source   hover-main
    Address  4312 Meadow Drive, Santa Maria, CA 93455, US
""",
            id="a failed model",
        ),
        pytest.param(
            an_event(EventType.JOB_SUCCEEDED),
            """\
2025-03-17 00:02:58 UTC  Job succeeded: Main House (15084303): 1 of 2 models ready, 1 failed: Garage, lack of exterior shots
    Source   hover-main
    Address  4312 Meadow Drive, Santa Maria, CA 93455, US
    Model    Main House  https://hover.to/design-studio/15084303/model/15081683
""",  # noqa: E501  # lines are not cut: a terminal wraps them
            id="a job that succeeded",
        ),
        pytest.param(
            an_event(EventType.MODEL_SUCCEEDED, model=a_job().models[1]),
            """\
2025-03-17 00:02:58 UTC  Model ready: Main House (15084303)
    Source   hover-main
    Address  4312 Meadow Drive, Santa Maria, CA 93455, US
    Model    https://hover.to/design-studio/15084303/model/15081683
""",
            id="a model",
        ),
        pytest.param(
            an_event(EventType.COST_ESTIMATE_AVAILABLE, job=BENTLEY, cost_estimate=ESTIMATE),
            """\
2025-03-17 00:02:58 UTC  Processing cost estimate: My first Reality Modeling job (cc3d35cc-416a-4262-9714-b359da70b419): 3.5
    Source    itwin
    Amount    3.5
    Based on  gigaPixels 2.1, megaPoints 1.5, meshQuality Extra
""",  # noqa: E501  # lines are not cut: a terminal wraps them
            id="a cost estimate",
        ),
        pytest.param(
            an_alarm(EventType.OPS_REJECTIONS, place="sources/hover-main", count=21, detail="21 in 5 minutes"),
            """\
2025-03-17 00:02:58 UTC  Requests for hover-main are rejected: their signatures are wrong: 21 in 5 minutes
    Source  hover-main
    Since   2025-03-17 00:02:58 UTC
    Count   21
""",
            id="an alarm",
        ),
        pytest.param(
            an_event(
                job=a_job(name=EVIL, address=Address(line1=EVIL)),
                model=a_model(name=EVIL),
                failure=Message(message=EVIL),
            ),
            """\
2025-03-17 00:02:58 UTC  Model failed: ]0;owned[2J[red]x[/red] evil Job failed: not really (15084303): ]0;owned[2J[red]x[/red] evil Job failed: not really
    Source   hover-main
    Address  ]0;owned[2J[red]x[/red] evil Job failed: not really
""",  # noqa: E501  # lines are not cut: a terminal wraps them
            id="hostile names",
        ),
    ],
)
def test_what_a_person_reads(event: dict[str, JSON], told: str, capfd: pytest.CaptureFixture[str]) -> None:
    Console("console").deliver(event)
    assert capfd.readouterr().out == told


def test_a_closed_standard_output_is_tried_again() -> None:
    script = """
import os
from processor.errors import Unreachable
from processor.sinks.console import Console
from processor.testing.builders import an_event
os.close(1)
try:
    Console("console").deliver(an_event())
except Unreachable as e:
    os.write(2, e.message.encode())
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.stderr.startswith("standard output cannot be written")


def test_a_stream_that_was_closed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(Unreachable):
        Console("console").deliver(an_event())


def test_threads_do_not_mix_their_lines_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe takes some 64 KiB at a time, so a large event is written in several pieces."""
    reading, writing = os.pipe()
    sink = Console("console", as_json=True)
    event = an_event(job=a_job(name="n" * 300_000))
    with os.fdopen(reading) as said, ThreadPoolExecutor(5) as pool:
        with os.fdopen(writing, "w") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            lines = pool.submit(lambda: said.readlines())
            list(pool.map(sink.deliver, [event] * 8))
        assert [json.loads(line) for line in lines.result()] == [event] * 8


def test_colours_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        Console("console").deliver(an_event())
        monkeypatch.setenv("NO_COLOR", "1")
        Console("console").deliver(an_event())
        said = os.read(ours, 65536).decode()
    os.close(ours)
    coloured, plain = said.replace("\r\n", "\n").split("93455, US", 1)
    assert "\x1b[1;31mModel failed" in coloured
    assert "\x1b[1;31m" not in plain


def test_a_terminal_without_our_letters_still_shows_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        Console("console").deliver(an_event(job=a_job(name="Caf\N{LATIN SMALL LETTER E WITH ACUTE}")))
    with os.fdopen(reading) as said:
        assert "Caf?" in said.read()
