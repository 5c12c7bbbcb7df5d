"""`jobwire webhooks`: list, register with its handshake, delete; a secret is seen once, and no foreign code counts."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from at_work import Desk, Greeting, Plain, Subscribing, working
from rich.console import Console
from running import free_port, wait_for

from processor import registry
from processor.cli import registering, webhooks
from processor.errors import Busy, Forbidden, NotYet, RateLimited, Refused, Unavailable, Unreachable
from processor.model import Handshake, Secret
from processor.ports import Subscription
from processor.providers.bentley.simulator import BentleySimulator
from processor.providers.hover.simulator import HoverSimulator
from processor.simulation import serve
from processor.simulation.sending import send
from processor.store import keys
from processor.store.secrets import RedisSecrets
from processor.web import create_app
from processor.wiring import CONFIRM, CONFIRM_JOB, App
from workers import retry

PUBLIC = "https://jobs.example.com"
OURS = f"{PUBLIC}/webhooks/main"
CONFIG = f"""
[server]
public_url = "{PUBLIC}"
[sources.main]
provider = "hover"
rate_limits = ["120/1m"]
webhook_secrets = ["hush-configured"]
"""
CODE = "7da4ba7e-3a35-4d97-a1b0-6d453aa97493"
THEIRS = "https://u:hush@crm.example.com/hook?key=hush"  # people do write such addresses
SECRET = Secret("hush-from-the-provider")


@pytest.fixture
def desk(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    for name in ("JOBWIRE_CONFIG", "JOBWIRE_DEBUG", "JOBWIRE_DATA_DIR", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(registering, "LOOK", 0.02)
    return Desk(tmp_path, redis_url)


Use = Callable[..., App]


@pytest.fixture
def use(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Use:
    def used(provider: Plain, config: str = CONFIG) -> App:
        monkeypatch.setattr(registry, "provider", lambda name: provider)
        return desk.write(config)

    return used


def hook(webhook_id: str, url: str = OURS, state: str = "active", **more: Any) -> Subscription:
    return Subscription(webhook_id, url, state, **more)


@pytest.fixture
def provider() -> Subscribing:
    """One whose secrets come in every list, as Hover's do."""
    provider = Subscribing()
    provider.hooks.there = [
        hook("1", secret=SECRET),
        hook(
            "2", "https://u:hush@crm.example.com/hook?key=hush", "broken", trouble="last error: 502", events=("a", "b")
        ),
    ]
    provider.made = lambda url: hook("new", url, secret=Secret("hush-new"))
    return provider


# --- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["list", "register", "delete"])
def test_a_provider_whose_webhooks_are_not_ours_to_manage_is_one_line(desk: Desk, use: Use, command: str) -> None:
    use(Plain())
    done = desk.run("webhooks", command, "main")
    expected = "error: main: the webhooks of a hover source cannot be managed from here\n"
    assert (done.exit_code, done.output) == (1, expected)


@pytest.mark.parametrize("command", ["list", "register", "delete"])
def test_an_unknown_source_is_a_usage_error(desk: Desk, use: Use, provider: Subscribing, command: str) -> None:
    use(provider)
    done = desk.run("webhooks", command, "mian")
    assert (done.exit_code, done.output) == (2, "error: 'mian' is no source; did you mean 'main'?\n")


@pytest.mark.parametrize("command", ["list", "register", "delete"])
def test_a_provider_that_cannot_be_asked_is_one_line(desk: Desk, use: Use, provider: Subscribing, command: str) -> None:
    app = use(provider)
    provider.hooks.failing["subscriptions"] = Forbidden("Bentley, webhooks: answered 403")
    done = desk.run("webhooks", command, "main")
    assert (done.exit_code, done.output) == (1, "error: Bentley, webhooks: answered 403\n")
    provider.hooks.failing["subscriptions"] = RateLimited("answered 429", retry_after=40)
    done = desk.run("webhooks", command, "main")
    assert (done.exit_code, done.output) == (1, "error: answered 429: too many requests, try again in 40 s\n")
    assert app.lanes.spend(app.sources["main"]) > 0, "nobody else asks either"


