"""`--follow`: what is new from now on, oldest first, each once, until Ctrl-C; a Redis that goes away is waited for."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from running import wait_for

from processor.cli import following
from processor.cli.following import OVERLAP, Following, follow
from processor.embedded import EmbeddedServer
from processor.errors import Unavailable
from processor.model import Event, EventType, Job, State
from processor.pipeline.alarms import alarm
from processor.wiring import App, read_settings

NOW = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
JOB = Job(provider="hover", source="main", id="7", name="Main House", state=State.PROCESSING)


# --- what counts as new ----------------------------------------------------------------------------------------------


@dataclass
class Kept:
    """Rows as (time, name), and a clock; `away` is raised."""

    rows: list[tuple[float, str]] = field(default_factory=list)
    now: float = 100.0
    away: bool = False
    asked: list[float] = field(default_factory=list)

    def ask(self, since: float) -> Iterator[tuple[float, str]]:
        self.asked.append(since)
        if self.away:
            raise Unavailable("Redis cannot take it now (ConnectionError)")
        yield from sorted((row for row in self.rows if row[0] >= since), reverse=True)

    def following(self) -> Following[tuple[float, str]]:
        return Following(self.ask, lambda row: row, lambda: self.now)


def test_what_is_there_already_is_not_new_and_what_comes_is_told_once_oldest_first() -> None:
    kept = Kept([(90.0, "old"), (100.0, "just now")])
    new = kept.following()
    assert new.new() == []
    kept.rows += [(102.0, "b"), (101.0, "a")]
    kept.now = 103.0
    assert new.new() == [(101.0, "a"), (102.0, "b")]
    kept.now = 104.0
    assert new.new() == []


def test_what_is_seen_late_is_told_all_the_same() -> None:
    """A script's time is that of its beginning, and replicas and clocks lag."""
    kept = Kept(now=100.0)
    new = kept.following()
    kept.now = 105.0
    assert new.new() == []
    kept.rows.append((100.0 - OVERLAP / 2, "late"))
    assert new.new() == [(95.0, "late")]


def test_what_was_shown_already_is_not_shown_again_however_new_it_is() -> None:
    kept = Kept()
    new = kept.following()
    kept.rows += [(100.5, "shown"), (100.6, "not yet")]
    new.told([(100.5, "shown")])
    assert new.new() == [(100.6, "not yet")]


def test_no_look_goes_further_back_than_the_one_before() -> None:
    kept = Kept()
    new = kept.following()
    for _ in range(1000):
        kept.now += 60
        kept.rows.append((kept.now, "row"))
        assert len(new.new()) == 1
    assert kept.asked[-1] >= kept.now - 60 - OVERLAP
    assert len(new._seen) == 2


def test_an_outage_is_made_up_for() -> None:
    kept = Kept()
    new = kept.following()
    kept.away, kept.now = True, 200.0
    with pytest.raises(Unavailable):
        new.new()
    kept.rows, kept.away, kept.now = [(150.0, "meanwhile")], False, 5000.0
    assert new.new() == [(150.0, "meanwhile")]


def test_each_outage_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Kept()
    new, looks = kept.following(), iter([True, True, False, True, True, True])

    def sleep(seconds: float) -> None:
        try:
            kept.away = next(looks)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(following, "time", type("Time", (), {"sleep": staticmethod(sleep)}))
    follow(new, lambda rows: None)
    assert capsys.readouterr().err == "Redis cannot take it now (ConnectionError); waiting for it\n" * 2


# --- the commands ----------------------------------------------------------------------------------------------------


@dataclass
class Follower:
    """A `jobwire … --follow` at work."""

    process: subprocess.Popen[str]
    lines: queue.Queue[str]
    said: list[str]

    def line(self) -> str:
        return self.lines.get(timeout=30)


@contextmanager
def followed(folder: Path, *command: str) -> Iterator[Follower]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("JOBWIRE", "REDIS"))}
    process = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "processor.cli", *command, "--follow"],
        cwd=folder,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    it = Follower(process, queue.Queue(), [])
    threads = [
        threading.Thread(target=lambda: [it.lines.put(line) for line in process.stdout or ()]),
        threading.Thread(target=lambda: it.said.extend(process.stderr or ())),
    ]
    for thread in threads:
        thread.start()
    try:
        yield it
    finally:
        process.kill()
        process.wait()
        for thread in threads:
            thread.join()
        for stream in (process.stdout, process.stderr):
            stream and stream.close()


