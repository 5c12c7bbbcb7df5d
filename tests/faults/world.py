"""A small jobwire around one job: real processes, their Redis behind a line, far ends that a test moves; and counts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
import requests
from chaos.counting import Count, Evidence, count
from faults.calls import Mutation, by_digest, script_texts
from faults.ground import Ground
from faults.line import Line, Trap
from faults.nursery import lives
from faults.provider import SOURCE, Provider
from faults.takers import SINK, People, Receiver
from running import free_port, wait_for

from processor.model import EventType, Request
from processor.pipeline.accept import accept
from processor.replaying import Replay, Selection
from processor.store import keys
from processor.store.work import Row
from processor.wiring import App, read_settings

SOON = 600.0  # seconds: what is due later is as good as held
LOOK = 0.2  # seconds between looks: dozens of worlds wait at once
LONG = 60.0  # seconds: how long a test waits for what must come, on a machine that is busy with other things


@dataclass
class World:
    """One source with one job, and one sink: for systems, or for people who want to be told in this `manner`.

    `app` is the test's own, past the line. As a context the world is over afterwards, with every process.
    """

    ground: Ground
    bentley: bool = False
    manner: str | None = None
    mutation: Mutation | None = None
    accepted: set[str] = field(default_factory=set)
    pids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.number = self.ground.next_world()
        self._socket, self._config, self._log = (
            self.ground.folder / f"{self.number}.{end}" for end in ("sock", "toml", "log")
        )
        names = by_digest(script_texts(self.mutation))
        self.line: Line = self.ground.exchange.line(self._socket, self.ground.socket, names)
        self.port = free_port()
        self.provider = Provider(self.bentley, f"http://127.0.0.1:{self.port}")
        self.ground.mounted[f"/{self.number}"] = self.provider.simulator.app
        self.sink: Any = Receiver() if self.manner is None else People(self.manner)
        self.configure()
        self.redis: Any = redis.Redis.from_url(self._address(self.ground.socket), decode_responses=True)

    # --- jobwire

    def configure(self) -> None:
        """Write what source and sink are now; processes that start afterwards know it."""
        source = self.provider.configuration(f"{self.ground.url}/{self.number}")
        self._config.write_text(f'[redis]\nurl = "{self._address(self._socket)}"\n{source}{self.sink.keys()}')
        self.app = App(read_settings(str(self._config), {}), self._address(self.ground.socket))

    def _address(self, socket: Path) -> str:
        return f"unix://{socket}?db={self.number}"

    @property
    def environ(self) -> Mapping[str, str]:
        """Of a process that works on this world."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("JOBWIRE", "REDIS"))}
        return environ | {"JOBWIRE_CONFIG": str(self._config)}

    def work(self) -> int:
        """Start a worker; its process."""
        return self._start("worker")

    def receive(self) -> int:
        """Start a receiver, and wait until it answers; its process."""
        pid = self._start("web", "--host", "127.0.0.1", "--port", str(self.port))
        wait_for(self._answers, LONG, "the receiver does not answer")
        return pid

    def _start(self, *command: str) -> int:
        pid = self.ground.nursery.start(*command, environ=self.environ, log=self._log, mutation=self.mutation)
        self.pids.append(pid)
        return pid

    def _answers(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def set(self, trap: Trap) -> Trap:
        self.line.trap = trap
        return trap

    # --- what happens

    def warm(self) -> None:
        """Have a token, so that what is killed is not its exchange."""
        self.app.providers[SOURCE].fetch(self.provider.job, api=self.provider.api, http=self.app.http)

    def tell(self) -> str:
        """A webhook of the job as it stands is taken, straight at the store; the notification's id."""
        webhook = self.provider.webhook()
        headers = {name.lower(): value for name, value in webhook.headers.items()}
        request = Request("POST", urlsplit(webhook.url).path, "", headers, webhook.body, datetime.now(UTC))
        outcome = accept(self.app.providers[SOURCE], request, self.app.inbox)
        assert outcome.id
        self.accepted.add(outcome.id)
        return outcome.id

    def find(self) -> None:
        """The job's events are there, as if they had been found and were due at once: for what happens behind that."""
        for event in self.provider.expected:
            told = self.app.lanes.announce(event, [Row(SINK, event)], sinks=self.app.targets, hand="test")
            assert told is not None

    def mend(self) -> None:
        """Both far ends are well again."""
        self.provider.mend()
        self.sink.mend()

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self.bury(pid)

    def bury(self, pid: int) -> None:
        """Wait until one that was killed is gone."""
        wait_for(lambda: not lives(pid), 10, f"{pid} was not killed")
        self.pids = [one for one in self.pids if one != pid]

    def end_leases(self) -> None:
        """The leases of those who died end now, of lanes and of hands, rather than when their seconds are over."""
        for held in [keys.key(kind, resource) for kind in ("run", "hands") for resource in self._resources()]:
            for member in self.redis.zrange(held, 0, -1):
                self.redis.zadd(held, {member: time.time() * 1000 - 1}, xx=True)

    def replay_the_dead(self) -> None:
        """As `jobwire replay --dead` does."""
        replay = Replay(self.app, Selection(dead=True))
        for items in replay.notifications():
            for item in items:
                assert replay.revive(item)
        for page in replay.pages():
            for _ in replay.put_back(page):
                pass

    # --- what came of it

    def settle(self, why: str = "there is still something to do") -> float:
        """Wait until nothing is left to do; when that was, by time.monotonic. Fails with `why`."""
        deadline = time.monotonic() + LONG
        while not self.quiet():
            assert time.monotonic() < deadline, why
            time.sleep(LOOK)
        return time.monotonic()

    def quiet(self) -> bool:
        """Whether nothing is left to do, but for what is held."""
        soon = (time.time() + SOON) * 1000
        with self.redis.pipeline(transaction=True) as pipe:  # a lane that moves meanwhile must not be overlooked
            for resource in self._resources():
                pipe.zcard(keys.key("run", resource))
                pipe.zcount(keys.key("due", resource), "-inf", soon)
            return not any(pipe.execute())

    def _resources(self) -> Sequence[str]:
        return [resource.name for resource in (*self.app.sources.values(), *self.app.targets.values())]

    def dead(self) -> list[str]:
        """The kind of lane and the reason of everything that is dead."""
        return [f"{dead.lane[0]} {dead.reason}" for dead in self.app.journal.dead()]

    def counted(self) -> Count:
        """Everything expected, and what there is, compared."""
        journal, expected = self.app.journal, self.provider.expected
        entries = [entry for page in journal.entries(journal.horizon()) for entry in page]
        job = f"{SOURCE}/{self.provider.job}"
        return count(
            Evidence(
                expected={job: [event.id for event in expected]},
                kinds=frozenset(EventType),
                journal={job: [entry.id for entry in entries]},
                types={entry.id: entry.type for entry in entries},
                sinks={SINK: self.sink.came(expected)},
                accepted={ntf: journal.notification(ntf).get("state", "not known") for ntf in self.accepted},
                dead=self.dead(),
                waiting=[f"{w.lane} {w.item}: {w.state}" for r in self._resources() for w in journal.waiting(r)],
            )
        )

    def said(self) -> str:
        """What the processes have logged."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    # --- its end

    def stop(self) -> None:
        """No process of it is left."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.pids = []

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.sink.close()
        self.redis.close()