# --- list ------------------------------------------------------------------------------------------------------------


def test_in_a_pipe_each_webhook_is_a_line_without_any_secret(desk: Desk, use: Use, provider: Subscribing) -> None:
    use(provider)
    provider.hooks.there.append(hook("3\x1b[2J", "https://x.example.com/\nwebhooks", events=("c",)))
    done = desk.run("webhooks", "list", "main")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        f"1  {OURS}  active  ours",
        "2  https://crm.example.com/hook  broken  last error: 502  a, b",
        "3[2J  https://x.example.com/webhooks  active  c",
    ]


def test_as_json_each_is_a_document_without_any_secret(desk: Desk, use: Use, provider: Subscribing) -> None:
    use(provider)
    done = desk.run("webhooks", "list", "main", "--json")
    assert "hush" not in done.output
    first, second = (json.loads(line) for line in done.output.splitlines())
    assert first == {"id": "1", "url": OURS, "state": "active", "ours": True, "trouble": None, "events": []}
    assert second["url"] == "https://crm.example.com/hook"
    assert (second["ours"], second["trouble"], second["events"]) == (False, "last error: 502", ["a", "b"])


@pytest.mark.parametrize("width", [60, 160])
def test_on_a_terminal_they_are_a_table_that_fits(
    desk: Desk, use: Use, provider: Subscribing, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "Console", lambda: Console(force_terminal=True, width=width))
    provider.hooks.there.append(hook("[red]3", events=("realityModeling.jobCompleted.v1",) * 6))
    use(provider)
    done = desk.run("webhooks", "list", "main")
    assert "hush" not in done.output
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.output)
    assert max(len(line) for line in plain.splitlines()) <= width
    assert all(word in plain for word in ("Webhook", "Trouble", "ours", "[red]3"))


def test_none_at_all_is_said_beside_the_output(desk: Desk, use: Use, provider: Subscribing) -> None:
    use(provider)
    provider.hooks.there.clear()
    done = desk.run("webhooks", "list", "main")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "main: the provider has no webhooks\n")


@pytest.mark.parametrize("public_url", ["https://JOBS.example.com:443/", "https://jobs.example.com"])
def test_ours_are_known_however_the_address_is_spelled(
    desk: Desk, use: Use, provider: Subscribing, public_url: str
) -> None:
    use(provider, CONFIG.replace(PUBLIC, public_url))
    provider.hooks.there = [hook("1", f"{OURS}/"), hook("2", "http://jobs.example.com/webhooks/main"), hook("3", "x:y")]
    assert [line[-6:] == "  ours" for line in desk.run("webhooks", "list", "main").output.splitlines()] == [
        True,
        False,
        False,
    ]


def test_without_a_public_url_none_are_ours(desk: Desk, use: Use, provider: Subscribing) -> None:
    use(provider, CONFIG.replace("public_url", "# "))
    assert "ours" not in desk.run("webhooks", "list", "main").output


# --- register: what cannot be ----------------------------------------------------------------------------------------


def test_without_a_public_url_the_key_is_named(desk: Desk, use: Use, provider: Subscribing) -> None:
    use(provider, CONFIG.replace("public_url", "# "))
    done = desk.run("webhooks", "register", "main")
    expected = "error: where the provider reaches us is not known: set [server].public_url, or use --url\n"
    assert (done.exit_code, done.output) == (2, expected)
    assert provider.hooks.calls == []


@pytest.mark.parametrize(
    "url",
    [
        "jobs.example.com",
        "ftp://x.example.com/",
        "https://",
        "https://x:0/",
        "https://x/?a=b",
        "https://x/#a",
        "https://u:hush@x/",
        "https://[",
        "https://x:99999/",
        "",
    ],
)
def test_an_address_that_is_none_is_a_usage_error(desk: Desk, use: Use, provider: Subscribing, url: str) -> None:
    use(provider)
    done = desk.run("webhooks", "register", "main", "--url", url)
    assert done.exit_code == 2
    assert done.output == "error: --url must be an address that begins with https://, without user name, ? or #\n"
    assert provider.hooks.calls == []


