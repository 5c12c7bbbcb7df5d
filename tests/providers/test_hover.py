"""Hover: the contract every provider keeps, then what is its own: signature, events, handshake, documents, calls."""

from __future__ import annotations

import copy
import json
import re
import traceback
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError
from providers.hover_account import (
    DATA,
    DATE,
    NOW,
    OPTIONS,
    PATH,
    SAMPLES,
    SECRET,
    TOKEN,
    changed,
    event,
    make,
    sample,
    signed,
)

from processor.errors import (
    Malformed,
    NotYet,
    ProcessorError,
    ReconnectNeeded,
    Refused,
    Rejected,
    Shut,
    Unavailable,
    Unreachable,
    Unreadable,
    Unverified,
)
from processor.model import (
    Handshake,
    Ignored,
    ModelState,
    Notification,
    Request,
    Secret,
    State,
    estimate_lane,
    estimate_of,
)
from processor.options import Rate
from processor.ports import Answer, Greets, Http
from processor.providers.hover import Hover
from processor.providers.hover.notices import ESTIMATE_EVENTS as EVENTS_OF_ESTIMATES
from processor.providers.hover.notices import JOB_EVENTS, MODEL_EVENTS, OTHER_EVENTS, VERIFICATION
from processor.providers.hover.signature import sign
from processor.providers.hover.states import is_known, job_state, model_state
from processor.testing.fakes import FakeHttp, answer
from processor.testing.provider import ProviderContract

ESTIMATE_EVENTS = sorted(EVENTS_OF_ESTIMATES)


class TestContract(ProviderContract):
    signature_header = "hover-signature-256"
    body = (DATA / "job-state-changed-v2.body.json").read_bytes()
    other_body = event(state="failed")
    ignored_body = (DATA / "order-document-state-changed.body.json").read_bytes()
    secrets = (SECRET, "app-secret", "refresh-0", "access-1", "refresh-1")
    token_answer = TOKEN
    document = sample()
    job_id = "15084303"
    api = "v3"

    def make(self, http: Http) -> Hover:
        return make(http)

    def sign(self, body: bytes, *, content_type: str = "application/json") -> Request:
        return signed(body, content_type=content_type)


