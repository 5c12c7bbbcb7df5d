"""How each point comes about in a world of its own, and what has come of it when the work has gone on."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from faults.calls import TASK, TOKEN
from faults.line import Trap, When
from faults.nursery import lives
from faults.points import Point
from faults.provider import SOURCE
from faults.strike import Strike
from faults.takers import SINK
from faults.world import LONG, SOON, World
from running import wait_for

from processor.queue import QUEUE
from processor.simulation import Webhook
from processor.store import keys

_STORM = 'storm_limit = "1/3s"\n'
_SLOW = 25.0  # seconds; our deadline for an answer is 30
_COMMITTED_NOTHING, _NOTHING = b"*1\r\n:0\r\n", b":0\r\n"  # how a script answers whose fence is not the lane's


@dataclass
class Outcome:
    """What became of one point. `reached` is how often it was, `took` the seconds from then until nothing was left to
    do; `complaints` is empty when every promise held; `notes` are about the scene itself, and empty when it went as
    it was meant."""

    name: str
    reached: int = 0
    took: float = 0.0
    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def expect(self, what: str, *, found: Any, wanted: Any) -> None:
        if found != wanted:
            self.notes.append(f"{what}: {found!r} instead of {wanted!r}")


class Scene:
    """One point in its world: a worker reaches it, dies or not, and the work goes on."""

    def __init__(self, world: World, point: Point, outcome: Outcome) -> None:
        self.world, self.point, self.outcome = world, point, outcome

    def play(self) -> None:
        with self.world.ground.turn:
            self.prepare()
            trap = self.set_trap()
            worker = self.world.work()
            self.wait_for(trap)
        self.trouble_ends()
        if self.point.kills:
            self.world.bury(worker)
            self.world.work()
        self.outcome.took = self.world.settle() - trap.at
        if not self.point.kills:
            self.outcome.expect("the worker lives", found=lives(worker), wanted=True)
        self.end()

    def prepare(self) -> None:
        self.world.warm()
        self.world.tell()

    def set_trap(self) -> Trap | Strike:
        return self.world.set(self.point.trap())

    def wait_for(self, trap: Trap | Strike) -> None:
        assert trap.sprung.wait(LONG), "the point was not reached"
        self.outcome.reached = trap.reached

    def trouble_ends(self) -> None: ...

    def end(self) -> None:
        self.outcome.complaints += self.world.counted().complaints


class AtTheDoor(Scene):
    """A provider sends a webhook, and again until it is taken."""

    def play(self) -> None:
        world = self.world
        webhook = world.provider.webhook()
        with world.ground.turn:
            world.warm()
            world.receive()
            world.work()
            trap = self.set_trap()
            while not trap.sprung.is_set():  # a machine that is very busy may answer 503 before
                answer = self._send(webhook)
        self.wait_for(trap)
        first = None if answer is None else (answer.status_code, "Retry-After" in answer.headers)
        if first is not None or self.point.when is When.CUT:  # the killed say nothing, or 503 just before
            self.outcome.expect("the answer", found=first, wanted=(503, True))
        taken = wait_for(lambda: self._taken(webhook), LONG, "it was never taken")
        world.accepted.add(taken["id"])
        status = "accepted" if self.point.when is When.BEFORE else "duplicate"
        self.outcome.expect("the last answer", found=taken["status"], wanted=status)
        self.outcome.took = world.settle() - trap.at
        lane = keys.refresh_lane(SOURCE, world.provider.job)
        stored = [n for n in world.redis.scan_iter(keys.key("n", "*")) if world.redis.hget(n, "L") == lane]
        self.outcome.expect("notifications stored", found=len(stored), wanted=1)
        self.end()

    def _send(self, webhook: Webhook) -> requests.Response | None:
        try:
            return requests.post(webhook.url, webhook.body, headers=dict(webhook.headers), timeout=10)
        except requests.ConnectionError:
            return None

    def _taken(self, webhook: Webhook) -> Any:
        answer = self._send(webhook)
        return answer.json() if answer is not None and answer.ok else None


class Ticked(Scene):
    """RQ has lost the task that was sent, so the tick sends another: what a worker finds its own threads take."""

    def prepare(self) -> None:
        super().prepare()
        self.world.redis.delete(f"rq:queue:{QUEUE}", keys.key("hands", keys.refreshing(SOURCE)))


class AtTheFetch(Scene):
    """The provider kills whoever asks it."""

    def set_trap(self) -> Strike:
        self.world.provider.fetching = strike = Strike(self.world)
        return strike


class AtTheSink(Scene):
    """The sink takes an event, and kills whoever sent it."""

    def set_trap(self) -> Strike:
        self.world.sink.taken = strike = Strike(self.world)
        return strike


class Failing(Scene):
    """The far end is not well until the point is reached."""

    def prepare(self) -> None:
        super().prepare()
        (self.world.provider if self.point.of == "r" else self.world.sink).upset(503)

    def trouble_ends(self) -> None:
        self.world.mend()


class Refused(Scene):
    """The far end refuses for good: what it refused is dead, can be seen, and goes on when somebody says so."""

    def prepare(self) -> None:
        super().prepare()
        if self.point.of == "r":
            self.world.provider.upset(403)
        else:
            self.world.sink.upset(410)

    def end(self) -> None:
        wanted = ["r Forbidden"] if self.point.of == "r" else ["d Refused"] * 3
        self.outcome.expect("dead", found=self.world.dead(), wanted=wanted)
        self.world.mend()
        self.world.replay_the_dead()
        self.world.settle("what was dead does not go on")
        super().end()


class Slow(Scene):
    """The provider's first answer takes until the point is reached."""

    def set_trap(self) -> Trap | Strike:
        trap = super().set_trap()
        self.world.provider.fetching = lambda: trap.sprung.wait(_SLOW) and None
        return trap


