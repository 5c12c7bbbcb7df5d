"""Slack as a sink, by incoming webhook and as a bot, against a workspace that checks the rules of Slack's API."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from golden import GOLDEN, cases, compare, together
from marshmallow import ValidationError
from sinks.slack_workspace import (
    BOT,
    HOOK,
    TEAM,
    TOKEN,
    Answer,
    Channel,
    Message,
    Workspace,
    all_seen,
    faults,
    notice,
    pings,
    seen,
)

from processor.errors import (
    Busy,
    ProcessorError,
    RateLimited,
    Refused,
    Retryable,
    Shut,
    Unavailable,
    Unreachable,
    Unreadable,
)
from processor.model import JSON, EventType, Image
from processor.ports import Occasion, Tools
from processor.sinks.slack import Slack
from processor.sinks.slack.answers import API, INCOMING
from processor.sinks.slack.blocks import escaped, message
from processor.telling import Link, Mood, Telling, tell, tell_together
from processor.telling.message import bounded
from processor.testing.builders import a_job, a_model, an_alarm, an_event
from processor.testing.fakes import FakeHttp, ShortMemory, answer, some_tools
from processor.testing.sink import (
    EVIL_NAMES,
    CanBeAway,
    CanBeShut,
    RefusesDocuments,
    SurvivesRestarts,
    TellsPeople,
    TriesOut,
)

SECRETS = (TOKEN, HOOK, HOOK.rpartition("/")[2], TOKEN.rpartition("-")[2])
PICTURE = "https://images.example.com/garage.jpg"
JPEG = answer(200, body=b"", content_type="image/jpeg")


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    workspace = Workspace()
    yield workspace
    workspace.stop()


def slack(options: dict[str, Any], **more: Any) -> Slack:
    tools: Tools = more.pop("tools", None) or some_tools()
    return Slack("ops", Slack.Options().load({"type": "slack", **options}), tools, **more)


def incoming(workspace: Workspace, **more: Any) -> Slack:
    return slack({"url": workspace.hook_url}, **more)


def bot(workspace: Workspace, channel: str = "#ops", token: str = TOKEN, **more: Any) -> Slack:
    return slack({"token": token, "channel": channel, "api_url": workspace.api_url}, **more)


class _Contract(
    TellsPeople, RefusesDocuments, CanBeShut, CanBeAway, SurvivesRestarts, TriesOut
):  # of both ways; not collected
    plugin = Slack
    secrets = SECRETS
    way: ClassVar[Callable[..., Slack]]
    call: ClassVar[str]

    @pytest.fixture
    def sink(self, workspace: Workspace) -> Iterator[Slack]:
        sink = type(self).way(workspace)
        yield sink
        sink.close()

    @pytest.fixture
    def told(self, workspace: Workspace) -> Callable[[], list[str]]:
        """A bot's living message counts as the one message that it is, as it reads now; its thread is the history."""
        return lambda: all_seen(workspace.on_top())

    @pytest.fixture
    def refusing(self, workspace: Workspace, sink: Slack) -> Slack:
        workspace.refuses(self.call, "invalid_blocks")
        return sink

    @pytest.fixture
    def stalled(self, workspace: Workspace) -> Iterator[Slack]:
        workspace.delay = 60.0
        sink = type(self).way(workspace, timeout=0.2)
        yield sink
        sink.close()

    @pytest.fixture
    def restart(self, workspace: Workspace) -> Callable[[], None]:
        return workspace.restart

    @pytest.fixture
    def taken_ids(self, workspace: Workspace) -> Callable[[], list[str]]:
        """Messages have no ids of ours; they are known by their headlines."""
        events = [an_event(job=a_job(id=str(number))) for number in range(500)]
        known = {tell(event).headline: str(event["id"]) for event in events}
        assert len(known) == 500
        return lambda: [known[notice(message.content).partition(" ")[2]] for message in workspace.on_top()]


class TestIncomingWebhook(_Contract):
    least: ClassVar = {"type": "slack", "url": "https://hooks.slack.com" + HOOK}
    way = staticmethod(incoming)
    call = "incoming"

    @pytest.fixture
    def shut(self, workspace: Workspace) -> Slack:
        workspace.channels[0].is_archived = True
        return incoming(workspace)

    @pytest.fixture
    def away(self) -> Slack:
        return slack({"url": f"http://127.0.0.1:9{HOOK}"})


class TestBot(_Contract):
    least: ClassVar = {"type": "slack", "token": TOKEN, "channel": "#ops"}
    way = staticmethod(bot)
    call = "chat.postMessage"

    @pytest.fixture
    def shut(self, workspace: Workspace) -> Slack:
        return bot(workspace, token=TOKEN[:-1])

    @pytest.fixture
    def away(self) -> Slack:
        return slack({"token": TOKEN, "channel": "#ops", "api_url": "http://127.0.0.1:9/api"})


# --- what an answer means --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [*API, "something_new"])
def test_an_error_of_the_api_has_its_meaning_and_says_what_to_change(workspace: Workspace, error: str) -> None:
    kind, advice = API.get(error, (Shut, "see https://docs.slack.dev/reference/methods/chat.postMessage#errors"))
    workspace.refuses("chat.postMessage", error)
    with pytest.raises(kind) as raised:
        bot(workspace).deliver(an_event())
    assert type(raised.value) is kind
    said = f"127.0.0.1:{workspace.port}, channel #ops: chat.postMessage answered {error}: {advice}"
    assert raised.value.message == said
    assert len(workspace.calls) == 1