class TestSignature:
    def test_our_own_vector_is_accepted(self) -> None:
        """Computed after the reported scheme, not by Hover; it is what other integrations' code makes too."""
        headers = json.loads((DATA / "job-state-changed-v2.headers.json").read_bytes())
        body = (DATA / "job-state-changed-v2.body.json").read_bytes()
        request = Request("POST", "/webhooks/hover", "", headers, body, NOW)
        make().verify(request)
        with pytest.raises(Unverified):
            make(webhook_secrets=["another"]).verify(request)

    def test_without_a_secret_nothing_is_genuine(self) -> None:
        with pytest.raises(Unverified, match="no secret is configured"):
            make(webhook_secrets=[]).verify(signed(event()))

    def test_sha1_alone_is_not_enough(self) -> None:
        headers = json.loads((DATA / "job-state-changed-v2.headers.json").read_bytes())
        body = (DATA / "job-state-changed-v2.body.json").read_bytes()
        sha1 = headers.pop("hover-signature")
        del headers["hover-signature-256"]
        for name in ("hover-signature", "hover-signature-256"):
            with pytest.raises(Unverified):
                make().verify(Request("POST", "/webhooks/hover", "", {**headers, name: sha1}, body, NOW))

    @pytest.mark.parametrize(
        "change",
        [
            {"date": "Tue, 18 Mar 2025 00:02:59 GMT"},
            {"content-type": "application/json; charset=utf-8"},
            {"content-md5": "TxHRKdu/ySKfA7t74iHuaw=="},
            {"content-md5": ""},
            {"date": ""},
            {"date": "yesterday"},
        ],
    )
    def test_every_signed_header_counts(self, change: dict[str, str]) -> None:
        request = signed(event())
        with pytest.raises(Unverified):
            make().verify(replace(request, headers={**request.headers, **change}))

    def test_the_date_is_required(self) -> None:
        request = signed(event(), date="")
        del request.headers["date"]
        with pytest.raises(Unverified, match="Date"):
            make().verify(request)

    def test_another_path_is_refused_unless_it_is_the_signed_path(self) -> None:
        behind_a_proxy = signed(event(), path="/internal/hover-main", signed_path=PATH)
        with pytest.raises(Unverified):
            make().verify(behind_a_proxy)
        make(signed_path=PATH).verify(behind_a_proxy)

    @pytest.mark.parametrize(
        ("age", "accepted"),
        [
            (timedelta(hours=24), True),
            (timedelta(hours=24, seconds=1), False),
            (timedelta(minutes=-15), True),
            (timedelta(minutes=-15, seconds=-1), False),
        ],
    )
    def test_a_date_outside_the_window_is_refused(self, age: timedelta, accepted: bool) -> None:
        moment = datetime(2025, 3, 18, 0, 2, 58, tzinfo=UTC)
        request = replace(signed(event()), received_at=moment + age)
        if accepted:
            make().verify(request)
        else:
            with pytest.raises(Unverified, match="signed Date"):
                make().verify(request)

    def test_a_wider_window_never_accepts_the_future(self) -> None:
        request = replace(signed(event()), received_at=datetime(2025, 3, 17, 23, 47, tzinfo=UTC))
        with pytest.raises(Unverified, match="future"):
            make(replay_window="30d").verify(request)

    def test_any_of_several_secrets_is_accepted(self) -> None:
        provider = make(webhook_secrets=["new", SECRET, "old"])
        for key in (b"new", SECRET.encode(), b"old"):
            provider.verify(signed(event(), key=key))
        with pytest.raises(Unverified):
            provider.verify(signed(event(), key=b"none of them"))

    def test_the_secret_of_our_own_registration_is_accepted_beside_the_configured_ones(self) -> None:
        provider = make(webhook_secrets=["configured"], registered=["registered", "another"])
        for key in (b"configured", b"registered", b"another"):
            provider.verify(signed(event(), key=key))
        with pytest.raises(Unverified, match="the signature is not that"):
            provider.verify(signed(event(), key=b"none of them"))
        make(webhook_secrets=[], registered=["registered"]).verify(signed(event(), key=b"registered"))

    def test_only_a_request_that_is_otherwise_in_order_has_registrations_looked_up(self) -> None:
        """Looking up costs a round trip, and anybody can send garbage."""
        looked_up: list[str] = []

        def look_up() -> list[Secret]:
            looked_up.append("again")
            return []

        provider = replace(make(), registered=look_up)
        provider.verify(signed(event()))
        stale = replace(signed(event(), key=b"none"), received_at=datetime(2025, 3, 20, tzinfo=UTC))
        garbled = signed(event(), key=b"none")
        unsigned = replace(garbled, headers={})
        garbled = replace(garbled, headers={**garbled.headers, "hover-signature-256": "sha256=x"})
        for request in (stale, garbled, unsigned):
            with pytest.raises(Unverified):
                provider.verify(request)
        assert looked_up == []
        with pytest.raises(Unverified):
            provider.verify(signed(event(), key=b"none"))
        assert looked_up == ["again"]

    def test_a_store_that_is_away_refuses_nothing_for_good(self) -> None:
        def away() -> list[Secret]:
            raise Unavailable("Redis is away")

        with pytest.raises(Unavailable):
            replace(make(), registered=away).verify(signed(event(), key=b"perhaps a registered one"))

    def test_a_registered_secret_that_is_not_base64_spoils_no_other(self) -> None:
        provider = make(registered=["not base64!", SECRET], webhook_secrets=[], signature_key="base64")
        provider.verify(signed(event(), key=b"test-secret-not-real"))
        with pytest.raises(Unverified):
            provider.verify(signed(event(), key=b"not base64!"))

    def test_the_webhook_id_in_the_header_chooses_nothing(self) -> None:
        for webhook_id in ("12343", "1", "of-another"):
            value = sign(
                SECRET.encode(),
                webhook_id=webhook_id,
                content_type="application/json",
                body=event(),
                path=PATH,
                date=DATE,
            )
            request = signed(event())
            make().verify(replace(request, headers={**request.headers, "hover-signature-256": value}))

    def test_the_key_is_the_secrets_text_unless_it_is_said_to_be_base64(self) -> None:
        decoded = signed(event(), key=b"test-secret-not-real")
        with pytest.raises(Unverified):
            make().verify(decoded)
        make(signature_key="base64").verify(decoded)

    @settings(deadline=None)
    @given(
        headers=st.dictionaries(
            st.sampled_from(["hover-signature-256", "date", "content-type", "content-md5"]), st.text(max_size=60)
        ),
        body=st.binary(max_size=60),
        path=st.text(max_size=20),
    )
    def test_garbage_is_refused_and_never_upsets(self, headers: dict[str, str], body: bytes, path: str) -> None:
        provider, request = make(), Request("POST", path, "", headers, body, NOW)
        with pytest.raises(Unverified):
            provider.verify(request)
        with suppress(Rejected):
            assert isinstance(provider.parse(request), Ignored)


