"""An exchange as a sink, against a real RabbitMQ, and against one of our own that is killed, halted and full."""

from __future__ import annotations

import inspect
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import pika
import pytest
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_rabbitmq_event
from consumers import DOCS, configurations, consuming
from marshmallow import ValidationError
from running import wait_for
from sinks.rabbit import CERTIFICATE, Node, broker

from processor import tracing
from processor.errors import Busy, ProcessorError, Refused, Retryable, Shut, Unreachable
from processor.model import JSON, Image
from processor.sinks import amqp
from processor.sinks.amqp import Amqp
from processor.sinks.amqp.line import Broken
from processor.testing.builders import a_job, a_model, an_event
from processor.testing.fakes import some_tools
from processor.testing.sink import (
    CanBeAway,
    CanBeShut,
    CarriesDocuments,
    RefusesDocuments,
    SurvivesRestarts,
    TriesOut,
)

PAGE = DOCS / "amqp.md"


class Place:
    """A durable queue, bound to an exchange for everything; both are removed afterwards. Their names are unique."""

    def __init__(self, url: str, *, kind: str = "topic", arguments: dict[str, Any] | None = None) -> None:
        self.url = url
        self.exchange = self.queue = f"jw-{secrets.token_hex(6)}"
        self.got: list[tuple[Any, pika.BasicProperties, bytes]] = []
        with self.channel() as channel:
            channel.exchange_declare(self.exchange, kind, durable=True)
            channel.queue_declare(self.queue, durable=True, arguments=arguments)
            channel.queue_bind(self.queue, self.exchange, "#")

    @contextmanager
    def channel(self) -> Iterator[Any]:
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            yield connection.channel()
        finally:
            connection.close()

    def messages(self) -> list[tuple[Any, pika.BasicProperties, bytes]]:
        """Everything that has come so far."""
        with self.channel() as channel:
            while (message := channel.basic_get(self.queue, auto_ack=True))[0]:
                self.got.append(message)
        return self.got

    def documents(self) -> list[JSON]:
        return [json.loads(body) for _, _, body in self.messages()]

    def ids(self) -> list[str]:
        return [document["id"] for document in self.documents()]

    def remove(self) -> None:
        with self.channel() as channel:
            channel.queue_delete(self.queue)
            channel.exchange_delete(self.exchange)


def events(count: int) -> list[dict[str, JSON]]:
    return [an_event(job=a_job(id=str(number))) for number in range(count)]


def delivered(sink: Amqp, event: dict[str, JSON] | None = None) -> bool:
    """Whether it could be delivered this time."""
    with suppress(Retryable):
        sink.deliver(event or an_event())
        return True
    return False


@pytest.fixture(scope="session")
def url() -> str:
    return broker()


@pytest.fixture
def place(url: str) -> Iterator[Place]:
    place = Place(url)
    yield place
    place.remove()


@pytest.fixture
def sinks() -> Iterator[Callable[..., Amqp]]:
    """Makes sinks that are closed afterwards."""
    made: list[Amqp] = []

    def make(url: str, exchange: str, **options: Any) -> Amqp:
        made.append(Amqp("orders", url, exchange, **options))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """A broker that nobody else uses."""
    node = Node()
    try:
        node.start()
        yield node
    finally:
        node.remove()


@pytest.fixture
def own(node: Node) -> Iterator[Place]:
    place = Place(node.url)
    yield place
    place.remove()