@pytest.mark.parametrize(
    ("kind", "errors"),
    [
        (Refused, {"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text"}),
        (Refused, {"too_many_attachments", "invalid_arguments"}),
        (RateLimited, {"ratelimited", "rate_limited"}),
        (Busy, {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}),
        (Shut, {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"}),
        (Shut, {"channel_not_found", "not_in_channel", "is_archived", "restricted_action"}),
    ],
)
def test_the_table_of_the_api_says_what_is_final_and_what_comes_back(
    kind: type[ProcessorError], errors: set[str]
) -> None:
    assert {API[error][0] for error in errors} == {kind}


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("word", INCOMING)
def test_a_word_of_an_incoming_webhook_has_its_meaning_whatever_the_status(
    workspace: Workspace, word: str, status: int
) -> None:
    kind, advice = INCOMING[word]
    workspace.answers["incoming"] = [Answer(status, word.encode() + b"\n")]
    with pytest.raises(kind) as raised:
        incoming(workspace).deliver(an_event())
    assert type(raised.value) is kind
    assert raised.value.message == f"127.0.0.1:{workspace.port} answered {status}, {word}: {advice}"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Refused, {"invalid_payload", "no_text", "invalid_blocks"}),
        (Shut, {"action_prohibited", "invalid_token", "no_team", "channel_not_found", "channel_is_archived"}),
    ],
)
def test_the_table_of_incoming_webhooks_says_what_is_final_and_what_comes_back(
    kind: type[ProcessorError], words: set[str]
) -> None:
    assert {INCOMING[word][0] for word in words} == {kind}


@pytest.mark.parametrize("make", [incoming, bot])
@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (500, Busy), (502, Busy), (503, Busy)])
def test_a_status_is_enough_and_a_retry_after_is_told(
    workspace: Workspace, make: Callable[..., Slack], status: int, kind: type[Retryable]
) -> None:
    busy = Answer(status, b"<html>later</html>", {"Retry-After": "17"})
    workspace.answers["incoming"] = workspace.answers["chat.postMessage"] = [busy]
    with pytest.raises(kind, match=f"answered {status}") as raised:
        make(workspace).deliver(an_event())
    assert raised.value.retry_after == 17


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", Unreadable),
        (200, b"<html>Log in to the Wi-Fi</html>", Unreadable),
        (200, b"\xff\xfe", Unreadable),
        (200, b'{"ok": true', Unreadable),
        (200, b"[]", Unreadable),
        (200, b"null", Unreadable),
        (200, b'{"ok": 1}', Unreadable),
        (200, b'{"ok": true}', Unreadable),
        (200, b'{"ok": true, "ts": 1742256000.1, "channel": "C1"}', Unreadable),
        (200, b'{"ok": false}', Shut),
        (200, b'{"ok": false, "error": ["invalid_auth"]}', Shut),
        (404, b"<html>Not found</html>", Shut),
        (302, b"", Shut),
    ],
)
def test_an_answer_of_the_api_that_is_nonsense_is_tried_again(
    workspace: Workspace, status: int, body: bytes, kind: type[Retryable]
) -> None:
    workspace.answers["chat.postMessage"] = [Answer(status, body)]
    with pytest.raises(kind, match=r"check `api_url`|without a word that we know"):
        bot(workspace).deliver(an_event())


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", Unreadable),
        (200, b"<html>Log in to the Wi-Fi</html>", Unreadable),
        (200, b'{"ok": true}', Unreadable),
        (200, b"okay", Unreadable),
        (201, b"ok", Shut),
        (302, b"", Shut),
        (403, b"<html>Forbidden</html>", Shut),
        (404, b"", Shut),
        (400, b"something_new", Refused),
        (400, b"\xff\xfe", Refused),
        (413, b"", Refused),
        (408, b"", Busy),
    ],
)
def test_an_answer_of_a_webhook_that_is_not_ok_has_the_meaning_of_its_status(
    workspace: Workspace, status: int, body: bytes, kind: type[ProcessorError]
) -> None:
    workspace.answers["incoming"] = [Answer(status, body)]
    with pytest.raises(kind, match=f"answered {status}, ") as raised:
        incoming(workspace).deliver(an_event())
    assert type(raised.value) is kind


def test_what_slack_says_against_a_message_is_told_without_the_token(workspace: Workspace) -> None:
    for remark in ("[ERROR] must be less than 3001 characters\n[json-pointer:/blocks/0]", f"[ERROR] who sent {TOKEN}"):
        workspace.refuses("chat.postMessage", "invalid_blocks", response_metadata={"messages": [remark]})
    with pytest.raises(Refused, match=r"\(\[ERROR\] must be less than 3001 characters \[json-pointer:/blocks/0\]\)"):
        bot(workspace).deliver(an_event())
    with pytest.raises(Refused) as raised:
        bot(workspace).deliver(an_event())
    assert "who sent" not in raised.value.message


def test_the_scope_that_is_missing_is_named(workspace: Workspace) -> None:
    workspace.scopes.remove("chat:write")
    with pytest.raises(Shut, match=r"missing_scope: add the scope to the app .* \(chat:write\)"):
        bot(workspace).deliver(an_event())


