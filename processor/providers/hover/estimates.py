"""Turns Hover's answer about a contractor's estimate into a CostEstimate.

https://developers.hover.to/reference/show-estimate-details. Its keys are in another spelling than a job's, it does not
say its own id, and no currency is named anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from marshmallow import ValidationError, fields

from processor.errors import Unreadable
from processor.model import JSON, CostEstimate
from processor.providers.hover.notices import ESTIMATE_ID
from processor.reading import Document, Id, Number, Text, read, unreadable

# totalPrice, contractMaterialPretaxCost, salesTaxAmount, profitMarginPercentage, … whichever there are
_TOTAL = re.compile(r"[A-Za-z]{0,60}(?:Price|Cost|Tax|Amount|Sum|Discount|Percentage)")
_NUMBER = Number()


class _Job(Document):
    id = Id(required=True)


class _Opportunity(Document):
    job = fields.Nested(_Job, required=True)


class _Estimate(Document):
    id = Id(data_key=ESTIMATE_ID, required=True)
    name = Text(load_default=None)
    price = Number(data_key="totalPrice", required=True)
    opportunity = fields.Nested(_Opportunity, data_key="salesOpportunity", required=True)


_ESTIMATE = _Estimate()


def with_id(answer: JSON, estimate_id: str) -> JSON:
    """The answer with the id that it was asked for, under the name that Hover's webhooks have for it."""
    if not isinstance(answer, dict):
        raise Unreadable(f"Hover, estimate {estimate_id}: the answer must be an object")
    return {**answer, ESTIMATE_ID: estimate_id}


def translate_estimate(original: JSON, *, currency: str | None) -> tuple[str, CostEstimate]:
    """The id of the job, and the estimate. Raises Unreadable with the path that is wrong."""
    estimate = read(_ESTIMATE, original)
    if estimate["price"] is None:  # an empty text
        raise unreadable("totalPrice", "must be a number")
    return estimate["opportunity"]["job"]["id"], CostEstimate(
        id=estimate["id"],
        kind="contractor",
        amount=estimate["price"],
        currency=currency,
        basis=_totals(original) or None,
        title=estimate["name"],
    )


def _totals(original: Mapping[str, JSON]) -> dict[str, JSON]:
    """The sums beside `totalPrice`, spelled as Hover does. One that is no number is left out."""
    totals = {key: _number(value) for key, value in original.items() if _TOTAL.fullmatch(key)}
    return {key: total for key, total in totals.items() if total is not None}


def _number(value: JSON) -> float | None:
    try:
        number: float | None = _NUMBER.deserialize(value)
    except ValidationError:
        return None
    return value if isinstance(value, (int, float)) else number
