"""The pages, as a server gives them: who is let in, what they say, and that nothing in them does harm."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from looking.life import HOUSE, Life, life
from security.hostile import IDS, TEXTS
from structlog.testing import capture_logs
from web import showcase
from web.showcase import DELIVERIES, EVENTS, NOTIFICATIONS, STORY, TOKEN, Doing, Looking, everywhere
from web.stand_in import signature
from werkzeug.test import TestResponse

from processor.errors import Refused, Unavailable
from processor.looking import Doing as RealDoing
from processor.looking import Looking as RealLooking
from processor.looking.shapes import Hit, Page
from processor.model import Address, Customer, Message, Secret, State, document
from processor.testing.builders import a_job, a_model, an_event
from processor.testing.sink import EVIL_NAMES
from processor.web import create_app
from processor.web.pages.session import COOKIE, SECONDS, Sessions, Tries

ROOT = Path(__file__).parents[2]
HERE = {"Host": "localhost"}
OURS = {**HERE, "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
LIVE = {**HERE, "HX-Request": "true"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
DOWN = Unavailable("redis://:hush@inside:6379 is not there")
EVENT, DEAD, JOB = EVENTS[1]["id"], DELIVERIES[1].id, f"/jobs/hover-main/{STORY.id}"


def visit(looking: Looking, doing: Doing | None = None, *, token: str | None = None) -> FlaskClient:
    """A browser at a jobwire, without a token on the machine itself."""
    return showcase.app(looking, doing, token=token).test_client()


@pytest.fixture
def looking() -> Looking:
    return Looking()


@pytest.fixture
def doing(looking: Looking) -> Doing:
    return Doing(looking)


@pytest.fixture
def web(looking: Looking, doing: Doing) -> FlaskClient:
    return visit(looking, doing)


@pytest.fixture
def guarded(looking: Looking, doing: Doing) -> FlaskClient:
    return visit(looking, doing, token=TOKEN)


@pytest.fixture
def guessed_at(looking: Looking) -> FlaskClient:
    """One that has borne no wrong token yet."""
    return showcase.fresh(looking, Doing(looking)).test_client()


def cookie(answer: TestResponse) -> str:
    """The one cookie of an answer, as it is written."""
    [written] = answer.headers.getlist("Set-Cookie")
    return str(written)


def sign_in(client: FlaskClient, token: str = TOKEN, **more: str) -> TestResponse:
    return client.post("/sign-in", data={"token": token, **more}, headers=OURS)


# --- without a token -------------------------------------------------------------------------------------------------


def test_without_a_token_nobody_elses_machine_is_answered(web: FlaskClient) -> None:
    answer = web.get("/", headers=HERE, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert answer.status_code == 403
    assert "set server.admin_token to be answered from elsewhere" in answer.text


@pytest.mark.parametrize(
    ("header", "said"),
    [({"Host": "jobs.example.com"}, "at another one"), ({**HERE, "X-Forwarded-For": "192.0.2.7"}, "through one")],
)
def test_nor_is_what_a_proxy_or_a_name_that_moves_leads_here(web: FlaskClient, header: Any, said: str) -> None:
    answer = web.get("/jobs", headers=header)
    assert answer.status_code == 403
    assert said in answer.text


def test_without_a_token_there_is_nothing_to_sign_in_with(web: FlaskClient) -> None:
    for answer in (web.get("/sign-in?next=/dead", headers=HERE), sign_in(web, next="/dead")):
        assert (answer.status_code, answer.headers["Location"]) == (303, "/dead")
        assert "Set-Cookie" not in answer.headers


# --- signing in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", everywhere())
def test_with_a_token_every_page_leads_to_signing_in_and_shows_nothing(guarded: FlaskClient, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in?next=%2F")
    assert not answer.data


@pytest.mark.parametrize("given", ["wrong", "", TOKEN[:-1], f"{TOKEN}x", "tökén", "\ud83d", "x" * 10_000])
def test_a_wrong_token_is_refused(guessed_at: FlaskClient, given: str) -> None:
    answer = sign_in(guessed_at, given.encode("utf-8", "replace").decode())
    assert answer.status_code == 401
    assert "This is not the admin_token" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert guessed_at.get("/").status_code == 303


def test_the_right_token_lets_in_and_leads_back_to_where_one_came_from(guarded: FlaskClient) -> None:
    wanted = "/jobs/hover-main/15084303?again=1"
    led = guarded.get(wanted).headers["Location"]
    page = guarded.get(led)
    [next_] = re.findall(r'name="next" value="([^"]*)"', page.text)
    answer = sign_in(guarded, f" {TOKEN}\n", next=next_)
    assert (answer.status_code, answer.headers["Location"]) == (303, wanted)
    assert guarded.get(wanted).status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    [
        *["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil", "", "/é"],
        *["/\r\nX: y", "/" + "x" * 3000],
    ],
)
def test_the_way_back_leads_to_no_other_place(guarded: FlaskClient, elsewhere: str) -> None:
    assert f'value="{elsewhere}"' not in guarded.get("/sign-in", query_string={"next": elsewhere}).text
    assert sign_in(guarded, next=elsewhere).headers["Location"] == "/"


def test_the_cookie_is_for_us_alone(guarded: FlaskClient) -> None:
    written = cookie(sign_in(guarded))
    assert TOKEN not in written
    assert {part.strip() for part in written.split(";")[1:] if "=" not in part or "Expires" not in part} == {
        "HttpOnly",
        "SameSite=Strict",
        "Path=/",
        f"Max-Age={SECONDS}",
    }


@pytest.mark.parametrize(
    ("public_url", "headers", "secure"),
    [
        (None, OURS, False),
        (None, {**OURS, "Origin": "https://localhost"}, True),
        ("https://localhost", OURS, True),
        ("https://jobs.example.com", OURS, False),
        ("http://localhost", OURS, False),
    ],
)
def test_the_cookie_is_secure_where_the_browser_comes_by_https(
    public_url: str | None, headers: Any, secure: bool
) -> None:
    client = showcase.app(token=TOKEN, public_url=public_url).test_client()
    answer = client.post("/sign-in", data={"token": TOKEN}, headers=headers)
    assert ("; Secure" in cookie(answer)) == secure


def test_a_session_ends_after_twelve_hours(guarded: FlaskClient) -> None:
    sessions, now = Sessions(Secret(TOKEN)), time.time()
    assert SECONDS == 12 * 3600
    for began, status in ((now - SECONDS + 60, 200), (now - SECONDS - 1, 303)):
        guarded.set_cookie(COOKIE, sessions.begin(began))
        assert guarded.get("/").status_code == status


def test_another_token_ends_all_sessions(guarded: FlaskClient) -> None:
    guarded.set_cookie(COOKIE, Sessions(Secret("the token before")).begin(time.time()))
    assert guarded.get("/").status_code == 303


@given(st.text() | st.from_regex(r"[0-9]{1,13}\.[0-9a-f]{64}"))
def test_no_cookie_that_somebody_made_up_is_a_session(value: str) -> None:
    assert not Sessions(Secret(TOKEN)).holds(value, 0.0)


def test_no_part_of_a_session_can_be_changed() -> None:
    sessions = Sessions(Secret(TOKEN))
    good = sessions.begin(1000.9)
    assert sessions.holds(good, 1000.0)
    for i, character in enumerate(good):
        other = "1" if character == "2" else "2"
        assert not sessions.holds(good[:i] + other + good[i + 1 :], 1000.0)
    for more in (f"0{good}", f"{good}0", f" {good}", f"{good}\n", good.upper()):
        assert more == good or not sessions.holds(more, 1000.0)


def test_wrong_tokens_are_borne_ten_at_once_and_then_one_in_six_seconds() -> None:
    now = [0.0]
    tries = Tries(clock=lambda: now[0])
    assert [tries.take() for _ in range(11)] == [0] * 10 + [6.0]
    now[0] = 6.0
    assert [tries.take() for _ in range(2)] == [0, 6.0]
    now[0] = 3600.0
    assert sum(tries.take() == 0 for _ in range(20)) == 10


def test_whoever_guesses_on_is_told_to_wait_and_so_is_the_right_token(guessed_at: FlaskClient) -> None:
    for _ in range(10):
        assert sign_in(guessed_at, "wrong").status_code == 401
    for token in ("wrong", TOKEN):
        answer = sign_in(guessed_at, token)
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 6
        assert "Set-Cookie" not in answer.headers
    assert guessed_at.get("/", headers=BEARER).status_code == 200


def test_right_tokens_use_up_no_tries(guarded: FlaskClient) -> None:
    assert {sign_in(guarded).status_code for _ in range(30)} == {303}


def test_signing_out_takes_the_session_away(guarded: FlaskClient) -> None:
    sign_in(guarded)
    assert 'action="/sign-out"' in guarded.get("/").text
    answer = guarded.post("/sign-out", headers=OURS)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    assert guarded.get("/").status_code == 303


def test_a_bearer_of_the_token_is_let_in_and_a_bearer_of_another_is_not(guarded: FlaskClient) -> None:
    assert guarded.get("/", headers=BEARER).status_code == 200
    assert guarded.get("/", headers={"Authorization": "Bearer x"}).status_code == 303
    assert guarded.get("/", headers={"Authorization": f"Basic {TOKEN}"}).status_code == 303


def test_a_link_in_a_message_is_followed_although_the_cookie_is_strict(guarded: FlaskClient) -> None:
    """A browser keeps it back from a request that another site caused, and gives it to the one that we cause."""
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Host": "localhost"}
    answer = guarded.get("/jobs/hover-main/1%202?a=b&c=%22", headers=followed)
    assert answer.status_code == 200
    assert 'content="0; url=/jobs/hover-main/1%202?a=b&amp;c=%22"' in answer.text
    again = {**followed, "Sec-Fetch-Site": "same-origin"}
    assert guarded.get("/jobs/hover-main/1%202", headers=again).status_code == 303
    assert guarded.get("/", headers={**followed, "Sec-Fetch-Mode": "no-cors"}).status_code == 303


def test_each_try_to_sign_in_is_a_line_without_the_token(guessed_at: FlaskClient) -> None:
    with capture_logs() as lines:
        sign_in(guessed_at, "a guess of somebody")
        sign_in(guessed_at)
    assert [line["outcome"] for line in lines if line["event"] == "sign-in"] == ["refused", "accepted"]
    assert TOKEN not in str(lines)
    assert "guess" not in str(lines)


# --- what another site can make a browser do -------------------------------------------------------------------------

ACTIONS = [
    f"/deliveries/{quote(DEAD)}/retry",
    f"/notifications/{NOTIFICATIONS[-1].id}/retry",
    f"/events/{EVENT}/replay",
    "/dead/retry",
    "/sign-out",
]


@pytest.mark.parametrize("path", [*ACTIONS, "/sign-in"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:81"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_what_changes_anything_is_taken_from_our_own_pages_only(path: str, headers: Any) -> None:
    looking = Looking()
    doing = Doing(looking)
    client = visit(looking, doing, token=TOKEN)
    client.set_cookie(COOKIE, Sessions(Secret(TOKEN)).begin(time.time()))
    answer = client.post(path, headers={**HERE, **headers}, data={"token": TOKEN})
    assert answer.status_code == 403
    assert "sent this" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert not doing.done
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("path", ACTIONS)
def test_without_a_session_nothing_is_done(path: str) -> None:
    looking = Looking()
    doing = Doing(looking)
    answer = visit(looking, doing, token=TOKEN).post(path, headers=OURS)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in")
    assert not doing.done


@pytest.mark.parametrize("path", ACTIONS)
def test_nothing_is_done_by_following_a_link(web: FlaskClient, doing: Doing, path: str) -> None:
    assert web.get(path, headers=HERE).status_code in (200, 404, 405)
    assert not doing.done


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}]
)
def test_a_browser_that_says_less_is_understood(web: FlaskClient, doing: Doing, headers: Any) -> None:
    allowed = web.post(ACTIONS[0], headers={**HERE, **headers})
    assert allowed.status_code in (303, 403)
    assert (allowed.status_code == 303) == (headers["Origin"] != "null")  # without a token `access` wants it too


# --- what every answer says to the browser ---------------------------------------------------------------------------

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Read(HTMLParser):
    """A page as a browser reads it: `text`, `tags` with their attributes, what is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.open = "", list[tuple[str, dict[str, str | None]]](), list[str]()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input", "br", "option", "path", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        if tag != "option":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("path", [*everywhere(), "/sign-in?next=/x", "/events/evt_0", "/jobs?cursor=x"])
