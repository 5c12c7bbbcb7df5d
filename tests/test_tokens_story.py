"""Tokens in real processes: exchanged once, whoever is killed; and what a lost grant costs, which is time only."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mortal
import pytest
import redis
import requests
from running import HOVER, Running, running, start, wait_for

from processor.model import Notification
from processor.providers.hover.simulator import HoverSimulator
from processor.simulation import changed, notify, serve
from processor.store.tokens import RedisTokens
from processor.store.work import Claim, Found
from processor.testing.fakes import FakeHttp, answer
from processor.wiring import App, read_settings
from workers.shift import Shift

LOCK = 1.5  # seconds; 20 in earnest
REFUSED = {"error": "invalid_grant"}


# --- kill -9 on the way to a token ------------------------------------------------------------------------------------


class Provider:
    """Hover's token endpoint. `asked` counts what came, `exchanged` what was granted."""

    def __init__(self) -> None:
        self.hover = HoverSimulator(client_id=mortal.CLIENT, client_secret=mortal.SECRET, refresh_token="seed")
        self._served = serve(self.hover.app)
        self.url = f"{self._served.url}/oauth/token"
        self.close = self._served.close

    @property
    def asked(self) -> int:
        return self.hover.stage.counts["token"]

    @property
    def exchanged(self) -> int:
        return self.asked - self.hover.stage.counts["400"]


@pytest.fixture
def provider() -> Iterator[Provider]:
    it = Provider()
    yield it
    it.close()


