"""A Kafka topic as a sink, against librdkafka's mock cluster."""

from __future__ import annotations

import inspect
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from confluent_kafka import KafkaError, Message
from consumers import DOCS, configurations, consuming
from marshmallow import ValidationError
from running import wait_for
from sinks.kafka_cluster import INIT_PRODUCER_ID, PRODUCE, Cluster, Front, Reader, committed

from processor import tracing
from processor.errors import Busy, ProcessorError, Refused, Shut, Unreachable
from processor.model import JSON, Image
from processor.sinks.kafka import Kafka
from processor.testing.builders import a_job, a_model, an_event
from processor.testing.fakes import some_tools
from processor.testing.sink import CanBeAway, CanBeShut, CarriesDocuments, RefusesDocuments, SurvivesRestarts, TriesOut

PAGE = DOCS / "kafka.md"
PASSWORD = "s3cret-of-kafka"
TLS = Path(__file__).parent.parent / "data" / "tls" / "server.pem"  # for localhost
SHARED = "shared"
BRIEF = 2.0  # seconds; a new producer needs up to one to get its number from a cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="module")
def reader(cluster: Cluster) -> Iterator[Reader]:
    reader = Reader(cluster)
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    """A cluster for the tests that put a door before it."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture
def put(guarded: Cluster) -> Iterator[Callable[..., Front]]:
    """Puts a door before that cluster, through which all of its clients go."""
    fronts = []

    def one(**options: Any) -> Front:
        fronts.append(Front(guarded, **options))
        guarded.advertise(fronts[-1].port)
        return fronts[-1]

    yield one
    for front in fronts:
        front.close()


@pytest.fixture(scope="module")
def shared(cluster: Cluster) -> Iterator[Kafka]:
    """A sink for many tests: a producer needs half a second to get its number from a cluster."""
    sink = Kafka("orders", cluster.create(SHARED), brokers=cluster.brokers)
    yield sink
    sink.close()


@pytest.fixture
def sent(reader: Reader, shared: Kafka) -> Callable[[], list[Message]]:
    """The records that this test has had the shared sink send."""
    before = len(reader.messages(SHARED))
    return lambda: reader.messages(SHARED)[before:]


@pytest.fixture
def topic(cluster: Cluster) -> str:
    return cluster.create()


@pytest.fixture
def make() -> Iterator[Callable[..., Kafka]]:
    """Makes sinks, and closes them."""
    sinks = []

    def made(brokers: str, topic: str, **options: Any) -> Kafka:
        sinks.append(Kafka("orders", topic, brokers=brokers, **options))
        return sinks[-1]

    yield made
    for sink in sinks:
        sink.close()


Make = Callable[..., Kafka]
Put = Callable[..., Front]
Sent = Callable[[], list[Message]]


def document(record: Message) -> Any:
    return json.loads(record.value() or b"")


def configured(**options: Any) -> Kafka:
    loaded = Kafka.Options().load({**TestKafka.least, **options})
    return Kafka.from_config("orders", loaded, some_tools())


class TestKafka(CarriesDocuments, RefusesDocuments, CanBeShut, CanBeAway, SurvivesRestarts, TriesOut):
    plugin = Kafka
    least: ClassVar = {"type": "kafka", "bootstrap_servers": "kafka.example:9092", "topic": "events"}
    secrets = (PASSWORD,)

    @pytest.fixture
    def sink(self, shared: Kafka) -> Kafka:
        return shared

    @pytest.fixture
    def taken(self, sent: Sent) -> Callable[[], list[JSON]]:
        return lambda: [document(record) for record in sent()]

    @pytest.fixture
    def taken_ids(self, taken: Callable[[], list[Any]]) -> Callable[[], list[str]]:
        return lambda: [document["id"] for document in taken()]

    @pytest.fixture
    def restart(self, cluster: Cluster) -> Callable[[], None]:
        """The mock cluster's log is in its memory, so its process must live. What a client sees of a broker that is
        killed and started again on its log is this: its connections are cut, it takes none for a while, then it does,
        at the same port, and has what it had acknowledged."""

        def restart() -> None:
            cluster.down()
            time.sleep(0.5)
            cluster.up()

        return restart

    def test_closing_what_was_never_used_is_fine(self, away: Kafka) -> None:
        away.close()

    @pytest.fixture
    def refusing(self, cluster: Cluster, sink: Kafka) -> Kafka:
        cluster.refuse(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
        return sink

    @pytest.fixture
    def shut(self, put: Put, make: Make) -> Kafka:
        front = put(login=("jobwire", "another"))
        login = {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "jobwire",
            "sasl.password": PASSWORD,
        }
        return make(front.brokers, "events", login=login, timeout=1)

    def test_a_wrong_password_is_told_as_such(self, shut: Kafka) -> None:
        with pytest.raises(Shut, match="the brokers refuse our login: check username, password"):
            shut.try_out()

    @pytest.fixture
    def away(self, make: Make) -> Kafka:
        return make("127.0.0.1:9", "events", timeout=0.5)

    @pytest.fixture
    def stalled(self, cluster: Cluster, topic: str, make: Make) -> Iterator[Kafka]:
        """One that has a connection, and gets no answers any more."""
        sink = make(cluster.brokers, topic, timeout=BRIEF)
        sink.deliver(an_event())
        cluster.halt()
        yield sink
        cluster.go_on()


# --- what an error means ---------------------------------------------------------------------------------------------


def test_a_topic_that_is_not_there_is_a_shut_door_until_somebody_makes_it(
    cluster: Cluster, reader: Reader, make: Make
) -> None:
    sink = make(cluster.brokers, "nowhere")
    for ask in (sink.try_out, lambda: sink.deliver(an_event())):
        with pytest.raises(Shut, match="topic nowhere: there is no such topic: create it"):
            ask()
    assert "nowhere" not in reader.topics()
    cluster.create("nowhere")
    assert sink.deliver(an_event()) == "nowhere[0]@0"


def test_a_topic_that_we_may_not_write_to_is_a_shut_door_until_somebody_opens_it(
    cluster: Cluster, topic: str, make: Make
) -> None:
    sink = make(cluster.brokers, topic)
    cluster.refuse(PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(Shut, match="our user may not write to the topic"):
        sink.deliver(an_event())
    assert sink.deliver(an_event()) == f"{topic}[0]@0"


def test_a_topic_that_we_may_not_see_is_a_shut_door(cluster: Cluster, topic: str, make: Make) -> None:
    sink = make(cluster.brokers, topic)
    cluster.ail(topic, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    for ask in (sink.try_out, lambda: sink.deliver(an_event())):
        with pytest.raises(Shut, match="our user may not write to the topic"):
            ask()
    cluster.ail(topic, 0)
    assert sink.deliver(an_event()) == f"{topic}[0]@0"


def test_a_producer_that_may_not_be_one_is_a_shut_door_and_made_anew(cluster: Cluster, topic: str, make: Make) -> None:
    """librdkafka calls this fatal: such a producer never sends anything again."""
    sink = make(cluster.brokers, topic)
    cluster.refuse(INIT_PRODUCER_ID, KafkaError.CLUSTER_AUTHORIZATION_FAILED)
    with pytest.raises(Shut, match="IdempotentWrite"):
        sink.deliver(an_event())
    assert sink.deliver(an_event()) == f"{topic}[0]@0"


def test_a_producer_that_lost_step_is_made_anew(cluster: Cluster, topic: str, make: Make) -> None:
    """Fatal too, and nobody's fault."""
    sink = make(cluster.brokers, topic)
    sink.deliver(an_event())
    cluster.refuse(PRODUCE, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)
    with pytest.raises(Busy, match="lost step"):
        sink.deliver(an_event())
    assert sink.deliver(an_event()) == f"{topic}[0]@1"


