"""What a status means to us."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.errors import Busy, ProcessorError, RateLimited, Retryable
from processor.testing.fakes import answer
from processor.upstream import raise_for

NOW = datetime(2025, 3, 18, 0, 2, 58, tzinfo=UTC)


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