def said(*processes: subprocess.Popen[str]) -> list[str]:
    """The last words of processes that were not killed."""
    words = [process.communicate(timeout=30)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return words


def killed(redis_url: str, provider: Provider, step: str) -> float:
    """A process that gets a token is killed at `step`. Returns when."""
    process = mortal.started(redis_url, provider.url, "seed", LOCK, step)
    assert process.communicate(timeout=30)[0] == ""
    assert process.returncode == -signal.SIGKILL
    return time.monotonic()


@pytest.mark.parametrize("step", [mortal.BEFORE_READING, mortal.BEFORE_EXCHANGE, mortal.AFTER_STORING])
def test_whoever_is_killed_others_have_a_token_within_the_locks_time(
    step: str, provider: Provider, redis_url: str, redis_client: redis.Redis
) -> None:
    """And the refresh token is exchanged once, by the one who died or by one of them."""
    at = killed(redis_url, provider, step)
    others = [mortal.started(redis_url, provider.url, "seed", LOCK) for _ in range(2)]
    one, other = said(*others)
    assert time.monotonic() - at < LOCK + 5, "starting a process takes a second or two of that on a busy machine"
    stored = RedisTokens(redis_client).get(mortal.SOURCE)
    assert stored
    assert one == other == stored.access
    assert stored.refresh == provider.hover.refresh_token, "what is stored is not what the provider takes next"
    assert provider.exchanged == provider.asked == 1


def test_a_token_that_died_with_its_process_needs_a_person_once_and_a_new_seed_is_all_it_takes(
    provider: Provider, redis_url: str, redis_client: redis.Redis
) -> None:
    """The provider gave the new refresh token to nobody else, so this cannot be survived; it is said at once."""
    killed(redis_url, provider, mortal.AFTER_EXCHANGE)
    assert provider.exchanged == 1
    for why in ("the token endpoint answered invalid_grant", "the refresh token was refused before"):
        [words] = said(mortal.started(redis_url, provider.url, "seed", LOCK))
        assert words == (
            f"ReconnectNeeded: hover-main: {why}: authorise the application again and set the new refresh_token"
        )
    assert provider.asked == 2, "the old refresh token is tried once, and no more"
    provider.hover.refresh_token = "authorised-anew"
    [access] = said(mortal.started(redis_url, provider.url, "authorised-anew", LOCK))
    stored = RedisTokens(redis_client).get(mortal.SOURCE)
    assert stored
    assert (stored.access, stored.broken) == (access, False)


# --- many processes ---------------------------------------------------------------------------------------------------


def simple_job(it: Running, job_id: int) -> str:
    """A job without models: one event."""
    hover = it.simulated.by_name["hover"]
    return hover.put_job(changed(hover.sample("hover-1"), {"id": job_id, "models": []}))


def told(it: Running, *jobs: str) -> None:
    """Notifications of these jobs, all taken."""
    hover = it.simulated.by_name["hover"]
    with ThreadPoolExecutor(8) as pool:
        sent = [one for some in pool.map(lambda job: notify(hover, job), jobs) for one in some]
    assert {one.status for one in sent} == {202}


def parts(it: Running) -> Any:
    return requests.get(f"{it.url}/readyz", timeout=5).json()["parts"]


@contextmanager
def asked_all_the_time(it: Running) -> Iterator[list[str]]:
    """Whoever watches the receiver asks how it is, over and over; yields what it said of the token."""
    over, heard = threading.Event(), list[str]()

    def watch() -> None:
        while not over.wait(0.02):
            heard.append(parts(it)[f"token:{HOVER}"]["detail"])

    with ThreadPoolExecutor(2) as pool:
        watching = [pool.submit(watch) for _ in range(2)]
        try:
            yield heard
        finally:
            over.set()
        for one in watching:
            one.result()


def test_four_workers_and_two_receivers_exchange_once_for_each_expiry(tmp_path: Path) -> None:
    """Whether the provider ends the token or its time is over; a second exchange would lose the connection for good."""
    with running(tmp_path, "", "--workers", "4") as it:
        hover: Any = it.simulated.by_name["hover"]
        wait_for(lambda: len(it.pids("workers worker")) == 4)
        with asked_all_the_time(it) as heard:
            for turn in (1, 2, 3):
                told(it, *(simple_job(it, turn * 1000 + n) for n in range(40)))
                wait_for(lambda turn=turn: len({e["id"] for e in it.events()}) == turn * 40)
                assert hover.stage.counts["token"] == turn
                hover.expire_tokens()
            hover.lifetime = 2.0  # from here on each is renewed 1.8 s after it was had
            began = time.monotonic()
            for n in range(3):
                told(it, *(simple_job(it, 9000 + n * 100 + i) for i in range(20)))
                time.sleep(1)
            wait_for(lambda: len({e["id"] for e in it.events()}) == 180)
            lives = (time.monotonic() - began) / 1.8
        assert 2 <= hover.stage.counts["token"] - 3 <= lives + 1, "once for each life, and the one that was ended"
        assert hover.stage.counts["400"] == 0, "a spent refresh token was exchanged again"
        assert set(heard) == {"ok"}


# --- a lost grant -----------------------------------------------------------------------------------------------------


def alarms(it: Running) -> list[tuple[str, str]]:
    file = it.folder / "ops.jsonl"
    events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    mine = [e for e in events if (e["type"], e["subject"]) == ("ops.subscription_broken", f"sources/{HOVER}")]
    return [(e["data"]["ops"]["state"], e["data"]["ops"]["detail"]) for e in mine]


def check_online(it: Running) -> tuple[int, str]:
    """The exit status of `jobwire check --online`, and its line about the source."""
    command = [sys.executable, "-m", "processor.cli", "check", "--online", "--config", str(it.folder / "jobwire.toml")]
    where = ["--data-dir", str(it.folder / "data")]
    done = subprocess.run([*command, *where], capture_output=True, text=True, env=it.environ, timeout=100)
    [line] = [line for line in done.stdout.splitlines() if line.startswith(f"source {HOVER}: ")][-1:]
    return done.returncode, line


def test_a_lost_grant_costs_time_only(tmp_path: Path) -> None:
    """It is told everywhere; 50 notifications wait, none dies; a new refresh_token is all that it takes."""
    ops = f'[sinks.ops]\ntype = "file"\npath = "{tmp_path / "ops.jsonl"}"\nevents = ["ops.*"]\n'
    with running(tmp_path, ops) as it:
        hover: Any = it.simulated.by_name["hover"]
        told(it, simple_job(it, 1))
        wait_for(lambda: len(it.events()) == 1)

        hover.refresh_token = "that of somebody who connected anew"
        hover.expire_tokens()
        told(it, *(simple_job(it, 100 + n) for n in range(50)))
        wait_for(lambda: parts(it)[f"token:{HOVER}"] == {"ok": False, "detail": "reconnect needed"})
        assert requests.get(f"{it.url}/readyz", timeout=5).status_code == 200, "notifications are still taken"
        wait_for(lambda: alarms(it))
        assert [state for state, _ in alarms(it)] == ["raised"]
        assert alarms(it)[0][1].startswith("reconnect needed")
        assert check_online(it) == (
            1,
            f"source {HOVER}: FAULT: reconnect needed: the refresh token was refused before: "
            "authorise the application again and set the new refresh_token",
        )
        assert hover.stage.counts["token"] == 2, "what was refused was asked for again"
        waiting = list(it.journal.waiting(f"r:{HOVER}"))
        assert len(waiting) == 50
        assert {w.attempts for w in waiting} == {0}
        assert list(it.journal.dead()) == []
        assert len(it.events()) == 1

        it.process.send_signal(signal.SIGTERM)
        assert it.process.wait(40) == 0
        file, new = it.folder / "jobwire.toml", 'refresh_token = "that of somebody who connected anew"'
        file.write_text(re.sub("refresh_token = .*", new, file.read_text()))
        it.process = start(it.folder, it.port, it.environ)
        wait_for(lambda: len({e["id"] for e in it.events()}) == 51, 60)
        wait_for(lambda: [state for state, _ in alarms(it)] == ["raised", "over"])
        assert parts(it)[f"token:{HOVER}"] == {"ok": True, "detail": "ok"}
        assert list(it.journal.dead()) == []
        assert check_online(it)[1] == f"source {HOVER}: has an access token, obtained earlier and still good"


CONFIG = """
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "{refresh}"
webhook_secrets = ["x"]
retry = {{ max_age = "1h" }}
[sinks.out]
type = "console"
events = ["ops.*"]
"""


@pytest.fixture
def at_work(redis_url: str, tmp_path: Path) -> Callable[..., tuple[App, Shift]]:
    """A worker with this refresh token, and a provider that answers so."""

    def made(refresh: str, *answers: Any) -> tuple[App, Shift]:
        file = tmp_path / "jobwire.toml"
        file.write_text(CONFIG.format(refresh=refresh))
        app = App(read_settings(str(file), {}), redis_url)
        app.__dict__["http"] = FakeHttp(*answers)
        app.lanes.resume(app.sources["main"])  # as a worker does when it starts
        return app, Shift(app)

    return made


GRANTED = answer(json={"access_token": "access", "refresh_token": "next", "expires_in": 7200})


@pytest.mark.parametrize("lost", [True, False], ids=["the grant was lost", "nothing was lost"])
def test_nothing_grows_old_while_the_grant_is_lost(
    lost: bool, at_work: Callable[..., tuple[App, Shift]], redis_client: redis.Redis
) -> None:
    """Two hours were lost, of which `retry.max_age` allows one; then the provider is away as well, for a moment.

    Without the loss the same notification, two hours old, is given up.
    """
    app, shift = at_work("old", *([answer(400, REFUSED)] if lost else []))
    ntf = app.inbox.put(Notification("main", "1", "v3", "e", "key", None)).id
    if lost:
        shift.refresh("main", "hand")
    redis_client.hset(f"jobwire:n:{ntf}", "at", str(int((time.time() - 7200) * 1000)))
    if lost:
        time.sleep(1.0)  # the pace of one job
    app, shift = at_work("new", GRANTED, answer(503))
    shift.refresh("main", "hand")
    assert [item.reason for item in app.journal.dead()] == ([] if lost else ["Busy"])
    assert [(w.item, w.attempts) for w in app.journal.waiting("r:main")] == ([(ntf, 1)] if lost else [])


def test_trouble_is_over_with_the_first_look_that_goes_well(at_work: Callable[..., tuple[App, Shift]]) -> None:
    """And not with one that was under way when it began."""
    app, shift = at_work("seed", answer(401, {"error": "invalid_client"}))
    app.inbox.put(Notification("main", "1", "v3", "e", "key", None))
    under_way = app.lanes.claim(app.sources["main"])
    assert isinstance(under_way, Claim)
    app.inbox.put(Notification("main", "2", "v3", "e", "another", None))
    shift.refresh("main", "hand")
    assert app.lanes.commit(under_way, Found("main", "1", "{}", None), sinks={}, hand="h") == []
    assert trouble(app).startswith("reconnect needed: main: the token endpoint answered 401: check client_id")

    time.sleep(1.0)  # the pace of one job
    app, shift = at_work("seed", GRANTED, answer(json={**load_hover_job(), "id": 2}))
    assert trouble(app).startswith("reconnect needed")
    shift.refresh("main", "hand")
    assert trouble(app) == "ok"


def trouble(app: App) -> str:
    return app.readiness().parts["token:main"].detail


def load_hover_job() -> Any:
    return HoverSimulator(client_id="c", client_secret="s", refresh_token="r").sample("hover-1")