def event(n: int) -> Event:
    detail = f"number {n}"
    when = NOW + timedelta(seconds=n)
    return alarm(EventType.OPS_REPAIRED, "sources/main", state="raised", since=when, now=when, count=n, detail=detail)


def until_seen(app: App, it: Follower) -> str:
    """The first line: events come until the follower, which takes a moment to begin, shows one."""
    for n in range(100, 250):
        app.lanes.announce(event(n), [], sinks={}, hand="h")
        try:
            return it.lines.get(timeout=0.25)
        except queue.Empty:
            assert it.process.poll() is None, it.said
    raise AssertionError("nothing was ever shown")


def count_of(line: str) -> int:
    return int(json.loads(line)["data"]["ops"]["count"])


def drained(it: Follower) -> None:
    while not it.lines.empty():
        it.lines.get()


def test_events_are_shown_as_they_come_and_ctrl_c_ends_it_well(tmp_path: Path, redis_url: str) -> None:
    file = tmp_path / "jobwire.toml"
    file.write_text(f'[redis]\nurl = "{redis_url}"\n')
    app = App(read_settings(str(file), {}), redis_url)
    app.lanes.announce(event(1), [], sinks={}, hand="h")
    with followed(tmp_path, "events", "--json") as it:
        assert count_of(until_seen(app, it)) >= 100, "what was there before is not new"
        for n in (2, 3):
            app.lanes.announce(event(n), [], sinks={}, hand="h")
        while (n := count_of(it.line())) >= 100:
            pass
        assert (n, count_of(it.line())) == (2, 3)
        it.process.send_signal(signal.SIGINT)
        assert it.process.wait(30) == 0
    assert it.said == []


def test_a_redis_that_goes_away_is_one_line_and_it_goes_on_afterwards(tmp_path: Path) -> None:
    (tmp_path / "jobwire.toml").write_text("")
    server = EmbeddedServer(tmp_path / ".jobwire")
    server.ensure()
    try:
        app = App(read_settings(str(tmp_path / "jobwire.toml"), {}), server.url)
        with followed(tmp_path, "events") as it:
            until_seen(app, it)
            os.kill(int(server.pid_file.read_text()), signal.SIGKILL)
            wait_for(lambda: it.said)
            server.ensure()
            drained(it)
            app.lanes.announce(event(5), [], sinks={}, hand="h")
            assert it.line().endswith("number 5\n")
            assert len(it.said) == 1
            assert it.said[0].endswith("; waiting for it\n")
            assert it.process.poll() is None
    finally:
        server.stop()


def test_deliveries_show_what_became_of_them_and_not_that_they_wait(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = following_in_process(office, monkeypatch, ["deliveries"], lambda: (office.happens(JOB), office.deliver()))
    assert [line.split("  ")[2] for line in shown] == ["delivered"]


def test_notifications_show_what_became_of_them(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = following_in_process(office, monkeypatch, ["notifications"], lambda: office.happens(JOB))
    assert [line.split("  ")[2] for line in shown] == ["done"]


@pytest.mark.parametrize(("more", "before"), [([], 0), (["--limit", "1"], 1), (["--since", "1h"], 2)])
def test_with_limit_or_since_what_is_there_already_comes_first(
    office: Any, monkeypatch: pytest.MonkeyPatch, more: list[str], before: int
) -> None:
    for n in (1, 2):
        office.app.lanes.announce(event(n), [], sinks={}, hand="h")
    new = lambda: office.app.lanes.announce(event(3), [], sinks={}, hand="h")  # noqa: E731
    shown = following_in_process(office, monkeypatch, ["events", *more], new)
    assert [line.rpartition(" ")[2] for line in shown] == ["1", "2", "3"][2 - before :]


def test_a_filter_holds_for_what_comes_too(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def new() -> None:
        office.app.lanes.announce(event(3), [], sinks={}, hand="h")
        office.happens(JOB)

    shown = following_in_process(office, monkeypatch, ["events", "--type", "job.*"], new)
    assert [line.split("  ")[2] for line in shown] == ["job.created"]


def following_in_process(
    office: Any, monkeypatch: pytest.MonkeyPatch, command: list[str], new: Callable[[], Any]
) -> list[str]:
    """The lines of a command that follows, to whom something new comes after its first look."""
    looks = iter([new])

    def sleep(seconds: float) -> None:
        try:
            next(looks)()
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(following, "time", type("Time", (), {"sleep": staticmethod(sleep)}))
    done = office.run(*command, "--follow")
    assert done.exit_code == 0, done.output
    return list(done.stdout.splitlines())
