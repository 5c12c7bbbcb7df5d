"""What Redis holds is bounded: bytes of a waiting notification, and every key that is left when jobs are over."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from running import Running, running, wait_for

from processor.errors import Busy, Refused
from processor.model import Job, Model, ModelState, Notification, State
from processor.simulation import Fault, changed, notify
from processor.store import keys
from processor.store.index import sweep
from processor.store.lanes import FACTS_TTL, LEASE
from processor.store.work import Claim, Hint
from processor.testing.fakes import StandingClock
from processor.wiring import App, digest, read_settings
from workers.delivering import deliver
from workers.shift import Shift

DAY = 86400
BACKLOG = int(os.environ.get("JOBWIRE_TEST_BACKLOG", "100000"))  # 1000000 takes some minutes and a gigabyte
BATCH = 1000
MOST_BYTES = 1000  # of a notification that waits, each for a job of its own: 10^6 of them fit into a gigabyte

CONFIG = """
[retention]
events = "2d"
dedup = "1d"
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "s"
refresh_token = "r"
reconcile = 0
rate_limits = []
retry = { max_age = "1d" }
[sinks.out]
type = "console"
retry = { max_age = "1d", max_attempts = 3 }
[sinks.people]
type = "apprise"
urls = ["json://127.0.0.1"]
storm_limit = "5/1m"
retry = { max_age = "1d" }
"""
KEEP = 3 * DAY  # the retention of events, and the longest retry; the rest is what it may be grouped over
SLACK = 3 * DAY


# --- a backlog ---------------------------------------------------------------------------------------------------


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("each", [1, 10], ids=["each for a job of its own", "ten for a job"])
def test_a_waiting_notification_takes_less_than_a_kilobyte(each: int, redis_url: str, tmp_path: Path) -> None:
    app = _app(redis_url, tmp_path)
    before = _memory(app)  # of an empty server: what other tests left may still be on its way out
    for start in range(0, BACKLOG, BATCH):
        hints = [_hint(n, each) for n in range(start, start + BATCH)]
        accepted, _ = app.lanes.accept(app.sources["main"], hints, hand="h")
        assert {one.outcome for one in accepted} == {"new"}
    client: Any = app.scripts.client
    assert client.zcard(keys.key("due", "r:main")) == BACKLOG // each
    bytes_each = (_memory(app) - before) / BACKLOG
    sys.stdout.write(f"{BACKLOG} wait: {bytes_each:.0f} bytes each\n")  # for `pytest -rP`
    assert 100 < bytes_each < MOST_BYTES
    claim = app.lanes.claim(app.sources["main"])
    assert isinstance(claim, Claim), "a backlog does not keep anybody from work"
    assert len(claim.items) == each


def _hint(n: int, each: int) -> Hint:
    """With ids as long as Bentley's."""
    job = f"cc3d35cc-416a-4262-9714-{n // each:012d}"
    return Hint(digest("main", str(n)), keys.refresh_lane("main", job), "job-state-changed-v2", "v3", "job")


def _memory(app: App) -> int:
    client: Any = app.scripts.client
    wait_for(lambda: not client.info("memory")["lazyfree_pending_objects"])
    return int(client.info("memory")["used_memory"])


def _app(redis_url: str, folder: Path) -> App:
    file = folder / "jobwire.toml"
    file.write_text(CONFIG)
    return App(read_settings(str(file), {}), redis_url)


# --- keys --------------------------------------------------------------------------------------------------------

WAITING = frozenset({"q", "due", "run", "poll"})  # nothing of these is left when nothing waits
LISTS = frozenset({"index", "st", "evs", "jobs", "cards", "words"})
TRIMMED = frozenset({"journal", "dead", "deadz", "workers", "pulse"}) | LISTS  # by age: a part of a key cannot expire
LONGEST: Mapping[str, float] = {  # seconds until a key of the kind expires
    "seen": DAY,
    "n": KEEP + SLACK,
    "lane": DAY,
    "storm": 2 * DAY,
    "gate": 2 * DAY,
    "hands": DAY,
    "held": LEASE,
    "far": DAY,
    "clock": DAY,
    "facts": FACTS_TTL,
    "doc": FACTS_TTL,
    "story": FACTS_TTL,
    "ev": KEEP + SLACK,
    "dl": KEEP + SLACK,
    "try": KEEP + SLACK,
    "lock": 3600,
    "wrong": 2 * DAY,
    "reg": 3600,
    "trouble": 3600,
    "mem": 400 * DAY,
}


