"""One request decided."""

from datetime import UTC, datetime

import pytest
from web.stand_in import CODE, AsksFirst, Inbox, SendsCodes, Signs, signature

from processor.errors import Malformed, Unavailable, UnsupportedType, Unverified
from processor.model import Handshake, Ignored, Request
from processor.pipeline.accept import Outcome, Status, accept


def request(body: bytes, **headers: str) -> Request:
    return Request("POST", "/webhooks/a", "", headers, body, datetime(2025, 3, 18, tzinfo=UTC))


def genuine(body: bytes, content_type: str = "application/json") -> Request:
    return request(body, signature=signature(body), **{"content-type": content_type})


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def test_a_forged_request_learns_nothing_but_that(inbox):
    for forged in (request(b"no json"), request(b"[]"), request(b'{"job": 1}', signature=signature(b"other"))):
        with pytest.raises(Unverified):
            accept(Signs("a"), forged, inbox)
    assert not inbox.kept


def test_a_genuine_request_that_cannot_be_read_is_refused_and_not_kept(inbox):
    with pytest.raises(UnsupportedType):
        accept(Signs("a"), genuine(b"job=1", "text/plain"), inbox)
    with pytest.raises(Malformed):
        accept(Signs("a"), genuine(b"{"), inbox)
    assert not inbox.kept


def test_what_the_inbox_cannot_take_is_not_acknowledged(inbox):
    inbox.down = True
    with pytest.raises(Unavailable):
        accept(Signs("a"), genuine(b'{"job": 1}'), inbox)


def test_a_genuine_notification_is_kept_and_the_same_again_is_a_duplicate(inbox):
    first = accept(Signs("a"), genuine(b'{"job": 1}'), inbox)
    assert first == Outcome(Status.ACCEPTED, id=first.id)
    assert first.id
    assert accept(Signs("a"), genuine(b'{"job": 1}'), inbox) == Outcome(Status.DUPLICATE, id=first.id)
    assert [kept.job_id for kept in inbox.kept.values()] == ["1"]


def test_a_genuine_event_we_do_not_act_on_is_ignored_with_the_reason(inbox):
    assert accept(AsksFirst("a"), genuine(b"{}"), inbox) == Outcome(Status.IGNORED, reason="an event without a job")
    assert not inbox.kept


def test_an_event_that_nobody_documents_is_ignored_and_counted(inbox):
    class Newer(Signs):
        def parse(self, request: Request) -> Ignored:
            return Ignored("unknown to us", strange='event "job-deleted-v3"')

    assert accept(Newer("a"), genuine(b"{}"), inbox).status is Status.IGNORED
    assert inbox.strange == [("a", 'event "job-deleted-v3"')]


# --- the verification code -------------------------------------------------------------------------------------------


def test_a_code_nobody_waits_for_is_ignored(inbox):
    outcome = accept(SendsCodes("a"), request(b"code:" + CODE.encode()), inbox)
    assert outcome == Outcome(Status.IGNORED, reason="no registration waits for a verification code")
    assert not inbox.kept


@pytest.mark.parametrize("code", ["", "x", CODE + "/../..", CODE[:-1], CODE.replace("-", ""), f"{CODE}\n", "\xe9" * 36])
def test_a_code_that_is_no_uuid_is_ignored_even_while_one_is_awaited(inbox, code):
    inbox.waiting.add("a")
    outcome = accept(SendsCodes("a"), request(b"code:" + code.encode("latin-1")), inbox)
    assert outcome == Outcome(Status.IGNORED, reason="the verification code is not a UUID")
    assert not inbox.kept


def test_a_code_the_provider_rules_out_is_ignored(inbox):
    class RulesOut(SendsCodes):
        def handshake(self, request: Request) -> Ignored:
            return Ignored("a code without an id")

    inbox.waiting.add("a")
    assert accept(RulesOut("a"), request(b""), inbox).reason == "a code without an id"


@pytest.mark.parametrize("code", [CODE, CODE.upper()])
def test_a_code_that_is_awaited_is_kept_unsigned_and_once(inbox, code):
    inbox.waiting.add("a")
    unsigned = request(b"code:" + code.encode())
    assert accept(SendsCodes("a"), unsigned, inbox).status is Status.ACCEPTED
    assert accept(SendsCodes("a"), unsigned, inbox).status is Status.DUPLICATE
    assert list(inbox.kept.values()) == [Handshake("a", code)]


def test_a_code_for_another_source_is_not_awaited(inbox):
    inbox.waiting.add("b")
    assert accept(SendsCodes("a"), request(b"code:" + CODE.encode()), inbox).status is Status.IGNORED


def test_a_provider_without_codes_takes_none_unsigned(inbox):
    inbox.waiting.add("a")
    with pytest.raises(Unverified):
        accept(Signs("a"), request(b"code:" + CODE.encode()), inbox)


def test_beside_codes_everything_else_still_needs_its_signature(inbox):
    inbox.waiting.add("a")
    with pytest.raises(Unverified):
        accept(SendsCodes("a"), request(b'{"job": 1}'), inbox)
    assert accept(SendsCodes("a"), genuine(b'{"job": 1}'), inbox).status is Status.ACCEPTED
