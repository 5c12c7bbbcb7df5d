"""Mails to people, against real mail servers: what arrives, what an answer means, and what a reader sees of it."""

from __future__ import annotations

import email
import re
import socket
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from browser import PHONE, Shown, a_browser, a_page
from consumers import configurations
from golden import cases, compare, together
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError
from playwright.sync_api import Browser
from sinks.mail_server import CERTIFICATE, HANG_UP, PASSWORD, STALL, USER, MailServer, Scripted

from processor.errors import Busy, ProcessorError, Refused, Shut, Unreachable, Unreadable
from processor.model import JSON, EventType
from processor.ports import Occasion
from processor.sinks.email import Email
from processor.sinks.email.message import compose
from processor.telling import Telling, tell, tell_together
from processor.testing.builders import a_job, a_model, an_event
from processor.testing.fakes import StandingClock, some_tools
from processor.testing.sink import (
    EVIL_NAMES,
    CanBeAway,
    CanBeShut,
    RefusesDocuments,
    SurvivesRestarts,
    TellsPeople,
    TriesOut,
)
from processor.text import clean, headline

ENCODED = "=?utf-8?q?Garage=0D=0ABcc:_everybody@example.com?= =?utf-8?b?R2FyYWdl?="  # decoded, the first has two lines
EVIL = (*EVIL_NAMES, ENCODED)
HEADERS = [
    *["Subject", "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "List-Id", "Auto-Submitted"],
    *["X-Auto-Response-Suppress", "MIME-Version", "Content-Type"],
]
TAGS = {"html", "head", "meta", "title", "style", "body", "div", "h1", "strong", "p", "a", "br", "ul", "li"}
LOGIN = f"{quote(USER)}:{quote(PASSWORD)}@"


def an_email(port: int, *, login: str = "", host: str = "127.0.0.1", query: str = "", **options: Any) -> Email:
    """The sink as the configuration makes it."""
    table = {"type": "email", "from": "jobwire <jobs@example.com>", "to": ["ops@example.com", "Ada <ada@example.com>"]}
    options = {"smtp_url": f"smtp://{login}{host}:{port}{query}", **options}
    loaded = Email.Options().load({**table, **options})
    tools = some_tools(clock=StandingClock(), public_url="https://jobs.example.com")
    return Email.from_config("ops-mail", loaded, tools)


def an_impatient_email(port: int, *, login: str = "", seconds: float = 0.3) -> Email:
    """The same, with less time."""
    loaded = Email.Options().load({**TestEmail.least, "smtp_url": f"smtp://{login}127.0.0.1:{port}"})
    server, sender, to = loaded["smtp_url"], loaded["from"], loaded["to"]
    return Email("ops-mail", server, sender=sender, recipients=to, clock=StandingClock(), timeout=seconds)


def a_mail(telling: Telling, *, sink: str = "ops-mail", domain: str = "example.com") -> EmailMessage:
    """A message as a mail, read again by what a reader's program might use."""
    raw = compose(
        telling,
        sink=sink,
        sender=Address("jobwire", "jobs", domain),
        recipients=[Address("", "ops", "example.com"), Address("Ada Ärger, Dr.", "ada", "example.com")],
        now=datetime(2025, 3, 18, tzinfo=UTC),
    )
    assert max(len(line) for line in raw.split(b"\r\n")) <= 78
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert raw.isascii()
    return email.message_from_bytes(raw, policy=default)


def text_of(message: EmailMessage) -> str:
    return _content(message, "plain")


def html_of(message: EmailMessage) -> str:
    return _content(message, "html")


def _content(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


class _Seen(HTMLParser):
    """What is seen of a page, and its tags and addresses."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.links = "", [], []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._unseen += tag in ("title", "style")
        self.links += [value for name, value in attrs if name in ("href", "src", "action", "background", "srcset")]

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in ("title", "style")

    def handle_data(self, data: str) -> None:
        self.text += "" if self._unseen else data


def seen(html: str) -> _Seen:
    parser = _Seen()
    parser.feed(html)
    parser.close()
    return parser


def an_event_named(name: str) -> dict[str, JSON]:
    return an_event(job=a_job(name=name, models=(a_model(name=name, failure_reason=name),)))


@pytest.fixture
def server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    made = []

    def make(**answers: Any) -> Scripted:
        made.append(Scripted(**answers))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system trusts the certificate of the tests."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


class TestEmail(TellsPeople, RefusesDocuments, CanBeShut, CanBeAway, SurvivesRestarts, TriesOut):
    plugin = Email
    least: ClassVar = {"type": "email", "smtp_url": "smtp://mail.example.com", "from": "a@b.example", "to": ["c@d.e"]}
    secrets = (PASSWORD, quote(PASSWORD))

    @pytest.fixture
    def sink(self, server: MailServer) -> Email:
        return an_email(server.port, login=LOGIN)

    @pytest.fixture
    def told(self, server: MailServer) -> Callable[[], list[str]]:
        return lambda: [text_of(message) for message in server.messages()]

    @pytest.fixture
    def refusing(self, server: MailServer, sink: Email) -> Email:
        server.answers["DATA"] = "554 5.6.0 we do not like it"
        return sink

    @pytest.fixture
    def shut(self, server: MailServer) -> Email:
        return an_email(server.port, login=f"{USER}:{quote(PASSWORD)}2@")

    @pytest.fixture
    def away(self) -> Email:
        return an_email(9, login=LOGIN)

    @pytest.fixture
    def stalled(self, scripted: Callable[..., Scripted]) -> Email:
        return an_impatient_email(scripted(CONNECT=STALL).port, login=LOGIN)

    @pytest.fixture
    def taken_ids(self, server: MailServer) -> Callable[[], list[str]]:
        return lambda: [str(message["Message-ID"])[1:].partition("@")[0] for message in server.messages()]

    @pytest.fixture
    def restart(self, server: MailServer) -> Callable[[], None]:
        def again() -> None:
            server.stop()
            server.start()

        return again

    @pytest.mark.parametrize("evil", EVIL)
    def test_text_by_strangers_is_text_in_the_html_too(self, server: MailServer, sink: Email, evil: str) -> None:
        event = an_event_named(evil)
        sink.deliver(event)
        [message] = server.messages()
        page = seen(html_of(message))
        assert headline(event) in page.text
        assert clean(evil, 60).rstrip("…") in page.text
        assert set(page.tags) <= TAGS | {"table", "tr", "th", "td"}
        assert all(str(link).startswith("https://") for link in page.links)
        controls = {c for c in html_of(message) if unicodedata.category(c) in ("Cc", "Cf", "Cs")}
        assert controls <= set("\n\u200c\u200d")


# --- what an answer means --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "kind", "message"),
    [
        ({"CONNECT": "554 no service"}, Shut, "answered 554 to our connection: no service"),
        ({"CONNECT": "421 too many"}, Busy, "answered 421 to our connection: too many"),
        ({"EHLO": "550 go", "HELO": "550 away"}, Shut, "answered 550 to our EHLO: away"),
        ({"EHLO": "421 go", "HELO": "421 away"}, Busy, "answered 421 to our EHLO"),
        ({"AUTH": "535 5.7.8 bad"}, Shut, "answered 535 to the user and password in `smtp_url`: 5.7.8 bad"),
        ({"AUTH": "534 weak"}, Shut, "answered 534 to the user and password"),
        ({"AUTH": "454 later"}, Busy, "answered 454 to the user and password"),
        ({"MAIL": "530 5.7.0 log in"}, Shut, "answered 530 to the sender in `from`: 5.7.0 log in"),
        ({"MAIL": "553 not yours"}, Shut, "answered 553 to the sender in `from`: not yours"),
        ({"MAIL": "451 greylisted"}, Busy, "answered 451 to the sender in `from`: greylisted"),
        ({"RCPT": "550 unknown"}, Shut, "refuses 2 of 2 recipients in `to`: ops@example.com .550 unknown., ada@"),
        ({"RCPT": "450 later"}, Busy, "refuses 2 of 2 recipients in `to`: ops@example.com .450 later., ada@"),
        ({"RCPT": "421 closing"}, Busy, "answered 421 to a recipient in `to`: closing"),
        ({"DATA": "503 no"}, Shut, "answered 503 to DATA: no"),
        ({"DATA": "451 no"}, Busy, "answered 451 to DATA: no"),
        ({"TEXT": "552 5.3.4 too big"}, Refused, "answered 552 to the text of the mail: 5.3.4 too big"),
        ({"TEXT": "554 5.6.0 spam"}, Refused, "answered 554 to the text of the mail: 5.6.0 spam"),
        ({"TEXT": "550"}, Refused, "answered 550 to the text of the mail: without a word"),
        ({"TEXT": "535 log in"}, Shut, "answered 535 to the text of the mail"),
        ({"TEXT": "452 full"}, Busy, "answered 452 to the text of the mail: full"),
        ({"TEXT": "421 closing"}, Busy, "answered 421 to the text of the mail: closing"),
        ({"CONNECT": "SSH-2.0-OpenSSH_9.2"}, Unreadable, "its answer to our connection is not SMTP"),
        ({"MAIL": "no idea"}, Unreadable, "its answer to the sender in `from` is not SMTP"),
        ({"MAIL": "999 what"}, Unreadable, "answered 999 to the sender"),
        ({"MAIL": "354 what"}, Unreadable, "answered 354 to the sender"),
        ({"TEXT": "354 more"}, Unreadable, "answered 354 to the text"),
        ({"MAIL": "250 " + "x" * 9000}, Unreadable, "what it says is not SMTP"),
        ({"CONNECT": HANG_UP}, Unreachable, "the connection was cut"),
        ({"TEXT": HANG_UP}, Unreachable, "the connection was cut"),
    ],
)
def test_an_answer_has_its_meaning(
    scripted: Callable[..., Scripted], answers: Mapping[str, str], kind: type[ProcessorError], message: str
) -> None:
    far_end = scripted(**({"EHLO": "250-here\r\n250 AUTH PLAIN"} | answers))
    with pytest.raises(kind, match=f"smtp://127.0.0.1:{far_end.port}:? {message}") as raised:
        an_email(far_end.port, login=LOGIN).deliver(an_event())
    assert type(raised.value) is kind
    assert raised.value.message.isprintable()


def test_a_server_that_goes_after_it_took_the_mail_has_taken_it(scripted: Callable[..., Scripted]) -> None:
    for answer in (HANG_UP, "421 timeout", "nonsense"):
        assert an_email(scripted(TEXT="250 taken", QUIT=answer).port).deliver(an_event()) == "taken"


def test_a_goodbye_is_not_waited_for(scripted: Callable[..., Scripted]) -> None:
    began = time.monotonic()
    assert an_email(scripted(QUIT=STALL).port).deliver(an_event()) == "ok"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("where", ["EHLO", "MAIL", "RCPT", "DATA", "TEXT"])
def test_a_server_that_falls_silent_costs_a_limited_time(scripted: Callable[..., Scripted], where: str) -> None:
    far_end = scripted(**{where: STALL})
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"no whole answer in 0\.3 s"):
        an_impatient_email(far_end.port).deliver(an_event())
    assert time.monotonic() - began < 5


def test_a_server_that_drips_costs_a_limited_time_too(scripted: Callable[..., Scripted]) -> None:
    """Each byte comes in time, the answer never."""
    far_end = scripted(EHLO="250-" + "x" * 500, drip=0.02)
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"no whole answer in 0\.5 s"):
        an_impatient_email(far_end.port, seconds=0.5).deliver(an_event())
    assert time.monotonic() - began < 5


def test_a_message_quotes_the_beginning_of_the_answer_made_harmless(scripted: Callable[..., Scripted]) -> None:
    far_end = scripted(TEXT="554-\x1b[31mno\t\N{RIGHT-TO-LEFT OVERRIDE}such\r\n554 " + "x" * 1000)
    with pytest.raises(Refused) as raised:
        an_email(far_end.port).deliver(an_event())
    said = raised.value.message.partition("text of the mail: ")[2]
    assert said.startswith("[31mno such xxx")
    assert len(said) == 200


PLAIN = "AGpvYnMAczNjcmV0LXDDpHNzd29yZA=="  # base64 of NUL, user, NUL, password


@pytest.mark.parametrize("echo", [PASSWORD, f"AUTH PLAIN {PLAIN}", "czNjcmV0LXDDpHNzd29yZA=="])
def test_an_answer_that_repeats_the_password_is_not_quoted(scripted: Callable[..., Scripted], echo: str) -> None:
    far_end = scripted(EHLO="250-here\r\n250 AUTH PLAIN", AUTH=f"535 wrong: {echo}")
    with pytest.raises(Shut, match="535 to the user and password in `smtp_url`: its answer repeats what we sent"):
        an_email(far_end.port, login=LOGIN).deliver(an_event())
    assert f"AUTH PLAIN {PLAIN}" in far_end.commands


# --- recipients ------------------------------------------------------------------------------------------------------


def test_some_refused_recipients_are_told_with_the_reference_and_the_others_get_one_mail(server: MailServer) -> None:
    """A retry would be a second mail for those."""
    server.answers["ada@example.com"] = "550 5.1.1 no such user"
    reference = an_email(server.port).deliver(an_event())
    assert reference == "2.0.0 Ok: queued as 0001; refused: ada@example.com (550 5.1.1 no such user)"
    assert [mail.rcpt_tos for mail in server.mails] == [["ops@example.com"]]


def test_one_recipient_who_may_be_taken_later_makes_all_of_them_wait(server: MailServer) -> None:
    server.answers |= {"ops@example.com": "550 no", "ada@example.com": "451 greylisted"}
    with pytest.raises(Busy, match="2 of 2 recipients"):
        an_email(server.port).deliver(an_event())


def test_of_many_refused_recipients_the_first_are_named(server: MailServer) -> None:
    server.answers["RCPT"] = "550 no"
    to = [f"someone{number}@example.com" for number in range(50)]
    with pytest.raises(Shut, match=r"50 of 50 recipients in `to`: someone0@.* someone2@\S+ \(550 no\) and 47 more$"):
        an_email(server.port, to=to).deliver(an_event())


def test_every_recipient_gets_the_mail_once_and_is_named_in_it(server: MailServer) -> None:
    to = ["ops@example.com", "Müller, Ada <ada@example.com>", "Ops <ops@example.com>"]
    assert an_email(server.port, to=to).deliver(an_event()) == "2.0.0 Ok: queued as 0001"
    [mail], [message] = server.mails, server.messages()
    assert (mail.mail_from, mail.rcpt_tos) == ("jobs@example.com", ["ops@example.com", "ada@example.com"])
    assert message["To"] == 'Ops <ops@example.com>, "Müller, Ada" <ada@example.com>'
    assert message["From"] == "jobwire <jobs@example.com>"


def test_addresses_outside_ascii_need_a_server_that_knows_them(server: MailServer) -> None:
    to = ["jürgen@bücher.example", "ops@example.com"]
    an_email(server.port, to=to).deliver(an_event())
    assert server.mails[0].rcpt_tos == to
    assert server.messages()[0]["To"] == "jürgen@bücher.example, ops@example.com"
    assert "SMTPUTF8" in server.mails[0].mail_options
    old = MailServer(enable_SMTPUTF8=False)
    try:
        with pytest.raises(Shut, match="takes no addresses outside ASCII"):
            an_email(old.port, to=to).deliver(an_event())
    finally:
        old.stop()


def test_threads_share_a_sink(server: MailServer) -> None:
    sink = an_email(server.port)
    events = [an_event(job=a_job(id=str(number))) for number in range(40)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(sink.deliver, events))
    assert {str(message["Message-ID"]) for message in server.messages()} == {f"<{e['id']}@example.com>" for e in events}


# --- encryption and login --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", ["smtps", "starttls"])
def test_an_encrypted_mail_with_a_login_arrives(tls: str, mechanism: str) -> None:
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[mechanism]
    with closing_server(tls=tls, auth_exclude_mechanism=[other]) as server:
        scheme, query = ("smtps", "") if tls == "smtps" else ("smtp", "?starttls=true")
        an_email(0, smtp_url=f"{scheme}://{LOGIN}localhost:{server.port}{query}").deliver(an_event())
        assert (server.encrypted, server.logins) == ([True], [f"{mechanism} right"])


def test_a_wrong_password_is_tried_once_a_delivery(server: MailServer) -> None:
    """Servers lock accounts; smtplib's own login would try every mechanism."""
    with pytest.raises(Shut, match="535 to the user and password in `smtp_url`"):
        an_email(server.port, login="jobs:wrong@").deliver(an_event())
    assert server.logins == ["PLAIN wrong"]


@pytest.mark.parametrize(
    ("tls", "url"), [("smtps", "smtps://localhost:{}"), ("starttls", "smtp://localhost:{}?starttls=true")]
)
def test_a_certificate_that_is_not_trusted_gets_nothing(tls: str, url: str) -> None:
    with closing_server(tls=tls) as server:
        with pytest.raises(Unreachable, match=r"the certificate is not trusted \(self.signed certificate\)"):
            an_email(0, smtp_url=url.format(server.port)).deliver(an_event())
        assert server.mails == []


@pytest.mark.usefixtures("trusting")
def test_a_certificate_for_another_name_gets_nothing() -> None:
    with closing_server(tls="smtps") as server:
        with pytest.raises(Unreachable, match=r"the certificate is not trusted .*127\.0\.0\.1"):
            an_email(0, smtp_url=f"smtps://127.0.0.1:{server.port}").deliver(an_event())
        assert server.mails == []


def test_a_server_without_starttls_gets_nothing_when_it_was_asked_for(scripted: Callable[..., Scripted]) -> None:
    """Whoever sits in between can take STARTTLS out of an answer."""
    far_end = scripted(EHLO="250-here\r\n250 AUTH PLAIN")
    with pytest.raises(Shut, match=r"offers no STARTTLS: use smtps://, or say \?starttls=false in `smtp_url`"):
        an_email(far_end.port, login=LOGIN, query="?starttls=true").deliver(an_event())
    assert [command.split()[0] for command in far_end.commands] == ["ehlo", "quit"]


def test_starttls_that_is_refused_has_its_meaning(scripted: Callable[..., Scripted]) -> None:
    for answer, kind in (("454 not now", Busy), ("501 no", Shut)):
        far_end = scripted(EHLO="250-here\r\n250 STARTTLS", STARTTLS=answer)
        with pytest.raises(kind, match=f"answered {answer[:3]} to STARTTLS"):
            an_email(far_end.port, query="?starttls=true").deliver(an_event())


# What is another machine by its name, and yet this one: inet_aton's short form of 127.0.0.1.
ELSEWHERE = "127.1"


def test_a_password_never_travels_in_plain_unless_that_is_said(scripted: Callable[..., Scripted]) -> None:
    far_end = scripted(EHLO="250-here\r\n250 AUTH PLAIN")
    with pytest.raises(Shut, match="offers no STARTTLS, and the password must not be read on the way"):
        an_email(far_end.port, login=LOGIN, host=ELSEWHERE).deliver(an_event())
    assert not [command for command in far_end.commands if "AUTH" in command.upper()]
    an_email(far_end.port, login=LOGIN, host=ELSEWHERE, query="?starttls=false").deliver(an_event())
    an_email(far_end.port, host=ELSEWHERE).deliver(an_event())  # there is none
    an_email(far_end.port, login=LOGIN).deliver(an_event())  # it does not travel


def test_starttls_is_used_for_a_password_without_being_asked_for() -> None:
    with closing_server(tls="starttls") as server:
        with pytest.raises(Unreachable, match="the certificate is not trusted"):
            an_email(server.port, login=LOGIN, host=ELSEWHERE).deliver(an_event())
        assert server.logins == []


def test_smtps_where_nobody_speaks_it_is_told(server: MailServer) -> None:
    with pytest.raises(Unreachable, match=r"TLS failed; a port that begins without it is smtp://…\?starttls=true"):
        an_email(0, smtp_url=f"smtps://127.0.0.1:{server.port}").deliver(an_event())


@pytest.mark.parametrize(("offered", "said"), [("250 ok", "none at all"), ("250-ok\r\n250 AUTH GSSAPI", "only GSSAPI")])
def test_a_server_without_a_login_that_we_know_is_told(
    scripted: Callable[..., Scripted], offered: str, said: str
) -> None:
    with pytest.raises(Shut, match=f"offers no login with a password, {said}"):
        an_email(scripted(EHLO=offered).port, login=LOGIN).deliver(an_event())


def test_we_introduce_ourselves_without_asking_anybody_for_our_name(
    scripted: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    far_end = scripted()
    monkeypatch.setattr(socket, "getfqdn", lambda: pytest.fail("this may take seconds"))
    for name in ("mail.example.com", "laptop", "größe.example"):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        an_email(far_end.port).deliver(an_event())
    hellos = [command for command in far_end.commands if command.startswith("ehlo")]
    assert hellos == ["ehlo mail.example.com", "ehlo [127.0.0.1]", "ehlo [127.0.0.1]"]


class closing_server(closing[MailServer]):  # reads like contextlib's
    """A server of one test's own."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(MailServer(**parameters))

    def __exit__(self, *exc_info: object) -> None:
        self.thing.stop()


# --- headers ---------------------------------------------------------------------------------------------------------


def test_a_mail_has_these_headers() -> None:
    message = a_mail(tell(an_event()))
    assert message.keys() == HEADERS
    event_id = an_event()["id"]
    assert {name: message[name] for name in HEADERS if name not in ("In-Reply-To", "References", "Content-Type")} == {
        "Subject": "Model failed: Garage (Main House, 15084303): Lack of exterior shots",
        "From": "jobwire <jobs@example.com>",
        "To": 'ops@example.com, "Ada Ärger, Dr." <ada@example.com>',
        "Date": "Tue, 18 Mar 2025 00:00:00 +0000",
        "Message-ID": f"<{event_id}@example.com>",
        "List-Id": "<ops-mail.jobwire.example.com>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
    }
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_a_repeat_is_the_same_mail(server: MailServer) -> None:
    sink = an_email(server.port)
    for _ in range(2):
        sink.deliver(an_event())
        sink.deliver_together([an_event(), an_event(job=a_job(id="2"))], Occasion.GROUP)
    first, several, again, several_again = server.messages()
    assert first["Message-ID"] == again["Message-ID"] != several["Message-ID"] == several_again["Message-ID"]
    assert text_of(first) == text_of(again)


def test_the_mails_about_one_job_are_a_thread() -> None:
    def hangs_on(event: dict[str, JSON]) -> str:
        message = a_mail(tell(event))
        assert message["In-Reply-To"] == message["References"]
        return str(message["References"])

    thread = hangs_on(an_event())
    assert re.fullmatch(r"<thread-[0-9a-f]{24}@example\.com>", thread)
    assert hangs_on(an_event(job=a_job(name="renamed"))) == thread
    assert hangs_on(an_event(job=a_job(id="2"))) != thread
    same = [an_event(), an_event(EventType.JOB_SUCCEEDED)]
    assert a_mail(tell_together(same, Occasion.GROUP))["References"] == thread
    several = [an_event(), an_event(job=a_job(id="2"))]
    assert a_mail(tell_together(several, Occasion.DIGEST))["References"] is None


@pytest.mark.parametrize("evil", EVIL)
def test_no_name_makes_a_header_or_a_recipient(server: MailServer, evil: str) -> None:
    event = an_event_named(evil)
    event["partitionkey"] = event["id"] = evil
    an_email(server.port).deliver(event)
    [mail], [message] = server.mails, server.messages()
    assert mail.rcpt_tos == ["ops@example.com", "ada@example.com"]
    assert message.keys() == HEADERS
    assert not message.defects
    assert not [value.defects for value in message.values() if value.defects]
    assert message["Subject"] == clean(headline(event), 150)
    assert re.fullmatch(r"<[\w-]+@example\.com>", message["Message-ID"])


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_headline_comes_out_of_the_subject_as_it_went_in(text: str) -> None:
    """`email.policy`'s own folding decodes encoded words, and loses spaces beside words outside ASCII."""
    shown = clean(text, 150)
    telling = Telling(key="evt_1", mood=tell(an_event()).mood, headline=text, when="now", thread=None)
    message = a_mail(telling)
    assert message["Subject"] == shown
    assert not message["Subject"].defects


@pytest.mark.parametrize("sink", ["ops mail", "дом", "x" * 100, "a.b>\r\nBcc: x", "-"])
@pytest.mark.parametrize(
    "domain", ["example.com", "bücher.example", "long." * 12 + "example.com", "l" * 60 + ".example"]
)
def test_ids_are_short_and_in_ascii_whatever_sink_and_domain_are_called(sink: str, domain: str) -> None:
    raw = compose(
        tell(an_event()),
        sink=sink,
        sender=Address("", "jobs", domain),
        recipients=[Address("", "ops", "example.com")],
        now=datetime(2025, 3, 18, tzinfo=UTC),
    )
    message = email.message_from_bytes(raw, policy=default)
    atoms = r"[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*"
    for name in ("Message-ID", "References", "In-Reply-To"):
        assert re.search(rf"^{name}:\s+<[\w-]+@{atoms}>\r$", raw.decode(), re.MULTILINE), name
    assert re.search(rf"^List-Id:\s+<[a-zA-Z0-9-]+\.jobwire\.{atoms}>\r$", raw.decode(), re.MULTILINE)
    assert message.keys() == HEADERS


# --- words and layout ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", cases())
def test_the_mail_about_an_event_is_this(event: dict[str, JSON], request: pytest.FixtureRequest) -> None:
    _compare(tell(event, public_url="https://jobs.example.com"), request)


@pytest.mark.parametrize("several", together())
def test_the_mail_about_several_events_is_this(
    several: tuple[Sequence[dict[str, JSON]], Occasion], request: pytest.FixtureRequest
) -> None:
    _compare(tell_together(*several, public_url="https://jobs.example.com"), request)


def _compare(telling: Telling, request: pytest.FixtureRequest) -> None:
    message = a_mail(telling)
    heads = [f"{name}: {value}" for name, value in message.items() if name not in ("Date", "Content-Type")]
    case = request.node.callspec.id
    compare("email", case, "\n".join([*heads, "", text_of(message)]), "txt")
    compare("email", case, html_of(message), "html")


@pytest.mark.parametrize("event", cases())
def test_text_and_html_say_the_same(event: dict[str, JSON]) -> None:
    telling = tell(event, public_url="https://jobs.example.com")
    message = a_mail(telling)
    page, text = seen(html_of(message)), text_of(message)
    values = [telling.headline, telling.next_step, *telling.lines, *[value for _, value in telling.facts]]
    for value in values:
        assert value in text
        assert value in page.text
    assert page.links == [link.url for link in telling.links]
    assert all(link.url in text for link in telling.links)


# --- asking ----------------------------------------------------------------------------------------------------------


def test_trying_out_goes_to_the_last_recipient_and_sends_nothing(scripted: Callable[..., Scripted]) -> None:
    far_end = scripted()
    assert an_email(far_end.port).try_out() == "2 recipients accepted by 127.0.0.1"
    assert an_email(far_end.port, to=["ops@example.com"]).try_out() == "1 recipient accepted by 127.0.0.1"
    verbs = [command.split()[0] for command in far_end.commands]
    assert verbs == ["ehlo", "mail", "rcpt", "rcpt", "quit", "ehlo", "mail", "rcpt", "quit"]


def test_trying_out_finds_the_one_wrong_recipient(server: MailServer) -> None:
    server.answers["ada@example.com"] = "550 5.1.1 no such user"
    told = r"refuses 1 of 2 recipients in `to`: ada@example.com \(550 5.1.1 no such user\)"
    with pytest.raises(Shut, match=told):
        an_email(server.port).try_out()


# --- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("smtp://mail.example.com", ("smtp://mail.example.com:25", "", None)),
        ("smtp://mail.example.com?starttls=true", ("smtp://mail.example.com:587", "", None)),
        ("smtps://mail.example.com/", ("smtps://mail.example.com:465", "", None)),
        ("smtp://mail.example.com:2525?starttls=true", ("smtp://mail.example.com:2525", "", None)),
        ("smtp://mail.example.com:2525?starttls=false", ("smtp://mail.example.com:2525", "", None)),
        ("smtp://[::1]:25", ("smtp://[::1]:25", "", None)),
        ("smtps://a%40b.example:p%40ss%2F%C3%A4+@mail", ("smtps://mail:465", "a@b.example", "p@ss/ä+")),
    ],
)
def test_an_address_of_a_server_is_understood(url: str, found: tuple[str, str, str | None]) -> None:
    server = Email.Options().load({**TestEmail.least, "smtp_url": url})["smtp_url"]
    assert (str(server), server.user, server.password.reveal() if server.password else None) == found
    assert not server.password or server.password.reveal() not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        *["", " ", "mail.example.com", "http://s3cret@mail.example.com", 25, None],
        *["smtp://", "smtp://:25", "smtp://h:0", "smtp://h:s3cret", "smtp://a b", "smtp://" + "x" * 70],
        *["smtp://u@h", "smtp://:s3cret@h", "smtp://u:s3cret/@h", "smtp://u:s3cret#@h", "smtp://u:s3cret@h\r\nx"],
        *["smtp://u:s3cret%00@h", "smtp://u:s3cret%FF@h", "smtp://u:s3cret%0D%0A@h"],
        *["smtp://u:s3cret@h/path", "smtp://h#s3cret", "smtp://h?s3cret=true", "smtp://h?starttls=true&s3cret=1"],
        *["smtp://h?starttls", "smtp://h?starttls=s3cret", "smtp://h?starttls=true&starttls=true"],
        "smtps://h?starttls=true",
    ],
)
def test_an_address_that_cannot_be_used_is_a_fault_that_tells_no_secret(url: object) -> None:
    with pytest.raises(ValidationError, match="smtp_url") as raised:
        Email.Options().load({**TestEmail.least, "smtp_url": url})
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        *["", "ops", "ops@", "@example.com", "a@b@example.com", "a b@example.com", "a@exa mple.com", "a@example..com"],
        *["a@example.com, b@example.com", "a@example.com,b@example.com", "<a@example.com> <b@example.com>"],
        *["ops@example.com\r\nBcc: x@example.com", "Ops\r\nBcc: x <ops@example.com>", "Ops\x00 <ops@example.com>"],
        *["a\x00@example.com", "a@\u202eexample.com", "=?utf-8?q?x=0D=0ABcc:y?= <a@example.com>"],
        *['"a" b <c@example.com>', "a@" + "x" * 70 + ".example", "mailto:a@example.com", 1, None, ["a@example.com"]],
    ],
)
def test_an_address_of_nobody_is_a_fault(address: object) -> None:
    for key, value in (("from", address), ("to", ["ops@example.com", address])):
        with pytest.raises(ValidationError, match=key):
            Email.Options().load({**TestEmail.least, key: value})


