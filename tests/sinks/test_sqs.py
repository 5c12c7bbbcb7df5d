"""A queue of Amazon SQS as a sink, against moto's server; what SQS may answer, against a server that answers by script.

moto keeps its queues in this process. So a stop of its HTTP server loses no message that it has taken, as at Amazon;
connections are cut in the middle, and what was not answered yet never is.
"""

from __future__ import annotations

import inspect
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import boto3
import botocore.exceptions
import pytest
from botocore.loaders import create_loader
from consumers import DOCS, configurations, consuming
from marshmallow import ValidationError
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.sqs.models import sqs_backends
from werkzeug.serving import make_server

from processor.errors import Busy, ProcessorError, RateLimited, Refused, Retryable, Shut, Unreachable, Unreadable
from processor.model import JSON
from processor.sinks import sqs
from processor.sinks.sqs import Sqs
from processor.testing.builders import a_job, an_event
from processor.testing.fakes import some_tools
from processor.testing.sink import (
    HOSTILE,
    CanBeAway,
    CanBeShut,
    CarriesDocuments,
    RefusesDocuments,
    SurvivesRestarts,
    TriesOut,
)

KEY, SECRET, TOKEN = "AKIAJOBWIRETEST", "s3cret-access-key", "s3cret-session-token"
PAGE = DOCS / "sqs.md"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of nobody, and no others: no file is read and no machine's metadata are asked for."""
    environ = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("botocore.session.create_loader", LOADER)


LOADER = cache(create_loader)  # botocore would read its descriptions of all services anew for each client


class Moto:
    """moto's server on a port of its own, with a client for the tests."""

    def __init__(self) -> None:
        self._application = DomainDispatcherApplication(create_backend_app)
        self._port = 0
        self._start()
        self.url = f"http://127.0.0.1:{self._port}"
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        self._client = boto3.session.Session(**keys).client("sqs", region_name="eu-west-1", endpoint_url=self.url)

    def _start(self) -> None:
        self._server = make_server("127.0.0.1", self._port, self._application, threaded=True)
        self._server.RequestHandlerClass.log_request = lambda *args: None  # type: ignore[method-assign]
        self._port = self._server.server_port
        self._connections: list[socket.socket] = []
        self._process, self._server.process_request = self._server.process_request, self._noted  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()

    def _noted(self, connection: Any, address: Any) -> None:
        self._connections.append(connection)
        self._process(connection, address)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:
            with suppress(OSError):  # most have ended long ago
                connection.shutdown(socket.SHUT_RDWR)

    def restart(self) -> None:
        self.stop()
        time.sleep(0.3)  # long enough for deliveries to find nobody there
        self._start()

    def queue(self, suffix: str = "", **attributes: str) -> Queue:
        kind = {"FifoQueue": "true"} if suffix else {}
        name = f"jobwire-{uuid4().hex[:12]}{suffix}"
        url = self._client.create_queue(QueueName=name, Attributes={**kind, **attributes})["QueueUrl"]
        return Queue(self._client, url)


class Queue:
    """One queue and whoever reads it."""

    def __init__(self, client: Any, url: str) -> None:
        self.url = url
        self.messages: list[dict[str, Any]] = []
        self._client = client

    def read(self) -> list[dict[str, Any]]:
        """All messages so far, as a consumer gets them."""
        asked = {"MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]}
        while found := self._client.receive_message(QueueUrl=self.url, **asked).get("Messages"):
            self.messages += found
            done = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(found)]
            self._client.delete_message_batch(QueueUrl=self.url, Entries=done)
        return self.messages

    def arrived(self) -> list[str]:
        """The ids of all events, in the order of their arrival, out of moto's memory: its API is slow with hundreds."""
        *_, account, name = self.url.split("/")
        return [json.loads(m.body)["id"] for m in sqs_backends[account]["eu-west-1"].get_queue(name).messages]

    def documents(self) -> list[JSON]:
        return [json.loads(message["Body"]) for message in self.read()]


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    moto = Moto()
    yield moto
    moto.stop()


