"""The line itself: what it lets pass, and what it does where it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from faults.calls import TOKEN, Call, Reader, by_digest, script_texts
from faults.line import Exchange, Line, Trap, When

from processor.connect import connect
from processor.ports import StoredToken
from processor.queue import Tasks
from processor.store.tokens import RedisTokens

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux says whose a connection is")
STORES = """
from processor.connect import connect
from processor.ports import StoredToken
from processor.store.tokens import RedisTokens
import sys
tokens = RedisTokens(connect(sys.argv[1], patient=True))
print(tokens.put("main", StoredToken("a", None, "seed", 1.0), expected=None))
"""


@pytest.fixture
def there(redis_url: str) -> Iterator[tuple[Line, str]]:
    """A line to an empty database, and its address."""
    exchange = Exchange()
    with tempfile.TemporaryDirectory(prefix="jw-") as folder:
        path = Path(folder) / "line.sock"
        yield exchange.line(path, Path(urlsplit(redis_url).path), by_digest(script_texts())), f"unix://{path}?db=0"
        exchange.close()


def test_what_passes_passes_as_it_is(there: tuple[Line, str]) -> None:
    """Binary, large, many at once, transactions, scripts, and what comes unasked."""
    client = redis.Redis.from_url(there[1])
    large = bytes(range(256)) * 20_000
    with client.pipeline(transaction=True) as pipe:
        pipe.set("large", large)
        for n in range(500):
            pipe.rpush("list", n)
        assert pipe.execute()[-1] == 500
    assert client.get("large") == large
    assert client.hgetall("nothing") == {}
    assert client.blpop(["nothing"], timeout=0.1) is None
    assert client.register_script("return {1, {'two', false}, redis.status_reply('three')}")() == [
        1,
        [b"two", None],
        b"three",
    ]
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.incr("list")
    with client.pubsub() as listening:
        listening.subscribe("news")
        assert listening.get_message(timeout=5)["type"] == "subscribe"
        assert client.publish("news", "something") == 1
        assert listening.get_message(timeout=5)["data"] == b"something"
    client.close()


@pytest.mark.parametrize(("when", "stored"), [(When.BEFORE, False), (When.AFTER, True)])
def test_whoever_reaches_the_point_is_killed_before_or_after_it_took_effect(
    when: When, stored: bool, there: tuple[Line, str], redis_client: redis.Redis
) -> None:
    line, url = there
    trap = line.trap = Trap(when, TOKEN)
    done = subprocess.run([sys.executable, "-c", STORES, url], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
    assert (trap.reached, bool(redis_client.exists("jobwire:tok:main"))) == (1, stored)


def test_a_reply_that_is_cut_off_is_lost_once(there: tuple[Line, str], redis_client: redis.Redis) -> None:
    """Who is patient sends it again, and is told that it was there before."""
    line, url = there
    trap = line.trap = Trap(When.CUT, TOKEN)
    client = connect(url, patient=True)
    assert not RedisTokens(client).put("main", StoredToken("a", None, "seed", 1.0), expected=None)
    assert (trap.reached, redis_client.exists("jobwire:tok:main")) == (1, 1)
    client.close()


def test_a_task_on_its_way_is_told_from_the_rest(there: tuple[Line, str]) -> None:
    line, url = there
    trap = line.trap = Trap(When.CUT, "task")
    client = connect(url, patient=True, text=False)
    client.rpush("rq:queue:other", "x")
    assert trap.reached == 0
    Tasks(client).send([("r:main", "hand")])
    assert trap.reached == 1
    client.close()


def test_a_call_is_told_by_its_script_and_by_what_it_is_about() -> None:
    names = {b"d1": "claim", b"d2": "keep"}
    read = Reader(names).call
    assert read([b"EVALSHA", b"d1", b"1", b"jobwire:", b'{"R": "r:main"}']) == Call("claim", "r:main")
    assert read([b"EVALSHA", b"d2", b"1", b"jobwire:", b'{"lanes": [["d:hook", "L", "1"]]}']) == Call("keep", "d:hook")
    assert read([b"EVALSHA", b"d2", b"1", b"jobwire:", b'{"lanes": []}']) == Call("keep")
    assert read([b"EVALSHA", b"of somebody else", b"0"]) is None
