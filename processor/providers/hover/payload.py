"""The shape of Hover's job details, as far as we read them.

https://developers.hover.to/reference/show-job-details
"""

from __future__ import annotations

from marshmallow import fields

from processor.model import JSON
from processor.reading import Anything, Document, Id, Moment, Number, Text


class _Org(Document):
    id = Id(load_default=None)


class _Address(Document):
    line1 = Text(data_key="location_line_1", load_default=None)
    line2 = Text(data_key="location_line_2", load_default=None)
    city = Text(load_default=None)
    region = Text(load_default=None)
    postal_code = Text(load_default=None)
    country = Text(load_default=None)
    latitude = Number(load_default=None)  # a text in their samples
    longitude = Number(load_default=None)


class _Customer(Document):
    first_name = Text(load_default=None)
    name = Text(load_default=None)
    email = Text(load_default=None)
    phone = Text(load_default=None)


class _Experience(Document):
    type = Text(load_default=None)
    url = Text(load_default=None)
    status = Text(load_default=None)


class _Image(Document):
    id = Id(required=True)
    url = Text(load_default=None)
    created_at = Moment(load_default=None)


class _Model(Document):
    id = Id(required=True)
    name = Text(load_default=None)
    state = Text(load_default=None)
    failure_reason = Text(load_default=None)
    deliverable = Text(load_default=None)
    capture_id = Id(load_default=None)
    three_d_experience = fields.Nested(_Experience, load_default=None)
    artifacts = Anything(load_default=None)
    images = fields.List(fields.Nested(_Image), load_default=None)
    created_at = Moment(load_default=None)
    updated_at = Moment(load_default=None)


class _Job(Document):
    id = Id(required=True)
    name = Text(load_default=None)
    reconstruction_state = Text(load_default=None)
    external_identifier = Text(load_default=None)
    url = Text(load_default=None)
    org = fields.Nested(_Org, load_default=None)
    address = fields.Nested(_Address, load_default=None)
    customer = fields.Nested(_Customer, load_default=None)
    models = fields.List(fields.Nested(_Model), load_default=None)
    created_at = Moment(load_default=None)
    updated_at = Moment(load_default=None)
    archived_at = Moment(load_default=None)


JOB = _Job()  # built once: building costs more than reading


def has_more(answer: JSON, page: int) -> bool:
    """Whether a list goes on behind page `page`, in any of the spellings in which Hover says so."""
    said = answer.get("pagination") if isinstance(answer, dict) else None
    if not isinstance(said, dict):
        return False
    total = said.get("total_pages")  # of v2, https://developers.hover.to/reference/list-webhooks; v3 has `next_page`
    return bool(said.get("next_page")) or (isinstance(total, int) and page < total)
