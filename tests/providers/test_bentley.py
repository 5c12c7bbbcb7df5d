"""Bentley: the contract every provider keeps, then its own: six job APIs in two generations, costs, messages."""

from __future__ import annotations

import copy
import hashlib
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError
from providers.bentley_source import DATA, JOB, NOW, OPTIONS, SECRET, TOKEN, event, load, make, sample, signed, v1, v2

from processor.errors import (
    Busy,
    Forbidden,
    Malformed,
    NotYet,
    ProcessorError,
    RateLimited,
    ReconnectNeeded,
    Refused,
    Rejected,
    Shut,
    Unavailable,
    Unreachable,
    Unreadable,
    Unverified,
)
from processor.model import Ignored, Message, ModelState, Notification, Request, Secret, State
from processor.options import Rate
from processor.ports import Answer, AnswersOptions, Finds, Http
from processor.providers.bentley import Bentley
from processor.providers.bentley.families import FAMILIES
from processor.testing.fakes import FakeHttp, Sent, answer
from processor.testing.provider import ProviderContract


class TestContract(ProviderContract):
    signature_header = "signature"
    body = (DATA / "job-completed-v1.body.json").read_bytes()
    other_body = event(messageId="another")
    ignored_body = event(eventType="iModels.iModelDeleted.v1")
    secrets = (SECRET, "app-secret", "access-1")
    token_answer = TOKEN
    document = sample()
    job_id = JOB
    api = "contextcapture"

    def make(self, http: Http) -> Bentley:
        return make(http)

    def sign(self, body: bytes, *, content_type: str = "application/json") -> Request:
        return signed(body, content_type=content_type)


class TestV2Contract(TestContract):
    body = event(eventType="realityModeling.jobCompleted.v2", messageId="m-2")
    document = v2(state="Queued", id=JOB)
    api = "reality-modeling"


class TestSignature:
    def test_without_a_secret_nothing_is_genuine(self) -> None:
        with pytest.raises(Unverified, match="no secret is configured"):
            make(webhook_secrets=[]).verify(signed(event()))

    @pytest.mark.parametrize("algorithm", ["sha1", "sha512", "md5", ""])
    def test_another_algorithm_is_not_taken_from_the_header(self, algorithm: str) -> None:
        digest = hashlib.new(algorithm or "sha256", b"").hexdigest()
        request = signed(event())
        with pytest.raises(Unverified):
            make().verify(replace(request, headers={**request.headers, "signature": f"{algorithm}={digest}"}))

    def test_the_stored_request_is_accepted_in_either_case(self) -> None:
        headers, body = load("job-completed-v1.headers.json"), (DATA / "job-completed-v1.body.json").read_bytes()
        request = Request("POST", "/webhooks/itwin", "", headers, body, NOW)
        make().verify(request)
        make().verify(replace(request, headers={**headers, "signature": headers["signature"].upper()}))

    def test_the_key_is_the_secrets_text_even_where_it_looks_like_hex(self) -> None:
        with pytest.raises(Unverified):
            make().verify(signed(event(), key=bytes.fromhex(SECRET)))

    def test_any_of_several_secrets_is_accepted(self) -> None:
        provider = make(webhook_secrets=["new", SECRET, "old"])
        for key in (b"new", SECRET.encode(), b"old"):
            provider.verify(signed(event(), key=key))

    def test_a_request_that_a_configured_secret_or_none_at_all_could_have_signed_asks_nobody_for_more(self) -> None:
        asked: list[str] = []

        def registered(source: str) -> Sequence[Secret]:
            asked.append(source)
            return [Secret("theirs")]

        provider = make(registered=registered)
        provider.verify(signed(event()))
        for garbled in ("", "sha256=", f"sha1={'0' * 64}", "sha256=zz"):
            with pytest.raises(Unverified, match="malformed"):
                provider.verify(replace(signed(event()), headers={"signature": garbled}))
        assert asked == []
        with pytest.raises(Unverified, match="not that of this body"):
            provider.verify(signed(event(), key=b"another"))
        assert asked == ["itwin"]

    def test_secrets_that_cannot_be_read_now_do_not_make_a_request_false(self) -> None:
        def registered(source: str) -> Sequence[Secret]:
            raise Unavailable("Redis is away")

        with pytest.raises(Unavailable):
            make(registered=registered).verify(signed(event(), key=b"theirs"))
        make(registered=registered).verify(signed(event()))

    @pytest.mark.parametrize("configured", [[], [SECRET]])
    def test_a_secret_that_came_from_registering_the_webhook_is_accepted_beside_the_configured(
        self, configured: list[str]
    ) -> None:
        provider = make(registered=lambda source: [Secret("older"), Secret("theirs")], webhook_secrets=configured)
        for key in (b"older", b"theirs"):
            provider.verify(signed(event(), key=key))
        assert "theirs" not in repr(provider)

    @settings(deadline=None)
    @given(signature=st.text(max_size=80), body=st.binary(max_size=80))
    def test_garbage_is_refused_and_never_upsets(self, signature: str, body: bytes) -> None:
        request = Request("POST", "/", "", {"signature": signature, "content-type": "application/json"}, body, NOW)
        with pytest.raises(Unverified):
            make().verify(request)
        with suppress(Rejected):
            assert isinstance(make().parse(request), Ignored)


