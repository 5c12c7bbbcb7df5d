"""One connection to a broker: whole steps within their time, and what it says to a message."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import pika  # type: ignore[import-untyped]  # it has annotations and does not say that they may be used
from pika import exceptions as theirs

_GOODBYE = 1.0  # seconds, for taking leave of a broker


def parameters(url: str) -> pika.URLParameters:
    """Made anew for each connection: pika takes `ssl_options` out of them for a moment while it copies them.

    Raises ValueError for what is no address.
    """
    try:
        if urlsplit(url).scheme not in ("amqp", "amqps") or not urlsplit(url).hostname:
            raise ValueError("no address of a broker")
        found = pika.URLParameters(url)
    except (TypeError, SyntaxError, AttributeError, OSError, ssl.SSLError) as e:  # of reading what is in its query
        raise ValueError(type(e).__name__) from None
    if found.heartbeat is None:
        # An idle connection here has nobody who would answer; the kernel keeps it alive instead, and finds it dead
        # (https://www.rabbitmq.com/docs/heartbeats#tcp-keepalives).
        found.heartbeat = 0
        found.tcp_options = found.tcp_options or {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
    return found


class Verdict(StrEnum):
    """What a broker says to a message."""

    ACKED = "acked"
    NACKED = "nacked"
    RETURNED = "returned"
    BLOCKED = "blocked"


class Broken(Exception):
    """A connection that is of no use any more. `cause` is pika's reason, or of the standard library below it.

    `was_old`: it was a kept one that may have been dead before we used it, or whose exchange is gone: worth a new one.
    """

    def __init__(self, cause: Exception, *, opening: bool, used: bool) -> None:
        super().__init__()
        self.cause = _root(cause)
        self.opening = opening
        self.code: int | None = getattr(self.cause, "reply_code", None)  # the broker's, where it gave one
        self.was_old = used and (isinstance(cause, theirs.AMQPConnectionError) or self.code == 404)


def _root(error: BaseException) -> BaseException:
    """The failure at the bottom of those that pika wraps it into."""
    while True:
        inner = [*getattr(error, "exceptions", ()), getattr(error, "exception", None), *error.args[:1]]
        causes = [cause for cause in inner if isinstance(cause, BaseException)]
        if not causes:
            return error
        error = causes[-1]


class _Connection(pika.SelectConnection):  # type: ignore[misc]  # see the import
    def hang_up(self) -> None:
        """End it without a word to a broker that may not listen; pika has no public name for that."""
        self._terminate_stream(theirs.StreamLostError("we hung up"))


class Line:
    """A connection with one channel, for one thread at a time, every step with a deadline.

    pika's BlockingConnection would wait for a confirmation for ever, and logs the beginning of what is returned to it;
    so its asynchronous connection is driven here, each in a loop of its own.
    """

    def __init__(self, url: str, name: str) -> None:
        """Nothing is connected before `open`."""
        self._fault: Exception | None = None
        self._ended = False  # the connection, not only its channel
        self._opening = True
        self._used = False
        self._blocked = False
        self._tag = 0
        self._verdict: Verdict | None = None
        self._returned: str | None = None
        how = parameters(url)
        how.client_properties = {"connection_name": f"jobwire {name}"}
        self._connection = _Connection(
            how,
            on_open_callback=lambda _: self._loop.stop(),
            on_open_error_callback=self._on_end,
            on_close_callback=self._on_end,
        )
        self._loop: Any = self._connection.ioloop

    def open(self, deadline: float) -> None:
        """Connect, log in, and have a channel that confirms."""
        self._await(lambda: self._connection.is_open, deadline)
        self._connection.add_on_connection_blocked_callback(lambda *_: self._on_blocked(True))
        self._connection.add_on_connection_unblocked_callback(lambda *_: self._on_blocked(False))
        self._channel = self._asked(lambda answer: self._connection.channel(on_open_callback=answer), deadline)
        self._channel.add_on_close_callback(lambda _, reason: self._on_fault(reason))
        self._channel.add_on_return_callback(self._on_return)
        self._asked(lambda answer: self._channel.confirm_delivery(self._on_verdict, answer), deadline)

    def declare(self, exchange: str, kind: str | None, deadline: float) -> None:
        """Have a durable exchange of this kind; with None only ask whether there is one, whatever its kind."""
        how = {"exchange_type": kind, "durable": True} if kind else {"passive": True}
        self._asked(lambda answer: self._channel.exchange_declare(exchange, callback=answer, **how), deadline)

    def publish(
        self, exchange: str, key: str, body: bytes, properties: pika.BasicProperties, deadline: float
    ) -> Verdict:
        """What the broker says to this message. As long as it is blocked, it is not given one more."""
        self._opening = False
        if self._used:
            self._listen()
        if self._blocked:
            return Verdict.BLOCKED
        self._send(exchange, key, body, properties)
        self._await(lambda: self._verdict or self._blocked, deadline)
        if self._verdict == Verdict.ACKED and self._returned == properties.message_id:
            return Verdict.RETURNED
        return self._verdict or Verdict.BLOCKED

    def close(self) -> None:
        """Take leave of a broker that listens, then hang up. Nothing is raised."""
        if self._connection.is_open and not isinstance(self._fault, TimeoutError):
            self._connection.close()
            self._drive(lambda: self._ended, time.monotonic() + _GOODBYE)
        if not self._ended:
            self._connection.hang_up()
            self._drive(lambda: self._ended, time.monotonic() + _GOODBYE)
        self._loop.close()

    def _send(self, exchange: str, key: str, body: bytes, properties: pika.BasicProperties) -> None:
        self._used = True
        self._tag += 1
        self._verdict = self._returned = None
        self._channel.basic_publish(exchange, key, body, properties, mandatory=True)

    def _asked(self, ask: Callable[[Callable[[Any], None]], object], deadline: float) -> Any:
        """The answer to what is asked with a callback for it."""
        answers: list[Any] = []

        def answer(said: Any) -> None:
            answers.append(said)
            self._loop.stop()

        try:
            ask(answer)
        except theirs.AMQPError as error:  # a broker without confirmations, say
            self._on_fault(error)
        self._await(lambda: answers, deadline)
        return answers[0]

    # --- its loop

    def _await(self, ready: Callable[[], object], deadline: float) -> None:
        if not self._drive(lambda: ready() or self._fault, deadline):
            self._fault = TimeoutError()
        if self._fault:
            raise Broken(self._fault, opening=self._opening, used=self._used)

    def _listen(self) -> None:
        """Take note of what the broker has said since the last time."""
        self._drive(lambda: self._fault, time.monotonic())
        if self._fault:
            raise Broken(self._fault, opening=False, used=True)

    def _drive(self, ready: Callable[[], object], deadline: float) -> bool:
        """Let the connection work until `ready`; False when the time is over before."""
        late = threading.Event()

        def wake() -> None:
            late.set()
            self._loop.stop()

        timer = self._loop.call_later(max(0.0, deadline - time.monotonic()), wake)
        try:
            while not ready() and not late.is_set():
                self._loop.start()
        except OSError as error:  # of making a socket: no descriptors left, no such kind of address
            self._on_fault(error)
        self._loop.remove_timeout(timer)
        return bool(ready())

    # --- what it says

    def _on_end(self, _connection: object, reason: BaseException) -> None:
        self._ended = True
        self._on_fault(reason)

    def _on_fault(self, reason: BaseException) -> None:
        self._fault = self._fault or (reason if isinstance(reason, Exception) else ConnectionError())
        self._loop.stop()

    def _on_blocked(self, blocked: bool) -> None:
        self._blocked = blocked
        self._loop.stop()

    def _on_return(self, _channel: object, _method: object, properties: pika.BasicProperties, _body: bytes) -> None:
        self._returned = properties.message_id

    def _on_verdict(self, frame: Any) -> None:
        """An answer may be to a message of before, which was sent as the broker began to block."""
        said = frame.method
        if said.delivery_tag == self._tag or (said.multiple and said.delivery_tag > self._tag):
            self._verdict = Verdict.ACKED if isinstance(said, pika.spec.Basic.Ack) else Verdict.NACKED
            self._loop.stop()