class TestAmqp(CarriesDocuments, RefusesDocuments, CanBeShut, CanBeAway, TriesOut):
    plugin = Amqp
    least: ClassVar = {"type": "amqp", "url": "amqp://127.0.0.1:1", "exchange": "jobwire"}
    secrets = ("s3cret-password", "guest:guest")

    @pytest.fixture
    def sink(self, place: Place, sinks: Callable[..., Amqp]) -> Amqp:
        return sinks(place.url, place.exchange)

    @pytest.fixture
    def taken(self, place: Place) -> Callable[[], list[JSON]]:
        return place.documents

    @pytest.fixture
    def refusing(self, node: Node, own: Place, sinks: Callable[..., Amqp]) -> Iterator[Amqp]:
        limit = "application:set_env(rabbit, max_message_size, {0}), persistent_term:put(max_message_size, {0})."
        node.control("eval", limit.format(1000))
        yield sinks(own.url, own.exchange)
        node.control("eval", limit.format(16 * 1024**2))

    @pytest.fixture
    def shut(self, url: str, sinks: Callable[..., Amqp]) -> Amqp:
        return sinks(url.replace("guest:guest", "guest:s3cret-password"), "events")

    @pytest.fixture
    def away(self, sinks: Callable[..., Amqp]) -> Amqp:
        return sinks("amqp://user:s3cret-password@127.0.0.1:9", "events")

    @pytest.fixture
    def stalled(self, sinks: Callable[..., Amqp]) -> Iterator[Amqp]:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield sinks(f"amqp://user:s3cret-password@127.0.0.1:{silent.getsockname()[1]}", "events", timeout=0.3)


class TestAmqpThroughARestart(SurvivesRestarts):
    plugin = Amqp
    least: ClassVar = TestAmqp.least
    secrets = ("guest:guest",)

    @pytest.fixture
    def sink(self, own: Place, sinks: Callable[..., Amqp]) -> Amqp:
        return sinks(own.url, own.exchange)

    @pytest.fixture
    def taken_ids(self, own: Place) -> Callable[[], list[str]]:
        return own.ids

    @pytest.fixture
    def restart(self, node: Node) -> Callable[[], None]:
        return node.restart


# --- what would be lost ----------------------------------------------------------------------------------------------


def test_an_event_that_no_queue_takes_is_not_delivered(place: Place, sinks: Callable[..., Amqp]) -> None:
    """It is tried again, and goes out once somebody has bound a queue."""
    sink = sinks(place.url, place.exchange)
    with place.channel() as channel:
        channel.queue_unbind(place.queue, place.exchange, "#")
        with pytest.raises(Shut, match=f"exchange {place.exchange}: no queue takes model.failed: bind one"):
            sink.deliver(an_event())
        channel.queue_bind(place.queue, place.exchange, "model.*")
    sink.deliver(an_event())
    assert place.ids() == [an_event()["id"]]