class TestNotices:
    def parse(self, **keys: Any) -> Notification | Ignored:
        return make().parse(signed(event(**keys)))

    @pytest.mark.parametrize("job_id", [None, 0, -7, 7.5, True, "", "x", "7 ", "../7", "٧", [], {}, 10**30])
    def test_a_job_id_that_is_none_is_malformed(self, job_id: Any) -> None:
        with pytest.raises(Malformed, match="job_id"):
            self.parse(job_id=job_id)

    @pytest.mark.parametrize("word", [None, 7, [], {}])
    def test_an_event_without_a_name_is_malformed(self, word: Any) -> None:
        with pytest.raises(Malformed, match="event"):
            self.parse(event=word)

    def test_the_documented_event_is_a_hint_that_claims_the_jobs_end(self) -> None:
        body = (DATA / "job-state-changed-v2.documented.body.json").read_bytes()
        notification = make().parse(signed(body))
        assert isinstance(notification, Notification)
        assert replace(notification, key="") == Notification(
            source="hover-main", job_id="19402492", api="v3", event="job-state-changed-v2", key="", claim="job"
        )

    @pytest.mark.parametrize(
        ("keys", "claim"),
        [
            ({"event": "job-state-changed", "state": "complete"}, "job"),
            ({"event": "job-state-changed", "state": "cancelled"}, "job"),
            ({"event": "job-state-changed-v2", "state": "Failed"}, "job"),
            ({"event": "job-state-changed-v2", "state": "working"}, None),
            ({"event": "job-state-changed-v2", "state": "never heard of"}, None),
            ({"event": "job-state-changed-v2"}, None),
            ({"event": "job-state-changed-v2", "state": 7}, None),
            ({"event": "model-state-changed", "model_id": 15081686, "state": "failed"}, "15081686"),
            ({"event": "model-state-changed", "model_id": "15081686", "state": "complete"}, "15081686"),
            ({"event": "model-state-changed", "model_id": 15081686, "state": "uploading"}, None),
            ({"event": "model-state-changed", "model_id": "no id", "state": "complete"}, None),
            ({"event": "model-state-changed", "state": "complete"}, None),
            ({"event": "model-created", "model_id": 15081686}, None),
        ],
    )
    def test_only_an_announced_end_is_a_claim(self, keys: dict[str, Any], claim: str | None) -> None:
        notification = self.parse(**keys)
        assert isinstance(notification, Notification)
        assert (notification.job_id, notification.event, notification.claim) == ("15084303", keys["event"], claim)

    def test_the_same_body_at_another_date_is_another_notification(self) -> None:
        """Hover sends no delivery id, and a job may come to the same state twice."""
        first, again, later = (
            make().parse(signed(event(), date=date)) for date in (DATE, DATE, "Tue, 18 Mar 2025 00:02:59 GMT")
        )
        assert isinstance(first, Notification)
        assert isinstance(later, Notification)
        assert first == again
        assert first.key != later.key

    @pytest.mark.parametrize("name", ESTIMATE_EVENTS)
    @pytest.mark.parametrize("estimate_id", [0, -7, 7.5, True, "", "x", "../7", [], {}])
    def test_an_estimates_id_that_is_none_is_malformed(self, name: str, estimate_id: Any) -> None:
        with pytest.raises(Malformed, match="project_management_production_list_id"):
            self.parse(event=name, project_management_production_list_id=estimate_id)

    def test_the_documented_event_of_an_estimate_names_it(self) -> None:
        with pytest.raises(Malformed, match="project_management_production_list_id"):
            self.parse(event="project-management-production-list-manual-sync")

    @pytest.mark.parametrize(
        ("name", "key"),
        [
            ("project-management-production-list-created", "project_management_production_list_id"),
            ("project-management-production-list-approval-changed", "project_management_production_list_id"),
            ("model-created", "job_id"),
        ],
    )
    def test_an_event_of_unknown_content_may_name_nothing(self, name: str, key: str) -> None:
        """What these carry is not documented: to refuse them would only be noted as an error of ours."""
        ignored = make().parse(signed(json.dumps({"event": name, "webhook_id": 1}).encode()))
        assert isinstance(ignored, Ignored)
        assert ignored.strange == f"no field {key} in {name}"

    @pytest.mark.parametrize("name", ESTIMATE_EVENTS)
    def test_an_estimate_is_looked_at_under_its_own_id_with_or_without_a_job(self, name: str) -> None:
        for job in ({}, {"job_id": 8675309}, {"job_id": "no id"}):
            body = {"event": name, "project_management_production_list_id": 55643, "state": "complete", **job}
            notification = make().parse(signed(json.dumps(body).encode()))
            assert isinstance(notification, Notification)
            assert estimate_of(notification.job_id) == "55643"
            assert (notification.api, notification.event, notification.claim) == ("v3", name, None)

    def test_the_documented_sample_of_an_estimate_is_a_hint(self) -> None:
        body = (DATA / "production-list-manual-sync.body.json").read_bytes()
        notification = make().parse(signed(body))
        assert isinstance(notification, Notification)
        assert notification.job_id == estimate_lane("55643")

    @pytest.mark.parametrize("name", sorted(OTHER_EVENTS))
    def test_a_known_event_about_something_else_is_ignored_and_nothing_strange(self, name: str) -> None:
        assert self.parse(event=name) == Ignored("this event says nothing about a job's or a model's state")

    def test_the_table_in_the_readme_has_every_event_that_is_known(self) -> None:
        lines = (SAMPLES.parent / "README.md").read_text().partition("| events of theirs |")[2].splitlines()[2:6]
        told = [set(re.findall(r"`([a-z0-9-]+)`", line.split(" | ")[0])) for line in lines]
        others = OTHER_EVENTS - {VERIFICATION}
        assert told == [JOB_EVENTS | MODEL_EVENTS, set(EVENTS_OF_ESTIMATES), {VERIFICATION}, others]

    @pytest.mark.parametrize(
        ("name", "strange"),
        [
            ("job-state-changed-v3", 'event "job-state-changed-v3"'),
            ("Job-State-Changed", 'event "Job-State-Changed"'),
            ("", "event of a name that is no word"),
            ("someone@example.com", "event of a name that is no word"),
            ("x" * 1000, "event of a name that is no word"),
            ("a\x1b[31mb", "event of a name that is no word"),
        ],
    )
    def test_an_event_that_nobody_told_of_is_ignored_and_strange(self, name: str, strange: str) -> None:
        ignored = self.parse(event=name)
        assert isinstance(ignored, Ignored)
        assert (ignored.reason, ignored.strange) == ("this event is not known here", strange)