@pytest.mark.parametrize("make", [incoming, bot])
def test_more_than_one_message_a_second_is_held_back_for_as_long_as_slack_says(
    workspace: Workspace, make: Callable[..., Slack]
) -> None:
    workspace.pace = 30.0
    sink = make(workspace)
    if make is incoming:
        sink.deliver(an_event())
    with pytest.raises(RateLimited) as raised:
        sink.deliver(an_event())  # a bot's first event is two messages: the living one, and the reply
    assert raised.value.retry_after == 30
    assert len(workspace.messages) == 1


# --- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        Answer(cut=True),
        Answer(302, b"", {"Location": "https://elsewhere.example/"}),
        Answer(200, b"x" * (17 * 1024**2)),
        Answer(200, b"\x1f\x8b not gzip", {"Content-Encoding": "gzip"}),
        Answer(403, HOOK.encode()),
    ],
    ids=["cut", "redirected", "endless", "garbled", "repeated"],
)
def test_no_failure_shows_more_of_a_webhooks_address_than_its_host(workspace: Workspace, broken: Answer) -> None:
    workspace.answers["incoming"] = [broken, broken]
    with pytest.raises(Retryable) as raised:
        incoming(workspace).deliver(an_event())
    assert raised.value.message.startswith(f"127.0.0.1:{workspace.port}")
    assert not [secret for secret in (*SECRETS, "services") if secret in raised.value.message]


def test_a_proxy_of_the_environment_is_not_asked(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for sink in (incoming(workspace), bot(workspace)):
        sink.deliver(an_event())
    assert len(workspace.on_top()) == 2


# --- the message -----------------------------------------------------------------------------------------------------


def test_a_message_tells_the_most_important_first() -> None:
    telling = Telling(
        key="evt_1",
        mood=Mood.BAD,
        headline="Model failed: Garage (Main House, 15084303)",
        when="2025-03-17 00:02:58 UTC",
        thread="hover-main/15084303",
        facts=(("Source", "hover-main"), ("Reason", "Lack of exterior shots"), ("Customer", "A. Miller")),
        lines=("one", "two"),
        more=3,
        next_step="Take photos of all four sides.",
        links=(Link("Model", "https://hover.to/m/1"), Link("Timeline", "https://jobs.example.com/jobs/1")),
    )
    assert seen(message(telling, image=PICTURE)).splitlines() == [
        ":x: Model failed: Garage (Main House, 15084303)",
        "Reason: Lack of exterior shots",
        "Customer: A. Miller",
        "one",
        "two",
        "and 3 more",
        "Take photos of all four sides.",
        "Model  ·  Timeline",
        "[Model failed: Garage (Main House, 15084303)]",
        "2025-03-17 00:02 UTC  hover-main",
    ]
    assert notice(message(telling)) == "\N{CROSS MARK} Model failed: Garage (Main House, 15084303)"


def test_a_reader_sees_the_time_of_the_event_in_their_own_time_zone() -> None:
    context = message(tell(an_event()))["blocks"][-1]
    assert context["elements"][0]["text"].startswith("<!date^1742169778^{date_short_pretty}, {time}|")


def test_what_is_no_time_is_shown_as_it_is() -> None:
    telling = Telling(key="1", mood=Mood.NEWS, headline="x", when="<!channel> *soon*", thread=None)
    assert seen(message(telling)) == ":large_blue_circle: x\n<!channel> \u2217soon\u2217"


@pytest.mark.parametrize("make", [incoming, bot])
@pytest.mark.parametrize("evil", EVIL_NAMES)
def test_text_by_strangers_calls_nobody_and_is_no_markup(
    workspace: Workspace, make: Callable[..., Slack], evil: str
) -> None:
    job = a_job(name=evil, models=(a_model(name=evil, failure_reason=evil),))
    make(workspace, tools=some_tools(public_url="https://jobs.example.com")).deliver(an_event(job=job))
    assert workspace.messages
    assert not [ping for sent in workspace.messages for ping in pings(sent.content)]


def test_the_workspace_notices_what_is_not_escaped() -> None:
    """So that the test above can fail."""
    for text in ("<!channel>", "<@U1|x>", "*bold*", "x _it_", "`code`", "<https://evil.example|Garage>"):
        assert pings({"text": text, "blocks": []})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("&amp; &lt;", "&amp;amp; &amp;lt;"),
        ("house_north_2 3*4 a~b", "house_north_2 3*4 a~b"),
        ("*bold* _it_ ~no~", "\u2217bold\u2217 \uff3fit\uff3f \u223cno\u223c"),
        ("a`b`c", "a\u02cbb\u02cbc"),
        ("é_é", "é_é"),
        ("__x", "\uff3f\uff3fx"),
    ],
)
def test_markup_is_escaped_or_replaced_by_its_look_alike(text: str, shown: str) -> None:
    assert escaped(text) == shown


