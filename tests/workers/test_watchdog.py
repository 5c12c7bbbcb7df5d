"""The watchdog: what is wrong with our webhooks is mended, told once when that fails, and once more when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from at_work import Greeting, Plain, Subscribing, working
from structlog.testing import capture_logs

from processor.errors import Busy, Forbidden, RateLimited, ReconnectNeeded, Unavailable
from processor.model import Secret
from processor.ports import Subscription
from processor.providers.bentley.simulator import BentleySimulator
from processor.providers.hover.simulator import HoverSimulator
from processor.simulation import Served, serve
from processor.store import keys
from processor.testing.fakes import StandingClock, some_tools
from processor.web import create_app
from processor.wiring import App, read_settings
from workers import watchdog
from workers.scheduler import DUTIES
from workers.watchdog import AGAIN, EVERY, LOCKED_OUT, MEND, watch_webhooks

PUBLIC = "https://jobs.example.com"
OURS = f"{PUBLIC}/webhooks/main"
CONFIG = f"""
[server]
public_url = "{PUBLIC}"
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "hush-client"
refresh_token = "hush-refresh"
webhook_secrets = ["hush-configured"]
rate_limits = []
[sinks.ops]
type = "console"
events = ["ops.*"]
"""
WELL = Subscription("1", OURS, "active")
INACTIVE = replace(WELL, state="inactive", trouble="it is not active")
MISSING = f"the provider has no webhook for {OURS}: jobwire webhooks register main"


class Place:
    """An application, its provider, and a clock that stands still."""

    def __init__(self, redis_url: str, folder: Path, provider: Plain, config: str = CONFIG) -> None:
        file = folder / "jobwire.toml"
        file.write_text(config)
        self.app = App(read_settings(str(file), {}), redis_url)
        self.clock = StandingClock()
        self.app.__dict__["tools"] = some_tools(clock=self.clock)
        self.app.__dict__["providers"] = {"main": provider}
        self.lines: list[Any] = []

    def look(self, seconds: float = EVERY) -> float:
        """One look of the scheduler, so long after the one before; in how many seconds the next one comes."""
        self.clock.advance(seconds)
        self.app.journal.leave_duty("webhooks:main")
        with capture_logs() as lines:
            watch_webhooks(self.app)
        self.lines += lines
        left: Any = self.app.scripts.client.pttl(keys.key("lock", "duty:webhooks:main"))
        return round(left / 1000)

    def told(self) -> list[tuple[str, str]]:
        return [(e["data"]["ops"]["state"], e["data"]["ops"]["detail"]) for e in self.app.journal.events()]


@pytest.fixture
def provider() -> Subscribing:
    provider = Subscribing()
    provider.hooks.there = [WELL]
    return provider


@pytest.fixture
def place(redis_url: str, tmp_path: Path, provider: Subscribing) -> Place:
    return Place(redis_url, tmp_path, provider)


# --- who is looked at ------------------------------------------------------------------------------------------------


def test_a_source_is_looked_at_once_in_five_minutes_by_whoever_comes_first(place: Place, provider: Subscribing) -> None:
    assert place.look() == EVERY == 300
    watch_webhooks(place.app)
    assert provider.hooks.calls == ["subscriptions"]
    assert ("webhooks", watch_webhooks) in [(duty.name, duty.do) for duty in DUTIES]


def test_without_a_public_url_nobody_knows_which_webhooks_are_ours(
    redis_url: str, tmp_path: Path, provider: Subscribing
) -> None:
    place = Place(redis_url, tmp_path, provider, CONFIG.replace("public_url", "# "))
    provider.hooks.there.clear()
    place.look()
    place.look()
    assert (provider.hooks.calls, place.told()) == ([], [])


def test_a_provider_that_cannot_be_asked_for_webhooks_is_let_alone(redis_url: str, tmp_path: Path) -> None:
    place = Place(redis_url, tmp_path, Plain())
    place.look()
    assert (place.told(), place.lines) == ([], [])


def test_the_look_waits_for_the_budget(redis_url: str, tmp_path: Path, provider: Subscribing) -> None:
    place = Place(redis_url, tmp_path, provider, CONFIG.replace("[]", '["1/1m"]'))
    assert place.look() == 300
    assert 30 < place.look() <= 210
    assert provider.hooks.calls == ["subscriptions"]


# --- errors of the provider are no alarm -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Busy("answered 503"), 60),
        (Busy("answered 503", retry_after=17), 17),
        (ReconnectNeeded("reconnect needed"), 60),
        (Forbidden("answered 403"), LOCKED_OUT),
    ],
)
def test_a_provider_that_cannot_be_asked_is_a_log_line_and_asked_later(
    place: Place, provider: Subscribing, error: Exception, seconds: float
) -> None:
    provider.hooks.failing["subscriptions"] = error
    assert place.look() == place.look() == seconds
    assert place.told() == []
    assert {line["event"] for line in place.lines} == {"our webhooks could not be looked at"}
    assert {line["detail"] for line in place.lines} == {str(error)}


def test_a_429_holds_everybody_off(redis_url: str, tmp_path: Path, provider: Subscribing) -> None:
    place = Place(redis_url, tmp_path, provider, CONFIG.replace("[]", '["120/1m"]'))
    provider.hooks.failing["subscriptions"] = RateLimited("answered 429", retry_after=40)
    assert place.look() == 40
    assert place.app.lanes.spend(place.app.sources["main"]) > 0
    assert place.look() == 1, "not even asked"
    assert provider.hooks.calls == ["subscriptions"]


def test_an_error_in_between_neither_ends_nor_doubles_an_alarm(place: Place, provider: Subscribing) -> None:
    provider.hooks.there.clear()
    place.look()
    place.look()
    provider.hooks.failing["subscriptions"] = Busy("answered 503")
    place.look()
    del provider.hooks.failing["subscriptions"]
    place.look()
    assert place.told() == [("raised", MISSING)]


def test_a_redis_that_goes_away_is_for_the_scheduler_to_bear(place: Place, provider: Subscribing) -> None:
    provider.hooks.failing["subscriptions"] = Unavailable("Redis cannot take it now")
    with pytest.raises(Unavailable):
        place.look()


# --- what is wrong ---------------------------------------------------------------------------------------------------


def test_one_that_is_missing_is_looked_at_twice_told_once_and_over_once(place: Place, provider: Subscribing) -> None:
    provider.hooks.there = [replace(WELL, id="2", url="https://elsewhere.example.com/hook")]
    assert place.look() == AGAIN
    assert place.told() == []
    assert place.look(AGAIN) == EVERY
    place.look()
    place.look()
    assert place.told() == [("raised", MISSING)]
    provider.hooks.there.append(WELL)
    place.look()
    place.look()
    assert place.told() == [("raised", MISSING), ("over", MISSING)]
    raised, over = place.app.journal.events()
    assert (raised["type"], raised["subject"]) == ("ops.subscription_broken", "sources/main")
    assert raised["data"]["ops"]["since"] == over["data"]["ops"]["since"]
    assert place.app.registrations.broken("main") is None
    assert len(list(place.app.journal.waiting("d:ops"))) == 2


def test_one_that_can_be_mended_is_mended_and_nobody_hears_of_it(place: Place, provider: Subscribing) -> None:
    def activate(webhook: Subscription) -> bool:
        provider.hooks.there = [WELL]
        return True

    provider.hooks.there, provider.mending = [INACTIVE], activate
    assert place.look() == AGAIN
    place.look(AGAIN)
    assert provider.hooks.calls == ["subscriptions", "mend 1", "subscriptions"]
    assert place.told() == []
    assert [line["event"] for line in place.lines] == ["a webhook was mended", "our webhook is well again"]


def test_one_that_cannot_be_mended_is_told_and_tried_again_after_an_hour(place: Place, provider: Subscribing) -> None:
    provider.hooks.there = [INACTIVE]
    provider.hooks.failing["mend 1"] = Forbidden("answered 403")
    place.look()
    place.look(AGAIN)
    assert place.told() == [("raised", "webhook 1: it is not active")]
    for _ in range(3):
        place.look()
    assert provider.hooks.calls.count("mend 1") == 1
    assert place.look(MEND) == AGAIN
    assert provider.hooks.calls.count("mend 1") == 2
    assert place.told() == [("raised", "webhook 1: it is not active")]


def test_one_well_webhook_is_enough(place: Place, provider: Subscribing) -> None:
    provider.hooks.there = [replace(INACTIVE, id="2"), WELL]
    place.look()
    place.look()
    assert (place.told(), provider.hooks.calls.count("mend 2")) == ([], 0)


def test_an_error_text_that_stays_is_told_once_whatever_its_numbers(place: Place, provider: Subscribing) -> None:
    """Whether a last error is older than the last success is told by nobody."""
    for n in range(6):
        provider.hooks.there = [replace(WELL, trouble=f"last error: no answer in {n} ms")]
        place.look()
    assert place.told() == [("raised", "webhook 1: last error: no answer in 1 ms")]


def test_something_else_that_is_wrong_is_told_too_under_the_same_beginning(place: Place, provider: Subscribing) -> None:
    """Else a text that stays for ever would hide a webhook that is deleted."""
    stays = replace(WELL, trouble="last error: 502")
    for there in ([stays], [stays], [], [], [stays], [stays], [], [], [WELL]):
        provider.hooks.there = there
        place.look()
    error = "webhook 1: last error: 502"
    assert [detail for state, detail in place.told() if state == "raised"] == [error, MISSING, error, MISSING]
    assert [state for state, _ in place.told()][-1] == "over"
    events = list(place.app.journal.events())
    assert len({event["id"] for event in events}) == 5
    assert len({event["data"]["ops"]["since"] for event in events}) == 1


def test_texts_that_change_with_every_look_are_told_and_do_not_end_in_a_storm(
    place: Place, provider: Subscribing
) -> None:
    for n in range(10):
        provider.hooks.there = [replace(WELL, trouble=f"last error: {'ab'[n % 2]}")]
        place.look(AGAIN)
    assert len(place.told()) == 1
    assert provider.hooks.calls.count("mend 1") <= 2


def test_an_alarm_is_told_once_although_its_teller_died_before_noting_it(
    place: Place, provider: Subscribing, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.hooks.there.clear()
    place.look()
    with monkeypatch.context() as here:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        here.setattr(type(place.app.registrations), "note", killed)
        with pytest.raises(KeyboardInterrupt):
            place.look()
    place.look()
    place.look()
    assert [state for state, _ in place.told()] == ["raised"]


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_that_was_lost_with_redis_is_kept_again_and_seen_nowhere(place: Place, provider: Subscribing) -> None:
    provider.hooks.there = [
        replace(WELL, secret=Secret("hush-lost")),
        replace(WELL, id="2", secret=Secret("hush-configured")),
        replace(WELL, id="3", url="https://elsewhere.example.com/", secret=Secret("hush-foreign")),
    ]
    place.look()
    assert place.app.secrets.by_subscription("main") == {"1": Secret("hush-lost")}
    assert "hush" not in str(place.lines)
    assert [line["webhook"] for line in place.lines] == ["1"]


# --- verification codes ----------------------------------------------------------------------------------------------


def test_a_code_is_awaited_for_a_minute_where_mending_asks_for_one(redis_url: str, tmp_path: Path) -> None:
    provider = Greeting()
    place = Place(redis_url, tmp_path, provider)
    provider.hooks.there = [INACTIVE]
    awaited: list[bool] = []

    def ask_for_code(webhook: Subscription) -> bool:
        awaited.append(place.app.registrations.awaits_code("main"))
        return True

    provider.mending = ask_for_code
    place.look()
    assert awaited == [True]
    assert 0 < place.app.scripts.client.ttl(keys.key("reg", "main")) <= 2 * AGAIN  # type: ignore[operator]  # an int


def test_no_code_is_awaited_where_nothing_could_be_mended(redis_url: str, tmp_path: Path) -> None:
    provider = Greeting()
    place = Place(redis_url, tmp_path, provider)
    provider.hooks.there = [INACTIVE]
    place.look()
    assert "mend 1" in provider.hooks.calls
    assert not place.app.registrations.awaits_code("main")


def test_a_registration_under_way_is_not_cut_short(redis_url: str, tmp_path: Path) -> None:
    provider = Greeting()
    place = Place(redis_url, tmp_path, provider)
    provider.hooks.there = [INACTIVE]
    place.app.registrations.begin("main")
    place.look()
    assert place.app.scripts.client.ttl(keys.key("reg", "main")) > 3000  # type: ignore[operator]  # an int


# --- with the providers' own side of the wire ------------------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[Callable[[Any], str]]:
    running: list[Served] = []

    def serving(application: Any) -> str:
        running.append(serve(application))
        return running[-1].url

    yield serving
    for one in running:
        one.close()


def real(redis_url: str, folder: Path, config: str) -> Place:
    place = Place(redis_url, folder, Plain(), config)
    del place.app.__dict__["providers"], place.app.__dict__["tools"]
    return place


def test_bentleys_webhook_that_went_inactive_is_active_again(
    redis_url: str, tmp_path: Path, served: Callable[[Any], str]
) -> None:
    simulator = BentleySimulator(client_id="c", client_secret="hush-client")
    simulator.connect(OURS, "hush-configured")
    simulator.registrations[0].active = False
    url = served(simulator.app)
    more = f'api_url = "{url}"\ntoken_url = "{url}/connect/token"\n[sinks'
    bentley = CONFIG.replace('"hover"', '"bentley"').replace("refresh_token", "#").replace("[sinks", more)
    place = real(redis_url, tmp_path, bentley)
    assert place.look() == AGAIN
    assert simulator.registrations[0].active
    assert place.look() == EVERY
    simulator.registrations.clear()
    place.look()
    place.look()
    assert place.told() == [("raised", MISSING)]


def test_hovers_webhook_that_is_not_verified_is_verified_by_another_code(
    redis_url: str, tmp_path: Path, served: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = HoverSimulator(client_id="c", client_secret="hush-client", refresh_token="hush-refresh")
    api = served(simulator.app)
    place = real(redis_url, tmp_path, CONFIG.replace("[sinks", f'api_url = "{api}"\n[sinks'))
    receiver = served(create_app(place.app))
    monkeypatch.setattr(watchdog.subscribing, "address", lambda app, source: f"{receiver}/webhooks/{source}")
    registration = simulator._register(f"{receiver}/webhooks/main", "hush-new")
    with working(place.app, "main"):
        assert place.look() == AGAIN
    assert place.look() == EVERY
    assert registration.verified_at
    assert place.told() == []
    assert place.app.secrets.by_subscription("main") == {str(registration.id): Secret("hush-new")}
    assert "hush" not in str(place.lines)