def made(queue_url: str, **options: Any) -> Sqs:
    """The sink as the configuration makes it."""
    loaded = Sqs.Options().load({"type": "sqs", "queue_url": queue_url, "region": "eu-west-1", **options})
    return Sqs.from_config("orders", loaded, some_tools())


class Contract(CarriesDocuments, RefusesDocuments, CanBeShut, CanBeAway, TriesOut):
    plugin = Sqs
    least: ClassVar = {"type": "sqs", "queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"}
    secrets = (SECRET, TOKEN)
    suffix: ClassVar[str]

    @pytest.fixture
    def queue(self, moto: Moto) -> Queue:
        return moto.queue(self.suffix, MaximumMessageSize="1048576")  # a large event is larger than the usual 256 KiB

    @pytest.fixture
    def sink(self, queue: Queue) -> Iterator[Sqs]:
        sink = made(queue.url)
        yield sink
        sink.close()

    @pytest.fixture
    def taken(self, queue: Queue) -> Callable[[], list[JSON]]:
        return queue.documents

    @pytest.fixture
    def refusing(self, moto: Moto) -> Iterator[Sqs]:
        sink = made(moto.queue(self.suffix, MaximumMessageSize="1024").url)
        yield sink
        sink.close()

    @pytest.fixture
    def shut(self, moto: Moto) -> Iterator[Sqs]:
        sink = made(f"{moto.url}/123456789012/no-such-queue{self.suffix}")
        yield sink
        sink.close()

    @pytest.fixture
    def away(self) -> Iterator[Sqs]:
        sink = made("http://127.0.0.1:9/123456789012/jobs" + self.suffix)
        yield sink
        sink.close()

    @pytest.fixture
    def stalled(self) -> Iterator[Sqs]:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/123456789012/jobs{self.suffix}"
            sink = Sqs("sqs", url, region="eu-west-1", timeouts=(0.2, 0.2))
            yield sink
            sink.close()


class TestStandardQueue(Contract, SurvivesRestarts):
    """moto keeps the order in a standard queue too; Amazon does not promise it there."""

    suffix = ""

    @pytest.fixture
    def taken_ids(self, queue: Queue) -> Callable[[], list[str]]:
        return queue.arrived

    @pytest.fixture
    def restart(self, moto: Moto) -> Callable[[], None]:
        return moto.restart


class TestFifoQueue(Contract):
    suffix = ".fifo"


# --- what SQS may answer ---------------------------------------------------------------------------------------------


class FarEnd:
    """A server that answers SendMessage with `status`, `code` and `said`, or with `body`, and says that messages may
    have a mebibyte unless it is `unasked`. It keeps connections, and what it was sent. `cuts` answers are not given."""

    def __init__(self) -> None:
        self.status, self.code, self.said, self.headers = 200, "", "", {}
        self.body: bytes | None = None
        self.unasked = False
        self.cuts = self.connections = 0
        self.sent: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/123456789012/jobs"
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()

    def _handler(far_end) -> type[BaseHTTPRequestHandler]:  # `self` is the handler below
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                far_end.connections += 1
                super().setup()

            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
                far_end.authorizations.append(self.headers["authorization"])
                if self.headers["x-amz-target"] == "AmazonSQS.GetQueueAttributes":
                    if far_end.unasked:
                        self.answer(403, {"__type": "AccessDenied"}, "AccessDenied")
                    else:
                        self.answer(200, {"Attributes": {"MaximumMessageSize": "1048576"}})
                    return
                far_end.sent.append(sent)
                if far_end.cuts:
                    far_end.cuts -= 1
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                elif far_end.status == 200:
                    self.answer(200, {"MessageId": "m-1"})
                else:
                    told = {"__type": f"com.amazonaws.sqs#{far_end.code}", "message": far_end.said}
                    self.answer(far_end.status, told, far_end.code)

            def answer(self, status: int, told: dict[str, Any], code: str = "") -> None:
                body = json.dumps(told).encode() if far_end.body is None else far_end.body
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(body)))
                if code:
                    self.send_header("x-amzn-query-error", f"{code};Sender")
                for name, value in far_end.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        return Handler

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def far_end() -> Iterator[FarEnd]:
    far_end = FarEnd()
    yield far_end
    far_end.close()