@pytest.mark.parametrize("size", [1, 9, 300])
@pytest.mark.parametrize("character", "&*x")
def test_whatever_is_told_keeps_within_slacks_limits(character: str, size: int) -> None:
    """Every part as long as it may be, of characters of which some become entities; nothing of it is left out."""
    telling = bounded(
        Telling(
            key="1",
            mood=Mood.ALARM,
            headline=character * 300,
            when=character * 80,
            thread=None,
            facts=(("Source", character * 500), *((f"Label {n}", character * 490) for n in range(size))),
            lines=tuple(character * 300 for _ in range(size)),
            more=1000,
            next_step=character * 500,
            links=tuple(Link(f"Model {n}", "https://a.example/" + "x" * 900) for n in range(size)),
        )
    )
    said = message(telling, image=PICTURE)
    assert not list(faults(said["blocks"]))
    assert len(said["text"]) < 4000
    text = seen(said)
    assert text.splitlines().count(character * 300) == len(telling.lines)
    assert text.count(f": {character * 490}") == len(telling.facts) - 1
    assert text.count("Model ") == len(telling.links)
    assert f"and {telling.more:,} more" in text


def test_a_layout_that_slack_would_refuse_is_refused_before_it_is_sent() -> None:
    telling = Telling(key="1", mood=Mood.NEWS, headline="x" * 2001, when="", thread=None)
    with pytest.raises(Refused, match="does not fit into Slack's blocks: alt_text attribute cannot exceed 2000"):
        message(telling, image=PICTURE)


@pytest.mark.parametrize("event", cases())
def test_the_message_about_an_event_is_the_one_on_record(
    event: dict[str, JSON], workspace: Workspace, request: pytest.FixtureRequest
) -> None:
    """And an incoming webhook takes it."""
    incoming(workspace, tools=some_tools(public_url="https://jobs.example.com")).deliver(event)
    on_record(workspace, request)


@pytest.mark.parametrize("several", together())
def test_the_message_about_several_events_is_the_one_on_record(
    several: tuple[list[dict[str, JSON]], Occasion], workspace: Workspace, request: pytest.FixtureRequest
) -> None:
    tools = some_tools(public_url="https://jobs.example.com")
    incoming(workspace, tools=tools).deliver_together(*several)
    on_record(workspace, request)


def test_no_golden_file_is_left_over() -> None:
    assert {file.name for file in (GOLDEN / "slack").iterdir()} == {
        f"{case.id}.json" for case in [*cases(), *together()]
    }


def on_record(workspace: Workspace, request: pytest.FixtureRequest) -> None:
    [sent] = workspace.messages
    text = json.dumps(sent.content, indent=1, sort_keys=True, ensure_ascii=False)
    compare("slack", request.node.callspec.id, f"{text}\n", "json")


# --- the image -------------------------------------------------------------------------------------------------------


class Images(FakeHttp):
    """What answers where the images are. A sink closes its clients."""

    def close(self) -> None: ...


def pictured(job: str = "15084303", image: str = PICTURE) -> dict[str, JSON]:
    """An event about a model that has images."""
    images = (Image(id="1", url=image), Image(id="2", url="https://images.example.com/2.jpg"))
    return an_event(job=a_job(id=job, models=(a_model(images=images),)))


def shown_images(workspace: Workspace) -> list[str | None]:
    """The image of each message of the channel."""
    blocks = [message.content["blocks"] for message in workspace.on_top()]
    return [next((block["image_url"] for block in some if block["type"] == "image"), None) for some in blocks]


@pytest.mark.parametrize("make", [incoming, bot])
@pytest.mark.parametrize(
    "found",
    [
        answer(404, body=b"", content_type="image/jpeg"),
        answer(401, body=b""),
        answer(302, body=b"", location="https://elsewhere.example/x.jpg"),
        answer(200, body=b"", content_type="text/html"),
        answer(200, body=b"", content_type="image/svg+xml"),
        answer(200, body=b""),
        Unreachable("no answer in time"),
        Unreadable("too large"),
        Shut("not a public address"),
    ],
)
def test_an_image_that_not_everybody_may_see_is_left_out(
    workspace: Workspace, make: Callable[..., Slack], found: Any
) -> None:
    images = Images(found)
    sink = make(workspace, images=images)
    sink.deliver(pictured("1"))
    sink.deliver(pictured("2"))
    assert shown_images(workspace) == [None, None]
    assert len(images.sent) == 1


@pytest.mark.parametrize("make", [incoming, bot])
def test_a_public_image_is_shown_and_asked_for_once_without_credentials(
    workspace: Workspace, make: Callable[..., Slack]
) -> None:
    images = Images(JPEG)
    tools = some_tools()
    for job in ("1", "2"):
        make(workspace, images=images, tools=tools).deliver(pictured(job))
    assert shown_images(workspace) == [PICTURE, PICTURE]
    [asked] = images.sent
    assert (asked.method, asked.url, asked.headers) == ("HEAD", PICTURE, {})
    assert 0 < asked.timeout <= 3


@pytest.mark.parametrize("make", [incoming, bot])
def test_an_image_that_slack_cannot_fetch_is_left_out_at_once_and_from_then_on(
    workspace: Workspace, make: Callable[..., Slack]
) -> None:
    workspace.unfetchable.add(PICTURE)
    sink = make(workspace, images=Images(JPEG))
    sink.deliver(pictured("1"))
    calls = len(workspace.calls)
    sink.deliver(pictured("2"))
    assert shown_images(workspace) == [None, None]
    assert len(workspace.calls) - calls == calls - 1  # the first event took one call more