def test_an_event_that_a_full_queue_does_not_take_is_not_delivered(url: str, sinks: Callable[..., Amqp]) -> None:
    full = Place(url, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    try:
        sink = sinks(url, full.exchange)
        first, second = events(2)
        sink.deliver(first)
        with pytest.raises(Busy, match="it did not take the event"):
            sink.deliver(second)
        assert full.ids() == [first["id"]]
        sink.deliver(second)
        assert full.ids() == [first["id"], second["id"]]
    finally:
        full.remove()


def test_a_broker_whose_alarm_is_on_is_asked_again_and_not_given_more_and_more(
    node: Node, own: Place, sinks: Callable[..., Amqp]
) -> None:
    """It reads what it was sent once the alarm is over: that one event is the only one that it has twice."""
    sink = sinks(own.url, own.exchange)
    sink.deliver(an_event())
    node.control("set_vm_memory_high_watermark", "0.000001")
    try:
        for _ in range(5):
            with pytest.raises(Busy, match="memory or disk alarm"):
                sink.deliver(events(1)[0])
    finally:
        node.control("set_vm_memory_high_watermark", "0.4")
    wait_for(lambda: delivered(sink, events(1)[0]))
    assert own.ids() == [an_event()["id"], *[events(1)[0]["id"]] * 2]


def test_a_broker_that_stands_still_in_the_middle_costs_a_limited_time(
    node: Node, own: Place, sinks: Callable[..., Amqp]
) -> None:
    sink, other = sinks(own.url, own.exchange, timeout=0.5), sinks(own.url, own.exchange, timeout=0.5)
    sink.deliver(an_event())
    node.halt()
    try:
        for late in (sink, other):  # one with a connection, one without
            began = time.monotonic()
            with pytest.raises(Unreachable, match="no answer in time"):
                late.deliver(an_event())
            assert time.monotonic() - began < 3
    finally:
        node.go_on()
    wait_for(lambda: delivered(sink))
    assert set(own.ids()) == {an_event()["id"]}


def test_a_tls_handshake_that_is_not_answered_costs_a_limited_time(sinks: Callable[..., Amqp]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = sinks(f"amqps://127.0.0.1:{silent.getsockname()[1]}", "events", timeout=0.3)
        began = time.monotonic()
        with pytest.raises(Unreachable, match="no answer in time"):
            sink.deliver(an_event())
        assert time.monotonic() - began < 3


# --- doors -----------------------------------------------------------------------------------------------------------


def test_a_virtual_host_that_is_not_there_is_named(url: str, sinks: Callable[..., Amqp]) -> None:
    with pytest.raises(Shut, match="5672/nosuch, exchange events: the virtual host is not there"):
        sinks(f"{url}/nosuch", "events").deliver(an_event())


def test_an_exchange_of_another_type_is_a_shut_door(place: Place, sinks: Callable[..., Amqp]) -> None:
    sink = sinks(place.url, place.exchange, exchange_type="fanout")
    for act in (lambda: sink.deliver(an_event()), sink.try_out):
        with pytest.raises(Shut, match="has another type or is not durable: see exchange_type"):
            act()
    assert place.documents() == []


def test_a_missing_exchange_is_a_shut_door_where_it_is_not_ours_to_declare(
    url: str, sinks: Callable[..., Amqp]
) -> None:
    sink = sinks(url, f"jw-{secrets.token_hex(6)}", declare=False)
    for act in (lambda: sink.deliver(an_event()), sink.try_out):
        with pytest.raises(Shut, match="there is no such exchange: create it, or set declare = true"):
            act()


def test_a_type_that_the_broker_does_not_know_is_a_shut_door(url: str, sinks: Callable[..., Amqp]) -> None:
    with pytest.raises(Shut, match="knows no exchange_type of this name"):
        sinks(url, f"jw-{secrets.token_hex(6)}", exchange_type="x-no-such").deliver(an_event())


@pytest.mark.parametrize(("declare", "words"), [(True, "may not declare"), (False, "may not write")])
def test_a_user_who_may_not_is_told_what_he_may_not(
    own: Place, sinks: Callable[..., Amqp], declare: bool, words: str
) -> None:
    url = own.url.replace("guest:guest", "reader:reader")
    with pytest.raises(Shut, match=f"our user {words}"):
        sinks(url, own.exchange, declare=declare).deliver(an_event())


def test_a_user_who_may_only_write_can_where_the_exchange_is_not_ours_to_declare(
    own: Place, sinks: Callable[..., Amqp]
) -> None:
    sink = sinks(own.url.replace("guest:guest", "writer:writer"), own.exchange, declare=False)
    sink.try_out()
    sink.deliver(an_event())
    assert own.ids() == [an_event()["id"]]


def test_a_certificate_is_checked_against_the_authorities_that_the_address_names(
    node: Node, own: Place, sinks: Callable[..., Amqp]
) -> None:
    with pytest.raises(Unreachable, match="the certificate is not trusted"):
        sinks(node.tls_url, own.exchange).deliver(an_event())
    sinks(f"{node.tls_url}?ssl_options={{'ca_certs':'{CERTIFICATE}'}}", own.exchange).deliver(an_event())
    assert own.ids() == [an_event()["id"]]


def test_an_address_that_speaks_something_else_is_named(url: str, sinks: Callable[..., Amqp]) -> None:
    with pytest.raises(Unreachable, match=r"amqps://127\.0\.0\.1:5672: TLS failed"):
        sinks(url.replace("amqp:", "amqps:"), "events").deliver(an_event())
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        sink = sinks(f"amqp://127.0.0.1:{deaf.getsockname()[1]}", "events")
        hanging_up = threading.Thread(target=lambda: deaf.accept()[0].close())
        hanging_up.start()
        with pytest.raises(Unreachable, match=r"does not answer in AMQP 0-9-1; is this its port, or amqps\?"):
            sink.deliver(an_event())
        hanging_up.join()


CODES = [
    (True, {403: Shut, 404: Shut, 406: Shut, 503: Shut, 530: Shut, 506: Busy, 541: Busy, 320: Unreachable}),
    (False, {311: Refused, 403: Shut, 404: Shut, 406: Refused, 530: Shut, 506: Busy, 541: Busy, 320: Unreachable}),
    (False, {501: Unreachable, 504: Unreachable, 599: Unreachable}),
]


@pytest.mark.parametrize(("opening", "meanings"), CODES)
def test_every_code_has_its_meaning_and_the_brokers_words_are_not_quoted(
    opening: bool, meanings: dict[int, type[ProcessorError]]
) -> None:
    sink = Amqp("orders", "amqp://127.0.0.1:1", "events")
    for code, kind in meanings.items():
        for theirs in (pika.exceptions.ChannelClosedByBroker, pika.exceptions.ConnectionClosedByBroker):
            error = sink._translated(Broken(theirs(code, "SECRET"), opening=opening, used=False))
            assert type(error) is kind
            assert error.message.startswith("amqp://127.0.0.1:1, exchange events: ")
            assert str(code) in error.message
            assert "SECRET" not in error.message


def test_every_error_of_pika_is_one_of_ours_and_none_is_quoted() -> None:
    sink = Amqp("orders", "amqp://user:SECRET@127.0.0.1:1", "events")
    kinds = [kind for _, kind in inspect.getmembers(pika.exceptions, inspect.isclass) if issubclass(kind, Exception)]
    assert len(kinds) > 20
    for kind in kinds:
        cause = kind.__new__(kind, "SECRET")
        if issubclass(kind, (pika.exceptions.ConnectionClosed, pika.exceptions.ChannelClosed)):
            cause = kind(500, "SECRET")
        error = sink._translated(Broken(cause, opening=True, used=False))
        assert isinstance(error, Retryable)
        assert "SECRET" not in error.message


# --- connections -----------------------------------------------------------------------------------------------------


def connections(node: Node) -> list[str]:
    """Those that sinks have."""
    return [line for line in node.control("list_connections", "client_properties").splitlines() if "jobwire" in line]


def test_a_connection_is_kept_and_let_go_of(node: Node, own: Place, sinks: Callable[..., Amqp]) -> None:
    sink = sinks(own.url, own.exchange)
    for _ in range(3):
        sink.deliver(an_event())
    [line] = connections(node)
    assert "jobwire orders" in line
    sink.close()
    wait_for(lambda: not connections(node))


@pytest.mark.parametrize(("asked", "seconds"), [("", 0), ("?heartbeat=30", 30)])
def test_an_idle_connection_owes_no_heartbeats_unless_the_address_asks_for_them(
    node: Node, own: Place, sinks: Callable[..., Amqp], asked: str, seconds: int
) -> None:
    """Nobody would send them; the broker would hang up and complain. TCP's keepalives do instead."""
    sinks(own.url + asked, own.exchange).deliver(an_event())
    [line] = [x for x in node.control("list_connections", "client_properties", "timeout").splitlines() if "orders" in x]
    assert line.split()[-1] == str(seconds)


def test_threads_have_a_connection_each_and_no_more(node: Node, own: Place, sinks: Callable[..., Amqp]) -> None:
    sink = sinks(own.url, own.exchange)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sink.deliver, events(40)))
    assert 1 <= len(connections(node)) <= 4
    assert len(own.ids()) == 40