@pytest.fixture
def sink(far_end: FarEnd) -> Iterator[Sqs]:
    sink = made(far_end.url)
    yield sink
    sink.close()


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (400, "InvalidMessageContents", Refused, "the characters of this document"),
        (400, "InvalidParameterValue", Refused, "a document of this size"),
        (400, "AWS.SimpleQueueService.NonExistentQueue", Shut, "no such queue; check queue_url and region"),
        (400, "QueueDoesNotExist", Shut, "no such queue"),
        (404, "InvalidAddress", Shut, "no such queue"),
        (403, "AccessDenied", Shut, "needs sqs:SendMessage"),
        (400, "AccessDeniedException", Shut, "needs sqs:SendMessage"),
        (403, "InvalidClientTokenId", Shut, "access key is not known"),
        (403, "InvalidSecurity", Shut, "access key is not known"),
        (403, "SignatureDoesNotMatch", Shut, "secret access key is wrong"),
        (403, "ExpiredToken", Shut, "session token has expired"),
        (400, "KMS.DisabledException", Shut, "KMS key may not be used"),
        (400, "KMS.AccessDeniedException", Shut, "KMS key may not be used"),
        (400, "KmsNotFound", Shut, "KMS key may not be used"),
        (400, "UnsupportedOperation", Shut, "does not take events"),
        (400, "MissingParameter", Shut, "does not take events"),
        (400, "NobodyKnowsThisOne", Shut, "does not take events"),
        (400, "KMS.ThrottlingException", RateLimited, "too often"),
        (403, "RequestThrottled", RateLimited, "too often"),
        (400, "ThrottlingException", RateLimited, "too often"),
        (429, "Whatever", RateLimited, "too often"),
        (403, "OverLimit", Busy, "cannot take it now"),
        (500, "InternalFailure", Busy, "cannot take it now"),
        (503, "ServiceUnavailable", Busy, "cannot take it now"),
    ],
)
def test_each_code_has_its_meaning(
    far_end: FarEnd, sink: Sqs, status: int, code: str, kind: type[ProcessorError], words: str
) -> None:
    far_end.status, far_end.code, far_end.said = status, code, "Reason: Message must be shorter than 1024 bytes."
    with pytest.raises(kind, match=words) as raised:
        sink.deliver(an_event())
    assert type(raised.value) is kind
    assert raised.value.message.startswith(far_end.url)
    assert code in raised.value.message
    assert len(far_end.sent) == 1  # and botocore itself did not try again


def test_a_parameter_that_is_wrong_for_another_reason_is_a_shut_door(far_end: FarEnd, sink: Sqs) -> None:
    far_end.status, far_end.code = 400, "InvalidParameterValue"
    far_end.said = "The request include parameter MessageGroupId which is not valid for this queue type"
    with pytest.raises(Shut, match=r"does not take events .*MessageGroupId which is not valid"):
        sink.deliver(an_event())


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidClientTokenId", "NobodyKnowsThisOne"])
def test_what_may_repeat_a_secret_is_not_quoted(far_end: FarEnd, sink: Sqs, code: str) -> None:
    """A wrong signature is explained with the text that was to be signed, a session token included."""
    far_end.status, far_end.code, far_end.said = 403, code, f"should have been x-amz-security-token:{TOKEN} {SECRET}"
    with pytest.raises(Shut) as raised:
        sink.deliver(an_event())
    assert TOKEN not in raised.value.message
    assert SECRET not in raised.value.message


def test_an_explanation_is_quoted_made_harmless(far_end: FarEnd, sink: Sqs) -> None:
    far_end.status, far_end.code = 403, "AccessDenied"
    far_end.said = "User: arn:aws:iam::123456789012:user/x is not authorized\r\n\x1b[31m" + "x" * 1000
    with pytest.raises(Shut, match="user/x is not authorized") as raised:
        sink.deliver(an_event())
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 500