class TestNotices:
    @pytest.mark.parametrize(
        "content",
        [None, [], "x", {}, {"jobId": None}, {"jobId": 7}, {"jobId": ""}, {"jobId": "../x"}, {"jobId": "a/b"}],
    )
    def test_a_job_id_that_is_none_is_malformed(self, content: Any) -> None:
        with pytest.raises(Malformed, match="jobId"):
            make().parse(signed(event(content=content)))

    @pytest.mark.parametrize("word", [None, 7, []])
    def test_an_event_without_a_type_is_malformed(self, word: Any) -> None:
        with pytest.raises(Malformed, match="eventType"):
            make().parse(signed(event(eventType=word)))

    @pytest.mark.parametrize(
        ("word", "told"),
        [
            ("realityModeling.jobCreated.v1", 'event type "realityModeling.jobCreated.v1"'),
            ("realityModeling.jobCompleted.v3", 'event type "realityModeling.jobCompleted.v3"'),
            ("realitymodeling.jobcompleted.v1", 'event type "realitymodeling.jobcompleted.v1"'),
            ("iTwins.iTwinPainted.v1", 'event type "iTwins.iTwinPainted.v1"'),
            ("transformations.jobCompleted.v2", 'event type "transformations.jobCompleted.v2"'),
            ("", "an event type that is no word"),
            ("jane.doe@example.com", "an event type that is no word"),
            ("a\nb", "an event type that is no word"),
            ("x" * 81, "an event type that is no word"),
        ],
    )
    def test_an_event_that_is_in_no_page_is_ignored_and_told_as_strange(self, word: str, told: str) -> None:
        ignored = make().parse(signed(event(eventType=word)))
        assert isinstance(ignored, Ignored)
        assert ignored.strange == told

    @pytest.mark.parametrize(
        "word",
        [
            "iModels.iModelDeleted.v1",
            "iModels.namedVersionCreated.v1",
            "accessControl.memberAdded.v1",
            "iTwins.iTwinCreated.v1",
            "iTwins.iTwinDeleted.v1",
            "synchronization.jobCompleted.v1",
            "transformations.jobCompleted.v1",
            "changedElements.jobCompleted.v1",
        ],
    )
    def test_an_event_of_another_api_is_ignored_and_nothing_strange(self, word: str) -> None:
        assert make().parse(signed(event(eventType=word))) == Ignored(
            "this event type says nothing about a reality job"
        )

    @pytest.mark.parametrize(
        ("word", "api"),
        [
            ("realityModeling.jobCompleted.v1", "contextcapture"),
            ("realityModeling.jobCompleted.v2", "reality-modeling"),
            ("realityAnalysis.jobCompleted.v1", "realitydataanalysis"),
            ("realityAnalysis.jobCompleted.v2", "reality-analysis"),
            ("realityConversion.jobCompleted.v1", "realityconversion"),
            ("realityConversion.jobCompleted.v2", "reality-conversion"),
        ],
    )
    def test_the_event_type_says_which_api_to_ask(self, word: str, api: str) -> None:
        notification = make().parse(signed(event(eventType=word)))
        assert notification == Notification(source="itwin", job_id=JOB, api=api, event=word, key="m-1", claim="job")

    @pytest.mark.parametrize("message_id", [None, "", 7, {}, "m" * 201])
    def test_without_a_message_id_the_body_says_which_notification_it_is(self, message_id: Any) -> None:
        first, other = (make().parse(signed(event(messageId=message_id, webhookId=webhook))) for webhook in ("a", "b"))
        assert isinstance(first, Notification)
        assert isinstance(other, Notification)
        assert first.key != other.key