def test_a_kept_connection_that_the_broker_ended_is_opened_anew(
    node: Node, own: Place, sinks: Callable[..., Amqp]
) -> None:
    sink = sinks(own.url, own.exchange)
    sink.deliver(an_event())
    node.control("close_all_connections", "test")
    sink.deliver(an_event())
    assert len(own.ids()) == 2


def test_an_exchange_that_was_deleted_is_declared_anew(place: Place, sinks: Callable[..., Amqp]) -> None:
    """Its bindings are gone with it, and that is said."""
    sink, passive = sinks(place.url, place.exchange), sinks(place.url, place.exchange, declare=False)
    for each in (sink, passive):
        each.deliver(an_event())
    with place.channel() as channel:
        channel.exchange_delete(place.exchange)
        with pytest.raises(Shut, match="there is no such exchange"):
            passive.deliver(an_event())
        with pytest.raises(Shut, match=r"no queue takes model\.failed"):
            sink.deliver(an_event())
        channel.queue_bind(place.queue, place.exchange, "#")
    for each in (sink, passive):
        each.deliver(an_event())
    assert len(place.ids()) == 4


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_a_trace_goes_on_in_a_header(place: Place, sinks: Callable[..., Amqp]) -> None:
    with tracing.going_on(tracing.begun_by("ntf_1")):
        sinks(place.url, place.exchange).deliver(an_event())
    [(_, properties, _)] = place.messages()
    context = tracing.parse(properties.headers["traceparent"])
    assert tracing.trace_of(context) == tracing.trace_of(tracing.begun_by("ntf_1"))


