"""What every provider must do, as a test class: subclass it, fill in the first part, and name it Test…"""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest

from processor.errors import (
    Busy,
    Forbidden,
    Malformed,
    NotYet,
    ProcessorError,
    RateLimited,
    Refused,
    Rejected,
    Retryable,
    Shut,
    Unreachable,
    Unreadable,
    UnsupportedType,
    Unverified,
)
from processor.model import JSON, Ignored, Notification, Request, document
from processor.ports import Answer, Http, Provider
from processor.testing.fakes import FakeHttp, Sent, answer

NONSENSE = (
    b"",
    b"\xff\xfe\x00",
    b"{",
    b"not JSON",
    b"null",
    b"[]",
    b'"a text"',
    b"7",
    b"{}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
)
GARBLED = ("", " ", "sha256=", "sha256", "=", ":", "sha256=:", "md5=00", "none", "é", "\x00", "sha256=zz", "a" * 10_000)
SHAPES: tuple[JSON, ...] = (None, [], "a text", 7, True, {}, {"id": None}, {"job": None}, {"job": []}, {"job": {}})


def _short(value: object) -> str:
    return repr(value)[:20]


class ProviderContract:
    """Genuine, forged and nonsensical requests; documents; answers of every kind."""

    # --- what a subclass fills in

    signature_header: str  # lower case
    body: bytes  # a genuine notification
    other_body: bytes  # a genuine notification that is another one
    ignored_body: bytes  # a genuine request of a kind that we do not act on
    secrets: tuple[str, ...]  # everything configured that must never be seen
    token_answer: JSON  # what the token endpoint says
    document: JSON  # what the provider says about a job
    job_id: str
    api: str

    def make(self, http: Http) -> Provider:
        """The provider, configured with `secrets`; its token requests go to `http` as well."""
        raise NotImplementedError

    def sign(self, body: bytes, *, content_type: str = "application/json") -> Request:
        """A request of this body, signed as the provider does."""
        raise NotImplementedError

    # --- requests

    def provider(self, *answers: Answer | Exception) -> tuple[Provider, FakeHttp]:
        """The provider at a far end that gives tokens, and these answers to anything else."""
        script = list(answers)

        def far_end(sent: Sent) -> Answer:
            if sent.method == "POST":
                return answer(json=self.token_answer)
            scripted = script.pop(0)
            if isinstance(scripted, Exception):
                raise scripted
            return scripted

        http = FakeHttp(always=far_end)
        return self.make(http), http

    def refused(self, provider: Provider, request: Request, error: type[Rejected]) -> None:
        def receive() -> None:
            provider.verify(request)
            provider.parse(request)

        with pytest.raises(error) as caught:
            receive()
        self.keeps_secrets(caught.value)

    def keeps_secrets(self, error: ProcessorError) -> None:
        said = f"{error} {error!r}"
        assert not [secret for secret in self.secrets if secret in said]

    def test_a_request_without_a_signature_is_refused(self) -> None:
        request = self.sign(self.body)
        headers = {name: value for name, value in request.headers.items() if name != self.signature_header}
        self.refused(self.provider()[0], replace(request, headers=headers), Unverified)

    @pytest.mark.parametrize("garbled", GARBLED, ids=_short)
    def test_a_garbled_signature_is_refused(self, garbled: str) -> None:
        request = self.sign(self.body)
        headers = {**request.headers, self.signature_header: garbled}
        self.refused(self.provider()[0], replace(request, headers=headers), Unverified)

    def test_a_signature_with_anything_before_or_behind_it_is_refused(self) -> None:
        request = self.sign(self.body)
        value = request.headers[self.signature_header]
        for changed in (f" {value}", f"{value} ", f"{value}\n", f"{value},{value}", value[:-1], value[1:]):
            headers = {**request.headers, self.signature_header: changed}
            self.refused(self.provider()[0], replace(request, headers=headers), Unverified)

    def test_a_body_that_was_changed_is_refused(self) -> None:
        request = self.sign(self.body)
        for body in (self.body + b" ", self.body[:-1], self.other_body, b""):
            self.refused(self.provider()[0], replace(request, body=body), Unverified)

    @pytest.mark.parametrize("body", NONSENSE, ids=_short)
    def test_nonsense_is_malformed_even_when_it_is_signed(self, body: bytes) -> None:
        self.refused(self.provider()[0], self.sign(body), Malformed)

    @pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "json", "é"])
    def test_another_content_type_is_refused(self, content_type: str) -> None:
        self.refused(self.provider()[0], self.sign(self.body, content_type=content_type), UnsupportedType)

    def test_a_genuine_request_is_a_notification_of_this_source(self) -> None:
        provider, http = self.provider()
        for content_type in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
            request = self.sign(self.body, content_type=content_type)
            provider.verify(request)
            notification = provider.parse(request)
            assert isinstance(notification, Notification)
            assert notification.source == provider.source
            assert (notification.job_id, notification.api) == (self.job_id, self.api)
        assert http.sent == []

    def test_something_we_do_not_act_on_is_ignored(self) -> None:
        provider, _ = self.provider()
        request = self.sign(self.ignored_body)
        provider.verify(request)
        assert isinstance(provider.parse(request), Ignored)

    def test_the_same_request_has_the_same_key_and_another_one_another(self) -> None:
        def key(body: bytes) -> str:
            notification = self.provider()[0].parse(self.sign(body))
            assert isinstance(notification, Notification)
            return notification.key

        assert key(self.body) == key(self.body)
        assert key(self.body) != key(self.other_body)

    def test_a_provider_shows_no_secret(self) -> None:
        provider, _ = self.provider()
        assert not [secret for secret in self.secrets if secret in repr(provider)]

    # --- documents

    @pytest.mark.parametrize("shape", SHAPES)
    def test_a_document_of_another_shape_cannot_be_read(self, shape: JSON) -> None:
        with pytest.raises(Unreadable):
            self.provider()[0].translate(shape, api=self.api)

    def test_a_document_becomes_a_job_of_this_source(self) -> None:
        provider, _ = self.provider()
        before = copy.deepcopy(self.document)
        job = provider.translate(self.document, api=self.api)
        assert (job.id, job.source) == (self.job_id, provider.source)
        assert provider.translate(self.document, api=self.api) == job
        assert self.document == before, "translate changed what it was given"
        json.dumps(document(job), allow_nan=False)

    # --- answers

    def test_a_job_is_fetched_with_our_token(self) -> None:
        provider, http = self.provider(answer(json=self.document))
        assert provider.fetch(self.job_id, api=self.api, http=http) == self.document
        assert http.sent[-1].headers["Authorization"] == f"Bearer {self.token_answer['access_token']}"

    @pytest.mark.parametrize("body", NONSENSE, ids=_short)
    def test_an_answer_of_nonsense_cannot_be_read(self, body: bytes) -> None:
        provider, http = self.provider(answer(body=body))
        with pytest.raises(Unreadable) as caught:
            provider.translate(provider.fetch(self.job_id, api=self.api, http=http), api=self.api)
        self.keeps_secrets(caught.value)

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (302, Unreadable),
            (400, Refused),
            (403, Forbidden),
            (404, NotYet),
            (408, Busy),
            (422, Refused),
            (425, Busy),
            (429, RateLimited),
            (500, Busy),
            (503, Busy),
        ],
    )
    def test_the_class_of_an_error_says_what_a_status_means(self, status: int, error: type[ProcessorError]) -> None:
        provider, http = self.provider(answer(status, body=b"<html>", retry_after="7"))
        with pytest.raises(error) as caught:
            provider.fetch(self.job_id, api=self.api, http=http)
        assert str(status) in str(caught.value)
        assert b"<html>".decode() not in str(caught.value)
        if isinstance(caught.value, (RateLimited, Busy)):
            assert caught.value.retry_after == 7
        self.keeps_secrets(caught.value)

    def test_no_answer_stays_no_answer(self) -> None:
        provider, http = self.provider(Unreachable("cut"))
        with pytest.raises(Unreachable):
            provider.fetch(self.job_id, api=self.api, http=http)

    def test_a_refused_token_is_renewed_once_and_the_request_repeated_once(self) -> None:
        provider, http = self.provider(answer(401), answer(json=self.document))
        assert provider.fetch(self.job_id, api=self.api, http=http) == self.document

        provider, http = self.provider(answer(401), answer(401))
        with pytest.raises(Shut) as caught:  # this job's trouble: the others of the source go on
            provider.fetch(self.job_id, api=self.api, http=http)
        self.keeps_secrets(caught.value)

    @pytest.mark.parametrize("job_id", ["", "..", "../jobs", "a/b", "7?x=1", "7#", "7\n", "%2e%2e", "é", "7 ", "٧"])
    def test_an_id_that_cannot_be_one_reaches_no_address(self, job_id: str) -> None:
        provider, http = self.provider()
        with pytest.raises(Retryable):
            provider.fetch(job_id, api=self.api, http=http)
        assert http.sent == []