class TestHandshake:
    body = (DATA / "webhook-verification-code.body.json").read_bytes()
    code = "5E0C2A8E-7D0B-4B43-9F3C-0D9B1C1D6B11"

    def unsigned(self, body: bytes, content_type: str = "application/json") -> Request:
        return Request("POST", PATH, "", {"content-type": content_type}, body, NOW)

    @pytest.mark.parametrize(
        "code", [None, 7, "", "x", "../verify", "5e0c2a8e7d0b4b439f3c0d9b1c1d6b11", "{" + code + "}"]
    )
    def test_a_code_that_is_no_uuid_is_ignored(self, code: Any) -> None:
        body = json.dumps({"event": "webhook-verification-code", "webhook_id": 1, "code": code}).encode()
        assert isinstance(make().handshake(self.unsigned(body)), Ignored)

    @pytest.mark.parametrize("body", [event(), b"", b"webhook-verification-code", b'["webhook-verification-code"]'])
    def test_anything_else_is_no_handshake(self, body: bytes) -> None:
        assert make().handshake(self.unsigned(body)) is None

    def test_an_event_that_only_mentions_the_word_still_has_to_be_signed(self) -> None:
        body = event(job_external_identifier="webhook-verification-code")
        assert make().handshake(self.unsigned(body)) is None

    def test_a_code_needs_no_signature(self) -> None:
        provider = make()
        assert isinstance(provider, Greets)
        assert provider.handshake(self.unsigned(self.body)) == Handshake("hover-main", self.code, "230293")

    def test_the_code_is_sent_back_with_our_token(self) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(body=b""))
        make(http).confirm(self.code, http=http)
        assert (http.sent[1].method, http.sent[1].url) == (
            "PUT",
            f"https://hover.to/api/v2/webhooks/{self.code}/verify",
        )
        assert http.sent[1].headers["Authorization"] == "Bearer access-1"

    def test_nothing_but_a_uuid_reaches_that_address(self) -> None:
        http = FakeHttp()
        with pytest.raises(Refused):
            make(http).confirm("../../v3/jobs", http=http)
        assert http.sent == []