def test_a_passing_error_is_none(cluster: Cluster, shared: Kafka, sent: Sent) -> None:
    cluster.refuse(PRODUCE, KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.NOT_LEADER_FOR_PARTITION)
    shared.deliver(an_event())
    assert len(sent()) == 1


def test_a_record_that_they_had_already_has_no_offset(cluster: Cluster, shared: Kafka) -> None:
    """They say so when the acknowledgement of the first copy was lost, which the producer then repeats."""
    cluster.refuse(PRODUCE, KafkaError.DUPLICATE_SEQUENCE_NUMBER)
    assert shared.deliver(an_event()) == f"{SHARED}[0]"


def test_every_error_of_kafka_is_one_of_ours_and_names_itself(make: Make) -> None:
    sink = make("kafka.example:9092", "events")
    names = [name for name, code in inspect.getmembers(KafkaError) if isinstance(code, int) and name != "NO_ERROR"]
    assert len(names) > 100
    for name in names:
        error = sink._translated(getattr(KafkaError, name))
        assert type(error) in (Refused, Shut, Busy, Unreachable)
        assert error.message.startswith("kafka kafka.example:9092, topic events: ")
        assert error.message.endswith(f" ({name})")


def test_nobody_there_is_named_and_nothing_is_written_to_stderr(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    """Where librdkafka's log lines go unless told otherwise."""
    with pytest.raises(Unreachable, match=r"kafka 127\.0\.0\.1:9, topic events: the brokers cannot be reached"):
        make("127.0.0.1:9", "events", timeout=0.5).deliver(an_event())
    assert capfd.readouterr().err == ""


def test_a_name_that_nobody_has_is_named(make: Make) -> None:
    with pytest.raises(Unreachable, match="no broker's name can be resolved"):
        make("nowhere.invalid:9092", "events", timeout=0.5).deliver(an_event())


# --- login and TLS ---------------------------------------------------------------------------------------------------


def test_login_and_tls_let_us_in(guarded: Cluster, put: Put) -> None:
    front = put(certificate=TLS, login=("jobwire", PASSWORD))
    topic = guarded.create()
    sink = configured(
        bootstrap_servers=front.brokers,
        topic=topic,
        security_protocol="SASL_SSL",
        username="jobwire",
        password=PASSWORD,
        ca_file=str(TLS),
    )
    assert sink.deliver(an_event()) == f"{topic}[0]@0"
    assert sink.try_out().endswith(f"topic {topic}: it is there, with 1 partition")
    sink.close()


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"security.protocol": "SSL"}, "check ca_file"),
        ({"security.protocol": "SSL", "ssl.ca.location": "/nowhere"}, "check ca_file"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_a_shut_door(
    put: Put, make: Make, login: dict[str, str], words: str
) -> None:
    front = put(certificate=TLS)
    sink = make(front.brokers, "events", login=login, timeout=1)
    for ask in (sink.try_out, lambda: sink.deliver(an_event())):
        with pytest.raises(Shut, match=words):
            ask()


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_a_record_is_a_cloudevent(shared: Kafka, sent: Sent) -> None:
    """Judged by the specification's own library."""
    shared.deliver(an_event())
    [record] = sent()
    headers: Any = dict(record.headers() or [])
    assert headers == {"content-type": b"application/cloudevents+json"}
    event = from_structured_event(KafkaMessage(headers, record.key(), record.value() or b""))
    assert event.get_id() == an_event()["id"]
    assert event.get_extension("partitionkey") == "hover-main/15084303"
    assert event.get_data() == an_event()["data"]


def test_a_trace_goes_on_in_a_header(shared: Kafka, sent: Sent) -> None:
    with tracing.going_on(tracing.begun_by("ntf_1")):
        shared.deliver(an_event())
    [record] = sent()
    headers: Any = dict(record.headers() or [])
    context = tracing.parse(headers["traceparent"].decode())
    assert tracing.trace_of(context) == tracing.trace_of(tracing.begun_by("ntf_1"))
    assert record.key() == b"hover-main/15084303"


def test_a_record_is_dated_by_its_sending(shared: Kafka, sent: Sent) -> None:
    """By the time of an old event that is replayed a topic would expire it at once."""
    began = time.time()
    shared.deliver(an_event())
    [record] = sent()
    assert began - 1 <= record.timestamp()[1] / 1000 <= time.time() + 1


def test_the_events_of_a_job_are_in_one_partition(reader: Reader, cluster: Cluster, make: Make) -> None:
    topic = cluster.create(partitions=4)
    sink = make(cluster.brokers, topic)
    for number in (*range(20), *range(20)):
        sink.deliver(an_event(job=a_job(id=str(number))))
    places = {(record.key(), record.partition()) for record in reader.messages(topic)}
    assert len(places) == 20
    assert {partition for _, partition in places} == {0, 1, 2, 3}


def test_the_partition_of_a_key_is_the_one_of_javas_clients(cluster: Cluster, make: Make) -> None:
    """The hashes are those of Kafka's own test (UtilsTest.testMurmur2)."""
    topic = cluster.create(partitions=64)
    sink = make(cluster.brokers, topic)
    for key, murmur in {"foobar": -790332482, "21": -973932308, "a-little-bit-long-string": -985981536}.items():
        reference = sink.deliver({**an_event(), "partitionkey": key})
        assert reference.startswith(f"{topic}[{(murmur & 0x7FFFFFFF) % 64}]@")


@pytest.mark.parametrize("key", [None, "half a character: \ud800"])
def test_any_key_will_do(shared: Kafka, sent: Sent, key: str | None) -> None:
    """`omit` may have replaced it by null."""
    shared.deliver({**an_event(), "partitionkey": key})
    [record] = sent()
    assert record.key() == (b"half a character: ?" if key else None)


def test_what_is_too_large_goes_without_its_images(shared: Kafka, sent: Sent) -> None:
    images = tuple(Image(id=str(number), url="https://hover.to/" + "x" * 1000) for number in range(1000))
    shared.deliver(an_event(job=a_job(models=(a_model(images=images, image_count=1000),))))
    [record] = sent()
    assert document(record)["truncated"] is True
    model = document(record)["data"]["model"]
    assert (model["images"], model["image_count"]) == ([], 1000)


def test_the_largest_document_arrives_and_one_byte_more_is_refused(shared: Kafka) -> None:
    event = an_event(job=a_job(name=""))
    room = 1_000_000 - 1000 - len(event["partitionkey"]) - len(json.dumps(event, separators=(",", ":")))
    shared.deliver(an_event(job=a_job(name="n" * room)))
    with pytest.raises(Refused, match="is the most that is taken"):
        shared.deliver(an_event(job=a_job(name="n" * (room + 1))))


# --- time, threads and ends ------------------------------------------------------------------------------------------


def test_what_was_given_up_may_arrive_late_and_disturbs_no_order(
    cluster: Cluster, reader: Reader, topic: str, make: Make
) -> None:
    first, second, third = (an_event(job=a_job(id=str(number))) for number in range(3))
    sink = make(cluster.brokers, topic, timeout=BRIEF)
    sink.deliver(first)
    cluster.halt()
    try:
        with pytest.raises(Unreachable):
            sink.deliver(second)
    finally:
        cluster.go_on()
    sink.deliver(second)
    sink.deliver(third)
    ids = [document(record)["id"] for record in reader.messages(topic)]
    assert list(dict.fromkeys(ids)) == [first["id"], second["id"], third["id"]]


def test_a_kept_connection_that_is_dead_without_a_word_is_opened_anew(guarded: Cluster, put: Put, make: Make) -> None:
    """As a firewall leaves it that forgot about it."""
    front = put()
    topic = guarded.create()
    sink = make(front.brokers, topic, timeout=1.5 * BRIEF)
    sink.deliver(an_event())
    front.forget()
    assert sink.deliver(an_event()) == f"{topic}[0]@1"


def test_closing_gives_up_what_is_on_its_way(cluster: Cluster, topic: str, make: Make) -> None:
    sink = make(cluster.brokers, topic)
    sink.deliver(an_event())
    failures: list[ProcessorError] = []

    def deliver() -> None:
        try:
            sink.deliver(an_event())
        except ProcessorError as error:
            failures.append(error)

    cluster.halt()
    try:
        waiting = threading.Thread(target=deliver)
        waiting.start()
        time.sleep(0.1)
        began = time.monotonic()
        sink.close()
        waiting.join()
        assert time.monotonic() - began < 4
    finally:
        cluster.go_on()
    assert [type(failure) for failure in failures] == [Busy]


def test_no_thread_outlives_a_sink(cluster: Cluster, topic: str, make: Make) -> None:
    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    before = threads()
    for _ in range(3):
        sink = make(cluster.brokers, topic)
        sink.deliver(an_event())
        assert threads() > before
        sink.close()
    wait_for(lambda: threads() <= before, 5)


def test_a_sink_that_was_closed_opens_again(cluster: Cluster, topic: str, make: Make) -> None:
    sink = make(cluster.brokers, topic)
    sink.deliver(an_event())
    sink.close()
    assert sink.deliver(an_event()) == f"{topic}[0]@1"


# --- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"bootstrap_servers": ""}, "bootstrap_servers"),
        ({"bootstrap_servers": []}, "bootstrap_servers"),
        ({"bootstrap_servers": "a:9092,,b:9092"}, "bootstrap_servers"),
        ({"bootstrap_servers": "kafka://a:9092"}, "bootstrap_servers"),
        ({"bootstrap_servers": "user:s3cret@a:9092"}, "bootstrap_servers"),
        ({"bootstrap_servers": 9092}, "bootstrap_servers"),
        ({"topic": ""}, "topic"),
        ({"topic": ".."}, "topic"),
        ({"topic": "job events"}, "topic"),
        ({"topic": "n" * 250}, "topic"),
        ({"security_protocol": "TLS"}, "security_protocol"),
        ({"sasl_mechanism": "GSSAPI"}, "sasl_mechanism"),
        ({"security_protocol": "SASL_SSL"}, "username"),
        ({"security_protocol": "SASL_SSL", "username": "u"}, "password"),
        ({"username": "u"}, "username"),
        ({"password": "s3cret"}, "password"),
        ({"security_protocol": "SSL", "password": "s3cret"}, "password"),
        ({"security_protocol": "SASL_SSL", "username": "u", "password": ""}, "password"),
        ({"ca_file": "ca.pem"}, "ca_file"),
    ],
)
def test_an_option_that_cannot_be_used_is_a_fault_that_tells_no_secret(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Kafka.Options().load({**TestKafka.least, **options})
    assert list(raised.value.normalized_messages()) == [key]
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [("a", "a"), (" a:9092 , [::1]:9093", "a:9092,[::1]:9093"), (["a.example:1", "b_2"], "a.example:1,b_2")],
)
def test_brokers_may_be_a_text_or_a_list(given: Any, meant: str) -> None:
    assert Kafka.Options().load({**TestKafka.least, "bootstrap_servers": given})["bootstrap_servers"] == meant


# --- what the page shows ---------------------------------------------------------------------------------------------


def test_the_configurations_that_are_shown_can_be_used(tmp_path: Path) -> None:
    for settings in configurations(PAGE, tmp_path):
        [sink] = settings.sinks.values()
        Kafka.from_config(sink.name, sink.options, some_tools()).close()


def test_the_consumer_that_is_shown_reads_and_commits(cluster: Cluster, topic: str, make: Make) -> None:
    sink = make(cluster.brokers, topic)
    first, second = an_event(), an_event(job=a_job(id="2"))
    sink.deliver(first)
    with consuming(PAGE, KAFKA_SERVERS=cluster.brokers, KAFKA_TOPIC=topic) as consumer:
        consumer.printed(1)
        sink.deliver(second)
        assert consumer.printed(2) == [f"{e['id']} model.failed {e['subject']}" for e in (first, second)]
        wait_for(lambda: committed(cluster, topic, "billing") == 2, 10)