class TestOldHandshake:
    def request(self, **headers: str) -> Request:
        return Request("OPTIONS", "/webhooks/itwin", "", headers, b"", NOW)

    @pytest.mark.parametrize("origin", [None, "", "a b", "a\r\nSet-Cookie: x", "é", "x" * 301])
    def test_without_a_plain_origin_there_is_no_handshake(self, origin: str | None) -> None:
        headers = {} if origin is None else {"webhook-request-origin": origin}
        assert make().options(self.request(**headers)) is None

    def test_the_origin_is_allowed_to_post(self) -> None:
        provider = make()
        assert isinstance(provider, AnswersOptions)
        headers = provider.options(self.request(**{"webhook-request-origin": "https://api.bentley.com"}))
        assert headers == {"Allow": "POST", "WebHook-Allowed-Origin": "https://api.bentley.com"}


class TestTranslateV1:
    def translate(self, document: Any, api: str = "contextcapture") -> Any:
        return make().translate(document, api=api)

    @pytest.mark.parametrize(
        ("path", "document"),
        [
            ("job", {}),
            ("job.id", v1(id=None)),
            ("job.state", v1(state=1)),
            ("job.createdDateTime", v1(createdDateTime="11/3/2023 8:07:01 PM")),
            ("job.executionInformation.errors.0", v1(executionInformation={"errors": ["x"]})),
            ("job.executionInformation.errors.0.params", v1(executionInformation={"errors": [{"params": 1}]})),
            ("job.jobSettings.outputs", v1(jobSettings={"outputs": {}})),
            ("job.estimatedCost", v1(estimatedCost="much")),
            ("job.costEstimationParameters", v1(costEstimationParameters=3)),
            ("job.costEstimation.estimatedCost", v1(estimatedCost=None, costEstimation={"estimatedCost": "much"})),
        ],
    )
    def test_nonsense_is_refused_with_its_path(self, path: str, document: Any) -> None:
        with pytest.raises(Unreadable, match=f"read: {path}: "):
            self.translate(document)

    def test_the_sample_is_a_job_that_succeeded_with_one_model_and_a_cost_estimate(self) -> None:
        job = self.translate(sample())
        assert (job.id, job.name, job.kind) == (JOB, "My first Reality Modeling job", "Full")
        assert (job.state, job.provider_state) == (State.SUCCEEDED, "success")
        assert (job.project_id, job.organization_id) == ("3fa85f64-5717-4562-b3fc-2c963f66afa6", None)
        assert job.submitted_at == datetime(2020, 9, 14, 14, 34, 20, tzinfo=UTC)
        assert job.started_at == datetime(2020, 9, 14, 14, 34, 28, tzinfo=UTC)
        assert job.finished_at == datetime(2020, 9, 14, 14, 41, 49, tzinfo=UTC)
        assert job.created_at == job.updated_at == datetime(2020, 9, 14, 14, 29, 55, tzinfo=UTC)
        assert (job.url, job.external_id, job.progress, job.address, job.customer) == (None,) * 5
        assert job.cost_estimate.amount == 3.5
        assert job.cost_estimate.basis == {"gigaPixels": 2.1, "megaPoints": 1.5, "meshQuality": "Extra"}
        assert (job.cost_estimate.id, job.cost_estimate.kind) == ("processing", "processing")
        assert (job.cost_estimate.units, job.cost_estimate.currency, job.cost_estimate.updated_at) == (None,) * 3
        (model,) = job.models
        assert (model.id, model.name, model.kind) == (job.id, job.name, "Full")
        assert (model.state, model.provider_state) == (ModelState.SUCCEEDED, "success")
        assert (model.created_at, model.updated_at) == (job.created_at, job.updated_at)
        assert model.artifacts == {
            "outputs.OBJ": "3ddee08c-01e8-44a5-8e56-3879109f6728",
            "outputs.3MX": "f18fc6c3-2224-4d63-a04b-52bd18805d01",
        }

    @pytest.mark.parametrize(
        ("state", "ours"),
        [
            ("unsubmitted", ModelState.PROCESSING),
            ("active", ModelState.PROCESSING),
            ("teleporting", ModelState.PROCESSING),
            ("success", ModelState.SUCCEEDED),
            ("failed", ModelState.FAILED),
            ("cancelled", ModelState.PROCESSING),
        ],
    )
    def test_the_model_ends_with_its_job_unless_that_was_cancelled(self, state: str, ours: ModelState) -> None:
        assert self.translate(v1(state=state)).models[0].state is ours

    @pytest.mark.parametrize(("kind", "models"), [("Calibration", 0), (None, 0), ("reconstruction", 1), ("Full", 1)])
    def test_only_some_kinds_make_a_model(self, kind: str | None, models: int) -> None:
        assert len(self.translate(v1(type=kind)).models) == models

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            ({"code": "400", "title": "Error", "message": "Photo %2 of %1", "params": ["set", 7]}, "Photo 7 of set"),
            ({"code": "400", "title": "No %1", "message": "", "params": ["photos"]}, "No photos"),
            ({"code": "400"}, "400"),
            ({}, None),
        ],
    )
    def test_a_failed_model_has_the_first_errors_reason_and_no_artifacts(self, error: Any, reason: str | None) -> None:
        job = self.translate(v1(state="failed", executionInformation={"errors": [error, {"code": "second"}]}))
        assert job.models[0].failure_reason == reason
        assert job.models[0].artifacts == {}
        assert len(job.errors) == 2

    def test_placeholders_are_filled_in_one_pass_and_stay_where_nothing_belongs_in_them(self) -> None:
        errors = [{"message": "%1 %2 %3 %11 %0 100%", "params": ["%2", None]}]
        job = self.translate(
            v1(executionInformation={"errors": errors, "warnings": [{"title": "%1", "params": ["w"]}]})
        )
        assert job.errors == (Message(None, None, "%2  %3 %11 %0 100%"),)
        assert job.warnings == (Message(None, "w", None),)
        assert job.models[0].failure_reason is None, "a success with complaints is a success"

    @pytest.mark.parametrize(
        ("keys", "amount"),
        [
            ({"estimatedCost": None}, None),
            ({"estimatedCost": 0}, 0),
            ({"estimatedCost": 0, "costEstimationParameters": None}, None),
            ({"estimatedCost": 0, "costEstimationParameters": {}}, None),
            ({"estimatedCost": 2, "costEstimationParameters": None}, 2),
        ],
    )
    def test_a_bare_zero_is_no_estimate(self, keys: dict[str, Any], amount: float | None) -> None:
        estimate = self.translate(v1(**keys)).cost_estimate
        assert (estimate.amount if estimate else None) == amount

    def test_a_message_does_not_grow_without_end(self) -> None:
        """Twenty kilobytes that would become two hundred megabytes."""
        errors = [{"message": "%1" * 10_000, "params": ["x" * 20_000]}]
        said = self.translate(v1(executionInformation={"errors": errors})).errors[0].message
        assert said is not None
        assert len(said) < 100_000

    def test_many_outputs_of_one_format_are_named_in_time(self) -> None:
        outputs = [{"format": "OBJ", "id": "a"}] * 20_000
        began = time.thread_time()
        artifacts = self.translate(v1(jobSettings={"outputs": outputs})).models[0].artifacts
        assert len(artifacts) == len(outputs)
        assert time.thread_time() - began < 5

    def test_two_outputs_of_one_format_are_both_kept_and_one_without_an_id_is_not(self) -> None:
        outputs = [{"format": "OBJ", "id": "a"}, {"format": "OBJ", "id": "b"}, {"format": "LAS", "id": None}]
        artifacts = self.translate(v1(jobSettings={"outputs": outputs})).models[0].artifacts
        assert artifacts == {"outputs.OBJ": "a", "outputs.OBJ.2": "b"}

    @pytest.mark.parametrize("api", ["realitydataanalysis", "realityconversion"])
    def test_analysis_and_conversion_spell_submission_and_cost_in_their_own_way(self, api: str) -> None:
        run = {"submissionDateTime": "2025-03-06T09:42:33.0000000+00:00", "endedDateTime": None}
        cost = {"estimatedCost": 1.25, "gigaPixels": 2, "megaPoints": None}
        document = {"job": {"id": "7", "type": "Conversion", "executionInformation": run, "costEstimation": cost}}
        job = self.translate(document, api)
        assert job.submitted_at == datetime(2025, 3, 6, 9, 42, 33, tzinfo=UTC)
        assert job.finished_at is None
        assert (job.cost_estimate.amount, job.cost_estimate.basis) == (1.25, {"gigaPixels": 2, "megaPoints": None})
        assert job.models == ()

    @settings(deadline=None)
    @given(st.data())
    def test_any_value_anywhere_is_read_or_refused(self, data: st.DataObject) -> None:
        """Some part of the sample is replaced by something else; only our own error may come out."""
        generation = data.draw(st.sampled_from(["contextcapture", "reality-modeling"]))
        whole = sample() if generation == "contextcapture" else v2(messages=load("job-messages-v2.json")["messages"])
        document: Any = copy.deepcopy(whole)
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
            self.translate(document, generation)