def test_every_page_is_whole_and_has_neither_script_nor_style_of_its_own(guarded: FlaskClient, path: str) -> None:
    if not path.startswith("/sign-in"):
        sign_in(guarded)
    answer = guarded.get(path)
    page = Read(answer.text)
    assert not page.open
    for tag, attributes in page.tags:
        assert tag not in ("style", "iframe", "object", "embed", "base")
        assert tag != "script" or str(attributes["src"]).startswith("/static/")
        assert not [name for name in attributes if name.startswith(("on", "hx-on", "style"))]
        assert not str(attributes.get("href", "")).startswith("javascript:")
    assert [tag for tag, _ in page.tags].count("h1") == 1
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert TOKEN not in answer.text


@pytest.mark.parametrize("path", [*everywhere(), "/sign-in", "/events/evt_0", "/jobs?cursor=x", *ACTIONS])
def test_every_answer_is_closed_to_frames_caches_and_other_sites(guarded: FlaskClient, path: str) -> None:
    for answer in (guarded.get(path), guarded.get(path, headers=BEARER), guarded.post(path, headers=HERE)):
        if answer.status_code == 405:  # no page was reached
            continue
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert not [name for name, _ in answer.headers.items() if name.lower().startswith("access-control")]


def test_files_may_be_kept_as_long_as_their_address_is_the_same(web: FlaskClient) -> None:
    page = web.get("/", headers=HERE).text
    files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    assert len(files) == 5
    for address in files:
        answer = web.get(address)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert web.get(address.partition("?")[0] + "?v=old").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("name", ["", "..%2f__init__.py", "../session.py", "htmx.LICENSE.txt", "nothing"])