class TestStates:
    def test_an_unknown_word_is_processing_and_known_to_be_unknown(self) -> None:
        assert job_state("teleporting") is State.PROCESSING
        assert model_state("teleporting") is ModelState.PROCESSING
        assert not is_known("teleporting")
        assert job_state(None) is State.PROCESSING
        assert is_known(None)

    @pytest.mark.parametrize(
        ("ours", "words"),
        [
            (State.CREATED, "draft uploading"),
            (State.WAITING, "waitlisted waiting_approval paying"),
            (
                State.PROCESSING,
                "processing_upload submitting working retrieving processing processing_upload_for_improvements "
                "requesting_corrections",
            ),
            (State.SUCCEEDED, "complete completed Completed COMPLETE"),
            (State.FAILED, "failed Failed"),
            (State.CANCELLED, "cancelled"),
        ],
    )
    def test_a_jobs_word_has_its_row(self, ours: State, words: str) -> None:
        for word in words.split():
            assert job_state(word) is ours
            assert is_known(word)

    def test_a_model_ends_with_two_words_only(self) -> None:
        """The product that was ordered may be called "complete" as well; that is another key."""
        assert model_state("complete") is ModelState.SUCCEEDED
        assert model_state("Failed") is ModelState.FAILED
        for word in ("uploading", "processing", "completed", "cancelled", None):
            assert model_state(word) is ModelState.PROCESSING