class TestTranslateV2:
    def translate(self, document: Any) -> Any:
        return make().translate(document, api="reality-modeling")

    @pytest.mark.parametrize(
        ("path", "document"),
        [
            ("job.executionInfo", v2(executionInfo=[])),
            ("job.specifications.outputs", v2(specifications={"outputs": ["x"]})),
            ("messages", v2(messages=["x"])),
            ("messages.errors.0", v2(messages={"errors": ["x"]})),
        ],
    )
    def test_nonsense_is_refused_with_its_path(self, path: str, document: Any) -> None:
        with pytest.raises(Unreadable, match=f"read: {path}: "):
            self.translate(document)

    def test_the_documented_job_is_read_with_its_own_keys(self) -> None:
        job = self.translate(load("job-v2.json"))
        assert (job.kind, job.state, job.provider_state) == ("FillImageProperties", State.SUCCEEDED, "Success")
        assert job.created_at == datetime(2025, 11, 24, 8, 12, 9, tzinfo=UTC)
        assert job.started_at == datetime(2025, 11, 24, 8, 12, 33, tzinfo=UTC)
        assert job.finished_at == datetime(2025, 11, 24, 8, 14, tzinfo=UTC)
        assert (job.submitted_at, job.updated_at, job.cost_estimate) == (None, None, None)
        assert job.project_id == "2c8e4988-eb9b-4e5f-a903-8c7c18f3030a"
        assert job.models == ()

    @pytest.mark.parametrize("kind", ["Reconstruction", "Production", "GaussianSplats"])
    def test_the_kinds_that_make_a_model(self, kind: str) -> None:
        assert self.translate(v2(type=kind)).models[0].kind == kind

    def test_every_reference_is_an_artifact_named_by_the_keys_that_lead_to_it(self) -> None:
        outputs = {
            "scene": "0bdccf29",
            "modelingReference": {"location": "bkt:reference", "tiles": 12},
            "exports": [
                {"format": "3DTiles", "location": "a", "options": {"crs": "EPSG:4326"}},
                {"format": "OBJ", "location": "b", "name": "first"},
                {"format": "OBJ", "location": "c", "name": "second"},
                {"format": "LAS", "location": None},
            ],
            "overlays": ["d", ""],
            "keep": True,
        }
        assert self.translate(v2(specifications={"outputs": outputs})).models[0].artifacts == {
            "outputs.scene": "0bdccf29",
            "outputs.modelingReference.location": "bkt:reference",
            "outputs.exports.3DTiles": "a",
            "outputs.exports.OBJ": "b",
            "outputs.exports.OBJ.2": "c",
            "outputs.overlays.0": "d",
        }

    def test_messages_beside_the_job_are_its_errors_and_warnings(self) -> None:
        job = self.translate(v2(state="Failed", messages=load("job-messages-v2.json")["messages"]))
        said = 'Invalid input data. Please check the documentation. ("Scene")'
        assert job.errors == (Message("InputData_Invalid", "Invalid input data", said),)
        assert job.models[0].failure_reason == said


