"""What every sink must do, as test classes: subclass those that fit, fill in the first part, and name it Test…

`SinkContract` is for all. The others are for sinks to which their case can happen: a far end that judges documents
(`RefusesDocuments`), one that may not let us in (`CanBeShut`), one that may not answer (`CanBeAway`). To leave one out
is to say that the case cannot happen to the sink.
"""

from __future__ import annotations

import copy
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from marshmallow import ValidationError

from processor.errors import Permanent, ProcessorError, Refused, Retryable, Unreachable
from processor.model import JSON, EventType
from processor.ports import Sink, SinkPlugin, Tools
from processor.testing.builders import a_job, a_model, an_alarm, an_event
from processor.testing.fakes import FakeHttp, MemoryTokenStore, StandingClock

Documents = Callable[[], list[JSON]]

PATIENCE = 5.0  # seconds; the fixture `stalled` must be configured to wait for less
HOSTILE = "\x1b[31m\u202e\ud800 [bold]{name}%s\r\n\x00é"


class SinkContract:
    """What happens to events in any sink.

    A subclass has two fixtures: `sink`, whose far end takes everything, and `taken`, a function that returns the
    documents that the far end has, oldest first.
    """

    plugin: ClassVar[type[SinkPlugin]]
    least: ClassVar[Mapping[str, Any]]  # the keys of `[sinks.*]` that must be there, `type` among them
    secrets: ClassVar[tuple[str, ...]] = ()  # everything its fixtures are configured with that must never be seen

    # --- for the tests below and for those of a subclass

    def failure(self, sink: Sink, kind: type[ProcessorError]) -> ProcessorError:
        """The error that a delivery ends with; it tells no secret, also not in its traceback."""
        with pytest.raises(kind) as caught:
            sink.deliver(an_event())
        said = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert not [secret for secret in self.secrets if secret in said]
        assert caught.value.message
        return caught.value

    # --- delivering

    @pytest.mark.parametrize("kind", EventType)
    def test_an_event_of_each_type_arrives_whole(self, sink: Sink, taken: Documents, kind: EventType) -> None:
        event = an_alarm(kind) if kind.startswith("ops.") else an_event(kind)
        before = copy.deepcopy(event)
        reference = sink.deliver(event)
        assert taken() == [before]
        assert event == before
        assert reference is None or reference.strip()

    def test_events_arrive_in_the_order_in_which_they_were_delivered(self, sink: Sink, taken: Documents) -> None:
        events = [an_event(job=a_job(id=str(number))) for number in range(5)]
        for event in events:
            sink.deliver(event)
        assert taken() == events

    def test_a_repeat_is_the_same_document(self, sink: Sink, taken: Documents) -> None:
        """The id is the same, so receivers that deduplicate ignore it; a sink may also do that for them."""
        sink.deliver(an_event())
        sink.deliver(an_event())
        assert {document["id"] for document in taken()} == {an_event()["id"]}

    def test_text_by_strangers_arrives_as_it_was(self, sink: Sink, taken: Documents) -> None:
        event = an_event(job=a_job(name=HOSTILE, models=(a_model(name=HOSTILE, failure_reason=HOSTILE),)))
        sink.deliver(event)
        assert taken() == [event]

    def test_a_large_event_arrives(self, sink: Sink, taken: Documents) -> None:
        event = an_event(job=a_job(name="n" * 300_000))
        sink.deliver(event)
        assert taken() == [event]

    def test_threads_share_a_sink(self, sink: Sink, taken: Documents) -> None:
        events = [an_event(job=a_job(id=str(number))) for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(sink.deliver, events))
        assert sorted(document["id"] for document in taken()) == sorted(event["id"] for event in events)

    # --- closing

    def test_closing_twice_is_fine(self, sink: Sink) -> None:
        sink.deliver(an_event())
        sink.close()
        sink.close()

    def test_closing_what_was_never_used_is_fine(self, sink: Sink) -> None:
        sink.close()

    # --- configuration

    def test_the_least_options_make_a_sink(self) -> None:
        options = self.plugin.Options().load(self.least)
        tools = Tools(FakeHttp(), MemoryTokenStore(), StandingClock(), redis_url="redis://127.0.0.1:1/0")
        made = self.plugin.from_config("orders", options, tools)  # connects to nothing: nobody is there
        made.close()
        assert made.name == "orders"

    def test_an_unknown_option_is_a_fault(self) -> None:
        with pytest.raises(ValidationError, match="Unknown field"):
            self.plugin.Options().load({**self.least, "no_such_key": 1})

    def test_a_missing_option_is_a_fault(self) -> None:
        for key in self.least:
            with pytest.raises(ValidationError, match=key):
                self.plugin.Options().load({name: value for name, value in self.least.items() if name != key})

    def test_no_secret_is_printed(self, sink: Sink) -> None:
        assert not [secret for secret in self.secrets if secret in f"{sink} {sink!r}"]


class RefusesDocuments(SinkContract):
    """A far end that may say that it will never take a document: fixture `refusing`, a sink with such a far end."""

    def test_a_refused_document_is_not_tried_again(self, refusing: Sink) -> None:
        assert isinstance(self.failure(refusing, Refused), Permanent)


class CanBeShut(SinkContract):
    """A door that somebody may open again: fixture `shut`, a sink whose key is refused, or whose place is not there."""

    def test_a_shut_door_is_tried_again(self, shut: Sink) -> None:
        self.failure(shut, Retryable)


class CanBeAway(SinkContract):
    """A network in between: fixtures `away`, a sink that nobody listens to, and `stalled`, one that is not answered."""

    def test_nobody_there_is_tried_again(self, away: Sink) -> None:
        self.failure(away, Unreachable)

    def test_no_answer_is_tried_again_and_costs_a_limited_time(self, stalled: Sink) -> None:
        began = time.monotonic()
        self.failure(stalled, Retryable)
        assert time.monotonic() - began < PATIENCE