class TestTranslate:
    @pytest.mark.parametrize(
        ("path", "document"),
        [
            ("id", changed(id=None)),
            ("id", changed(id="")),
            ("reconstruction_state", changed(reconstruction_state=7)),
            ("models", changed(models={})),
            ("models.0", changed(models=["x"])),
            ("models.0.id", changed(models=[{}])),
            ("models.0.images.0.created_at", changed(models=[{"id": 1, "images": [{"id": 2, "created_at": "soon"}]}])),
            ("models.0.artifacts.a.b", changed(models=[{"id": 1, "artifacts": {"a": {"b": 7}}}])),
            ("models.0.artifacts", changed(models=[{"id": 1, "artifacts": "x"}])),
            ("models.0.artifacts", changed(models=[{"id": 1, "artifacts": ["x"]}])),
            ("address", changed(address=[])),
            ("address.latitude", changed(address={"latitude": "north"})),
            ("updated_at", changed(updated_at="2025-13-01T00:00:00Z")),
        ],
    )
    def test_nonsense_is_refused_with_its_path(self, path: str, document: Any) -> None:
        with pytest.raises(Unreadable, match=f"read: {path}: "):
            make().translate(document, api="v3")

    def test_a_finished_job_may_hold_a_failed_model(self) -> None:
        """Sample 1. The failed model lists artifact links all the same; they lead nowhere."""
        job = make().translate(sample(1), api="v3")
        garage, house = job.models
        assert (job.id, job.name, job.state, job.provider_state) == (
            "15084303",
            "Main House",
            State.SUCCEEDED,
            "completed",
        )
        assert (garage.id, garage.name, garage.state) == ("15081686", "Garage", ModelState.FAILED)
        assert garage.failure_reason == "Lack of exterior shots"
        assert garage.artifacts == {}
        assert garage.image_count == len(garage.images) == 11
        assert (house.name, house.state, house.failure_reason) == ("Main House", ModelState.SUCCEEDED, None)
        assert house.artifacts["measurements.pdf"].endswith("/models/15081683/artifacts/measurements.pdf")
        assert house.artifacts["cad_exports.xml_v2"].endswith("cad_export.xml?version=v2")
        assert len(house.artifacts) == 8

    def test_everything_the_first_sample_says_has_its_place(self) -> None:
        job = make().translate(sample(1), api="v3")
        house = job.models[1]
        assert (job.external_id, job.organization_id, job.project_id) == ("8675309", "463605", None)
        assert job.address
        assert (job.address.line1, job.address.line2) == ("4312 Meadow Drive", None)
        assert (job.address.latitude, job.address.longitude) == (34.8784998, -120.4139807)
        assert job.customer is None, "all its parts are null"
        assert job.created_at == datetime(2025, 3, 16, 23, 55, 50, 17000, UTC)
        assert job.updated_at == datetime(2025, 3, 19, 21, 48, 45, 593000, UTC)
        assert (job.kind, job.url, job.finished_at, job.archived_at, job.progress) == (None,) * 5
        assert (job.cost_estimate, job.errors, job.warnings) == (None, (), ())
        assert (house.kind, house.url_status) == ("design_studio", "ready")
        assert house.url == "https://hover.to/design-studio/15084303/model/15081683"
        assert (house.deliverable, house.capture_id) == ("complete", "558711")
        assert house.images[0].id == "166283852"
        assert house.images[0].url == "https://hover.to/api/v2/images/166283852/image.jpg"
        assert house.updated_at == datetime(2025, 3, 19, 21, 48, 43, 793000, UTC)

    def test_the_second_sample_is_two_models_that_succeeded(self) -> None:
        job = make().translate(sample(2), api="v3")
        assert job.state is State.SUCCEEDED
        assert [(m.name, m.state) for m in job.models] == [
            ("Multi-Level Floor 1", ModelState.SUCCEEDED),
            ("Floor 2", ModelState.SUCCEEDED),
        ]
        assert job.organization_id is None
        assert job.models[0].kind == "virtual_walkthrough"

    def test_a_job_that_says_nothing_but_its_id_is_a_job(self) -> None:
        job = make().translate({"id": 7, "unheard": [{}]}, api="v3")
        assert (job.id, job.state, job.provider_state, job.models) == ("7", State.PROCESSING, None, ())
        model = make().translate({"id": 7, "models": [{"id": 8}]}, api="v3").models[0]
        assert (model.state, model.artifacts, model.image_count, model.images) == (ModelState.PROCESSING, {}, None, ())

    def test_an_address_or_customer_that_is_wholly_empty_is_null(self) -> None:
        empty = dict.fromkeys(sample()["address"], "")
        job = make().translate(changed(address=empty, customer={"email": "a@example.com"}), api="v3")
        assert job.address is None
        assert job.customer
        assert (job.customer.name, job.customer.email) == (None, "a@example.com")

    def test_artifact_links_carry_the_configured_user(self) -> None:
        artifacts = make(current_user_id="123").translate(sample(), api="v3").models[1].artifacts
        assert artifacts["measurements.pdf"].endswith("measurements.pdf?current_user_id=123")
        assert artifacts["cad_exports.xml_v2"].endswith("cad_export.xml?version=v2&current_user_id=123")

    @settings(deadline=None)
    @given(st.data())
    def test_any_value_anywhere_is_read_or_refused(self, data: st.DataObject) -> None:
        """Some part of the sample is replaced by something else; only our own error may come out."""
        document: Any = copy.deepcopy(sample())
        at: Any = document
        while True:
            key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
            if not (isinstance(at[key], (dict, list)) and at[key]) or data.draw(st.booleans()):
                break
            at = at[key]
        at[key] = data.draw(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]) | st.just({"a": [1]})
        )
        with suppress(Unreadable):
            make().translate(document, api="v3")