@pytest.mark.parametrize("make", [incoming, bot])
def test_a_message_that_is_refused_without_its_image_too_is_refused(
    workspace: Workspace, make: Callable[..., Slack]
) -> None:
    for _ in range(2):
        workspace.refuses("incoming", "invalid_blocks")
        workspace.refuses("chat.postMessage", "invalid_blocks")
    with pytest.raises(Refused, match="invalid_blocks"):
        make(workspace, images=Images(JPEG)).deliver(pictured())


def test_no_image_is_looked_for_in_our_own_network(workspace: Workspace) -> None:
    """The client that looks is one that goes to public addresses only."""
    url = f"https://127.0.0.1:{workspace.port}/internal.png"
    sink = incoming(workspace)
    sink.deliver(pictured(image=url))
    assert shown_images(workspace) == [None]
    with pytest.raises(Shut, match="is not a public address"):
        sink._images.request("HEAD", url)


def test_a_memory_that_is_away_costs_the_image_and_not_the_message(workspace: Workspace) -> None:
    incoming(workspace, images=Images(JPEG), tools=some_tools(memory=Forgetful())).deliver(pictured())
    assert shown_images(workspace) == [None]


# --- the living message ----------------------------------------------------------------------------------------------


class Forgetful(ShortMemory):
    """A memory that fails when it is told to: from the n-th writing on, or at each reading."""

    def __init__(self, writes: int | None = None) -> None:
        super().__init__()
        self.writes = writes

    def recall(self, sink: str, key: str) -> str | None:
        if self.writes is None:
            raise Unavailable("Redis is away")
        return super().recall(sink, key)

    def remember(self, sink: str, key: str, value: str, *, seconds: float) -> None:
        assert seconds == 30 * 86400
        if not self.writes:
            raise Unavailable("Redis is away")
        self.writes -= 1
        super().remember(sink, key, value, seconds=seconds)


def story(*kinds: EventType) -> list[dict[str, JSON]]:
    """What happens to one job, a minute after the other; some failure, and that it is cancelled is none."""
    kinds = kinds or (EventType.JOB_CREATED, EventType.MODEL_FAILED, EventType.JOB_CANCELLED)
    return [an_event(kind) | {"time": f"2025-03-17T00:0{minute}:00Z"} for minute, kind in enumerate(kinds)]


def texts(messages: list[Message]) -> list[str]:
    return [notice(message.content).partition(" ")[2] for message in messages]


def headlines(events: list[dict[str, JSON]]) -> list[str]:
    return [tell(event).headline for event in events]


def test_a_job_has_one_living_message_and_in_its_thread_what_happened(workspace: Workspace) -> None:
    sink, events = bot(workspace), story()
    references = {sink.deliver(event) for event in events}
    [living] = workspace.on_top()
    assert texts([living]) == headlines(events[-1:])
    assert texts(workspace.replies(living)) == headlines(events)
    assert references == {f"C0OPS00001/{living.ts}"}
    assert [call for call, _ in workspace.calls] == ["chat.postMessage", "reply", *["chat.update", "reply"] * 2]


def test_another_process_goes_on_with_the_same_message(workspace: Workspace) -> None:
    tools = some_tools()
    for event in story():
        bot(workspace, tools=tools).deliver(event)
    assert len(workspace.on_top()) == 1


def test_jobs_and_alarms_have_messages_of_their_own(workspace: Workspace) -> None:
    sink = bot(workspace)
    for event in (an_event(), an_event(job=a_job(id="2")), an_event(job=a_job(source="hover-2"))):
        sink.deliver(event)
    for state in ("raised", "over"):
        sink.deliver(an_alarm(state=state))
    assert len(workspace.on_top()) == 4
    alarm = workspace.on_top()[-1]
    assert (alarm.edits, len(workspace.replies(alarm))) == (1, 2)


def test_a_failure_is_shown_to_the_whole_channel_since_an_edit_tells_nobody(workspace: Workspace) -> None:
    sink = bot(workspace)
    for event in story():
        sink.deliver(event)
    for state in ("over", "raised"):
        sink.deliver(an_alarm(state=state))
    assert [reply.broadcast for reply in workspace.messages if reply.thread] == [False, True, False, False, True]


def test_a_failure_that_a_living_message_begins_with_is_shown_once(workspace: Workspace) -> None:
    """The new message has told the channel already; also when the reply comes with a retry."""
    workspace.refuses("reply", "internal_error")
    sink = bot(workspace)
    with pytest.raises(Busy):
        sink.deliver(an_event())
    sink.deliver(an_event())
    [living] = workspace.on_top()
    assert [reply.broadcast for reply in workspace.replies(living)] == [False]


def test_an_event_of_before_never_sets_the_living_message_back(workspace: Workspace) -> None:
    sink, [first, late, last] = bot(workspace), story()
    for event in (first, last, late):
        sink.deliver(event)
    [living] = workspace.on_top()
    assert texts([living]) == headlines([last])
    assert texts(workspace.replies(living)) == headlines([first, last, late])


def test_times_are_compared_as_times(workspace: Workspace) -> None:
    sink, [first, second] = bot(workspace), story(EventType.JOB_CREATED, EventType.JOB_SUCCEEDED)
    sink.deliver(first | {"time": "2025-03-17T00:02:58.411Z"})
    sink.deliver(second | {"time": "2025-03-17T00:02:58Z"})
    sink.deliver(second | {"id": "evt_2", "time": "2025-03-17T01:02:59+01:00"})
    [living] = workspace.on_top()
    assert (living.edits, len(workspace.replies(living))) == (1, 3)