class TestFetch:
    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.api)
    def test_each_api_has_its_address_and_version(self, family: Any) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(json=v1(state="unsubmitted")))
        make(http).fetch(JOB, api=family.api, http=http)
        assert http.sent[0].url == "https://ims.bentley.com/connect/token"
        assert http.sent[0].form
        assert http.sent[0].form["scope"] == "itwin-platform"
        assert http.sent[1].url == f"https://api.bentley.com/{family.api}/jobs/{JOB}"
        assert http.sent[1].headers["Accept"] == f"application/vnd.bentley.itwin-platform.v{family.version}+json"

    def test_an_api_that_is_none_of_the_six_is_refused(self) -> None:
        with pytest.raises(Refused, match="there are contextcapture, reality-modeling"):
            make().fetch(JOB, api="", http=FakeHttp())

    @pytest.mark.parametrize(("status", "error"), [(401, None), (404, NotYet), (422, Refused), (429, RateLimited)])
    def test_their_documented_refusals(self, status: int, error: Any) -> None:
        refusal = answer(status, load(f"error-{status}.json"), retry_after="12")
        http = FakeHttp(answer(json=TOKEN), refusal, always=answer(json={**TOKEN, **v1(state="active")}))
        if not error:
            assert make(http).fetch(JOB, api="contextcapture", http=http)["job"]["id"] == JOB
            return
        with pytest.raises(error) as caught:
            make(http).fetch(JOB, api="contextcapture", http=http)
        assert getattr(caught.value, "retry_after", None) == (12 if status == 429 else None)

    @pytest.mark.parametrize("state", ["Success", "Failed", "Cancelled"])
    def test_a_v2_job_that_has_ended_is_asked_for_its_messages(self, state: str) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(json=v2(state=state)), answer(json=load("job-messages-v2.json")))
        document = make(http).fetch(JOB, api="reality-modeling", http=http)
        assert http.sent[2].url == f"https://api.bentley.com/reality-modeling/jobs/{JOB}/messages"
        assert make().translate(document, api="reality-modeling").errors[0].code == "InputData_Invalid"

    @pytest.mark.parametrize("state", ["Queued", "TerminatingOnFailure", "unheard of"])
    def test_one_that_goes_on_is_not(self, state: str) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(json=v2(state=state)))
        assert make(http).fetch(JOB, api="reality-modeling", http=http) == v2(state=state)

    def test_a_job_without_messages_is_a_job_all_the_same(self) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(json=v2()), answer(404))
        assert make(http).fetch(JOB, api="reality-modeling", http=http) == v2()

    @pytest.mark.parametrize(("status", "error"), [(403, Forbidden), (503, Busy)])
    def test_messages_that_cannot_be_had_now_are_not_left_out(self, status: int, error: Any) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(json=v2()), answer(status))
        with pytest.raises(error, match="messages"):
            make(http).fetch(JOB, api="reality-modeling", http=http)