def test_no_other_file_is_given_out(web: FlaskClient, name: str) -> None:
    assert web.get(f"/static/{name}", headers=HERE).status_code == 404


def test_the_receiver_is_not_asked_for_a_session(guarded: FlaskClient) -> None:
    body = b'{"job": 1}'
    headers = {"Signature": signature(body), "Content-Type": "application/json"}
    answer = guarded.post("/webhooks/plain", data=body, headers=headers)
    assert answer.status_code == 202
    assert "Content-Security-Policy" not in answer.headers
    assert guarded.get("/healthz").status_code == 200


# --- text by strangers -----------------------------------------------------------------------------------------------

EVIL = [*EVIL_NAMES, *TEXTS, '"><svg onload=alert(1)>', "' onmouseover='alert(1)", "</title><script>x</script>"]


def hostile(text: str) -> Looking:
    """A jobwire in which everything that a stranger can name is named so."""
    link = "javascript:alert(1)//" + text[:50]
    model = a_model(name=text, failure_reason=text, url=link, artifacts={text: link}, deliverable=text)
    job = a_job(
        name=text,
        external_id=text,
        kind=text,
        state=State.FAILED,
        provider_state=text,
        url=link,
        organization_id=text,
        project_id=text,
        address=Address(line1=text, city=text),
        customer=Customer(text, text, text),
        models=(model,),
        errors=(Message(text, text, text),),
        warnings=(Message(text, text, text),),
    )
    event = json.loads(json.dumps(an_event(job=job, model=model)))
    row = replace(DELIVERIES[1], event_id=event["id"], id=f"{event['id']}:crm", last_error=text, reference=text)
    rows = [replace(row, job_id=text), row]
    notification = replace(NOTIFICATIONS[-1], event=text, last_error=text, job_id=text)
    timeline = tuple(
        replace(moment, text=text, said=text, outcome=text, provider_state=text, type=text, event_id=moment.event_id)
        for moment in STORY.timeline
    )
    story = replace(STORY, snapshot=json.loads(json.dumps(document(job))), timeline=timeline)
    named = {"name": text, "external_id": text, "address": text, "kind": text, "id": text}
    looking = Looking(
        jobs_=[replace(row, **named) for row in showcase.JOBS[:2]],
        events_=[event, *EVENTS],
        deliveries_=rows,
        notifications_=[notification],
        story=story,
    )
    looking.overview_ = replace(
        showcase.OVERVIEW,
        failed_today=tuple(looking.jobs_),
        alarms=tuple(replace(alarm, detail=text) for alarm in showcase.OVERVIEW.alarms),
        sinks=tuple(replace(sink, detail=text) for sink in showcase.OVERVIEW.sinks),
        sources=tuple(replace(source, detail=text) for source in showcase.OVERVIEW.sources),
        warnings=(text,),
    )
    return looking


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_text_by_strangers_is_text_on_every_page(text: str) -> None:
    looking, plain = hostile(text), hostile("plain")
    event = looking.events_[0]["id"]
    pages = ["/", "/jobs", JOB, "/events", f"/events/{event}", "/deliveries", f"/deliveries/{event}:crm", "/dead"]
    pages += ["/notifications", f"/notifications/{NOTIFICATIONS[-1].id}"]
    for path in pages:
        usual = Read(visit(plain).get(path, headers=HERE).text)
        answer = visit(looking).get(path, headers=HERE)
        assert answer.status_code == 200, path
        page = Read(answer.text)
        there, here = ([tag for tag, _ in shown.tags] for shown in (usual, page))
        assert set(here) <= {*there, "p", "dt", "dd", "li", "span", "details", "summary", "ul", "time", "ol"}, path
        assert here.count("script") == there.count("script") == 3
        unseen = {c for c in page.text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\u200c\u200d"}
        assert not unseen, f"{path}: {unseen}"
        hrefs = [str(attributes["href"]) for tag, attributes in page.tags if tag == "a"]
        assert not [href for href in hrefs if not href.startswith(("/", "https://hover.to/", "#main"))], path
        assert len(answer.data) < 400_000


def test_an_expression_in_a_name_is_not_worked_out() -> None:
    page = visit(hostile("{{7*7}}{{config}}")).get(JOB, headers=HERE).text
    assert "{{7*7}}{{config}}" in page
    assert ">49" not in page


@pytest.mark.parametrize("text", [*IDS, *TEXTS, *EVIL_NAMES], ids=range(len(IDS) + len(TEXTS) + len(EVIL_NAMES)))
def test_whatever_stands_in_an_address_is_answered(web: FlaskClient, text: str) -> None:
    written = quote(text.encode("utf-8", "replace"), safe="")[:6000] or "%00"
    for path in (f"/jobs/hover-main/{written}", f"/jobs/{written}/1", f"/events/{written}", f"/deliveries/{written}"):
        assert web.get(path, headers=HERE).status_code in (404, 405)
    for path in ("jobs?text=", "jobs?state=", "events?type=", "dead?since=", "deliveries?cursor=", "dead/retry?sink="):
        answer = web.get(f"/{path}{written}", headers=HERE)
        assert answer.status_code in (200, 400)
        assert "Traceback" not in answer.text
    answer = web.get(f"/search?q={written}", headers=HERE)
    assert answer.status_code in (200, 303, 400)
    assert Read(answer.text).open == []


def test_a_customer_is_shown_on_the_page_of_the_job_only(web: FlaskClient) -> None:
    shown = [path for path in [*everywhere()] if "dana.whitfield@example.com" in web.get(path, headers=HERE).text]
    assert shown == [JOB]
    page = web.get(f"/events/{EVENT}", headers=HERE).text
    assert "Dana" not in page
    assert "(shown on the job&#39;s page only)" in page


def test_the_document_of_an_event_is_shown_as_json_that_can_be_read_again(web: FlaskClient) -> None:
    class Pre(Read):
        def handle_data(self, data: str) -> None:
            self.text += data if self.open and self.open[-1] == "pre" else ""

    found = json.loads(Pre(web.get(f"/events/{EVENT}", headers=HERE).text).text)
    found["data"]["job"]["customer"] = EVENTS[1]["data"]["job"]["customer"]
    assert found == json.loads(json.dumps(EVENTS[1]))


# --- what is not there, what is wrong, what is away ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/jobs/hover-main/0", "Nothing is known of a job “0” of “hover-main”"),
        ("/events/evt_0", "No event “evt_0” is kept"),
        ("/deliveries/evt_0:crm", "Nothing is known of a delivery “evt_0:crm”"),
        ("/notifications/ntf_0", "Nothing is known of a notification “ntf_0”"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence_beside_the_search(web: FlaskClient, path: str, said: str) -> None:
    answer = web.get(path, headers=HERE)
    assert answer.status_code == 404
    assert said in answer.text
    assert 'role="search"' in answer.text


@pytest.mark.parametrize("path", [a for a in ACTIONS if "retry" in a and "dead" not in a] + [ACTIONS[2]])
def test_what_is_not_there_cannot_be_done_again(web: FlaskClient, path: str) -> None:
    other = re.sub(r"(evt|ntf)_\w+", r"\1_0", path)
    assert web.post(other, headers=OURS).status_code == 404


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/jobs?state=done", "must be one of created, waiting, processing, succeeded, failed, cancelled."),
        ("/jobs?source=huver", "must be one of hover-main, itwin."),
        ("/events?type=job.exploded", "there is no such type. There are job.created, job.state_changed,"),
        ("/events?outcome=x", "must be one of pending, retrying, delivered, dead."),
        ("/deliveries?sink=crn", "must be one of crm, ops, office, warehouse."),
        ("/notifications?state=delivered", "must be one of pending, retrying, done, dead."),
        ("/dead?since=yesterday", "must be a time such as 2h (ago), 2025-03-01 or 2025-03-01T12:00Z."),
        ("/dead/retry?since=9999999d", "must be a time such as"),
        ("/events?since=1h&until=2h", "Since must lie before Until."),
        (f"/jobs?text={'x' * 301}", "at most 300 characters"),
        (f"/search?q={'x' * 301}", "at most 300 characters"),
        ("/jobs?cursor=nonsense", "this is not the `next` of a page"),
    ],
)
def test_a_wrong_filter_is_told_what_would_be_right(web: FlaskClient, path: str, said: str) -> None:
    answer = web.get(path, headers=HERE)
    assert answer.status_code == 400
    assert said in answer.text
    assert 'role="search"' in answer.text