@pytest.mark.parametrize("time_of", [(None, "2025-03-17T00:00:00Z"), ("2025-03-17T00:00:00Z", "soon")])
def test_what_has_no_time_counts_as_the_newest(workspace: Workspace, time_of: tuple[str | None, str | None]) -> None:
    sink = bot(workspace)
    for event, at in zip(story(EventType.JOB_CREATED, EventType.JOB_SUCCEEDED), time_of, strict=True):
        sink.deliver(event | {"time": at})
    [living] = workspace.on_top()
    assert texts([living]) == headlines([an_event(EventType.JOB_SUCCEEDED)])


def test_a_replay_tells_nothing_twice(workspace: Workspace) -> None:
    sink, events = bot(workspace), story()
    references = [sink.deliver(event) for event in [*events, *events]]
    assert len(workspace.calls) == 6
    assert len(set(references)) == 1


@pytest.mark.parametrize("lost", range(4))
def test_a_retry_repeats_nothing_that_was_done(workspace: Workspace, lost: int) -> None:
    """One of the calls fails: the living message, its first reply, the edit, the second reply."""
    sink, events = bot(workspace), story(EventType.JOB_CREATED, EventType.JOB_SUCCEEDED)
    workspace.answers[["chat.postMessage", "reply", "chat.update", "reply"][lost]] += [
        *([Answer(done=True, body=b'{"ok": true}')] if lost == 3 else []),  # the first reply goes through
        Answer(503),
    ]
    failed = 0
    for event in events:
        try:
            sink.deliver(event)
        except Busy:
            failed += 1
            sink.deliver(event)
    assert failed == 1
    [living] = workspace.on_top()
    assert living.edits == 1
    assert texts(workspace.replies(living)) == headlines(events)
    assert len(workspace.calls) == 5


@pytest.mark.parametrize("writes", range(4))
def test_what_could_not_be_remembered_is_what_may_be_done_twice(workspace: Workspace, writes: int) -> None:
    memory = Forgetful(writes)
    sink, events = (
        bot(workspace, tools=some_tools(memory=memory)),
        story(EventType.JOB_CREATED, EventType.JOB_SUCCEEDED),
    )
    for event in events:
        try:
            sink.deliver(event)
        except Unavailable:
            memory.writes = 99
            sink.deliver(event)
    living = workspace.on_top()[-1]
    replies = texts(workspace.replies(living))
    assert list(dict.fromkeys(replies)) == headlines(events)
    assert len(workspace.on_top()) + len(replies) + living.edits == 5  # 4, and the one that was done twice


@pytest.mark.parametrize("value", ["", "null", "[]", "{}", '{"told": 1}', '{"told": [], "ts": "1"}', "\ud800"])
def test_what_another_version_remembered_is_like_nothing(workspace: Workspace, value: str) -> None:
    memory = ShortMemory()
    memory.known["ops", "living hover-main/15084303"] = value
    bot(workspace, tools=some_tools(memory=memory)).deliver(an_event())
    assert len(workspace.on_top()) == 1


@pytest.mark.parametrize("error", ["message_not_found", "cant_update_message", "edit_window_closed", "block_mismatch"])
def test_a_message_that_cannot_be_edited_any_more_gives_way_to_a_new_one(workspace: Workspace, error: str) -> None:
    sink, events = bot(workspace), story()
    sink.deliver(events[0])
    workspace.refuses("chat.update", error)
    for event in events[1:]:
        sink.deliver(event)
    [old, new] = workspace.on_top()
    assert texts([old, new]) == headlines([events[0], events[2]])
    assert texts(workspace.replies(new)) == headlines(events[1:])
    for event in events:  # a replay: all of it was told, in one thread or the other
        sink.deliver(event)
    assert len(workspace.messages) == 5


def test_a_message_that_somebody_deleted_gives_way_to_a_new_one(workspace: Workspace) -> None:
    sink, events = bot(workspace), story()
    sink.deliver(events[0])
    workspace.delete(workspace.on_top()[0])
    sink.deliver(events[2])
    [living] = workspace.on_top()
    workspace.delete(living)
    sink.deliver(events[1])  # news of before, so only its reply finds out
    [living] = workspace.on_top()
    assert texts(workspace.replies(living)) == headlines(events[1:2])


@pytest.mark.parametrize("error", ["cannot_reply_to_message", "restricted_action_thread_locked"])
def test_a_thread_that_is_closed_gives_way_to_a_new_message(workspace: Workspace, error: str) -> None:
    sink, events = bot(workspace), story()
    sink.deliver(events[0])
    workspace.refuses("reply", error)
    sink.deliver(events[1])
    assert len(workspace.on_top()) == 2


def test_where_nobody_can_reply_a_retry_posts_no_further_message(workspace: Workspace) -> None:
    sink, events = bot(workspace), story()
    sink.deliver(events[0])
    for _ in range(4):
        workspace.refuses("reply", "cannot_reply_to_message")
    for _ in range(3):
        with pytest.raises(Shut, match="channel #ops: cannot_reply_to_message: nobody can reply there"):
            sink.deliver(events[1])
    assert len(workspace.on_top()) == 2