class TestProgress:
    """A running job is asked for its progress as well; it is worth no failure."""

    @pytest.mark.parametrize(
        "trouble",
        [
            answer(404, {"error": {"code": "JobProgressNotFound"}}),
            answer(403),
            answer(422),
            answer(503),
            answer(body=b"<html>"),
            answer(json=[]),
            answer(json={}),
            answer(json={"progress": None}),
            answer(json={"progress": 7}),
            Unreachable("cut"),
        ],
    )
    def test_without_one_a_job_is_a_job_all_the_same(self, trouble: Answer | Exception) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(json=v1(state="active")), trouble)
        assert make(http).fetch(JOB, api="contextcapture", http=http) == v1(state="active")

    def test_a_progress_of_nonsense_is_none(self) -> None:
        for progress in ({"percentage": "much"}, {"percentage": -1}, {"percentage": 101}, {"percentage": []}, [], 7):
            assert make().translate({**v1(), "progress": progress}, api="contextcapture").progress is None

    @pytest.mark.parametrize(
        ("trouble", "error"),
        [([answer(429, retry_after="9")], RateLimited), ([answer(401), answer(400)], ReconnectNeeded)],
    )
    def test_what_concerns_the_whole_source_is_not_kept_quiet(self, trouble: list[Answer], error: Any) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(json=v1(state="active")), *trouble)
        with pytest.raises(error):
            make(http).fetch(JOB, api="contextcapture", http=http)

    @pytest.mark.parametrize("state", ["unsubmitted", "success", "failed", "cancelled", "TerminatingOnCancel"])
    def test_a_job_that_does_not_run_is_not_asked(self, state: str) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(json=v1(state=state)))
        assert make(http).fetch(JOB, api="contextcapture", http=http) == v1(state=state)

    @pytest.mark.parametrize(
        ("api", "job", "name", "percentage"),
        [
            ("contextcapture", v1(state="active"), "progress-contextcapture.json", 56),
            ("realitydataanalysis", v1(state="active"), "progress-v1.json", 56),
            ("realityconversion", v1(state="Active"), "progress-v1.json", 56),
            ("reality-modeling", v2(state="Active"), "progress-v2.json", 5),
            ("reality-analysis", v2(state="Active"), "progress-v2.json", 5),
            ("reality-conversion", v2(state="ACTIVE"), "progress-v2.json", 5),
        ],
    )
    def test_every_api_has_its_own_key(self, api: str, job: Any, name: str, percentage: float) -> None:
        http = FakeHttp(answer(json=TOKEN), answer(json=job), answer(json=load(name)))
        provider = make(http)
        translated = provider.translate(provider.fetch(JOB, api=api, http=http), api=api)
        assert (translated.progress, translated.state) == (percentage, State.PROCESSING)
        assert http.sent[2].url == f"https://api.bentley.com/{api}/jobs/{JOB}/progress"

    @pytest.mark.parametrize("percentage", ["56", "56.0", 56, 56.0])
    def test_a_number_may_be_a_text(self, percentage: Any) -> None:
        assert make().translate({**v1(), "progress": {"percentage": percentage}}, api="contextcapture").progress == 56


