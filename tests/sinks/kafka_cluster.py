"""A Kafka cluster for the tests: librdkafka's mock cluster, in a process of its own that can be halted.

It is the C client's own stand-in (https://github.com/confluentinc/librdkafka/blob/master/src/rdkafka_mock.h): real
sockets, the real protocol, logs in memory, and errors on request. It knows no login; `Front` adds one, and TLS.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from confluent_kafka import Consumer, Message, TopicPartition, cimpl

PRODUCE, METADATA, SASL_HANDSHAKE, API_VERSIONS, INIT_PRODUCER_ID, SASL_AUTHENTICATE = 0, 3, 17, 18, 22, 36
REFUSED_LOGIN = 58


class Cluster:
    """One broker. Topics are made by `create` only; a reader that asks for another one gets an error."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.brokers = self._answer()

    def create(self, topic: str | None = None, *, partitions: int = 1) -> str:
        """A topic, with a name of its own unless it is given one."""
        topic = topic or f"events-{uuid.uuid4().hex}"
        self._ask("topic_create", topic, partitions, 1)
        return topic

    def refuse(self, api: int, *errors: int) -> None:
        """Answer the next requests of this kind with these errors."""
        self._ask("push_request_errors_array", api, len(errors), list(errors))

    def ail(self, topic: str, error: int) -> None:
        """Answer questions for this topic with this error; 0: no longer."""
        self._ask("topic_set_error", topic, error)

    def advertise(self, port: int) -> None:
        """Send clients to this port."""
        self._ask("broker_set_host_port", 1, "localhost", port)

    def down(self) -> None:
        """Cut all connections, and take none."""
        self._ask("broker_set_down", 1)

    def up(self) -> None:
        """Take connections again, at the same port, with the same log."""
        self._ask("broker_set_up", 1)

    def halt(self) -> None:
        """Have it stand still: the system still takes connections, and nothing is answered."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def remove(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _ask(self, name: str, *arguments: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps([name, *arguments]).encode() + b"\n")
        self._process.stdin.flush()
        assert self._answer() == "done"

    def _answer(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().decode().strip()


class Reader:
    """What is in a cluster's topics."""

    def __init__(self, cluster: Cluster) -> None:
        settings = {
            "bootstrap.servers": cluster.brokers,
            "group.id": "tests",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,
            "reconnect.backoff.max.ms": 100,
        }
        self._consumer = Consumer(settings)

    def messages(self, topic: str) -> list[Message]:
        """All of a topic, partition by partition."""
        found = []
        for partition in sorted(self._consumer.list_topics(topic, timeout=10).topics[topic].partitions):
            place = TopicPartition(topic, partition, 0)
            _, end = self._consumer.get_watermark_offsets(place, timeout=10)
            self._consumer.assign([place])
            there = 0
            while there < end:
                message = self._consumer.poll(10)
                assert message, f"{topic}[{partition}] ends at {there}, not {end}"
                assert not message.error(), message.error()
                found.append(message)
                there = (message.offset() or 0) + 1
            self._consumer.unassign()
        return found

    def topics(self) -> list[str]:
        return list(self._consumer.list_topics(timeout=10).topics)

    def close(self) -> None:
        self._consumer.close()


def committed(cluster: Cluster, topic: str, group: str) -> int:
    """How far a group of consumers has come in a topic's first partition, as it says itself."""
    asking = Consumer({"bootstrap.servers": cluster.brokers, "group.id": group})
    try:
        return asking.committed([TopicPartition(topic, 0)], timeout=10)[0].offset
    finally:
        asking.close()


class Front:
    """A door before a cluster, with TLS (`certificate`) or a login (`login`, user name and password), or both.

    The login is answered here, by the rules of https://kafka.apache.org/protocol#sasl_handshake; all else goes through.
    """

    def __init__(
        self, cluster: Cluster, *, certificate: Path | None = None, login: tuple[str, str] | None = None
    ) -> None:
        host, _, port = cluster.brokers.rpartition(":")
        self._behind = (host, int(port))
        self._login = login
        self._forgotten: set[socket.socket] = set()
        self._connections: set[socket.socket] = set()
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.brokers = f"localhost:{self.port}"
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def forget(self) -> None:
        """Swallow from now on whatever comes through the connections that there are."""
        self._forgotten |= self._connections

    def close(self) -> None:
        for one in (self._listening, *self._connections):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                thread = threading.Thread(target=self._serve, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError), client:
            if self._context:
                client = self._context.wrap_socket(client, server_side=True)
            with client, socket.create_connection(self._behind) as broker:
                known = self._login is None
                self._connections.add(client)
                while True:
                    request = _frame(client)
                    if client in self._forgotten:
                        continue
                    api, _, number = struct.unpack(">hhi", request[:8])
                    if api == SASL_HANDSHAKE:
                        answer = struct.pack(">hih5s", 0, 1, 5, b"PLAIN")
                    elif api == SASL_AUTHENTICATE:
                        known = self._is_right(request)
                        answer = struct.pack(">hhi", 0 if known else REFUSED_LOGIN, -1, 0)
                    else:
                        assert known or api == API_VERSIONS, "a request without a login"
                        _send(broker, request)
                        answer = _frame(broker)[4:]
                        if api == API_VERSIONS and self._login and answer[:2] == b"\0\0":
                            answer = _with_login(answer)
                    _send(client, struct.pack(">i", number) + answer)
                    if not known and api == SASL_AUTHENTICATE:
                        return

    def _is_right(self, request: bytes) -> bool:
        assert self._login
        return request.endswith("\0{}\0{}".format(*self._login).encode())


def _with_login(answer: bytes) -> bytes:
    """The answer to which requests there are (version 0), with those of a login."""
    (count,) = struct.unpack(">i", answer[2:6])
    return (
        answer[:2]
        + struct.pack(">i", count + 2)
        + answer[6:]
        + struct.pack(">hhhhhh", SASL_HANDSHAKE, 0, 1, SASL_AUTHENTICATE, 0, 0)
    )


def _send(to: socket.socket, frame: bytes) -> None:
    to.sendall(struct.pack(">i", len(frame)) + frame)


def _frame(of: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _exactly(of, 4))
    return _exactly(of, size)


def _exactly(of: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        part = of.recv(size - len(got))
        if not part:
            raise EOFError
        got += part
    return bytes(got)


# --- the process -----------------------------------------------------------------------------------------------------


def main() -> None:
    """Prints the addresses, then does what each line of standard input says; its end is the end."""
    library = ctypes.CDLL(cimpl.__file__)  # which librdkafka is linked to
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    settings = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(settings, b"log_level", b"3", None, ctypes.c_size_t(0))
    client = library.rd_kafka_new(0, settings, None, ctypes.c_size_t(0))
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(ctypes.c_void_p(client), 1))
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    _say(library.rd_kafka_mock_cluster_bootstraps(cluster).decode())
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        function: Callable[..., int] = getattr(library, f"rd_kafka_mock_{name}")
        function(cluster, *map(_as_c, arguments))
        _say("done")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _as_c(value: object) -> object:
    if isinstance(value, list):
        return (ctypes.c_int * len(value))(*value)
    return value.encode() if isinstance(value, str) else value


if __name__ == "__main__":
    main()