def test_a_wrong_filter_stays_in_its_form(web: FlaskClient) -> None:
    page = web.get("/jobs?state=%3Cb%3E&since=never&text=rose", headers=HERE).text
    for filled in ("<option selected>&lt;b&gt;</option>", 'value="never"', 'value="rose"', "aria-invalid=true"):
        assert filled in page


def test_wrong_filters_have_nothing_done(web: FlaskClient, doing: Doing) -> None:
    answer = web.post("/dead/retry", data={"since": "yesterday"}, headers=OURS)
    assert answer.status_code == 400
    assert not doing.done


def test_filters_reach_the_question(web: FlaskClient, looking: Looking) -> None:
    given = {"source": "hover-main", "type": "job.*", "sink": "crm", "outcome": "dead", "job": "1"}
    web.get("/events", query_string={**given, "since": "2025-03-01", "until": "2025-03-01"}, headers=HERE)
    asked = next(one for one in looking.asked if hasattr(one, "outcome"))
    assert {name: getattr(asked, name) for name in given} == given
    assert asked.until - asked.since == 86400


@pytest.mark.parametrize("path", [path for path in everywhere() if path not in ("/search", "/jobs?state=x")])
def test_without_redis_every_page_says_so_and_tries_again(web: FlaskClient, looking: Looking, path: str) -> None:
    looking.fails = DOWN
    answer = web.get(path, headers=HERE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Redis does not answer now" in answer.text
    assert '<meta http-equiv="refresh" content="5">' in answer.text
    assert "hush" not in answer.text
    assert "inside" not in answer.text


@pytest.mark.parametrize("path", ACTIONS[:4])
def test_without_redis_what_was_asked_for_is_not_claimed_to_be_done(
    web: FlaskClient, looking: Looking, path: str
) -> None:
    looking.fails = DOWN
    answer = web.post(path, headers=OURS)
    assert answer.status_code == 503
    assert "may or may not have been done" in answer.text
    assert "refresh" not in answer.text.partition("</head>")[0].partition("htmx-config")[0]


def test_an_open_page_is_told_and_stays(web: FlaskClient, looking: Looking) -> None:
    looking.fails = DOWN
    answer = web.get("/jobs", headers=LIVE)
    assert answer.status_code == 503
    assert "Redis does not answer now" in answer.text
    assert "<html" not in answer.text


def test_an_open_page_whose_session_is_over_is_told_where_to_sign_in(guarded: FlaskClient) -> None:
    answer = guarded.get("/jobs", headers=LIVE)
    assert answer.status_code == 401
    assert '<a href="/sign-in">Sign in</a>' in answer.text


def test_a_bug_is_a_page_without_its_insides(looking: Looking) -> None:
    looking.fails = ValueError("a bug that says hush")
    app = showcase.fresh(looking, Doing(looking), token=None)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = app.test_client().get("/", headers=HERE)
    assert answer.status_code == 500
    assert "unexpected error" in answer.text
    assert "hush" not in answer.text
    assert answer.headers["Content-Security-Policy"] == POLICY


def test_a_form_that_is_too_large_is_refused(web: FlaskClient) -> None:
    answer = web.post("/dead/retry", data={"sink": "x" * 20_000}, headers=OURS)
    assert answer.status_code == 413


# --- live ------------------------------------------------------------------------------------------------------------

LIVING = ["/", "/jobs", "/events", "/deliveries", "/notifications", "/dead", JOB, f"/events/{EVENT}"]
LIVING += [f"/deliveries/{DEAD}", f"/notifications/{NOTIFICATIONS[0].id}"]


def seen(answer: TestResponse) -> str:
    return re.findall(r'data-seen="(\w+)"', answer.text)[0]


@pytest.mark.parametrize("path", LIVING)
def test_an_open_page_gets_what_changed_and_nothing_when_nothing_did(web: FlaskClient, path: str) -> None:
    page = web.get(path, headers=HERE)
    again = re.findall(r'hx-get="([^"]+)"', page.text)[0].replace("&amp;", "&")
    assert web.get(again, headers={**LIVE, "X-Seen": seen(page)}).status_code == 204
    part = web.get(again, headers={**LIVE, "X-Seen": "other"})
    assert seen(part) == seen(page)
    assert "<html" not in part.text
    assert '<form class="search"' not in part.text
    assert part.text.partition('<i id="seen"')[0].strip() in page.text


def test_what_an_address_says_once_is_not_asked_again(web: FlaskClient) -> None:
    page = web.get("/dead?sink=crm&again=2&cursor=0", headers=HERE).text
    assert 'hx-get="/dead?sink=crm&amp;cursor=0"' in page
    assert "2 are on their way again." in page


def test_a_change_is_seen(web: FlaskClient, looking: Looking) -> None:
    before = seen(web.get(f"/deliveries/{DEAD}", headers=HERE))
    looking.deliveries_[1] = replace(looking.deliveries_[1], state="delivered", last_error=None)
    after = web.get(f"/deliveries/{DEAD}", headers={**LIVE, "X-Seen": before})
    assert after.status_code == 200
    assert 'data-said="crm: delivered"' in after.text


# --- what they say ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/jobs", "/events", "/deliveries", "/notifications", "/dead", "/search?q=x"])
def test_an_empty_jobwire_says_that_there_is_nothing_yet(path: str) -> None:
    page = visit(Looking(empty=True)).get(path, headers=HERE)
    assert page.status_code == 200
    assert 'class="empty"' in page.text
    assert "The last 0" not in page.text, "there are no rates of no time"


def test_a_list_that_fits_little_says_that_there_may_be_more(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "jobs", lambda chosen, **more: Page((), "7"))
    page = visit(looking).get("/jobs?state=failed&source=old", headers=HERE)
    assert page.status_code == 200
    assert "Nothing that fits in what was looked through so far" in page.text
    assert '<a rel="next" href="/jobs?state=failed&amp;source=old&amp;cursor=7">Look further</a>' in page.text


def test_the_next_page_is_asked_for_with_the_same_filter(looking: Looking) -> None:
    looking.jobs_ = looking.jobs_ * 10
    client = visit(looking)
    page = client.get("/jobs?source=hover-main", headers=HERE).text
    assert '<a rel="next" href="/jobs?source=hover-main&amp;cursor=50">Older</a>' in page
    assert client.get("/jobs?source=hover-main&cursor=50", headers=HERE).text.count("<tr") > 1


def test_one_hit_is_where_the_search_leads(web: FlaskClient) -> None:
    for sought in ("8675309", "15084303", "Meadow", " 4312 "):
        answer = web.get("/search", query_string={"q": sought}, headers=HERE)
        assert (answer.status_code, answer.headers["Location"]) == (303, JOB)
    assert web.get("/search?q=hover", headers=HERE).status_code == 200


def test_no_hit_leads_elsewhere(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "search", lambda text: [Hit(kind="job", title="", detail="", path="//evil.example")])
    answer = visit(looking).get("/search?q=x", headers=HERE)
    assert answer.headers["Location"] == "/"


def test_the_page_of_a_job_says_where_it_is_what_was_told_to_whom_and_why_not(web: FlaskClient) -> None:
    page = " ".join(Read(web.get(JOB, headers=HERE).text).text.split())
    for said in (
        "failed since",
        "Garage: Lack of exterior shots",
        "Put right what the reason names",
        "crm: dead ops: delivered office: pending",
        "crm: 503 Service Unavailable",
        "Not to warehouse warehouse: type job.failed matches none of events",
        "and 5 more like it before",
        "received and verified: job-created-v2",
        "Dana Whitfield",
        "3 models, 2 failed",
    ):
        assert said in page, said


def test_the_page_of_an_event_explains_every_sink(web: FlaskClient) -> None:
    page = " ".join(Read(web.get(f"/events/{EVENT}", headers=HERE).text).text.split())
    for said in (
        "Job failed: Meadow Drive, main house (15084303): Lack of exterior shots",
        "wants it events and sources match",
        "does not want it type job.failed matches none of events",
        "6 attempts",
        "to every sink that wants it today: crm, office, ops",
    ):
        assert said in page, said


def test_a_chart_is_told_in_words_too(web: FlaskClient) -> None:
    page = web.get("/", headers=HERE).text
    assert re.findall(r'role="img" aria-label="([^"]*)"', page) == [
        "248 accepted, 2 rejected in 60 min; at most 17 in 2 min",
        "183 delivered, 65 tries failed in 60 min; at most 14 delivered in 2 min",
        "In the last 2 min with any: half within 490 ms, 95 % within 1.5 s; the slowest 2 min: 95 % within 2.8 s",
    ]
    assert "ops.sink_failing" not in page
    assert "Sink crm takes nothing: 503 Service Unavailable" in page


# --- what they do ----------------------------------------------------------------------------------------------------


def test_a_dead_delivery_is_made_again_and_the_page_that_one_came_from_says_so(web: FlaskClient, doing: Doing) -> None:
    answer = web.post(f"/deliveries/{DEAD}/retry", data={"back": f"{JOB}?again=9"}, headers=OURS)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{JOB}?again=1")
    assert doing.done == [DEAD]
    assert "1 is on its way again." in web.get(answer.headers["Location"], headers=HERE).text
    answer = web.post(f"/deliveries/{DEAD}/retry", headers=OURS)
    assert answer.headers["Location"] == "/dead?waits=1"


def test_the_way_back_from_doing_leads_to_no_other_place(web: FlaskClient) -> None:
    answer = web.post(f"/deliveries/{DEAD}/retry", data={"back": "https://evil.example/"}, headers=OURS)
    assert answer.headers["Location"] == "/?again=1"


def test_what_is_for_a_sink_that_is_gone_is_said(looking: Looking) -> None:
    client = visit(looking, Doing(looking, gone=frozenset(["crm"])))
    answer = client.post(f"/deliveries/{DEAD}/retry", headers=OURS)
    assert answer.status_code == 409
    assert "the sink is not configured any more" in answer.text


def test_a_replay_says_what_became_of_it_at_the_sinks(web: FlaskClient) -> None:
    answer = web.post(f"/events/{EVENT}/replay", data={"back": f"/events/{EVENT}"}, headers=OURS)
    said = "2 are on their way again, 1 waits already, 1 sink does not want it by today&#39;s configuration."
    assert said in web.get(answer.headers["Location"], headers=HERE).text


def test_all_that_is_dead_and_fits_is_counted_first_and_done_after_a_yes(
    web: FlaskClient, looking: Looking, doing: Doing
) -> None:
    first = web.get("/dead/retry?sink=crm", headers=HERE).text
    assert "1 dead delivery" in first
    assert "<dt>Sink</dt><dd>crm</dd>" in first
    assert not doing.done
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', first))
    answer = web.post("/dead/retry", data=form, headers=OURS)
    assert answer.headers["Location"] == "/dead?sink=crm&again=1"
    assert [row.sink for row in looking.deliveries_ if row.state == "dead"] == ["warehouse"]
    assert "Nothing dead fits" in web.get("/dead/retry?sink=crm", headers=HERE).text


def test_dead_notifications_are_likewise_looked_into_again(web: FlaskClient, doing: Doing) -> None:
    assert "1 dead notification" in web.get("/dead/retry?kind=notifications", headers=HERE).text
    answer = web.post("/dead/retry", data={"kind": "notifications"}, headers=OURS)
    assert answer.headers["Location"] == "/dead?again=1"
    assert doing.done == [NOTIFICATIONS[-1].id]


def test_notifications_have_no_sink_so_none_is_meant_when_one_is_named(web: FlaskClient, doing: Doing) -> None:
    assert "Notifications have neither a sink nor a type" in web.get("/dead?sink=crm", headers=HERE).text
    web.post("/dead/retry", data={"kind": "notifications", "sink": "crm"}, headers=OURS)
    assert not doing.done


@pytest.mark.parametrize("said", ["again=x", "again=-1", "again=99999999999999", "again=<b>", "again=²", "unknown=1"])
def test_an_address_makes_a_page_say_nothing_but_counts(web: FlaskClient, said: str) -> None:
    page = web.get(f"/dead?{said}", headers=HERE)
    assert page.status_code == 200
    assert 'class="box good"' not in page.text


def test_the_table_of_the_documentation_has_every_page() -> None:
    told = set(
        re.findall(
            r"`(/[^`?]*)`", (ROOT / "docs/dashboard.md").read_text().partition("| page |")[2].partition("\n\n")[0]
        )
    )
    app = showcase.app()
    pages = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("pages.") and "GET" in (rule.methods or ())
    }
    known = {re.sub(r"/<.*", "", page) or "/" for page in pages} - {"/static", "/sign-in", "/dead/retry"}
    assert {page.partition("/SOURCE")[0].removesuffix("/ID") for page in told} == known


