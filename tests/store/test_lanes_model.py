"""The lanes against a model of the world, on a real Valkey.

Jobs change, workers die, stall, fail and repeat, replies are lost. Whatever happens, every change arrives at every
sink, first arrivals in order, and no lane is ever forgotten.

The negative controls take one safeguard out of the scripts each; the same walk must then find the loss.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from processor.model import Event, EventType
from processor.ports import Occasion
from processor.store import keys
from processor.store.lanes import LEASE, TOGETHER, Again, Lanes
from processor.store.scripts import Scripts
from processor.store.work import Claim, Found, Hint, Resource, Row

JOBS = ("1", "2/../x|d:a é")
SOURCE = Resource("r:h", cap=3)
SINKS = {
    "alone": Resource("d:alone", cap=2, batch=1),
    "grouped": Resource("d:grouped", cap=2, batch=TOGETHER, joins="now"),
    "daily": Resource("d:daily", cap=2, batch=TOGETHER, joins="then"),
    "stormy": Resource("d:stormy", cap=2, batch=TOGETHER),
}
STORM = (2, 10.0)  # messages in seconds, of the stormy one
PLANS = {"grouped": (3.0, Occasion.GROUP), "daily": (20.0, Occasion.DIGEST)}
# the same three when nothing is to be told together any more
PLAIN = {name: replace(SINKS[name], joins="now") for name in ("grouped", "daily", "stormy")}


@dataclass
class Held:
    """A lane in some worker's hand; `seen` is how many changes its fetch saw."""

    claim: Claim
    seen: int | None = None