def table() -> dict[str, str]:
    """The kinds of keys that docs/architecture.md knows, and how long it says that each lives."""
    text = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (`[a-z]+(?::(?:[^|]|\\\|)*)?`.*?) \| [a-z, ]+ \| .* \| ([^|]+) \|$", text, re.MULTILINE)
    return {kind: lives for names, lives in rows for kind in re.findall(r"`([a-z]+)(?::[^`]*)?`", names)}


def unaccounted(client: Any, longest: Mapping[str, float] = LONGEST) -> list[str]:
    """The keys that the table does not explain, when nothing waits: unknown, left behind, or without an end."""
    known, strange = table(), []
    for key in client.scan_iter(count=1000):
        kind, ttl = _kind(key), client.pttl(key) / 1000
        if key.startswith("rq:") or not client.exists(key):
            continue
        if not key.startswith(keys.PREFIX) or kind not in known:
            strange.append(f"{key}: not in the table")
        elif kind in WAITING:
            strange.append(f"{key}: nothing waits")
        elif kind in longest and not 0 <= ttl <= longest[kind]:  # none at all is below 0
            strange.append(f"{key}: expires in {ttl} s, the table says {known[kind]}")
        elif kind not in longest and kind not in TRIMMED and not re.search("for ever|until", known[kind]):
            strange.append(f"{key}: no bound is tested, the table says {known[kind]}")
    return strange


def sizes(client: Any) -> dict[str, int]:
    """How many members each key of ours has that does not expire. RQ's tasks wait here for nobody.

    Of the counters, those of latencies are left out: a sink has at most fifteen.
    """
    measure = {
        "hash": client.hlen,
        "zset": client.zcard,
        "set": client.scard,
        "list": client.llen,
        "stream": client.xlen,
    }
    out = {}
    for key in client.scan_iter(match=f"{keys.PREFIX}*", count=1000):
        if client.pttl(key) == -1:
            if key == keys.key("cnt"):
                out[key] = sum(not field.startswith("late:") for field in client.hkeys(key))
                continue
            out[key] = int(measure.get(client.type(key), lambda _: 1)(key))
    return out


def test_the_table_can_be_read() -> None:
    assert {"seen", "q", "due", "facts", "cnt", "workers", "deadz", "drifttold"} <= table().keys()
    assert LONGEST.keys() | TRIMMED | WAITING <= table().keys()


@pytest.mark.parametrize(
    ("kind", "ttl"), [("stray", 10), ("lane", None), ("facts", 2 * FACTS_TTL), ("q", None), ("n", None)]
)
def test_a_key_that_the_table_does_not_explain_is_noticed(redis_client: Any, kind: str, ttl: int | None) -> None:
    redis_client.set(keys.key(kind, "r:main|1"), "x", ex=ttl)
    assert len(unaccounted(redis_client)) == 1


# --- a soak ------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """Jobs that live, a provider that shows them, and two sinks that are not always well."""

    app: App
    jobs: dict[str, Job] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    source: str = "main"
    name: str = "out"

    def __post_init__(self) -> None:
        """The clock begins long ago, so that what has died is old by the real one."""
        self.clock = StandingClock(datetime.now(UTC) - timedelta(days=20))
        self.app.__dict__["providers"] = {"main": self}
        self.app.__dict__["sinks"] = {"out": self, "people": People()}
        self.app.__dict__["tools"] = replace(self.app.tools, clock=self.clock)
        self.shift = Shift(self.app)
        self.pass_time(0)

    def fetch(self, job_id: str, **_: Any) -> Any:
        return job_id

    def translate(self, original: Any, **_: Any) -> Job:
        return self.jobs[original]

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        """Every tenth job's events come at the second try, every twentieth's never, every fiftieth's are refused."""
        number = int(event["data"]["job"]["id"])
        self.failures[event["id"]] += 1
        if number % 50 == 0:
            raise Refused("no")
        if number % 20 == 0 or (number % 10 == 0 and self.failures[event["id"]] == 1):
            raise Busy("503")
        return "reference"

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.app.scripts.now = int(self.clock().timestamp() * 1000)

    def show(self, number: int, state: State, minute: int) -> None:
        """The job is in that state, and a webhook says so."""
        at = self.clock()
        ended = state.ended and state is not State.CANCELLED
        model = Model(id="m", state=ModelState.SUCCEEDED if ended else ModelState.PROCESSING, updated_at=at)
        job = Job(provider="hover", source="main", id=str(number), state=state, updated_at=at, models=(model,))
        self.jobs[job.id] = job
        claim = "job" if state.ended else ""
        self.app.inbox.put(Notification("main", job.id, "v3", "event", f"{number} {minute}", claim))

    def live(self, first: int, count: int) -> None:
        """So many jobs through a whole life, and a second one for a few."""
        lives = (State.CREATED, State.PROCESSING, State.SUCCEEDED)
        again = (State.PROCESSING, State.CANCELLED)
        for minute, state in enumerate((*lives, *again)):
            for number in range(first, first + count):
                if minute < len(lives) or number % 7 == 0:
                    self.show(number, state, minute)
            self.work()
        for _ in range(60):
            self.work()

    def forget(self, client: Any) -> None:
        """What retention does once all is old: the documents have expired."""
        for key in client.scan_iter(match=keys.key("doc", "*"), count=1000):
            client.delete(key)
        self.app.journal.trim(older_than=0)
        sweep(self.app.scripts, client, older_than=0)

    def work(self) -> None:
        for _ in range(3):
            self.shift.refresh("main", "hand")
            for sink in self.app.targets:
                while isinstance(claim := self.app.lanes.claim(self.app.targets[sink]), Claim):
                    deliver(self.app, sink, claim)
            self.pass_time(30)