def test_the_message_is_a_cloudevent_that_survives_the_broker(place: Place, sinks: Callable[..., Amqp]) -> None:
    """Judged by the specification's own library."""
    sinks(place.url, place.exchange).deliver(an_event())
    [(method, properties, body)] = place.messages()
    assert method.routing_key == "model.failed"
    assert properties.content_type == "application/cloudevents+json"
    assert properties.delivery_mode == 2
    assert (properties.message_id, properties.type) == (an_event()["id"], "model.failed")
    assert properties.timestamp == int(datetime.fromisoformat(an_event()["time"]).timestamp())
    assert properties.headers == {"ce-type": "model.failed", "ce-source": "/sources/hover-main"}
    event = from_rabbitmq_event(RabbitMQMessage(properties.headers, properties.content_type, body))
    assert event.get_id() == an_event()["id"]
    assert event.get_data() == an_event()["data"]


def test_an_event_without_a_time_has_no_timestamp(place: Place, sinks: Callable[..., Amqp]) -> None:
    sinks(place.url, place.exchange).deliver({**an_event(), "time": None})
    [(_, properties, _)] = place.messages()
    assert properties.timestamp is None


def test_the_images_of_a_document_that_is_too_large_go_first(
    place: Place, sinks: Callable[..., Amqp], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "_LARGEST", 20_000)
    images = tuple(Image(id=str(number), url="https://example.com/" + "i" * 500) for number in range(100))
    sinks(place.url, place.exchange).deliver(an_event(job=a_job(models=(a_model(images=images),))))
    [document] = place.documents()
    assert document["truncated"] is True
    assert document["data"]["model"]["images"] == []


def test_a_document_that_is_too_large_without_them_is_refused_before_it_is_sent() -> None:
    with pytest.raises(Refused, match="16777216 is the most"):
        Amqp("orders", "amqp://127.0.0.1:9", "events").deliver(an_event(job=a_job(name="n" * 17_000_000)))


@pytest.mark.parametrize("kind", ["direct", "fanout", "headers"])
def test_exchanges_of_other_types_take_events_too(url: str, sinks: Callable[..., Amqp], kind: str) -> None:
    other = Place(url, kind=kind)
    try:
        with other.channel() as channel:
            by = {"x-match": "all", "ce-type": "model.failed", "ce-source": "/sources/hover-main"}
            channel.queue_unbind(other.queue, other.exchange, "#")
            channel.queue_bind(other.queue, other.exchange, "model.failed", arguments=by if kind == "headers" else None)
        sinks(url, other.exchange, exchange_type=kind).deliver(an_event())
        assert other.ids() == [an_event()["id"]]
    finally:
        other.remove()


