"""What every sink must do, as test classes: subclass those that fit, fill in the first part, and name it Test…

`SinkContract` is for all; it comes with `CarriesDocuments`, for sinks whose far end gets the event's document, or with
`TellsPeople`, for those whose far end reads. The others are for sinks to which their case can happen: a far end that
judges documents (`RefusesDocuments`), one that may not let us in (`CanBeShut`), one that may not answer (`CanBeAway`),
one that is started again while we deliver (`SurvivesRestarts`), one that can be asked (`TriesOut`). To leave one out is
to say that the case cannot happen to the sink.
"""

from __future__ import annotations

import copy
import threading
import time
import traceback
import unicodedata
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from marshmallow import ValidationError

from processor.errors import Permanent, ProcessorError, Refused, Retryable, Unreachable
from processor.model import JSON, EventType
from processor.options import PeopleOptions
from processor.ports import CanBeTried, Gathers, Occasion, Sink, SinkPlugin
from processor.telling import tell_together
from processor.testing.builders import a_job, a_model, an_alarm, an_event
from processor.testing.fakes import some_tools
from processor.text import clean, headline

Documents = Callable[[], list[JSON]]

Texts = Callable[[], list[str]]

PATIENCE = 5.0  # seconds; the fixture `stalled` must be configured to wait for less
EVIL_NAMES = (
    "<!channel> <@U1|x> <https://evil.example|Garage>",
    "*bold* _it_ ~no~ `code` &amp; &lt;b&gt;",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "Garage\r\nBcc: everybody@example.com\r\n\r\nbody",
    "\u202egnp.exe\u2066 \u200f\x1b]0;x\x07\x00",
    "{{7*7}} {% raw %} ${x} %s %n {0} \\ \" '",
    "[Garage](javascript:alert(1)) # head\n> quote @everyone",
    "long " * 2000,
)
HOSTILE = "\x1b[31m\u202e\ud800 [bold]{name}%s\r\n\x00é"


class SinkContract:
    """What any sink does. A subclass has the fixture `sink`, whose far end takes everything."""

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
        tools = some_tools(redis_url="redis://127.0.0.1:1/0")
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


class CarriesDocuments(SinkContract):
    """A far end that gets the event's document: fixture `taken`, a function that returns the documents that it has,
    oldest first."""

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


class TellsPeople(SinkContract):
    """A far end that people read: fixture `told`, a function that returns the texts of the messages that it has, as
    people see them (with no markup, entities decoded), oldest first."""

    def test_it_can_tell_several_events_at_once_and_may_be_configured_to(self, sink: Sink) -> None:
        assert isinstance(sink, Gathers)
        assert issubclass(self.plugin.Options, PeopleOptions)

    @pytest.mark.parametrize("kind", EventType)
    def test_the_words_for_each_type_are_the_same_as_everywhere(self, sink: Sink, told: Texts, kind: EventType) -> None:
        event = an_alarm(kind) if kind.startswith("ops.") else an_event(kind)
        before = copy.deepcopy(event)
        reference = sink.deliver(event)
        [message] = told()
        assert headline(event) in message
        assert event == before
        assert reference is None or reference.strip()

    def test_messages_come_in_the_order_in_which_they_were_delivered(self, sink: Sink, told: Texts) -> None:
        events = [an_event(job=a_job(id=f"1508430{number}")) for number in range(5)]
        for event in events:
            sink.deliver(event)
        for event, message in zip(events, told(), strict=True):
            assert headline(event) in message

    @pytest.mark.parametrize("occasion", Occasion)
    def test_several_events_are_one_message(self, sink: Sink, told: Texts, occasion: Occasion) -> None:
        events = [an_event(kind) for kind in (EventType.MODEL_FAILED, EventType.JOB_SUCCEEDED)]
        assert isinstance(sink, Gathers)
        sink.deliver_together(events, occasion)
        [message] = told()
        assert tell_together(events, occasion).headline in message

    @pytest.mark.parametrize("occasion", Occasion)
    def test_a_thousand_events_are_one_message_too(self, sink: Sink, told: Texts, occasion: Occasion) -> None:
        events = [an_event(job=a_job(id=str(15084303 + number))) for number in range(1000)]
        assert isinstance(sink, Gathers)
        sink.deliver_together(events, occasion)
        assert len(told()) == 1

    @pytest.mark.parametrize("evil", EVIL_NAMES)
    def test_text_by_strangers_is_harmless_and_readable(self, sink: Sink, told: Texts, evil: str) -> None:
        """What people see is the text as it was, without what would turn or break the line, and not too much of it."""
        event = an_event(job=a_job(name=evil, models=(a_model(name=evil, failure_reason=evil),)))
        sink.deliver(event)
        [message] = told()
        assert clean(evil, 60).rstrip("…") in message
        assert not [c for c in message if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t\u200c\u200d"]
        assert len(message) < 5000

    def test_a_document_of_which_much_was_omitted_is_told_too(self, sink: Sink, told: Texts) -> None:
        event = an_event()
        event["data"] = dict.fromkeys(event["data"])
        sink.deliver(event)
        assert len(told()) == 1


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


class SurvivesRestarts(SinkContract):
    """A server that is stopped and started again: fixtures `sink`, `taken_ids`, a function that returns the ids of the
    events that the far end has got so far, in the order of their arrival, and `restart`, a function that stops the
    server without warning, starts it again and returns when it answers."""

    def test_no_event_is_lost_when_the_server_is_started_again_amid_500(
        self, sink: Sink, taken_ids: Callable[[], list[str]], restart: Callable[[], None]
    ) -> None:
        """What was delivered is there; what was not is tried again, as a worker would; the order is kept."""
        events = [an_event(job=a_job(id=str(number))) for number in range(500)]
        restarting = threading.Thread(target=restart)
        refusals = 0
        for number, event in enumerate(events):
            if number == 200:
                restarting.start()
            while True:
                try:
                    sink.deliver(event)
                    break
                except Retryable:
                    refusals += 1
                    assert refusals < 2000, "it does not come back"
                    time.sleep(0.05)
            if number == 200:
                restarting.join()  # the connection that was kept is now dead, and the server is there again
        first = list(dict.fromkeys(taken_ids()))
        assert first == [event["id"] for event in events]


class TriesOut(SinkContract):
    """A far end that can be asked without giving it an event: fixtures `sink`, `taken` or `told`, `shut` and `away`."""

    def test_what_is_there_is_told_in_one_line(self, sink: Sink, request: pytest.FixtureRequest) -> None:
        assert isinstance(sink, CanBeTried)
        found = sink.try_out()
        assert found
        assert found.isprintable()
        assert not [secret for secret in self.secrets if secret in found]
        name = "told" if issubclass(self.plugin.Options, PeopleOptions) else "taken"
        assert request.getfixturevalue(name)() == []

    @pytest.mark.parametrize("state", ["shut", "away"])
    def test_what_is_wrong_is_told_in_one_line(self, request: pytest.FixtureRequest, state: str) -> None:
        sink = request.getfixturevalue(state)
        assert isinstance(sink, CanBeTried)
        with pytest.raises(ProcessorError) as caught:
            sink.try_out()
        assert caught.value.message.isprintable()
        said = "".join(traceback.format_exception(caught.value))
        assert not [secret for secret in self.secrets if secret in said]