def test_what_is_registered_already_is_not_registered_again(desk: Desk, use: Use, provider: Subscribing) -> None:
    app = use(provider)
    app.secrets.keep("main", "1", SECRET)
    done = desk.run("webhooks", "register", "main")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        f"{OURS} is registered already: webhook 1, active",
        "nothing was done; --again registers the address once more",
    ]
    assert provider.hooks.calls == ["subscriptions"]


def test_one_that_is_in_trouble_is_status_1_and_not_registered_again(
    desk: Desk, use: Use, provider: Subscribing
) -> None:
    app = use(provider)
    provider.hooks.there[0] = replace(provider.hooks.there[0], trouble="not verified")
    done = desk.run("webhooks", "register", "main")
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        f"{OURS} is registered already: webhook 1, not verified",
        "the secret of webhook 1 was not known here: it is kept now",
        "error: it does not tell us everything; --again registers the address once more",
    ]
    assert provider.hooks.calls == ["subscriptions"]
    assert app.secrets.by_subscription("main") == {"1": SECRET}


def test_one_that_is_refused_leaves_no_door_open(desk: Desk, use: Use, provider: Subscribing) -> None:
    provider = Greeting()
    app = use(provider, CONFIG.replace("https", "http"))
    provider.hooks.failing["subscribe"] = Refused("Bentley takes only addresses that begin with https://")
    done = desk.run("webhooks", "register", "main")
    assert done.exit_code == 1
    assert done.output == "error: Bentley takes only addresses that begin with https://\n"
    assert not app.registrations.awaits_code("main")


def test_one_that_is_not_known_to_have_been_made_is_to_be_looked_for(desk: Desk, use: Use) -> None:
    provider = Greeting()
    app = use(provider)
    provider.hooks.failing["subscribe"] = Unreachable("no answer within 30 s")
    done = desk.run("webhooks", "register", "main")
    assert done.exit_code == 1
    assert done.output == (
        "error: no answer within 30 s; whether the webhook is there all the same says `jobwire webhooks list main`\n"
    )
    assert not app.registrations.awaits_code("main")


# --- register: the secret --------------------------------------------------------------------------------------------


def test_the_secret_is_shown_once_kept_and_accepted(desk: Desk, use: Use, provider: Subscribing) -> None:
    app = use(provider)
    provider.hooks.there.clear()
    done = desk.run("webhooks", "register", "main")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        f"registered {OURS}: webhook new",
        "its secret, shown this once; it is kept in Redis and accepted from now on:",
        "hush-new",
        "the provider sends its webhooks here from now on",
    ]
    assert done.stderr == ""
    assert app.secrets.by_subscription("main") == {"new": Secret("hush-new")}
    assert "hush" not in desk.run("webhooks", "register", "main").output
    assert "hush" not in desk.run("webhooks", "list", "main").output


def test_a_secret_of_the_configuration_is_never_shown(desk: Desk, use: Use, provider: Subscribing) -> None:
    app = use(provider)
    provider.made = lambda url: hook("new", url, secret=Secret("hush-configured"))
    done = desk.run("webhooks", "register", "main", "--again")
    assert done.exit_code == 0
    assert "hush" not in done.output
    assert "its secret is one of those in webhook_secrets" in done.output
    assert app.secrets.by_subscription("main") == {}