# --- trying out ------------------------------------------------------------------------------------------------------


def test_what_is_there_is_named_without_the_password(place: Place, sinks: Callable[..., Amqp]) -> None:
    found = sinks(place.url, place.exchange).try_out()
    assert found == f"amqp://127.0.0.1:5672, exchange {place.exchange}: it is there"


def test_trying_out_does_not_declare_the_exchange(url: str, sinks: Callable[..., Amqp]) -> None:
    name = f"jw-{secrets.token_hex(6)}"
    for _ in range(2):
        assert sinks(url, name).try_out().endswith("not there yet, the first event makes it")


# --- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "http://user:SECRET@a.example"),
        ("url", "SECRET"),
        ("url", "amqp://"),
        ("url", "amqp://user:SECRET@/vhost"),
        ("url", "amqp://SECRET@a.example"),
        ("url", "amqp://user:SECRET@a.example:port"),
        ("url", "amqp://[::1/SECRET"),
        ("url", "amqp://a.example?no_such=SECRET"),
        ("url", "amqp://a.example?heartbeat=SECRET"),
        ("url", "amqps://a.example?ssl_options=SECRET("),
        ("url", "amqps://a.example?ssl_options={'ca_certs':'/SECRET'}"),
        ("url", "amqps://a.example?ssl_options=7"),
        ("url", ""),
        ("exchange", ""),
        ("exchange", "e" * 256),
        ("exchange", "\N{SNOWMAN}" * 100),
        ("exchange", "a\nb"),
        ("exchange_type", "TOPIC"),
        ("exchange_type", "topic\n"),
        ("exchange_type", ""),
        ("declare", "perhaps"),
    ],
)
def test_an_option_that_cannot_be_used_is_a_fault_that_tells_no_secret(key: str, value: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        Amqp.Options().load({**TestAmqp.least, key: value})
    assert list(raised.value.normalized_messages()) == [key]
    assert "SECRET" not in str(raised.value)


def test_the_defaults_are_a_durable_topic_exchange_that_we_declare(url: str) -> None:
    name = f"jw-{secrets.token_hex(6)}"
    options = Amqp.Options().load({"type": "amqp", "url": url, "exchange": name})
    assert (options["exchange_type"], options["declare"]) == ("topic", True)
    sink = Amqp.from_config("orders", options, some_tools())
    assert not delivered(sink)  # there is no queue yet, but now there is an exchange
    connection = pika.BlockingConnection(pika.URLParameters(url))
    connection.channel().exchange_declare(name, "topic", durable=True)  # complains of any other
    connection.channel().exchange_delete(name)
    connection.close()
    sink.close()


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_configuration_of_the_page_can_be_used(tmp_path: Path) -> None:
    for settings in configurations(PAGE, tmp_path):
        [sink] = settings.sinks.values()
        Amqp.from_config(sink.name, sink.options, some_tools()).close()


def test_the_consumer_of_the_page_gets_what_is_delivered(node: Node, sinks: Callable[..., Amqp]) -> None:
    sink = sinks(node.url, "jobwire")
    first, second = events(2)
    with consuming(PAGE, AMQP_URL=node.url) as consumer:
        wait_for(lambda: delivered(sink, first))  # it is about to bind its queue
        sink.deliver(second)
        assert [line.split()[0] for line in consumer.printed(2)] == [first["id"], second["id"]]
        wait_for(lambda: "crm\t0" in node.control("list_queues", "name", "messages"))
    with consuming(PAGE, AMQP_URL=node.url) as consumer:  # nothing comes again: it was acknowledged
        sink.deliver(an_event())
        assert [line.split()[0] for line in consumer.printed(1)] == [an_event()["id"]]
