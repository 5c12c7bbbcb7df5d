"""The shape of Bentley's jobs and webhooks, as far as we read them; jobs in the two generations of its job APIs.

v1: https://developer.bentley.com/apis/contextcapture/operations/jobs-get (Analysis and Conversion spell two things in
their own way); v2: https://developer.bentley.com/apis/reality-modeling/operations/ and the messages operation.
"""

from __future__ import annotations

from marshmallow import fields

from processor.reading import Document, Id, Moment, Number, Object, Text


class _Message(Document):
    code = Text(load_default=None)
    title = Text(load_default=None)
    message = Text(load_default=None)
    params = fields.List(Id(allow_none=True), load_default=None, allow_none=True)


class _ExecutionV1(Document):
    submitted_at = Moment(data_key="submittedDateTime", load_default=None)
    # Analysis and Conversion: https://developer.bentley.com/apis/realityconversion/operations/jobs-get
    submission_at = Moment(data_key="submissionDateTime", load_default=None)
    started_at = Moment(data_key="startedDateTime", load_default=None)
    ended_at = Moment(data_key="endedDateTime", load_default=None)
    errors = fields.List(fields.Nested(_Message), load_default=None, allow_none=True)
    warnings = fields.List(fields.Nested(_Message), load_default=None, allow_none=True)


class _OutputV1(Document):
    format = Text(load_default=None)
    id = Id(load_default=None)


class _SettingsV1(Document):
    outputs = fields.List(fields.Nested(_OutputV1), load_default=None, allow_none=True)


class _JobV1(Document):
    id = Id(required=True)
    name = Text(load_default=None)
    type = Text(load_default=None)
    state = Text(load_default=None)
    itwin_id = Id(data_key="iTwinId", load_default=None)
    created_at = Moment(data_key="createdDateTime", load_default=None)
    modified_at = Moment(data_key="lastModifiedDateTime", load_default=None)
    execution = fields.Nested(_ExecutionV1, data_key="executionInformation", load_default=None)
    settings = fields.Nested(_SettingsV1, data_key="jobSettings", load_default=None)
    cost_parameters = Object(data_key="costEstimationParameters", load_default=None)
    estimated_cost = Number(data_key="estimatedCost", load_default=None)
    # Analysis and Conversion keep parameters and result together
    cost_estimation = Object(data_key="costEstimation", load_default=None)


class _DocumentV1(Document):
    job = fields.Nested(_JobV1, required=True)
    progress = fields.Raw(load_default=None, allow_none=True)


class _CostEstimation(Document):
    estimated_cost = Number(data_key="estimatedCost", load_default=None)


class _ExecutionV2(Document):
    created_at = Moment(data_key="createdDateTime", load_default=None)
    started_at = Moment(data_key="startedDateTime", load_default=None)
    ended_at = Moment(data_key="endedDateTime", load_default=None)


class _SpecificationsV2(Document):
    outputs = Object(load_default=None)
    output = Text(load_default=None)  # Conversion has one only


class _JobV2(Document):
    id = Id(required=True)
    name = Text(load_default=None)
    type = Text(load_default=None)
    state = Text(load_default=None)
    itwin_id = Id(data_key="iTwinId", load_default=None)
    execution = fields.Nested(_ExecutionV2, data_key="executionInfo", load_default=None)
    specifications = fields.Nested(_SpecificationsV2, load_default=None)


class _MessagesV2(Document):
    errors = fields.List(fields.Nested(_Message), load_default=None, allow_none=True)
    warnings = fields.List(fields.Nested(_Message), load_default=None, allow_none=True)


class _DocumentV2(Document):
    job = fields.Nested(_JobV2, required=True)
    messages = fields.Nested(_MessagesV2, load_default=None)
    progress = fields.Raw(load_default=None, allow_none=True)


class _Progress(Document):
    percentage = Number(load_default=None)  # a number in the documentation, a text where their own SDK makes it one


class _State(Document):
    state = Text(load_default=None)


class _StateOnly(Document):
    job = fields.Nested(_State, required=True)


class _Page(Document):
    """https://developer.bentley.com/apis/contextcapture/operations/jobs-get-all; rows are read one by one."""

    jobs = fields.List(fields.Raw(allow_none=True), required=True)


class _Webhook(Document):
    """https://developer.bentley.com/apis/webhooks-v2/operations/get-webhooks"""

    id = Id(required=True)
    url = Text(data_key="callbackUrl", load_default=None)
    active = fields.Boolean(load_default=None, allow_none=True)
    events = fields.List(Text(allow_none=True), data_key="eventTypes", load_default=None, allow_none=True)
    secret = Text(load_default=None)  # in the answer to the creation only
    expires = fields.Raw(data_key="expirationDateTime", load_default=None, allow_none=True)  # v1; v2 names none


class _Webhooks(Document):
    webhooks = fields.List(fields.Nested(_Webhook), required=True)


V1 = _DocumentV1()  # built once: building costs more than reading
COST_ESTIMATION = _CostEstimation()
V2 = _DocumentV2()
PROGRESS = _Progress()
STATE_ONLY = _StateOnly()
PAGE = _Page()
WEBHOOK = _Webhook()
WEBHOOKS = _Webhooks()