def test_another_channel_in_the_configuration_gets_a_message_of_its_own(workspace: Workspace) -> None:
    workspace.channel("general").is_member = True
    tools, [first, second, _] = some_tools(), story()
    bot(workspace, tools=tools).deliver(first)
    bot(workspace, "C0GEN00001", tools=tools).deliver(second)
    assert [message.channel for message in workspace.on_top()] == ["C0OPS00001", "C0GEN00001"]


@pytest.mark.parametrize("channel", ["ops", "#ops", "C0OPS00001"])
def test_a_channel_may_be_named_in_any_way(workspace: Workspace, channel: str) -> None:
    sink = bot(workspace, channel)
    for event in story():
        sink.deliver(event)
    assert len(workspace.on_top()) == 1


def test_what_happened_together_is_one_edit_and_one_reply(workspace: Workspace) -> None:
    sink, [first, *rest] = bot(workspace), story()
    sink.deliver(first)
    for _ in range(2):  # a retry that comes too late
        sink.deliver_together(rest, Occasion.GROUP)
    for event in rest:  # a replay, of the single events
        sink.deliver(event)
    [living] = workspace.on_top()
    together = tell_together(rest, Occasion.GROUP).headline
    assert texts([living]) == [together]
    assert texts(workspace.replies(living)) == [*headlines([first]), together]


@pytest.mark.parametrize("occasion", [Occasion.DIGEST, Occasion.STORM])
def test_a_summary_is_a_message_without_a_thread(workspace: Workspace, occasion: Occasion) -> None:
    tools = some_tools()
    sink = bot(workspace, tools=tools)
    sink.deliver_together(story(), occasion)
    [summary] = workspace.messages
    assert summary.edits == 0
    assert tools.memory.known == {}  # type: ignore[attr-defined]


def test_what_is_remembered_does_not_grow_without_end(workspace: Workspace) -> None:
    tools = some_tools()
    sink = bot(workspace, tools=tools)
    many = [an_event() | {"id": f"evt_{number:032}"} for number in range(300)]
    sink.deliver_together(many, Occasion.GROUP)
    [value] = tools.memory.known.values()  # type: ignore[attr-defined]
    assert len(value) < 5000


# --- time ------------------------------------------------------------------------------------------------------------


def test_a_delivery_ends_in_time_however_many_calls_it_is_made_of(workspace: Workspace) -> None:
    """Each call is answered in time, all of them together would not be."""
    workspace.delay = 0.6
    began = time.monotonic()
    with pytest.raises(Unreachable, match="no whole answer"):
        bot(workspace, timeout=1.0).deliver(an_event())
    assert time.monotonic() - began < 2.0
    assert [call for call, _ in workspace.calls][:1] == ["chat.postMessage"]


def test_threads_share_a_bot(workspace: Workspace) -> None:
    sink, events = bot(workspace), [an_event(job=a_job(id=str(number))) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sink.deliver, events))
    sink.close()
    assert sorted(texts(workspace.on_top())) == sorted(headlines(events))
    for living in workspace.on_top():
        assert texts(workspace.replies(living)) == texts([living])


@pytest.mark.parametrize("make", [incoming, bot])
def test_a_kept_connection_that_was_closed_is_opened_again(workspace: Workspace, make: Callable[..., Slack]) -> None:
    sink = make(workspace)
    sink.deliver(an_event(job=a_job(id="1")))
    workspace.restart()
    sink.deliver(an_event(job=a_job(id="2")))
    assert len(workspace.on_top()) == 2
    sink.close()


# --- trying out ------------------------------------------------------------------------------------------------------


def test_an_incoming_webhook_is_tried_out_by_its_host(workspace: Workspace) -> None:
    assert incoming(workspace).try_out() == f"an incoming webhook at 127.0.0.1:{workspace.port}"


@pytest.mark.parametrize("word", ["no_text", "invalid_payload", "missing_text_or_fallback_or_attachments"])
def test_an_incoming_webhook_may_refuse_an_empty_message_in_any_words(workspace: Workspace, word: str) -> None:
    workspace.refuses("incoming", word)
    assert incoming(workspace).try_out()


def test_an_incoming_webhook_that_was_removed_is_told(workspace: Workspace) -> None:
    with pytest.raises(Shut, match="no_service: the webhook was removed: add an incoming webhook to the app"):
        slack({"url": workspace.hook_url[:-1]}).try_out()


@pytest.mark.parametrize("channel", ["#ops", "ops", "C0OPS00001"])
def test_a_bot_is_tried_out_by_its_name_and_its_channels(workspace: Workspace, channel: str) -> None:
    assert bot(workspace, channel).try_out() == f"channel #ops as {BOT} in {TEAM}"


def test_a_channel_is_looked_for_on_all_pages(workspace: Workspace) -> None:
    workspace.channels += [Channel(f"C0ZZZ{n:05}", f"room-{n}") for n in range(30)]
    workspace.page = 10
    assert bot(workspace, "room-29").try_out() == f"channel #room-29 as {BOT} in {TEAM}"
    workspace.page = 1
    assert "is not among the first" in bot(workspace, "room-29").try_out()


@pytest.mark.parametrize("channel", ["#ops", "C0OPS00001"])
def test_a_channel_that_may_not_be_looked_up_is_no_fault(workspace: Workspace, channel: str) -> None:
    """To post takes no more than chat:write."""
    workspace.scopes = ["chat:write"]
    assert f"{BOT} in {TEAM}; channel {channel} was not looked up" in bot(workspace, channel).try_out()