class TestFind:
    """`jobwire watch` knows a job by its id, not by its API."""

    def asked(self, answers: dict[str, Answer | Exception]) -> tuple[Bentley, FakeHttp]:
        """The source at a platform whose job APIs answer so; all others know no job."""

        def platform(sent: Sent) -> Answer:
            if sent.method == "POST":
                return answer(json=TOKEN)
            given = answers.get(sent.url.split("/")[3], answer(404, load("error-404.json")))
            if isinstance(given, Exception):
                raise given
            return given

        http = FakeHttp(always=platform)
        return make(http), http

    @pytest.mark.parametrize("job_id", ["", "..", "../jobs", "7?x=1", "%2e", "7 "])
    def test_what_cannot_be_an_id_is_asked_of_nobody(self, job_id: str) -> None:
        provider, http = self.asked({})
        with pytest.raises(NotYet):
            provider.find(job_id, http=http)
        assert http.sent == []

    def test_a_job_that_no_api_knows_is_not_there(self) -> None:
        provider, http = self.asked({})
        with pytest.raises(NotYet, match="none of Bentley's job APIs knows this job"):
            provider.find(JOB, http=http)
        assert [sent.url.split("/")[3] for sent in http.sent[1:]] == [family.api for family in FAMILIES]

    @pytest.mark.parametrize("trouble", [answer(403), answer(401), answer(422), answer(503), answer(body=b"<html>")])
    def test_an_api_that_refuses_hides_no_other(self, trouble: Answer) -> None:
        provider, http = self.asked({"contextcapture": trouble, "realityconversion": answer(json=v1())})
        assert provider.find(JOB, http=http) == "realityconversion"

    @pytest.mark.parametrize(
        ("trouble", "error", "told"),
        [
            (
                answer(403, {"error": {"code": "InsufficientPermissions"}}),
                NotYet,
                r"\(InsufficientPermissions\): .* 403",
            ),
            (answer(401), Shut, "answered 401"),
            (answer(503), Busy, "answered 503"),
            (answer(body=b"<html>"), Unreadable, "not JSON"),
            (answer(json=[]), Unreadable, "the document"),
        ],
    )
    def test_what_was_wrong_is_told_when_no_other_knows_it(self, trouble: Answer, error: Any, told: str) -> None:
        provider, http = self.asked({"reality-analysis": trouble})
        with pytest.raises(error, match=f"none of .*{told}"):
            provider.find(JOB, http=http)

    @pytest.mark.parametrize(
        ("trouble", "error"), [(answer(429, retry_after="9"), RateLimited), (Unreachable("cut"), Unreachable)]
    )
    def test_where_the_next_one_would_fare_no_better_it_is_not_asked(
        self, trouble: Answer | Exception, error: Any
    ) -> None:
        provider, http = self.asked({"contextcapture": trouble})
        with pytest.raises(error):
            provider.find(JOB, http=http)
        assert len(http.sent) == 2

    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.api)
    def test_the_first_that_knows_it_is_the_one(self, family: Any) -> None:
        provider, http = self.asked({family.api: answer(json=v1(state="active"))})
        assert isinstance(provider, Finds)
        assert provider.find(JOB, http=http) == family.api
        assert http.sent[-1].url == f"https://api.bentley.com/{family.api}/jobs/{JOB}"
        assert http.sent[-1].headers["Accept"] == f"application/vnd.bentley.itwin-platform.v{family.version}+json"


