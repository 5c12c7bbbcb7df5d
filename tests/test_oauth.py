"""Tokens: which one is used, who may exchange, and what survives a race, a crash and a store that is away."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from processor.errors import Busy, RateLimited, ReconnectNeeded, Retryable, Unavailable, Unreachable, Unreadable
from processor.model import JSON, Secret
from processor.oauth import ClientCredentials, OAuth, RotatingRefreshToken
from processor.ports import Answer, StoredToken
from processor.testing.fakes import FakeHttp, MemoryTokenStore, Scripted, Sent, StandingClock, answer, some_tools

URL = "https://idp.test/oauth/token"
ROTATING = RotatingRefreshToken("client", Secret("app-secret"), Secret("refresh-0"))
CREDENTIALS = ClientCredentials("client", Secret("app-secret"), "some-scope")
INVALID_GRANT = answer(400, {"error": "invalid_grant"})


def granted(access: str, refresh: str | None = None, expires_in: object = 7200) -> Answer:
    body = {"access_token": access, "token_type": "Bearer", "expires_in": expires_in}
    return answer(json=body if refresh is None else {**body, "refresh_token": refresh})


class World:
    """A store and a clock that several processes (OAuth instances) share."""

    def __init__(self) -> None:
        self.clock = StandingClock()
        self.store = MemoryTokenStore(patience=0.05)

    def process(
        self,
        *script: Scripted,
        grant: RotatingRefreshToken | ClientCredentials = ROTATING,
        always: Scripted | None = None,
    ) -> tuple[OAuth, FakeHttp]:
        http = FakeHttp(*script, always=always)
        return OAuth("hover-main", URL, grant, some_tools(http=http, tokens=self.store, clock=self.clock)), http

    @property
    def stored(self) -> StoredToken:
        token = self.store.get("hover-main")
        assert token
        return token


@pytest.fixture
def world() -> World:
    return World()


def refresh_of(sent: Sent) -> JSON:
    return sent.json["refresh_token"] if sent.json else None


# --- what is asked


def test_a_refresh_token_is_exchanged_as_json(world: World) -> None:
    oauth, http = world.process(granted("access-1", "refresh-1"))
    assert oauth.token() == "access-1"
    assert (http.sent[0].method, http.sent[0].url) == ("POST", URL)
    assert http.sent[0].json == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-0",
        "client_id": "client",
        "client_secret": "app-secret",
    }


def test_client_credentials_are_sent_as_a_form(world: World) -> None:
    oauth, http = world.process(granted("access-1"), grant=CREDENTIALS)
    assert oauth.token() == "access-1"
    assert http.sent[0].form == {
        "grant_type": "client_credentials",
        "client_id": "client",
        "client_secret": "app-secret",
        "scope": "some-scope",
    }


# --- refusals and other answers


@pytest.mark.parametrize("status", [400, 401])
def test_invalid_grant_breaks_the_stored_token_and_nobody_asks_again(world: World, status: int) -> None:
    oauth, http = world.process(answer(status, {"error": "invalid_grant"}))
    for _ in range(2):
        with pytest.raises(ReconnectNeeded, match=r"hover-main: .*set the new refresh_token") as caught:
            oauth.token()
    assert world.stored.broken
    assert len(http.sent) == 1
    assert not [secret for secret in ("refresh-0", "app-secret") if secret in f"{caught.value!r}{world.stored!r}"]


def test_another_configured_refresh_token_mends_a_broken_source(world: World) -> None:
    with pytest.raises(ReconnectNeeded):
        world.process(INVALID_GRANT)[0].token()
    oauth, http = world.process(
        granted("access-1", "refresh-1"), grant=replace(ROTATING, refresh_token=Secret("reconnected"))
    )
    assert oauth.token() == "access-1"
    assert refresh_of(http.sent[0]) == "reconnected"
    assert not world.stored.broken


def test_refused_client_credentials_are_asked_again_since_their_owner_may_lift_that(world: World) -> None:
    oauth, _ = world.process(INVALID_GRANT, granted("access-1"), grant=CREDENTIALS)
    with pytest.raises(ReconnectNeeded, match="check client_id and client_secret"):
        oauth.token()
    assert world.stored.broken
    assert oauth.token() == "access-1"
    assert not world.stored.broken


@pytest.mark.parametrize(
    "refusal",
    [
        answer(401, {"error": "invalid_client"}),
        answer(400, body=b"<html>"),
        answer(400, ["no"]),
        answer(403),
        answer(404),
    ],
)
def test_any_other_refusal_needs_a_person_but_breaks_nothing(world: World, refusal: Answer) -> None:
    oauth, _ = world.process(refusal, granted("access-1", "refresh-1"))
    with pytest.raises(ReconnectNeeded):
        oauth.token()
    assert world.store.get("hover-main") is None
    assert oauth.token() == "access-1"


@pytest.mark.parametrize(
    "refusal", [answer(401, {"error": "invalid_client"}), answer(400, {"error": "unauthorized_client"}), answer(404)]
)
def test_who_is_refused_for_another_reason_is_not_sent_to_authorise_anew(world: World, refusal: Answer) -> None:
    """That would spend a good grant, and be refused just so."""
    oauth, _ = world.process(refusal)
    with pytest.raises(ReconnectNeeded) as caught:
        oauth.token()
    assert caught.value.message == (
        f"hover-main: the token endpoint answered {refusal.status}: "
        "check client_id, client_secret and token_url; the refresh_token was not refused"
    )
    assert not oauth.reconnect_needed()


def test_wrong_client_credentials_are_their_own_remedy(world: World) -> None:
    oauth, _ = world.process(answer(400, {"error": "invalid_client"}), grant=CREDENTIALS)
    with pytest.raises(ReconnectNeeded, match=r"answered 400: check client_id and client_secret, and whether"):
        oauth.token()


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Unreachable("cut"), Unreachable),
        (answer(500), Busy),
        (answer(503, retry_after="9"), Busy),
        (answer(429, retry_after="9"), RateLimited),
        (answer(408), Busy),
        (answer(302), Unreadable),
        (answer(body=b"<html>"), Unreadable),
        (answer(json=[]), Unreadable),
        (answer(json={}), Unreadable),
        (answer(json={"access_token": ""}), Unreadable),
        (answer(json={"access_token": "two\r\nlines"}), Unreadable),
        (answer(json={"access_token": "a", "expires_in": "soon"}), Unreadable),
    ],
)
def test_trouble_on_the_way_comes_back_later_and_breaks_nothing(
    world: World, trouble: Scripted, error: type[Retryable]
) -> None:
    oauth, http = world.process(trouble, granted("access-1", "refresh-1"))
    with pytest.raises(error) as caught:
        oauth.token()
    assert caught.value.retry_after in (None, 9)
    assert world.store.get("hover-main") is None
    assert oauth.token() == "access-1"
    assert refresh_of(http.sent[-1]) == "refresh-0", "the old one is tried once more"


# --- how long a token serves


def test_a_token_is_used_until_shortly_before_its_end(world: World) -> None:
    oauth, http = world.process(granted("access-1", "refresh-1"), granted("access-2", "refresh-2"))
    assert oauth.token() == oauth.token() == "access-1"
    world.clock.advance(7200 - 301)
    assert oauth.token() == "access-1"
    world.clock.advance(2)
    assert oauth.token() == "access-2"
    assert [refresh_of(sent) for sent in http.sent] == ["refresh-0", "refresh-1"]


@pytest.mark.parametrize(("expires_in", "serves"), [(10, 9), ("100", 90), (None, 540), (0, 540)])
def test_a_short_or_unstated_life_has_its_own_margin(world: World, expires_in: object, serves: float) -> None:
    oauth, _ = world.process(granted("a", "r", expires_in), granted("b", "s", expires_in))
    oauth.token()
    world.clock.advance(serves - 0.5)
    assert oauth.token() == "a"
    world.clock.advance(1)
    assert oauth.token() == "b"


def test_the_old_refresh_token_is_kept_only_where_no_new_one_comes(world: World) -> None:
    oauth, http = world.process(granted("access-1"), granted("access-2", "refresh-2"), granted("access-3"))
    for n in (1, 2, 3):
        assert oauth.token() == f"access-{n}"
        world.clock.advance(7200)
    assert [refresh_of(sent) for sent in http.sent] == ["refresh-0", "refresh-0", "refresh-2"]


def test_memory_saves_reading_the_store(world: World) -> None:
    oauth, _ = world.process(granted("access-1", "refresh-1"))
    oauth.token()
    world.store.get = None  # reading it would now fail
    assert oauth.token() == "access-1"


# --- several processes


def test_a_token_is_stored_before_anybody_uses_it(world: World) -> None:
    oauth, _ = world.process(granted("access-1", "refresh-1"))
    seen = []
    oauth.authorised(lambda access: seen.append((access, world.stored.access)) or answer())
    assert seen == [("access-1", "access-1")]


def test_another_process_uses_what_the_first_one_stored(world: World) -> None:
    world.process(granted("access-1", "refresh-1"))[0].token()
    second, http = world.process()
    assert second.token() == "access-1"
    assert http.sent == []


def test_after_a_401_a_newer_stored_token_is_used_before_anything_is_exchanged(world: World) -> None:
    first, _ = world.process(granted("access-1", "refresh-1"), granted("access-2", "refresh-2"))
    second, http = world.process()
    assert first.token() == second.token() == "access-1"
    assert first.renew("access-1") == "access-2"
    assert second.renew("access-1") == "access-2"
    assert second.token() == "access-2"
    assert http.sent == []


def test_a_401_is_met_with_one_newer_token_and_not_with_a_second(world: World) -> None:
    oauth, _ = world.process(granted("access-1", "refresh-1"), granted("access-2", "refresh-2"))
    used: list[str] = []

    def send(access: str) -> Answer:
        used.append(access)
        return answer(401)

    assert oauth.authorised(send).status == 401
    assert used == ["access-1", "access-2"]


def test_a_changed_seed_wins_over_what_is_stored(world: World) -> None:
    world.process(granted("access-1", "refresh-1"))[0].token()
    oauth, http = world.process(granted("access-2", "refresh-2"), grant=replace(ROTATING, refresh_token=Secret("anew")))
    assert oauth.token() == "access-2"
    assert refresh_of(http.sent[0]) == "anew"


def test_a_renewed_client_secret_keeps_the_rotated_token(world: World) -> None:
    world.process(granted("access-1", "refresh-1"))[0].token()
    oauth, http = world.process(grant=replace(ROTATING, client_secret=Secret("renewed")))
    assert oauth.token() == "access-1"
    assert http.sent == []


def test_a_process_with_an_outdated_configuration_does_not_break_the_new_one(world: World) -> None:
    """A rolling restart: one process still has the old refresh token, long spent."""
    new, _ = world.process(granted("access-1", "refresh-1"), grant=replace(ROTATING, refresh_token=Secret("anew")))
    new.token()
    old, _ = world.process(INVALID_GRANT)
    with pytest.raises(ReconnectNeeded):
        old.token()
    assert world.stored.access == "access-1"
    assert not world.stored.broken


def test_in_a_rolling_restart_who_began_before_the_new_configuration_lives_on_its_token(world: World) -> None:
    old, http = world.process(granted("access-0", "refresh-x"), granted("access-2", "refresh-2"))
    old.token()
    world.clock.advance(60)
    renewed = replace(ROTATING, refresh_token=Secret("anew"))
    new, _ = world.process(granted("access-1", "refresh-1"), grant=renewed)
    new.take_over()
    assert old.renew("access-0") == "access-1"
    assert old.renew("access-1") == "access-2"
    assert refresh_of(http.sent[-1]) == "refresh-1"
    assert new.renew("access-1") == "access-2", "and what it renews is everybody's"


def test_who_begins_later_with_the_same_configuration_takes_nothing_over(world: World) -> None:
    world.process(granted("access-1", "refresh-1"))[0].token()
    world.clock.advance(60)
    later, http = world.process()
    later.take_over()
    world.process(grant=replace(ROTATING, client_secret=Secret("renewed")))[0].take_over()
    assert http.sent == []


def test_when_the_new_grant_is_refused_the_old_one_goes_on(world: World) -> None:
    old, _ = world.process(granted("access-0", "refresh-x"), granted("access-1", "refresh-1"))
    old.token()
    world.clock.advance(60)
    new, _ = world.process(INVALID_GRANT, grant=replace(ROTATING, refresh_token=Secret("mistyped")))
    with pytest.raises(ReconnectNeeded):
        new.take_over()
    assert old.renew("access-0") == "access-1"


def test_the_store_is_read_again_before_anybody_has_to_reconnect(world: World) -> None:
    """The other process exchanged while ours asked, so ours was refused."""

    def refused_meanwhile(sent: Sent) -> Answer:
        expires_at = world.clock().timestamp() + 60
        theirs = StoredToken("access-1", "refresh-1", ROTATING.seed, expires_at)
        assert world.store.put("hover-main", theirs, expected=None)
        return INVALID_GRANT

    oauth, _ = world.process(refused_meanwhile)
    assert oauth.token() == "access-1"
    assert not world.stored.broken


def test_a_token_that_was_exchanged_elsewhere_and_is_over_by_now_only_makes_us_wait(world: World) -> None:
    def refused_meanwhile(sent: Sent) -> Answer:
        world.store.put("hover-main", StoredToken("access-1", "refresh-1", ROTATING.seed, 0.0), expected=None)
        return INVALID_GRANT

    oauth, http = world.process(refused_meanwhile, granted("access-2", "refresh-2"))
    with pytest.raises(Busy, match="exchanged elsewhere"):
        oauth.token()
    assert oauth.token() == "access-2"
    assert refresh_of(http.sent[-1]) == "refresh-1"


def test_who_exchanged_wins_over_who_was_refused_and_said_so_first(world: World) -> None:
    def exchanged_meanwhile(sent: Sent) -> Answer:
        broken = StoredToken("", "refresh-0", ROTATING.seed, 0.0, broken=True)
        assert world.store.put("hover-main", broken, expected=None)
        return granted("access-1", "refresh-1")

    oauth, _ = world.process(exchanged_meanwhile)
    assert oauth.token() == "access-1"
    assert (world.stored.refresh, world.stored.broken) == ("refresh-1", False)


def test_a_token_is_not_exchanged_while_another_process_does(world: World) -> None:
    oauth, http = world.process(granted("access-1", "refresh-1"))
    with world.store.lock("hover-main", seconds=30), pytest.raises(Busy, match="another process"):
        oauth.token()
    assert http.sent == []
    assert oauth.token() == "access-1"


def test_a_token_that_the_store_could_not_take_is_kept_and_stored_later(world: World) -> None:
    """The refresh token is spent by then; without this a blink of the store would cost the connection."""
    oauth, http = world.process(granted("access-1", "refresh-1"))
    put, world.store.put = world.store.put, fail
    with pytest.raises(Unavailable):
        oauth.token()
    world.store.put = put
    assert oauth.token() == "access-1"
    assert world.stored.refresh == "refresh-1"
    assert len(http.sent) == 1


def fail(*args: object, **kwargs: object) -> bool:
    raise Unavailable("the store is away")


def test_a_put_that_was_repeated_because_its_reply_was_lost_is_no_race(world: World) -> None:
    oauth, _ = world.process(granted("access-1", "refresh-1"))
    put = world.store.put

    def twice(source: str, token: StoredToken, *, expected: StoredToken | None) -> bool:
        put(source, token, expected=expected)
        return put(source, token, expected=expected)

    world.store.put = twice
    assert oauth.token() == "access-1"


class Rotating:
    """A token endpoint like Hover's: a refresh token is good for one exchange."""

    def __init__(self) -> None:
        self.good = "refresh-0"
        self.exchanges = 0
        self._lock = threading.Lock()

    def __call__(self, sent: Sent) -> Answer:
        with self._lock:
            if refresh_of(sent) != self.good:
                return INVALID_GRANT
            self.exchanges += 1
            self.good = f"refresh-{self.exchanges}"
            return granted(f"access-{self.exchanges}", self.good)


def test_the_threads_of_one_process_queue_up_among_themselves_and_take_the_lock_once() -> None:
    """Each taking of the shared lock is polling at a store that others need."""
    world, taken = World(), []
    lock = world.store.lock

    def counted(source: str, *, seconds: float) -> object:
        taken.append(source)
        time.sleep(0.05)  # the other threads arrive meanwhile
        return lock(source, seconds=seconds)

    world.store.lock = counted
    oauth, _ = world.process(granted("access-1", "refresh-1"))
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: oauth.token(), range(8))) == {"access-1"}
    assert taken == ["hover-main"]


def test_many_threads_of_several_processes_that_meet_a_401_exchange_once_each_time() -> None:
    world, endpoint = World(), Rotating()
    world.store = MemoryTokenStore()
    processes = [world.process(always=endpoint)[0] for _ in range(4)]
    start = threading.Barrier(16)
    for round_ in range(1, 11):

        def renew(n: int, stale: str = f"access-{round_ - 1}") -> str:
            start.wait()
            return processes[n % 4].renew(stale)

        with ThreadPoolExecutor(16) as threads:
            assert set(threads.map(renew, range(16))) == {f"access-{round_}"}
    assert endpoint.exchanges == 10
    assert world.stored.refresh == endpoint.good