def test_a_retry_after_is_told(far_end: FarEnd, sink: Sqs) -> None:
    far_end.status, far_end.code, far_end.headers = 503, "ServiceUnavailable", {"Retry-After": "17"}
    with pytest.raises(Busy) as raised:
        sink.deliver(an_event())
    assert raised.value.retry_after == 17


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"null", b"[]", b"{}", b'{"MessageId": ""}'])
def test_an_answer_that_is_not_of_sqs_is_no_delivery(far_end: FarEnd, sink: Sqs, body: bytes) -> None:
    """A proxy's page for signing in is a 200 too."""
    far_end.body = body
    with pytest.raises(Unreadable, match="its answer is not that of SQS"):
        sink.deliver(an_event())


@pytest.mark.parametrize(("status", "kind"), [(502, Busy), (403, Shut), (429, RateLimited)])
def test_an_error_without_a_code_goes_by_its_status(
    far_end: FarEnd, sink: Sqs, status: int, kind: type[ProcessorError]
) -> None:
    for body in (b"", b"<html>", b"{}"):
        far_end.status, far_end.body = status, body
        with pytest.raises(kind):
            sink.deliver(an_event())


def test_an_error_in_nonsense_is_tried_again(far_end: FarEnd, sink: Sqs) -> None:
    for body in (b"\xff\xfe", b"null", b"[]", b'{"__type": 1}', b'{"__type": null, "message": []}'):
        far_end.status, far_end.body = 400, body
        with pytest.raises(Retryable):
            sink.deliver(an_event())


def test_every_error_of_botocore_is_one_of_ours_and_none_is_quoted(sink: Sqs) -> None:
    """Theirs may hold the address of a proxy with its password."""
    kinds = [kind for _, kind in inspect.getmembers(botocore.exceptions, inspect.isclass)]
    kinds = [kind for kind in kinds if issubclass(kind, botocore.exceptions.BotoCoreError)]
    assert len(kinds) > 50
    for kind in kinds:
        error = kind.__new__(kind)
        Exception.__init__(error, "HUSH")
        failure = sink._translated(error)
        assert isinstance(failure, (Shut, Unreachable))
        assert "HUSH" not in failure.message
        assert failure.message.isprintable()


# --- connection and credentials --------------------------------------------------------------------------------------


def test_a_connection_that_is_cut_is_opened_anew_once(far_end: FarEnd, sink: Sqs) -> None:
    far_end.cuts = 1
    assert sink.deliver(an_event()) == "m-1"
    assert far_end.sent[0] == far_end.sent[1]


def test_a_connection_that_is_cut_again_is_left_to_the_next_try(far_end: FarEnd, sink: Sqs) -> None:
    far_end.cuts = 2
    with pytest.raises(Unreachable, match="the connection was cut"):
        sink.deliver(an_event())
    assert len(far_end.sent) == 2


def test_the_connection_is_kept_and_the_size_asked_for_once(far_end: FarEnd, sink: Sqs) -> None:
    for _ in range(3):
        sink.deliver(an_event())
    assert far_end.connections == 1
    assert len(far_end.authorizations) == 4