# --- of real lanes ---------------------------------------------------------------------------------------------------


@pytest.fixture
def world(redis_url: str, tmp_path: Path) -> Life:
    return life(redis_url, tmp_path)


@pytest.fixture
def real(world: Life) -> FlaskClient:
    return create_app(world.app, looking=RealLooking(world.app), doing=RealDoing(world.app)).test_client()


def refused_by_out(sink: str, event: Any) -> Exception | None:
    return Refused("no such field") if sink == "out" else None


def links(page: str) -> set[str]:
    return {href.replace("&amp;", "&") for href in re.findall(r'href="(/[^"]*)"', page) if "/static/" not in href}


def test_every_link_of_every_page_leads_somewhere(world: Life, real: FlaskClient) -> None:
    world.trouble = refused_by_out
    world.show("15084303", State.PROCESSING, **HOUSE)
    world.work()
    world.show("15084303", State.FAILED, why="Lack of exterior shots", **HOUSE)
    world.show("a/b ../%2e%2e?x#y", State.FAILED, name="<b>")
    world.work(after=2)
    seen_: dict[str, int] = {}
    waiting = ["/", "/search?q=miller", "/search?q=15084303", "/search?q=PO-2024"]
    while waiting and len(seen_) < 200:
        path = waiting.pop()
        if path not in seen_:
            answer = real.get(path, headers=HERE, follow_redirects=True)
            seen_[path] = answer.status_code
            waiting += links(answer.text)
    assert {path: status for path, status in seen_.items() if status != 200} == {}
    assert any(path.startswith("/jobs/main/a%2Fb") for path in seen_)
    assert any(path.startswith("/notifications/") for path in seen_)
    assert len(seen_) > 30