def test_a_secret_that_cannot_be_kept_is_shown_all_the_same(
    desk: Desk, use: Use, provider: Subscribing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some providers tell it this once."""

    def away(*_: object) -> None:
        raise Unavailable("Redis cannot take it now (ConnectionError)")

    use(provider)
    monkeypatch.setattr(RedisSecrets, "keep", away)
    done = desk.run("webhooks", "register", "main", "--again")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[1:] == [
        "its secret, which could not be kept: put it into sources.main.webhook_secrets",
        "hush-new",
    ]
    expected = "error: the secret of the new webhook is not kept: Redis cannot take it now (ConnectionError)\n"
    assert done.stderr == expected


def test_a_webhook_that_does_not_work_yet_is_status_1_after_its_secret(
    desk: Desk, use: Use, provider: Subscribing
) -> None:
    use(provider)
    provider.made = lambda url: hook("new", url, trouble="inactive: answered 503", secret=Secret("hush-new"))
    done = desk.run("webhooks", "register", "main", "--again")
    assert done.exit_code == 1
    assert "hush-new" in done.stdout
    assert done.stderr == "error: webhook new tells us nothing yet: inactive: answered 503\n"


def test_an_address_that_is_not_https_is_warned_about(desk: Desk, use: Use, provider: Subscribing) -> None:
    use(provider)
    done = desk.run("webhooks", "register", "main", "--url", "http://tunnel.example.com")
    assert done.exit_code == 0
    assert "registered http://tunnel.example.com/webhooks/main: webhook new" in done.stdout
    assert done.stderr == (
        "warning: http://tunnel.example.com/webhooks/main is not https: "
        "anybody on the way can read what the provider sends\n"
    )


def test_an_address_with_a_path_is_taken_as_it_is(desk: Desk, use: Use, provider: Subscribing) -> None:
    use(provider)
    done = desk.run("webhooks", "register", "main", "--url", "https://proxy.example.com/hover-in/")
    assert done.exit_code == 0
    assert provider.hooks.there[-1].url == "https://proxy.example.com/hover-in/"


# --- register: the verification code ---------------------------------------------------------------------------------


@pytest.fixture
def greeting(monkeypatch: pytest.MonkeyPatch) -> Greeting:
    """A provider that sends codes; nobody waits long for them."""
    monkeypatch.setattr(registering, "PATIENCE", 0.3)
    provider = Greeting()
    provider.made = lambda url: hook("new", url, "not verified", trouble="not verified", secret=Secret("hush-new"))
    return provider


NOT_YET = "error: webhook new tells us nothing yet: not verified; "


def last_line(output: str) -> str:
    return output.splitlines()[-1]


def test_a_code_that_does_not_come_says_whether_anybody_answers_at_the_address(
    desk: Desk, use: Use, greeting: Greeting
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    app = use(greeting, CONFIG.replace(PUBLIC, url))
    done = desk.run("webhooks", "register", "main")
    assert done.exit_code == 1
    assert last_line(done.stderr).startswith(
        f"{NOT_YET}no verification code has come: the address does not answer ({url}/webhooks/main: "
    )
    assert "is `jobwire web` running, and reachable from outside?" in done.stderr
    assert app.registrations.awaits_code("main"), "a late one still counts"


def test_a_code_that_does_not_come_says_who_answers_at_the_address(desk: Desk, use: Use, greeting: Greeting) -> None:
    app = use(greeting)
    with receiving(app) as receiver, served_beside() as other:
        for url, said in [
            (f"{receiver}/webhooks/main", "the receiver answers at this address when asked from here"),
            (f"{other}/webhooks/main", "what answers at this address is not our receiver (status 404)"),
        ]:
            done = desk.run("webhooks", "register", "main", "--url", url, "--again")
            assert done.exit_code == 1
            assert f"no verification code has come: {said}" in last_line(done.stderr)


def test_a_code_that_no_worker_has_sent_back_says_so(desk: Desk, use: Use, greeting: Greeting) -> None:
    app = use(greeting)
    greeting.made = with_code(app, greeting.made)
    done = desk.run("webhooks", "register", "main")
    assert done.exit_code == 1
    said = "its verification code has come, and no worker has sent it back: is `jobwire worker` running?"
    assert last_line(done.stderr) == f"{NOT_YET}{said}; a code is still awaited for an hour"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Busy("answered 503"), "could not be sent back yet: answered 503; a code is still awaited for an hour"),
        (Forbidden("answered 403"), "the provider did not take it back: answered 403"),
    ],
)
def test_a_code_that_cannot_be_sent_back_says_why(
    desk: Desk, use: Use, greeting: Greeting, error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "confirm", raising(error), raising=False)
    app = use(greeting)
    greeting.made = with_code(app, greeting.made)
    with working(app, "main"):
        done = desk.run("webhooks", "register", "main")
    assert done.exit_code == 1
    assert last_line(done.stderr).startswith(f"{NOT_YET}its verification code has come, and ")
    assert last_line(done.stderr).endswith(said)


def test_the_code_is_expected_before_the_registration_is_answered(desk: Desk, use: Use, greeting: Greeting) -> None:
    app = use(greeting)
    awaited: list[bool] = []

    def made(url: str) -> Subscription:
        awaited.append(app.registrations.awaits_code("main"))
        app.registrations.end("main")  # the code came, and was sent back, before this answer
        return hook("new", url, "verified")

    greeting.made = made
    done = desk.run("webhooks", "register", "main")
    assert (done.exit_code, awaited) == (0, [True])
    assert done.stdout.endswith("the provider sends its webhooks here from now on\n")
    assert "told no secret" in done.stdout


def test_one_that_is_verified_by_other_ways_leaves_no_door_open(desk: Desk, use: Use, greeting: Greeting) -> None:
    app = use(greeting)
    greeting.made = lambda url: hook("new", url, "verified", secret=Secret("hush-new"))
    assert desk.run("webhooks", "register", "main").exit_code == 0
    assert not app.registrations.awaits_code("main")


def test_one_that_the_provider_does_not_list_is_status_1(desk: Desk, use: Use, greeting: Greeting) -> None:
    use(greeting)
    made = greeting.made

    def forgotten(url: str) -> Subscription:
        webhook = made(url)
        greeting.hooks.there = _Forgetful()
        return webhook

    greeting.made = forgotten
    done = desk.run("webhooks", "register", "main")
    assert done.exit_code == 1
    assert last_line(done.stderr) == "error: webhook new tells us nothing yet: the provider does not list it"


class _Forgetful(list[Subscription]):
    def append(self, webhook: Subscription) -> None: ...


def with_code(app: App, made: Callable[[str], Subscription]) -> Callable[[str], Subscription]:
    """A registration whose code arrives before its answer."""

    def coded(url: str) -> Subscription:
        assert app.inbox.put_handshake(Handshake("main", CODE)).new
        return made(url)

    return coded


def raising(error: Exception) -> Callable[..., None]:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


# --- delete ----------------------------------------------------------------------------------------------------------


def test_without_a_public_url_nothing_is_ours_to_delete(desk: Desk, use: Use, provider: Subscribing) -> None:
    use(provider, CONFIG.replace("public_url", "# "))
    done = desk.run("webhooks", "delete", "main", "--yes")
    expected = "error: no address is ours: set [server].public_url, or name one with --id\n"
    assert (done.exit_code, done.output) == (2, expected)
    assert desk.run("webhooks", "delete", "main", "--yes", "--id", "2").exit_code == 0


def test_where_there_is_none_the_status_is_1(desk: Desk, use: Use, provider: Subscribing) -> None:
    use(provider)
    done = desk.run("webhooks", "delete", "main", "--id", "9", "--yes")
    assert (done.exit_code, done.output) == (1, "error: main: the provider has no webhook with the id 9\n")
    provider.hooks.there.clear()
    done = desk.run("webhooks", "delete", "main", "--yes")
    assert (done.exit_code, done.output) == (1, f"error: main: the provider has no webhook for {OURS}\n")
    assert "unsubscribe" not in provider.hooks.calls


@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_it_asks_first(desk: Desk, use: Use, provider: Subscribing, typed: str) -> None:
    use(provider)
    done = desk.run("webhooks", "delete", "main", typed=typed)
    assert done.exit_code == 1
    assert done.stdout.startswith(f"1  {OURS}  active\nDelete this at the provider? [y/N]")
    assert "unsubscribe" not in provider.hooks.calls


def test_ours_are_deleted_and_their_secrets_forgotten(desk: Desk, use: Use, provider: Subscribing) -> None:
    app = use(provider)
    provider.hooks.there.append(hook("3"))
    for webhook_id in "123":
        app.secrets.keep("main", webhook_id, SECRET)
    done = desk.run("webhooks", "delete", "main", typed="y\n")
    assert done.exit_code == 0
    assert done.output.endswith("webhook 1: deleted\nwebhook 3: deleted\n")
    assert "hush" not in done.output
    assert [webhook.id for webhook in provider.hooks.there] == ["2"]
    assert app.secrets.by_subscription("main").keys() == {"2"}


def test_one_that_is_gone_meanwhile_is_forgotten_too(desk: Desk, use: Use, provider: Subscribing) -> None:
    app = use(provider)
    app.secrets.keep("main", "1", SECRET)
    provider.hooks.failing["unsubscribe"] = NotYet("answered 404")
    done = desk.run("webhooks", "delete", "main", "--yes")
    assert (done.exit_code, last_line(done.output)) == (0, "webhook 1: was gone already")
    assert app.secrets.by_subscription("main") == {}


def test_one_that_is_not_deleted_keeps_its_secret(desk: Desk, use: Use, provider: Subscribing) -> None:
    app = use(provider)
    app.secrets.keep("main", "1", SECRET)
    provider.hooks.failing["unsubscribe"] = Busy("answered 503")
    done = desk.run("webhooks", "delete", "main", "--yes")
    assert (done.exit_code, last_line(done.output)) == (1, "error: answered 503")
    assert app.secrets.by_subscription("main") == {"1": SECRET}


# --- with the providers' own side of the wire ------------------------------------------------------------------------


@contextmanager
def receiving(app: App, port: int = 0) -> Iterator[str]:
    """The real receiver, in this process."""
    served = serve(create_app(app), port=port)
    try:
        yield served.url
    finally:
        served.close()


@contextmanager
def served_beside() -> Iterator[str]:
    def nothing(environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [])
        return []

    served = serve(nothing)
    try:
        yield served.url
    finally:
        served.close()


class Hover:
    """A simulated Hover, our receiver, and a configuration without any webhook secret."""

    def __init__(self, desk: Desk) -> None:
        self.simulator = HoverSimulator(client_id="c", client_secret="hush-client", refresh_token="hush-refresh")
        self.simulator.put_job(self.simulator.sample("hover-1"))
        self._there = ExitStack()
        provider = serve(self.simulator.app)
        self._there.callback(provider.close)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/webhooks/main"
        self.app = desk.write(f"""
[server]
public_url = "http://127.0.0.1:{port}"
[sources.main]
provider = "hover"
client_id = "c"
client_secret = "hush-client"
refresh_token = "hush-refresh"
api_url = "{provider.url}"
""")
        self._there.enter_context(receiving(self.app, port))

    def close(self) -> None:
        self._there.close()

    def spoof(self) -> dict[str, Any]:
        """What anybody can send."""
        body = {"event": CONFIRM, "webhook_id": 1, "code": CODE}
        answer = requests.post(self.url, json=body, timeout=5)
        return {"status_code": answer.status_code, **answer.json()}

    @property
    def asked_to_verify(self) -> int:
        return self.simulator.stage.counts["verify"]


@pytest.fixture
def hover(desk: Desk) -> Iterator[Hover]:
    hover = Hover(desk)
    yield hover
    hover.close()


def test_a_registration_at_hover_from_the_code_to_the_first_event(desk: Desk, hover: Hover) -> None:
    with working(hover.app, "main"):
        done = desk.run("webhooks", "register", "main")
        assert done.exit_code == 0, done.output
        [registration] = hover.simulator.registrations
        assert registration.verified_at
        assert done.stdout.splitlines() == [
            f"registered {hover.url}: webhook {registration.id}",
            "its secret, shown this once; it is kept in Redis and accepted from now on:",
            registration.secret,
            "the provider sends its webhooks here from now on",
        ]
        assert "is not https" in done.stderr
        [webhook] = hover.simulator.webhooks("15084303")
        assert send(webhook).status == 202, "its signature is known from now on"
        wait_for(lambda: list(hover.app.journal.events()), 10)
    listed = desk.run("webhooks", "list", "main").output
    assert listed == f"{registration.id}  {hover.url}  verified  ours\n"
    assert desk.run("webhooks", "delete", "main", "--yes").exit_code == 0
    assert hover.simulator.registrations == []
    wait_for(lambda: requests.post(webhook.url, webhook.body, headers=webhook.headers).status_code == 401, 5)


def test_a_code_that_nobody_waits_for_is_never_sent_back(hover: Hover) -> None:
    with working(hover.app, "main"):
        assert hover.spoof()["status"] == "ignored"
        assert list(hover.app.journal.waiting("r:main")) == []
    assert hover.asked_to_verify == 0


def test_a_foreign_code_in_between_confirms_nothing_and_ends_no_registration(
    desk: Desk, hover: Hover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hover alone knows which code is its own: for another one it has no registration."""
    monkeypatch.setattr(retry, "NOT_YET", 1)
    hover.simulator.connect("https://elsewhere.example.com/hook", "hush-elsewhere")
    hover.app.registrations.begin("main")
    with working(hover.app, "main"):
        assert hover.spoof()["status"] == "accepted"
        dead = wait_for(lambda: list(hover.app.journal.dead()), 10)
        assert [(keys.job_of(item.lane), item.reason) for item in dead] == [(CONFIRM_JOB, "NotYet")]
        assert hover.app.registrations.awaits_code("main")
        assert desk.run("webhooks", "register", "main").exit_code == 0
    assert [bool(r.verified_at) for r in hover.simulator.registrations] == [True, True]
    assert hover.spoof()["status"] == "ignored", "nothing is awaited any more"
    assert hover.asked_to_verify == 2


def test_every_call_to_the_provider_is_paid_for(desk: Desk, hover: Hover) -> None:
    desk.run("webhooks", "list", "main")
    desk.run("webhooks", "list", "main")
    assert hover.app.journal.counters()["spent:r:main"] == hover.simulator.stage.counts["webhooks"] == 2


def test_a_registration_at_bentley_is_active_at_once(desk: Desk, redis_client: redis.Redis) -> None:
    simulator = BentleySimulator(client_id="c", client_secret="hush-client")
    served = serve(simulator.app)
    try:
        app = desk.write(f"""
[server]
public_url = "{PUBLIC}"
[sources.main]
provider = "bentley"
client_id = "c"
client_secret = "hush-client"
api_url = "{served.url}"
token_url = "{served.url}/connect/token"
""")
        refused = desk.run("webhooks", "register", "main", "--url", "http://jobs.example.com")
        assert refused.exit_code == 1
        assert refused.output.count("\n") == 1
        assert "https://" in refused.output
        assert simulator.registrations == []
        done = desk.run("webhooks", "register", "main")
        [registration] = simulator.registrations
        assert (done.exit_code, registration.active, done.stderr) == (0, True, "")
        assert done.stdout.splitlines()[2] == registration.secret
        assert app.secrets("main") == (Secret(registration.secret),)
        listed = desk.run("webhooks", "list", "main").output
        assert listed.startswith(f"{registration.id}  {OURS}  active  ours  realityModeling.jobCompleted.v1, ")
        assert desk.run("webhooks", "delete", "main", "--yes").exit_code == 0
        assert simulator.registrations == []
    finally:
        served.close()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    def there_are() -> int:
        return sum(thread.name != "tally" for thread in threading.enumerate())  # a receiver's own, as long as it lives

    before = there_are()
    yield
    wait_for(lambda: there_are() <= before, 5, "a thread is left")