class TestFetch:
    def test_a_job_is_asked_for_at_its_address(self) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(json=sample()))
        make(http).fetch("15084303", api="v3", http=http)
        assert http.sent[0].url == "https://hover.to/oauth/token"
        assert (http.sent[1].method, http.sent[1].url) == ("GET", "https://hover.to/api/v3/jobs/15084303")

    def test_the_configured_user_and_addresses_are_used(self) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(json=sample()))
        provider = make(http, current_user_id=123, api_url="http://127.0.0.1:9/", token_url="http://127.0.0.1:8/t")
        provider.fetch("7", api="v3", http=http)
        assert [sent.url for sent in http.sent] == [
            "http://127.0.0.1:8/t",
            "http://127.0.0.1:9/api/v3/jobs/7?current_user_id=123",
        ]

    def test_an_unknown_job_may_only_be_new(self) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(404))
        with pytest.raises(NotYet, match="job 7: answered 404"):
            make(http).fetch("7", api="v3", http=http)


class TestTryingOut:
    """`jobwire check --online` asks for a token and for nothing else."""

    def failure(self, trouble: Answer | Exception, kind: type[ProcessorError]) -> str:
        http = FakeHttp(trouble)
        with pytest.raises(kind) as caught:
            make(http).try_out()
        assert len(http.sent) == 1
        said = "".join(traceback.format_exception(caught.value))
        assert not [secret for secret in (SECRET, "app-secret", "refresh-0") if secret in said]
        assert caught.value.message.isprintable()
        return caught.value.message

    def test_a_refresh_token_that_is_spent_needs_a_person(self) -> None:
        said = self.failure(answer(400, {"error": "invalid_grant"}), ReconnectNeeded)
        assert said.endswith("authorise the application again and set the new refresh_token")

    @pytest.mark.parametrize("refusal", [answer(401, {"error": "invalid_client"}), answer(404, body=b"<html>")])
    def test_another_refusal_is_not_blamed_on_the_refresh_token(self, refusal: Answer) -> None:
        assert self.failure(refusal, Shut).endswith("check client_id, client_secret and token_url")

    def test_a_token_address_that_is_away_is_told(self) -> None:
        assert self.failure(Unreachable("https://hover.to/oauth/token: cut"), Unreachable).endswith("oauth/token: cut")

    def test_a_token_is_obtained_and_not_exchanged_again_for_a_second_try(self) -> None:
        http = FakeHttp(answer(json=TOKEN))
        provider = make(http)
        assert [provider.try_out(), provider.try_out()] == ["has an access token", "has an access token"]
        assert len(http.sent) == 1


class TestOptions:
    def test_the_defaults_are_the_published_ones(self) -> None:
        options = Hover.Options().load(OPTIONS)
        assert options["rate_limits"] == [Rate(120, 60), Rate(7200, 3600)]
        assert (options["replay_window"], options["signature_key"], options["reconcile"]) == (86400, "raw", 900)
        assert (options["api_url"], options["signed_path"]) == ("https://hover.to", None)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("signature_key", "hex"),
            ("signed_path", "webhooks/hover"),
            ("signed_path", "/webhooks/hover?x=1"),
            ("current_user_id", "me"),
            ("current_user_id", 0),
            ("currency", "dollars"),
            ("replay_window", "long"),
            ("api_url", "hover.to"),
            ("refresh_token", ""),
            ("client_id", None),
            ("itwin_ids", []),
        ],
    )
    def test_a_key_that_cannot_be_used_is_named(self, key: str, value: Any) -> None:
        with pytest.raises(ValidationError) as caught:
            Hover.Options().load({**OPTIONS, key: value})
        assert list(caught.value.normalized_messages()) == [key]

    def test_a_secret_that_is_not_base64_is_named_by_its_place_and_not_shown(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Hover.Options().load({**OPTIONS, "signature_key": "base64", "webhook_secrets": [SECRET, "not base64!"]})
        assert caught.value.normalized_messages() == {"webhook_secrets": {1: ["is not base64, as signature_key says"]}}