def test_of_real_lanes_too_a_dead_delivery_is_found_by_an_external_id_and_made_again(
    world: Life, real: FlaskClient
) -> None:
    world.trouble = refused_by_out
    world.show("15084303", State.FAILED, why="Lack of exterior shots", **HOUSE)
    world.work()
    page = real.get("/search?q=PO-2024/17", headers=HERE, follow_redirects=True).text
    assert "Lack of exterior shots" in page
    assert "no such field" in page
    [action] = set(re.findall(r'action="(/deliveries/[^"]+/retry)"', page)[:1])
    world.trouble = lambda sink, event: None
    answer = real.post(action, headers=OURS, data={"back": "/jobs/main/15084303"}, follow_redirects=True)
    assert "1 is on its way again." in answer.text
    world.work()
    assert "out: delivered" in " ".join(Read(real.get("/jobs/main/15084303", headers=HERE).text).text.split())


def test_all_dead_are_counted_and_revived_of_real_lanes_too(world: Life, real: FlaskClient) -> None:
    world.trouble = lambda sink, event: Refused("no")
    for number in range(3):
        world.show(str(number), State.FAILED)
    world.work()
    counted = re.findall(r'class="big">(\d+) dead', real.get("/dead/retry?sink=out", headers=HERE).text)
    answer = real.post("/dead/retry", data={"sink": "out", "kind": "deliveries"}, headers=OURS)
    assert answer.headers["Location"] == f"/dead?sink=out&again={counted[0]}"
    assert "No dead delivery fits" in real.get("/dead?sink=out", headers=HERE).text
