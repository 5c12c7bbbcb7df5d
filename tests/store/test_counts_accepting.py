"""What an accepted notification costs Redis, counted: round trips, commands inside the one script, memory.

The numbers are exact, so that a command more is seen. Who adds one on purpose writes the new number down here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from uuid import uuid4

import pytest
import redis

from processor.providers.bentley import signature
from processor.store import keys
from processor.store.lanes import Lanes
from processor.store.scripts import Scripts
from processor.store.work import Hint, Resource, windows
from processor.web import create_app
from processor.wiring import CAP, REDIS_FROM_PARENT, from_environment

SOURCE = Resource("r:h", CAP)
PACED = Resource("r:h", CAP, windows([(500, 60.0), (5000, 3600.0)]), budget="b:h")
CLOCK = Counter(time=1, hmget=1)
# a batch: the hands at work, its list's name and members, its lanes due and no more in poll, the counter, who was heard
BATCH = CLOCK + Counter(zcount=1, sadd=1, zadd=2, zrem=1, hincrby=1, hset=1)
# each: known by its key, written down with its end, behind its job's others, was the lane in hand before
EACH = Counter(set=1, hset=1, expire=1, rpush=1, exists=1)
HIRED = Counter(zremrangebyscore=1, zadd=1, expire=1)
BYTES = 900  # of Redis' memory for one that waits


def hint(job: str | None = None, seen: str | None = None) -> Hint:
    return Hint(
        seen=seen or uuid4().hex + "01234567",  # as long as a digest
        lane=keys.refresh_lane("h", job or str(uuid4())),
        event="realityModeling.jobCompleted.v1",
        api="reality-modeling",
        claim="job",
        genuine=True,
    )


def counted(client: redis.Redis, act: Callable[[], object]) -> Counter[str]:
    """Every command that Redis was given meanwhile, by a client or by a script; scripts once as `evalsha`."""
    seconds, micros = client.time()
    client.hset(keys.key("clock"), "last", seconds * 1000 + micros // 1000)  # else a script writes it, once a second
    client.config_resetstat()
    act()
    stats = client.info("commandstats")
    counts = Counter({name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()})
    del counts["config|resetstat"]
    return counts


def times(n: int, counts: Counter[str]) -> Counter[str]:
    return Counter({name: n * count for name, count in counts.items()})


@pytest.fixture
def lanes(redis_client: redis.Redis) -> Lanes:
    """With all hands at work, the script loaded and the clock just written down."""
    lanes = Lanes(Scripts(redis_client))
    for _ in range(CAP):
        lanes.accept(SOURCE, [hint()], hand=uuid4().hex)
    return lanes


@pytest.mark.parametrize("resource", [SOURCE, PACED], ids=["without rate limits", "with rate limits"])
@pytest.mark.parametrize("n", [1, 2, 40])
def test_a_batch_is_one_round_trip_whatever_is_in_it(
    lanes: Lanes, redis_client: redis.Redis, resource: Resource, n: int
) -> None:
    counts = counted(redis_client, lambda: lanes.accept(resource, [hint() for _ in range(n)], hand="x"))
    assert counts == Counter(evalsha=1) + BATCH + times(n, EACH)


def test_a_task_is_one_name_among_the_hands(lanes: Lanes, redis_client: redis.Redis) -> None:
    redis_client.delete(keys.key("hands", "r:h"))
    counts = counted(redis_client, lambda: lanes.accept(SOURCE, [hint() for _ in range(CAP + 2)], hand="x"))
    assert counts == Counter(evalsha=1) + BATCH + times(CAP + 2, EACH) + HIRED


def test_a_job_that_was_looked_at_before_is_armed_by_itself(lanes: Lanes, redis_client: redis.Redis) -> None:
    """Its lane may be in hand, have a back-off or a pace."""
    redis_client.hset(keys.key("lane", keys.refresh_lane("h", "known")), "fence", "1")
    counts = counted(redis_client, lambda: lanes.accept(SOURCE, [hint("known")], hand="x"))
    armed = Counter(persist=1, zscore=2, hget=1)
    assert counts == Counter(evalsha=1) + BATCH + EACH + armed


def test_a_duplicate_writes_only_that_it_came(lanes: Lanes, redis_client: redis.Redis) -> None:
    lanes.accept(SOURCE, [hint("1", seen="same")], hand="x")
    counts = counted(redis_client, lambda: lanes.accept(SOURCE, [hint("1", seen="same")], hand="x"))
    assert counts == Counter(evalsha=1, set=1, hdel=1, exists=1, hincrby=2, hset=1) + CLOCK


CONFIGURATION = """
[sources.itwin]
provider = "bentley"
webhook_secrets = ["hush-hush-hush"]
client_id = "a"
client_secret = "b"
"""


def test_a_request_asks_redis_for_nothing_but_its_script(redis_url: str, redis_client: redis.Redis, tmp_path) -> None:
    (tmp_path / "jobwire.toml").write_text(CONFIGURATION)
    environ = {"JOBWIRE_CONFIG": str(tmp_path / "jobwire.toml"), REDIS_FROM_PARENT: redis_url}
    web = create_app(from_environment(environ, patient=False)).test_client()

    def post() -> None:
        content = {"jobId": str(uuid4()), "iTwinId": str(uuid4())}
        event = {"eventType": "realityModeling.jobCompleted.v1", "messageId": str(uuid4()), "content": content}
        body = json.dumps(event).encode()
        headers = {signature.HEADER: signature.sign(b"hush-hush-hush", body)}
        answer = web.post("/webhooks/itwin", data=body, content_type="application/json", headers=headers)
        assert answer.status_code == 202

    for _ in range(CAP):
        post()  # connects, loads the script, sends the tasks
    counts = counted(redis_client, lambda: [post() for _ in range(20)])
    assert counts.pop("info", 0) <= 2  # whether there is room is asked once a second
    assert counts["evalsha"] == 20
    inside = times(20, BATCH + EACH)
    assert counts <= Counter(evalsha=20) + inside + times(3, Counter(hset=1, expire=1))  # the clock, once a second
    assert counts >= Counter(evalsha=20) + inside


def test_what_waits_takes_little_memory(redis_client: redis.Redis) -> None:
    lanes, n = Lanes(Scripts(redis_client)), 10_000
    lanes.accept(SOURCE, [hint()], hand="x")
    before = redis_client.info("memory")["used_memory"]
    for _ in range(n // 100):
        lanes.accept(SOURCE, [hint() for _ in range(100)], hand="x")
    assert (redis_client.info("memory")["used_memory"] - before) / n < BYTES