class World:
    """One provider, two sinks, some workers and a clock. Every action picks what it needs through `pick`."""

    def __init__(self, url: str, mutation: tuple[str, str] | None = None) -> None:
        self.redis: Any = redis.Redis.from_url(url, decode_responses=True)
        self.redis.flushall()
        self.scripts = _Mutated(self.redis, mutation)
        self.lanes = Lanes(self.scripts)
        self.scripts.now = 1_000_000
        self.truth = dict.fromkeys(JOBS, 0)
        self.untold: set[str] = set()
        self.sent: list[tuple[str, str]] = []
        self.held: list[Held] = []
        self.sinks = dict(SINKS)
        self.anew: set[str] = set()  # sinks that were configured anew
        self.arrived: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.ever_dead: set[tuple[str, str]] = set()
        self.begun: dict[str, int] = {}
        self.messages: dict[str, list[str]] = {}  # what was taken together from a lane and has not ended
        self.told: list[int] = []  # when the stormy one was told

    # --- the provider ------------------------------------------------------------------------------------------------

    def a_job_changes(self, pick: Pick) -> None:
        job = pick(JOBS)
        self.truth[job] += pick((1, 1, 2))
        self.untold.add(job)
        if pick((True, True, True, False)):
            key = f"{job}#{self.truth[job]}"
            assert self.notify(job, key) == "new"
            self.sent.append((job, key))
            self.untold.discard(job)

    def a_notification_comes_again(self, pick: Pick) -> None:
        if self.sent:
            assert self.notify(*pick(self.sent)) in {"duplicate", "revived"}

    def notify(self, job: str, key: str) -> str:
        hint = Hint(seen=key, lane=keys.refresh_lane("h", job), event="e", api="v", claim="")
        [accepted], _ = self.lanes.accept(SOURCE, [hint], hand="x")
        return accepted.outcome

    # --- the workers -------------------------------------------------------------------------------------------------

    def a_worker_claims(self, pick: Pick) -> None:
        self.claim(pick(self.resources))

    def a_worker_acts(self, pick: Pick) -> None:
        if self.held:
            self.act(pick(self.held))

    def a_worker_finishes(self, pick: Pick) -> None:
        if held := self.let_go(pick):
            if held.seen is None:
                self.act(held)
            for _ in range(pick((1, 1, 2))):  # twice: the reply was lost, so the client sends the script again
                self.finish(held)

    def a_worker_fails(self, pick: Pick) -> None:
        if held := self.let_go(pick):
            self.lanes.retry(held.claim, pick((0, 2, 30)), "500", counts=pick((True, False)))

    def a_worker_gives_up(self, pick: Pick) -> None:
        held = self.let_go(pick)
        if held and self.lanes.dead(held.claim, "Refused", "no") and held.claim.resource is not SOURCE:
            self.messages.pop(held.claim.lane, None)
            self.ever_dead |= set(self.places(held.claim))

    def it_is_night(self, pick: Pick) -> None:
        """Whoever has something for the grouped one holds it; all that waits there is one message in the morning."""
        held: Held
        for held in [h for h in self.held if h.claim.resource.name == "d:grouped" and h.seen is None]:
            self.held.remove(held)
            if self.lanes.hold(held.claim, pick((2, 30)), Occasion.GROUP):
                self.messages.pop(held.claim.lane, None)

    def a_worker_is_killed(self, pick: Pick) -> None:
        self.let_go(pick)

    def a_worker_stalls_and_another_takes_over(self, pick: Pick) -> None:
        if self.held:
            stalled = pick(self.held)
            self.act(stalled)
            self.pass_time(LEASE + 5)
            self.claim(stalled.claim.resource)

    def everybody_is_held_off(self, pick: Pick) -> None:
        self.lanes.pause(pick(self.resources), pick((1, 20)))

    def a_sink_is_configured_anew(self, pick: Pick) -> None:
        """What is to be told together is told singly from now on, or the other way about."""
        name = pick(list(PLAIN))
        self.anew.add(f"d:{name}")
        self.sinks[name] = SINKS[name] if self.sinks[name] is PLAIN[name] else PLAIN[name]

    def the_keeper_renews(self, pick: Pick) -> None:
        self.lanes.keep([h.claim for h in self.held], [])

    def a_person_revives_the_dead(self, pick: Pick) -> None:
        for member in self.redis.hkeys(keys.key("dead")):
            lane, _, item = member.partition(" ")
            assert self.lanes.revive(lane, item)
            assert not self.lanes.revive(lane, item)

    def a_person_replays(self, pick: Pick) -> None:
        """Mostly what is dead."""
        dead = [member.partition("|")[0][2:] + " " + member.partition(" ")[2] for member in self.dead_deliveries()]
        known = {job: int(self.redis.get(keys.key("facts", keys.job_key("h", job))) or 0) for job in JOBS}
        found = [f"{sink} {job}#{n + 1}" for sink in SINKS for job in JOBS for n in range(known[job])]
        if dead or found:
            sink, _, event_id = pick(dead or found).partition(" ")
            job, only_dead = event_id.rpartition("#")[0], pick((False, False, True))
            again = Again(sink, event_id, "h", job, *self.plan(sink))
            [outcome], _ = self.lanes.replay([again], sinks=self.sinks, hand="z", hold=60, only_dead=only_dead)
            assert outcome in ({"again"} if dead else {"again", "waits", "alive"})

    def dead_deliveries(self) -> list[str]:
        return [member for member in self.redis.hkeys(keys.key("dead")) if member.startswith("d:")]

    def time_passes(self, pick: Pick) -> None:
        self.pass_time(pick((0.001, 0.3, 1, 5)))

    # --- what a worker does ------------------------------------------------------------------------------------------

    def claim(self, resource: Resource) -> Held | None:
        claim = self.lanes.claim(resource)
        if not isinstance(claim, Claim):
            return None
        if resource is SOURCE:
            assert self.now - self.begun.get(claim.lane, -1000) >= 1000, "looked again within a second"
            self.begun[claim.lane] = self.now
        held = Held(claim)
        if resource is SINKS["stormy"] and claim.items and not self.admitted(claim):
            return held
        if resource.name in self.anew:  # a message that joined what is told with everything is another one
            for lane in [lane for lane in self.messages if lane.startswith(f"{resource.name}|")]:
                ids = self.messages[lane]
                if self.redis.lrange(keys.key("q", lane), 0, len(ids) - 1) != ids:
                    del self.messages[lane]
        if resource is not SOURCE:
            ids = [item.id for item in claim.items]
            assert self.messages.setdefault(claim.lane, ids) == ids, "a repeat is another message"
        self.held.append(held)
        return held

    def admitted(self, claim: Claim) -> bool:
        again = claim.lane in self.messages
        verdict = self.lanes.admit(claim, "stormy", STORM)
        if verdict == "go" and not again:
            self.told.append(self.now)
            count, seconds = STORM
            window = [at for at in self.told if at > self.now - seconds * 1000]
            assert len(window) <= 2 * count, "a storm came through"  # at most twice where two windows meet
        return verdict == "go"

    def act(self, held: Held) -> None:
        if held.claim.resource is SOURCE:
            held.seen = self.truth[keys.job_of(held.claim.lane)]
        else:
            held.seen = 0
            for place, item in zip(self.places(held.claim), held.claim.items, strict=True):
                self.arrived[place].append(item.id)

    def finish(self, held: Held) -> None:
        if held.claim.resource is not SOURCE:
            if self.lanes.done(held.claim):
                self.messages.pop(held.claim.lane, None)
            return
        job = keys.job_of(held.claim.lane)
        known, seen = int(held.claim.facts or 0), held.seen or 0
        events = [_event(job, n) for n in range(known + 1, seen + 1)]
        rows = [Row(sink, event, *self.plan(sink)) for event in events for sink in SINKS]
        found = Found("h", job, str(max(known, seen)), "{}", events=events, rows=rows, poll=50)
        self.lanes.commit(held.claim, found, sinks=self.sinks, hand="y")

    def plan(self, sink: str) -> tuple[Any, ...]:
        return () if self.sinks[sink] is PLAIN.get(sink) else PLANS.get(sink, ())

    @property
    def resources(self) -> tuple[Resource, ...]:
        return (SOURCE, *self.sinks.values())

    def let_go(self, pick: Pick) -> Held | None:
        if not self.held:
            return None
        held: Held = pick(self.held)
        self.held.remove(held)
        return held

    @property
    def now(self) -> int:
        return self.scripts.now or 0

    def pass_time(self, seconds: float) -> None:
        self.scripts.now = self.now + int(seconds * 1000)

    @staticmethod
    def places(claim: Claim) -> list[tuple[str, str]]:
        """Sink and job of each of its events."""
        sink = claim.resource.name.removeprefix("d:")
        return [(sink, item.id.rpartition("#")[0]) for item in claim.items]

    # --- what must hold ----------------------------------------------------------------------------------------------

    def check_lanes(self) -> None:
        """A lane with work is due or in hand: in exactly one place, and not merely waiting to be looked at. What waits
        does so once, however often it was revived or replayed."""
        for key in self.redis.keys(keys.key("q", "*")):
            lane = key.removeprefix(keys.key("q", "x")[:-1])
            name = lane.partition("|")[0]
            places = [z for z in ("due", "run", "poll") if self.redis.zscore(keys.key(z, name), lane) is not None]
            assert places in (["due"], ["run"]), f"{lane} is in {places}"
            items = self.redis.lrange(key, 0, -1)
            assert len(items) == len(set(items)), f"{lane} has {items}"

    def calm_down(self) -> None:
        """Nobody dies any more; reconciliation tells of what no webhook told. Then nothing may be missing."""
        self.held.clear()
        for job in self.untold:
            self.notify(job, f"{job}#reconciled")
        for _ in range(400):
            self.pass_time(1)
            self.a_person_revives_the_dead(_first)
            claimed = [held for resource in self.resources if (held := self.claim(resource))]
            for held in [held for held in claimed if held in self.held]:
                self.held.remove(held)
                self.act(held)
                self.finish(held)
            self.check_lanes()
            if not claimed and not self.redis.keys(keys.key("q", "*")):
                break
        for job, changes in self.truth.items():
            wanted = [_event(job, n).id for n in range(1, changes + 1)]
            for sink in SINKS:
                first = list(dict.fromkeys(self.arrived[sink, job]))
                if (sink, job) in self.ever_dead:  # the order is promised unless one of them is dead
                    first.sort(key=lambda i: int(i.rpartition("#")[2]))
                assert first == wanted, f"{sink} got {first} of job {job}, not {wanted}"
                stand = {json.loads(self.redis.hget(keys.key("dl", i), f"d:{sink}"))["state"] for i in wanted}
                assert stand <= {"delivered"}, f"at {sink} events of job {job} are {stand}"
        assert not self.redis.exists(keys.key("dead"), keys.key("deadz")), "somebody is dead still"
        self.redis.close()