def test_a_private_channel_that_may_not_be_looked_up_is_no_fault(workspace: Workspace) -> None:
    workspace.channel("ops").is_private = True
    assert "private ones are looked up with the scope groups:read" in bot(workspace).try_out()
    assert "channel C0OPS00001 was not looked up" in bot(workspace, "C0OPS00001").try_out()
    workspace.scopes.append("groups:read")
    assert bot(workspace).try_out() == f"channel #ops as {BOT} in {TEAM}"


@pytest.mark.parametrize("channel", ["#nowhere", "C0NOWHERE1"])
def test_a_channel_that_is_not_there_is_told(workspace: Workspace, channel: str) -> None:
    workspace.scopes.append("groups:read")
    with pytest.raises(Shut, match="check `channel`"):
        bot(workspace, channel).try_out()


@pytest.mark.parametrize("channel", ["#general", "C0GEN00001"])
def test_a_channel_that_the_bot_is_not_in_is_told_unless_it_may_write_everywhere(
    workspace: Workspace, channel: str
) -> None:
    with pytest.raises(Shut, match=f"{BOT} in {TEAM} is not in channel #general: invite it there: /invite @{BOT}"):
        bot(workspace, channel).try_out()
    workspace.scopes.append("chat:write.public")
    assert bot(workspace, channel).try_out() == f"channel #general as {BOT} in {TEAM}"


def test_an_archived_channel_is_told(workspace: Workspace) -> None:
    workspace.channels[0].is_archived = True
    with pytest.raises(Shut, match="channel #ops is archived: bring it back"):
        bot(workspace).try_out()


def test_a_token_that_may_not_write_is_told(workspace: Workspace) -> None:
    workspace.scopes.remove("chat:write")
    with pytest.raises(Shut, match="may not write: add the scope chat:write"):
        bot(workspace).try_out()


@pytest.mark.parametrize(
    "said",
    [
        {"ok": True},
        {"ok": True, "channel": [], "channels": {}, "response_metadata": []},
        {"ok": True, "channels": [None], "response_metadata": {"next_cursor": None}},
    ],
)
@pytest.mark.parametrize("channel", ["#ops", "C0OPS00001"])
def test_nonsense_about_a_channel_is_no_crash(workspace: Workspace, said: JSON, channel: str) -> None:
    nonsense = Answer(200, json.dumps(said).encode())
    for method in ("auth.test", "conversations.info", "conversations.list"):
        workspace.answers[method] = [nonsense]
    try:
        found = bot(workspace, channel).try_out()
    except Shut as e:
        found = e.message
    assert found.isprintable()
    assert "unknown in unknown" in found or "check `channel`" in found


# --- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "key", "reason"),
    [
        ({}, "url", r"is missing: give url \(an incoming webhook\), or token and channel \(a bot\)"),
        ({"token": TOKEN}, "channel", "is missing: a bot needs both token and channel, and has only token"),
        ({"channel": "#ops"}, "token", "is missing: a bot needs both token and channel, and has only channel"),
        ({"url": f"https://a.example{HOOK}", "token": TOKEN}, "url", "keep one of them"),
        ({"url": f"https://a.example{HOOK}", "channel": "#ops"}, "url", "keep one of them"),
        ({"url": f"https://a.example{HOOK}", "token": TOKEN, "channel": "#ops"}, "url", "keep one of them"),
    ],
)
def test_there_is_one_way_and_it_is_whole(table: dict[str, str], key: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as raised:
        Slack.Options().load({"type": "slack", **table})
    assert list(raised.value.normalized_messages()) == [key]
    assert not [secret for secret in SECRETS if secret in str(raised.value)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "ftp://a.example/SECRET"),
        ("url", "hooks.slack.com/SECRET"),
        ("url", "https://user:SECRET@a.example/x"),
        ("url", "https://a.example/SECRET SECRET"),
        ("url", "https://a.example:SECRET/x"),
        ("url", "https://[::1/SECRET"),
        ("url", "https://a.example/\u00e9SECRET"),
        ("url", "https://a.example"),
        ("url", ""),
        ("url", 1),
        ("token", ""),
        ("token", "xoxb-SECRET\r\nX: 1"),
        ("token", "xoxb SECRET"),
        ("token", "xoxb-SECRET\u00e9"),
        ("channel", ""),
        ("channel", "#o p s"),
        ("channel", "#ops\n"),
        ("channel", 7),
        ("api_url", "slack.com/api"),
        ("group", "soon"),
    ],
)
def test_an_option_that_cannot_be_used_is_a_fault_that_tells_no_secret(key: str, value: Any) -> None:
    least = TestBot.least if key in ("token", "channel") else TestIncomingWebhook.least
    with pytest.raises(ValidationError) as raised:
        Slack.Options().load({**least, key: value})
    assert list(raised.value.normalized_messages()) == [key]
    assert "SECRET" not in str(raised.value)


def test_the_api_is_slacks_own_unless_another_is_named() -> None:
    assert Slack.Options().load(TestBot.least)["api_url"] == "https://slack.com/api"
    named = Slack.Options().load({**TestBot.least, "api_url": "https://slack-gov.com/api/"})
    assert named["api_url"] == "https://slack-gov.com/api"