class Renewing(Scene):
    """A token is exchanged and stored."""

    def prepare(self) -> None:
        self.world.tell()

    def end(self) -> None:
        wanted = 2 if self.point.when is When.BEFORE else 1
        self.outcome.expect("tokens exchanged", found=self.world.provider.exchanges(), wanted=wanted)
        super().end()


class Gathering(Scene):
    """The events have been found, and people are to be told."""

    def prepare(self) -> None:
        self.world.find()


class AtNight(Gathering):
    """It is quiet since an hour; when it is day they are told together."""

    def end(self) -> None:
        world, waiting = self.world, keys.key("due", keys.delivering(SINK))
        self.outcome.expect("mails at night", found=self._mails(), wanted=[])
        [(lane, due)] = world.redis.zrange(waiting, 0, -1, withscores=True)
        self.outcome.expect("held until then", found=due > (time.time() + SOON) * 1000, wanted=True)
        for pid in list(world.pids):
            world.kill(pid)
        world.sink.manner = quiet(-3, -1)  # the time cannot be moved, so the hours are
        world.configure()
        world.redis.zadd(waiting, {lane: 1})
        world.work()
        world.settle("it is never day")
        self.outcome.expect("events of each mail", found=self._mails(), wanted=[3])
        super().end()

    def _mails(self) -> list[int]:
        return [len(mail) for mail in self.world.sink.mails(self.world.provider.expected)]


class Stalled(Scene):
    """A worker stands still until another has done its work and something new has come, and then wants to write."""

    stale = _NOTHING

    def play(self) -> None:
        world = self.world
        with world.ground.turn:
            self.prepare()
            trap = world.set(self.point.trap())
            stalled = world.work()
            self.wait_for(trap)
        self.trouble_ends()
        other = world.work()
        self.outcome.took = world.settle("nobody else took it") - trap.at
        os.kill(other, signal.SIGSTOP)  # so that what is new waits in the lane while the late one writes
        world.provider.reopen()
        world.tell()
        trap.go_on.set()
        assert trap.answered.wait(LONG), "the late one never wrote"
        os.kill(other, signal.SIGCONT)
        self.outcome.expect("the late answer", found=trap.reply, wanted=self.stale)
        self.outcome.expect("the worker that stood still lives", found=lives(stalled), wanted=True)
        world.settle("what was new is never done")
        self.end()


class StalledAtCommit(Stalled):
    stale = _COMMITTED_NOTHING


class StalledAtRetry(Stalled, Failing):
    pass


# --- which is which ---------------------------------------------------------------------------------------------------

_BY_CALL: dict[str, type[Scene]] = {
    "accept": AtTheDoor,
    TASK: Ticked,
    "claim": Scene,
    "commit": Scene,
    "done": Scene,
    "retry": Failing,
    "dead": Refused,
    "keep": Slow,
    "hold": AtNight,
    "admit": Gathering,
    TOKEN: Renewing,
}
_LATE: dict[str, type[Scene]] = {"commit": StalledAtCommit, "done": Stalled, "retry": StalledAtRetry}
_FAR_ENDS: dict[str, type[Scene]] = {"during:fetch": AtTheFetch, "during:send": AtTheSink}


def scene_of(point: Point) -> type[Scene]:
    if point.when is None:
        return _FAR_ENDS[point.name]
    return (_LATE if point.when is When.LATE else _BY_CALL)[point.call]


def world_of(point: Point) -> dict[str, Any]:
    """What is special about the world of a point, as keys of World."""
    manner = {"admit": _STORM, "hold": quiet(-1, 6)}.get(point.call)
    bentley = point.call == TOKEN and point.when is When.BEFORE  # a grant of Hover's would be lost
    return {"bentley": bentley, "manner": manner}


def quiet(begin: int, end: int) -> str:
    """Quiet hours from so many hours after now to so many."""
    hours = [datetime.now(UTC) + timedelta(hours=h) for h in (begin, end)]
    return f'quiet_hours = "{hours[0]:%H:%M}-{hours[1]:%H:%M} UTC"\n'
