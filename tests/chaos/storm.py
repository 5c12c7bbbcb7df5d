"""A storm over a whole jobwire: jobs live at two simulated providers while everything dies, and then it is counted."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
import requests
from chaos.counting import Count, Evidence, count
from chaos.endpoint import Arrival, Endpoint
from chaos.histories import EXPECTED, Life, Telling, lives
from chaos.mishaps import WORKERS, Hand
from chaos.plan import Mishap, plan
from running import BENTLEY, HOVER, Running, running, wait_for

from processor.errors import Unavailable
from processor.pipeline.facts import Facts
from processor.reconciling import Cursor
from processor.simulation import Webhook, changed, notify
from processor.store import keys

SOURCES, SINKS = (HOVER, BENTLEY), ("disk", "hook", "steady")
JOBS_A_SECOND = 2.0
CALM = 120.0  # seconds within which everything must have calmed down
_ATTEMPTS, _PATIENCE, _PAUSE = 4, 5.0, 0.5  # a provider's, of one webhook


@dataclass
class Outcome:
    """What became of one storm. `calm` is how many seconds it took from the last mishap until nothing was left."""

    seed: int
    seconds: float
    counted: Count
    calm: float
    happened: Counter[str]
    answers: Counter[str]
    endpoint: dict[str, int]

    @property
    def held(self) -> bool:
        return not self.counted.complaints

    def text(self) -> str:
        rows = [f"seed {self.seed}, {self.seconds:.0f} s of storm, calm after {self.calm:.1f} s more"]
        for name, table in (
            ("mishaps", self.happened),
            ("answers to webhooks", self.answers),
            ("the endpoint's moods", self.endpoint),
        ):
            rows.append(f"{name}: " + ", ".join(f"{what} {n}" for what, n in sorted(table.items())))
        rows += [f"{n:8}  {what}" for what, n in self.counted.figures.items()]
        return "\n".join([*rows, *(f"BROKEN  {complaint}" for complaint in self.counted.complaints)])


@dataclass
class Door:
    """Sends webhooks as a provider does, and writes down what they were answered."""

    accepted: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))
    _late: list[tuple[float, Webhook]] = field(default_factory=list)

    def tell(self, life: Life, telling: Telling, now: float) -> None:
        """What is late is signed now all the same, and tells what was true now."""
        if telling.dropped:
            return
        for webhook in life.simulator.webhooks(life.job_id, **telling.keys):
            self._late += [(now + telling.late, webhook)] * (2 if telling.double else 1)

    def send_due(self, now: float) -> None:
        due = [webhook for at, webhook in self._late if at <= now]
        self._late = [(at, webhook) for at, webhook in self._late if at > now]
        for webhook in due:
            self._pool.submit(self._send, webhook)

    def close(self) -> None:
        """Send what is left, and wait for all answers."""
        self.send_due(float("inf"))
        self._pool.shutdown()

    def _send(self, webhook: Webhook) -> None:
        for attempt in range(_ATTEMPTS):
            time.sleep(_PAUSE * attempt)
            try:
                answer = requests.post(webhook.url, webhook.body, headers=dict(webhook.headers), timeout=_PATIENCE)
            except requests.RequestException:
                self.answers["none"] += 1
                continue
            self.answers[str(answer.status_code)] += 1
            if answer.status_code == 202:
                self.accepted.add(answer.json()["id"])
            if answer.ok:
                return


Harm = Callable[["Storm"], None]


def storm(folder: Path, *, seed: int, seconds: float, calm: float = CALM, harm: Harm | None = None) -> Outcome:
    """Let one storm happen in an empty folder, and count. `harm` is called with the storm when half of it is over, for
    those who want to see the counting fail."""
    with Storm.rising(folder, seed, seconds) as it:
        it.rage(harm)
        return it.settle(calm)


@dataclass
class Storm:
    it: Running
    endpoint: Endpoint
    steady: Endpoint
    seed: int
    seconds: float
    lives: list[Life]
    mishaps: list[Mishap]
    hand: Hand
    door: Door = field(default_factory=Door)

    @classmethod
    @contextmanager
    def rising(cls, folder: Path, seed: int, seconds: float) -> Iterator[Storm]:
        """Everything runs, and the providers have been taken stock of."""
        rng = random.Random(seed)
        mishaps = plan(rng, seconds)
        endpoint, steady = Endpoint(), Endpoint()
        more = endpoint.configuration("hook") + steady.configuration("steady")
        try:
            with running(folder, more, "--workers", str(WORKERS), reconcile="2s") as it:
                for source in SOURCES:
                    wait_for(lambda source=source: _took_stock(it, source), 60, "the first pass is not over")
                _warm(it, [endpoint, steady])
                jobs = lives(
                    rng, it.simulated.by_name, count=max(4, int(seconds * JOBS_A_SECOND)), within=seconds * 0.7
                )
                yield cls(it, endpoint, steady, seed, seconds, jobs, mishaps, Hand(it, endpoint, rng))
        finally:
            endpoint.close()
            steady.close()

    def rage(self, harm: Harm | None) -> None:
        """Jobs live, webhooks go out and things go wrong, until the time is over."""
        began, looked, pending = time.monotonic(), 0.0, list(self.mishaps)
        unseen: set[str] = set()
        while (now := time.monotonic() - began) < self.seconds:
            while pending and pending[0].at <= now:
                self.hand.do(pending.pop(0))
            if now - looked > 0.3:
                unseen, looked = self.unseen(), now
            for life in self.lives:
                if life.due <= now and not life.over and life.job_id not in unseen:
                    self.door.tell(life, life.turn(now), now)
                    unseen.add(life.job_id)  # until the next look
            self.door.send_due(now)
            if harm and now > self.seconds / 2:
                harm(self)
                harm = None
            time.sleep(0.05)

    def settle(self, calm: float) -> Outcome:
        """Nothing goes wrong any more: wait until nothing is left to do, and count."""
        began = time.monotonic()
        self.hand.calm()
        self.door.close()
        while not self.quiet() and time.monotonic() - began < calm:
            time.sleep(0.25)
        took = time.monotonic() - began
        counted = count(self.evidence())
        counted.figures["RQ tasks left without an end"] = self.left_at_rq()
        return Outcome(
            self.seed,
            self.seconds,
            counted,
            took,
            self.hand.happened,
            self.door.answers,
            self.endpoint.answers,
        )

    def left_at_rq(self) -> int:
        """Tasks that RQ keeps for ever, since whoever had them was killed. No promise needs them; they cost memory."""
        with redis.Redis(unix_socket_path=str(self.it.embedded.socket)) as client:
            return sum(client.pttl(key) == -1 for key in client.scan_iter(match="rq:job:*", count=1000))

    def unseen(self) -> set[str]:
        """The jobs whose document the store has not seen yet; all of them while it cannot be asked."""
        begun = [life for life in self.lives if life.told]
        out: set[str] = set()
        for source in SOURCES:
            its = [life for life in begun if life.source == source and life.waits_to_be_seen]
            try:
                texts = self.it.journal.facts(source, [life.job_id for life in its])
            except Unavailable:
                texts = [""] * len(its)
            out |= {life.job_id for life, text in zip(its, texts, strict=True) if not life.seen(Facts.load(text))}
        return out

    def quiet(self) -> bool:
        """Whether nothing is left to do."""
        try:
            if self.unseen() or self.waiting():
                return False
            found = {event for events in self.journal()[0].values() for event in events}
            states = set(self.standing().values())
        except (Unavailable, redis.RedisError):
            return False
        everywhere = all(found <= {a.id for a in arrivals} for arrivals in self.arrivals().values())
        return everywhere and states <= {"done", "dead"}

    def forge(self) -> str:
        """A notification that counts as answered 202, and that no lane holds: nobody will ever look at it."""
        ntf = f"ntf_{self.seed:024d}"
        with redis.Redis(unix_socket_path=str(self.it.embedded.socket)) as client:
            client.hset(keys.key("n", ntf), mapping={"L": keys.refresh_lane(HOVER, WARM), "state": "pending"})
        self.door.accepted.add(ntf)
        return ntf

    # --- the evidence

    def evidence(self) -> Evidence:
        journal, types = self.journal()
        begun = [life for life in self.lives if life.told]
        return Evidence(
            expected={f"{life.source}/{life.job_id}": life.expected for life in begun},
            kinds=frozenset(EXPECTED),
            journal=journal,
            types=types,
            sinks=self.arrivals(),
            accepted=self.standing(),
            dead=[f"{d.lane} {d.item}: {d.reason}, {d.detail}" for d in self.it.journal.dead()],
            waiting=self.waiting(),
        )

    def journal(self) -> tuple[dict[str, list[str]], dict[str, str]]:
        """The events of each job in the order in which they were found, and what each is."""
        by_job: dict[str, list[str]] = {}
        types: dict[str, str] = {}
        journal = self.it.journal
        for page in journal.entries(journal.horizon()):
            for entry in page:
                if entry.job_id and entry.job_id != WARM:
                    by_job.setdefault(f"{entry.source}/{entry.job_id}", []).append(entry.id)
                    types[entry.id] = entry.type
        return by_job, types

    def arrivals(self) -> dict[str, list[Arrival]]:
        all_of_them = {"disk": _on_disk(self.it.folder), "hook": self.endpoint.arrivals, "steady": self.steady.arrivals}
        return {sink: [a for a in those if not a.job.endswith(f"/{WARM}")] for sink, those in all_of_them.items()}

    def standing(self) -> dict[str, str]:
        """How each notification stands that was answered 202."""
        accepted = sorted(self.door.accepted)
        with redis.Redis(unix_socket_path=str(self.it.embedded.socket), decode_responses=True) as client:
            pipe = client.pipeline(transaction=False)
            for ntf in accepted:
                pipe.hget(keys.key("n", ntf), "state")
            return {ntf: state or "not known" for ntf, state in zip(accepted, pipe.execute(), strict=True)}

    def waiting(self) -> list[str]:
        resources = [*map(keys.refreshing, SOURCES), *map(keys.delivering, SINKS)]
        return [
            f"{item.lane} {item.item}: {item.state}, {item.last_error}"
            for resource in resources
            for item in self.it.journal.waiting(resource)
        ]


WARM = "1"  # the job that makes everybody get a token first: the storm is not about an exchange that is cut off


def _warm(it: Running, endpoints: Sequence[Endpoint]) -> None:
    """The grant of Hover is spent by its exchange; what happens when that is cut off has tests of its own."""
    hover = it.simulated.by_name["hover"]
    hover.put_job(changed(hover.sample("hover-1"), {"id": int(WARM)}))
    notify(hover, WARM)
    wait_for(lambda: len(it.events()) == 3 and all(len(e.arrivals) >= 3 for e in endpoints), 30)


def _took_stock(it: Running, source: str) -> bool:
    text = it.journal.cursor(source)
    return bool(text) and (not Cursor.load(text).first or bool(Cursor.load(text).over))


def _on_disk(folder: Path) -> list[Arrival]:
    """Whoever was killed in the middle of a line left the beginning of one, and the same event again behind it."""
    arrivals = []
    for line in (folder / "events.jsonl").read_bytes().split(b"\n"):
        try:
            arrivals.append(Arrival.of(json.loads(line)))
        except ValueError:
            continue
    return arrivals
