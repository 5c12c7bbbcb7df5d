"""What a status and a date mean to us."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.errors import Busy, ProcessorError, RateLimited, Retryable
from processor.testing.fakes import answer
from processor.upstream import http_date, raise_for

NOW = datetime(2025, 3, 18, 0, 2, 58, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "7", "Tue, 18 Mar 99999999999999999999 00:00:00 GMT"])
def test_what_is_no_date_is_none(text: str) -> None:
    assert http_date(text) is None


@pytest.mark.parametrize(
    "text", ["Tue, 18 Mar 2025 00:02:58 GMT", "18 Mar 2025 02:02:58 +0200", "18 Mar 2025 00:02:58 -0000"]
)
def test_a_date_is_utc_afterwards(text: str) -> None:
    assert http_date(text) == NOW


@settings(deadline=None)
@given(st.text())
def test_no_text_upsets_the_reading_of_a_date(text: str) -> None:
    moment = http_date(text)
    assert moment is None or moment.tzinfo is UTC


def test_an_answer_that_is_no_refusal_raises_nothing() -> None:
    raise_for(answer(200), "it", NOW)
    raise_for(answer(204), "it", NOW)


@settings(deadline=None)
@given(st.integers(min_value=100, max_value=999).filter(lambda status: not 200 <= status < 300))
def test_every_other_status_has_its_class_and_names_what_was_asked(status: int) -> None:
    with pytest.raises(ProcessorError, match=rf"^Hover, job 7: answered {status}") as caught:
        raise_for(answer(status, retry_after="3"), "Hover, job 7", NOW)
    if status in (408, 425, 429) or status >= 500:
        assert isinstance(caught.value, (Busy, RateLimited))
        assert caught.value.retry_after == 3
    elif isinstance(caught.value, Retryable):
        assert status < 400 or status in (401, 404)