Pick = Callable[[Sequence[Any]], Any]
# How often each action is taken, in a walk at random.
ACTIONS = {
    World.a_job_changes: 4,
    World.a_notification_comes_again: 1,
    World.a_worker_claims: 12,
    World.a_worker_acts: 4,
    World.a_worker_finishes: 8,
    World.a_worker_fails: 2,
    World.a_worker_gives_up: 1,
    World.a_worker_is_killed: 2,
    World.a_worker_stalls_and_another_takes_over: 3,
    World.everybody_is_held_off: 1,
    World.a_sink_is_configured_anew: 1,
    World.it_is_night: 1,
    World.the_keeper_renews: 1,
    World.a_person_revives_the_dead: 1,
    World.a_person_replays: 2,
    World.time_passes: 4,
}


def _first(choices: Sequence[Any]) -> Any:
    return choices[0]


class Machine(RuleBasedStateMachine):
    """The same walk led by hypothesis, which shrinks what it finds."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.url)

    @rule(action=st.sampled_from(list(ACTIONS)), data=st.data())
    def anything_happens(self, action: Callable[[World, Pick], None], data: st.DataObject) -> None:
        action(self.world, lambda choices: data.draw(st.sampled_from(choices)))

    @invariant()
    def no_lane_is_forgotten(self) -> None:
        self.world.check_lanes()

    def teardown(self) -> None:
        self.world.calm_down()


class _Mutated(Scripts):
    """The scripts, with one text replaced by another."""

    def __init__(self, client: redis.Redis, mutation: tuple[str, str] | None) -> None:
        super().__init__(client)
        self._mutation = mutation
        names = ("claim", "commit", "admit", "replay", "revive")
        assert mutation is None or any(mutation[0] in super(_Mutated, self).text(name) for name in names)

    def text(self, name: str) -> str:
        text = super().text(name)
        if self._mutation is None:
            return text
        return text.replace(*self._mutation)


def _event(job: str, n: int) -> Event:
    return Event(
        id=f"{job}#{n}",
        type=EventType.JOB_STATE_CHANGED,
        source="h",
        job_id=job,
        subject=f"jobs/{job}",
        time=datetime.fromtimestamp(n, UTC),
        data={},
    )


def walks(url: str, seeds: range, mutation: tuple[str, str] | None = None) -> None:
    for seed in seeds:
        chance, world = random.Random(seed), World(url, mutation)
        for action in chance.choices(list(ACTIONS), list(ACTIONS.values()), k=200):
            action(world, chance.choice)
            world.check_lanes()
        world.calm_down()


def test_whatever_dies_every_change_arrives_in_order(redis_url: str) -> None:
    machine = type("Machine", (Machine,), {"url": redis_url})
    quiet = settings(
        max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(machine, settings=quiet)


def test_it_does_so_in_long_walks_too(redis_url: str) -> None:
    walks(redis_url, range(25))


@pytest.mark.parametrize(
    "mutation",
    [
        pytest.param(("c('HGET', P .. 'lane:' .. L, 'fence') == fence", "true"), id="the fence"),
        pytest.param(("c('LTRIM', q, n, -1)", "c('DEL', q)"), id="the trim by n"),
        pytest.param(("if c('LLEN', q) > 0 then", "if false then"), id="the re-arming"),
        pytest.param(("  c('ZREM', P .. 'poll:' .. R, L)\nend", "end"), id="leaving poll"),
        pytest.param(("c('LLEN', P .. 'q:' .. A.all) == 0", "true"), id="joining the summary"),
        pytest.param(("(took > 0 and took or A.batch)", "A.batch"), id="the same message again"),
        pytest.param(("told < A.limit", "true"), id="the storm limit"),
        pytest.param(("left = (A.joins or '') ~= '' and", "left = false and"), id="joining what is told no more"),
        pytest.param(("of_job and c('EXISTS', P .. 'q:' .. of_job) == 1", "false"), id="staying behind one's job"),
        pytest.param(("state == 'pending' or state == 'retrying'", "false"), id="what waits is not replayed"),
        pytest.param(("  return c('HDEL', P .. 'dead', id)", "  return 1"), id="what is replayed is dead no more"),
        pytest.param(("push(A.R, A.L, A.item, t)\nreturn 1", "return 1"), id="what is revived waits again"),
    ],
)
def test_without_it_the_walk_finds_a_loss(redis_url: str, mutation: tuple[str, str]) -> None:
    """The negative controls: a safeguard is taken out, and the walk must notice."""
    with pytest.raises(AssertionError):
        walks(redis_url, range(400), mutation)