class TestTryingOut:
    """`jobwire check --online` asks for a token and for nothing else."""

    @pytest.mark.parametrize(
        ("trouble", "error", "said"),
        [
            (answer(400, {"error": "invalid_client"}), ReconnectNeeded, "check client_id and client_secret"),
            (answer(400, {"error": "invalid_grant"}), ReconnectNeeded, "check client_id and client_secret"),
            (answer(503), Busy, "itwin, token endpoint: answered 503"),
            (answer(body=b"<html>"), Unreadable, "not JSON"),
            (Unreachable("https://ims.bentley.com/connect/token: cut"), Unreachable, "connect/token: cut"),
        ],
    )
    def test_what_is_wrong_is_told_in_one_line(
        self, trouble: Answer | Exception, error: type[ProcessorError], said: str
    ) -> None:
        http = FakeHttp(trouble)
        with pytest.raises(error, match=said) as caught:
            make(http).try_out()
        assert len(http.sent) == 1
        assert caught.value.message.isprintable()
        assert "app-secret" not in "".join(traceback.format_exception(caught.value))

    def test_a_token_is_obtained(self) -> None:
        http = FakeHttp(answer(json=TOKEN))
        provider = make(http)
        assert [provider.try_out(), provider.try_out()] == ["has an access token", "has an access token"]
        assert len(http.sent) == 1


class TestOptions:
    def test_the_defaults_are_the_published_ones(self) -> None:
        options = Bentley.Options().load(OPTIONS)
        assert options["rate_limits"] == [Rate(500, 60), Rate(5000, 3600)]
        assert (options["reconcile"], options["itwin_ids"]) == (300, [])
        assert options["api_url"] == "https://api.bentley.com"

    @pytest.mark.parametrize(
        ("key", "value"), [("token_url", "ims"), ("itwin_ids", "x"), ("client_secret", " "), ("refresh_token", "x")]
    )
    def test_a_key_that_cannot_be_used_is_named(self, key: str, value: Any) -> None:
        with pytest.raises(ValidationError) as caught:
            Bentley.Options().load({**OPTIONS, key: value})
        assert list(caught.value.normalized_messages()) == [key]

    @pytest.mark.parametrize("itwin_id", ["", " ", "a b", "a'", "a/b", "a) or (b", "x" * 101, "a\n"])
    def test_what_cannot_be_the_id_of_an_itwin_is_named(self, itwin_id: str) -> None:
        with pytest.raises(ValidationError, match="must be the id of an iTwin"):
            Bentley.Options().load({**OPTIONS, "itwin_ids": ["3fa85f64-5717-4562-b3fc-2c963f66afa6", itwin_id]})

    def test_no_secret_is_no_fault_since_registering_a_webhook_brings_one(self) -> None:
        assert Bentley.Options.secret_from_registration
        assert Bentley.Options().load({**OPTIONS, "webhook_secrets": []})["webhook_secrets"] == []