class People:
    """Takes everything, one message after another."""

    name = "people"

    def deliver(self, event: Mapping[str, Any]) -> None: ...

    def deliver_together(self, events: Any, occasion: Any = None) -> None: ...

    def tell(self, *_: Any, **__: Any) -> None: ...


def test_when_jobs_are_over_every_key_is_accounted_for_and_nothing_grows_with_their_number(
    redis_url: str, redis_client: Any, tmp_path: Path
) -> None:
    world = World(_app(redis_url, tmp_path))
    found = []
    for first, count in ((1, 60), (61, 180)):
        world.live(first, count)
        assert unaccounted(redis_client) == []
        world.forget(redis_client)
        found.append(sizes(redis_client))
    few, many = found
    assert few.keys() >= many.keys()
    assert {key: size for key, size in many.items() if size > few[key]} == {}
    kinds = {_kind(key) for key in redis_client.scan_iter(count=1000)}
    assert {"seen", "n", "lane", "facts", "story", "ev", "dl", "try", "cnt", "storm"} <= kinds, kinds


def test_dead_items_and_journal_lines_that_are_older_than_the_retention_go(
    redis_url: str, redis_client: Any, tmp_path: Path
) -> None:
    world = World(_app(redis_url, tmp_path))
    world.live(1, 100)
    assert redis_client.zcard(keys.key("deadz")) == redis_client.hlen(keys.key("dead")) >= 20
    assert redis_client.xlen(keys.key("journal")) > 300
    world.app.journal.trim(older_than=0)
    assert not redis_client.exists(keys.key("deadz"))
    assert not redis_client.exists(keys.key("dead"))
    assert redis_client.xlen(keys.key("journal")) <= 100, "a whole node of the stream may stay"


# --- real processes ----------------------------------------------------------------------------------------------


def test_after_a_run_of_real_processes_every_key_is_accounted_for_those_of_rq_too(tmp_path: Path) -> None:
    with running(tmp_path, reconcile="2s") as it:
        hover = it.simulated.by_name["hover"]
        client: Any = redis.Redis(unix_socket_path=str(it.embedded.socket), decode_responses=True)
        counts = []
        for first, count in ((100, 10), (200, 50)):
            hover.stage.fault(Fault(on="job", status=503, times=3))
            for n in range(first, first + count):
                hover.put_job(changed(hover.sample("hover-1"), {"id": n}), touch=True)
                notify(hover, str(n))
            wait_for(lambda first=first, count=count: len(_jobs(it, first)) == count)
            wait_for(lambda: not [k for k in client.scan_iter() if _kind(k) in WAITING])
            longest = {**LONGEST, "seen": 8 * DAY, **dict.fromkeys(("n", "ev", "dl", "try"), 60 * DAY)}
            assert unaccounted(client, longest) == []
            endless = [key for key in client.scan_iter() if key.startswith("rq:") and client.pttl(key) == -1]
            counts.append(len(endless))
        client.close()
    assert counts[1] <= counts[0] + 5, "RQ keeps something of every job"


def _jobs(it: Running, first: int) -> set[str]:
    ids = {e["data"]["job"]["id"] for e in it.events() if e["type"] == "job.succeeded"}
    return {job for job in ids if first <= int(job) < first + 100}


def _kind(key: str) -> str:
    return key.removeprefix(keys.PREFIX).partition(":")[0]