@pytest.mark.parametrize("to", ["ops@example.com", [], None])
def test_recipients_are_a_list_of_at_least_one(to: object) -> None:
    with pytest.raises(ValidationError, match="to"):
        Email.Options().load({**TestEmail.least, "to": to})


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("ops@example.com", "", "ops@example.com"),
        (" Ops Team <ops+jobs@example.com> ", "Ops Team", "ops+jobs@example.com"),
        ('"Müller, Ada" <o\'neil@localhost>', "Müller, Ada", "o'neil@localhost"),
        ("<ops@example.com>", "", "ops@example.com"),
    ],
)
def test_an_address_may_have_a_name(text: str, name: str, address: str) -> None:
    sender = Email.Options().load({**TestEmail.least, "from": text})["from"]
    assert (sender.display_name, sender.addr_spec) == (name, address)


def test_what_the_page_shows_can_be_configured(tmp_path: Path) -> None:
    page = Path(__file__).parent.parent.parent / "docs/sinks/email.md"
    found = configurations(page, tmp_path)
    assert found
    assert all(sink.type == "email" for settings in found for sink in settings.sinks.values())
    named = set(re.findall(r"^\| `(\w+)` ", page.read_text(), re.MULTILINE))
    assert named >= {"smtp_url", "from", "to"}


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    if (![...element.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    let behind = element;
    while (rgba(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
    const [a, b] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
      .map(c => light(rgba(c))).sort((x, y) => y - x);
    found.push([element.tagName + ': ' + element.textContent.slice(0, 40), (a + 0.05) / (b + 0.05)]);
  }
  return found;
}"""


def looks_right(shown: Shown) -> None:
    """Nothing is asked for, nothing runs, nothing sticks out, everything can be read, and links can be hit."""
    assert (shown.requests, shown.dialogs) == ([], [])
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= PHONE
    for what, contrast in shown.page.evaluate(CONTRAST):
        assert contrast >= 4.5, what
    for link in shown.page.locator("a").all():
        box = link.bounding_box()
        assert box is not None
        assert box["height"] >= 40


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_mails_of_every_kind_can_be_read_on_a_phone(browser: Browser, dark: bool) -> None:
    chosen = {mood: event for case in cases() for event in case.values for mood in [tell(event).mood]}
    tellings = [tell(event, public_url="https://jobs.example.com") for event in chosen.values()]
    tellings += [tell_together(*case.values[0], public_url="https://jobs.example.com") for case in together()]
    assert len(chosen) == 4
    with a_page(browser, "", dark=dark) as shown:
        for telling in tellings:
            shown.show(html_of(a_mail(telling)))
            looks_right(shown)
            assert shown.page.locator("h1").inner_text() == telling.headline
            background = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (max(map(int, re.findall(r"\d+", background))) < 128) is dark


def test_names_are_text_in_a_browser(browser: Browser) -> None:
    with a_page(browser, "") as shown:
        for evil in EVIL:
            event = an_event_named(evil)
            shown.show(html_of(a_mail(tell(event))))
            looks_right(shown)
            assert " ".join(shown.page.locator("h1").inner_text().split()) == headline(event)
            assert shown.page.locator("script, img").count() == 0