def test_without_credentials_the_message_says_what_to_set(far_end: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    sink = made(far_end.url)
    with pytest.raises(Shut, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        sink.deliver(an_event())
    assert far_end.authorizations == []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    assert sink.deliver(an_event()) == "m-1"  # what was put right is seen
    sink.close()


def test_credentials_that_were_put_right_are_used_by_the_next_try(
    far_end: FarEnd, sink: Sqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    far_end.status, far_end.code = 403, "InvalidClientTokenId"
    with pytest.raises(Shut):
        sink.deliver(an_event())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAANOTHER")
    far_end.status = 200
    sink.deliver(an_event())
    assert f"Credential={KEY}/" in far_end.authorizations[0]
    assert "Credential=AKIAANOTHER/" in far_end.authorizations[-1]


def test_metadata_of_the_machine_that_do_not_answer_cost_a_limited_time(
    far_end: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 asks for them where it finds no credentials, also on a machine that is not Amazon's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint)
        began = time.monotonic()
        with pytest.raises(Shut, match="there are no AWS credentials"):
            made(far_end.url).deliver(an_event())
        assert time.monotonic() - began < 5


def test_who_waits_for_another_thread_to_find_credentials_waits_a_limited_time(
    sink: Sqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqs, "_READ", 0.05)
    with sink._making, pytest.raises(Busy, match="still being looked for"):
        sink.deliver(an_event())


def test_a_profile_that_is_not_there_is_a_shut_door(far_end: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Shut, match="no such AWS_PROFILE"):
        made(far_end.url).deliver(an_event())


def test_without_a_region_the_setting_is_named(far_end: FarEnd) -> None:
    with pytest.raises(Shut, match="set region"):
        Sqs("orders", far_end.url).deliver(an_event())


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sqs.eu-west-1.amazonaws.com", "eu-west-1"),
        ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("sqs-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("sqs.ap-southeast-7.api.aws", "ap-southeast-7"),
        ("eu-central-1.queue.amazonaws.com", "eu-central-1"),
        ("vpce-0a1b2c3d-x9y8z7-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("sqs.us-east-1.localhost.localstack.cloud:4566", "us-east-1"),
        ("queue.amazonaws.com", None),
        ("127.0.0.1:9324", None),
        ("elasticmq.example.com", None),
    ],
)
def test_the_region_is_that_of_the_host(host: str, region: str | None) -> None:
    assert sqs._region(f"https://{host}/123456789012/jobs") == region


def test_the_region_signed_for_may_be_named(far_end: FarEnd) -> None:
    sink = made(far_end.url, region="mx-central-1")
    sink.deliver(an_event())
    assert "/mx-central-1/sqs/" in far_end.authorizations[0]
    sink.close()


def test_another_endpoint_may_be_named(far_end: FarEnd) -> None:
    """For a queue that is reached by way of an interface endpoint, say; the queue keeps its URL."""
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"
    sink = made(url, endpoint_url=far_end.url.removesuffix("/123456789012/jobs"))
    sink.deliver(an_event())
    assert far_end.sent[0]["QueueUrl"] == url
    sink.close()


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_a_message_is_the_document_with_its_content_type(moto: Moto) -> None:
    queue = moto.queue()
    reference = made(queue.url).deliver(an_event())
    [message] = queue.read()
    assert message["MessageId"] == reference
    assert json.loads(message["Body"]) == an_event()
    attribute = {"StringValue": "application/cloudevents+json", "DataType": "String"}
    assert message["MessageAttributes"] == {"content-type": attribute}
    assert "MessageGroupId" not in message["Attributes"]


def test_no_character_is_sent_that_sqs_refuses(far_end: FarEnd, sink: Sqs) -> None:
    """Those that XML 1.0 does not have; JSON says them in ASCII."""
    event = an_event(job=a_job(name=HOSTILE + "\ufffe\uffff\x0b"))
    sink.deliver(event)
    body = far_end.sent[0]["MessageBody"]
    assert body.isascii()
    assert body.isprintable()
    assert json.loads(body) == event


def test_a_job_is_a_group_and_the_id_is_what_repeats_are_known_by(moto: Moto) -> None:
    queue = moto.queue(".fifo")
    sink = made(queue.url)
    sink.deliver(an_event())
    sink.deliver(an_event())
    [message] = queue.read()
    assert message["Attributes"]["MessageGroupId"] == "hover-main/15084303"
    assert message["Attributes"]["MessageDeduplicationId"] == an_event()["id"]
    sink.close()


@pytest.mark.parametrize("key", ["x" * 129, "hover main/1", "hover/é", "hover/\ud800", "", None])
def test_a_job_whose_key_is_no_group_has_a_digest_as_its_group(moto: Moto, key: str | None) -> None:
    queue = moto.queue(".fifo")
    sink = made(queue.url)
    sink.deliver(an_event() | {"partitionkey": key})
    [message] = queue.read()
    group = message["Attributes"]["MessageGroupId"]
    assert group == "None" if key is None else (len(group) == 64 and group != key)
    sink.close()


@pytest.mark.parametrize("key", ["x" * 128, "hover-main/1%2F2", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"])
def test_any_other_key_is_the_group(key: str) -> None:
    assert sqs._group({"partitionkey": key}) == key


def images(count: int) -> dict[str, JSON]:
    event = an_event()
    event["data"]["model"]["images"] = [{"id": str(n), "url": "https://a.example/" + "x" * 500} for n in range(count)]
    return event


def test_images_go_where_the_queue_takes_less(moto: Moto) -> None:
    queue = moto.queue(MaximumMessageSize="8192")
    sink = made(queue.url)
    sink.deliver(images(20))
    [document] = queue.documents()
    assert document["truncated"] is True
    assert document["data"]["model"]["images"] == []
    sink.close()


def test_the_attribute_counts_as_a_part_of_the_message(moto: Moto) -> None:
    length = len(json.dumps(an_event(), separators=(",", ":")))
    weight = len("content-typeStringapplication/cloudevents+json")
    made(moto.queue(MaximumMessageSize=str(length + weight)).url).deliver(an_event())
    with pytest.raises(Refused):
        made(moto.queue(MaximumMessageSize=str(length + weight - 1)).url).deliver(an_event())


def test_without_leave_to_ask_a_message_has_the_usual_size_at_most(far_end: FarEnd, sink: Sqs) -> None:
    far_end.unasked = True
    sink.deliver(images(300))
    assert "truncated" not in json.loads(far_end.sent[0]["MessageBody"])
    sink.deliver(images(600))
    assert json.loads(far_end.sent[1]["MessageBody"])["truncated"] is True
    with pytest.raises(Refused, match=str(256 * 1024 - 46)):
        sink.deliver(an_event(job=a_job(name="n" * 300_000)))


# --- trying out ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "kind"), [("", "queue jobwire-"), (".fifo", "FIFO queue jobwire-")])
def test_what_is_there_is_told(moto: Moto, suffix: str, kind: str) -> None:
    sink = made(moto.queue(suffix, MaximumMessageSize="4096").url)
    assert sink.try_out().startswith(kind)
    assert sink.try_out().endswith(", messages of up to 4096 bytes")
    sink.close()


def test_a_queue_that_may_not_be_asked_says_which_permission_is_missing(far_end: FarEnd, sink: Sqs) -> None:
    far_end.unasked = True
    with pytest.raises(Shut, match="needs sqs:SendMessage and sqs:GetQueueAttributes"):
        sink.try_out()


# --- configuration and documentation ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("queue_url", "arn:aws:sqs:eu-west-1:123456789012:jobs"),
        ("queue_url", "https://user:SECRET@sqs.eu-west-1.amazonaws.com/123456789012/jobs"),
        ("queue_url", "https://sqs.eu-west-1.amazonaws.com/"),
        ("queue_url", "https://[::1/jobs"),
        ("queue_url", ""),
        ("endpoint_url", "127.0.0.1:9324"),
        ("endpoint_url", "http://user:SECRET@127.0.0.1:9324"),
        ("region", ""),
    ],
)
def test_an_option_that_cannot_be_used_is_a_fault_that_tells_no_secret(key: str, value: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Sqs.Options().load({**Contract.least, key: value})
    assert list(raised.value.normalized_messages()) == [key]
    assert "SECRET" not in str(raised.value)


def test_the_page_has_a_configuration_that_can_be_used(tmp_path: Path) -> None:
    assert [sink.type for settings in configurations(PAGE, tmp_path) for sink in settings.sinks.values()] == ["sqs"] * 2


@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_the_consumer_on_the_page_gets_each_event(moto: Moto, suffix: str) -> None:
    queue = moto.queue(suffix)
    sink = made(queue.url)
    with consuming(
        PAGE, QUEUE_URL=queue.url, AWS_ENDPOINT_URL_SQS=moto.url, AWS_DEFAULT_REGION="eu-west-1"
    ) as consumer:
        for number in range(3):
            sink.deliver(an_event(job=a_job(id=str(number))))
        lines = consumer.printed(3)
    assert [line.split()[0] for line in lines] == ["model.failed"] * 3
    assert [line.split()[1] for line in lines] == [f"jobs/{n}/models/15081686" for n in range(3)]
    sink.close()
