"""One HTTP exchange at a time: whole within its time, no larger than its cap, its failures in our words.

`requests` prepares the request; there is no Session. urllib3's pools beneath it are the part that threads may share:
they follow no redirect, keep no cookie, read no environment, and make a call cheaper (measured on a loopback server: a
third of the processor time of a Session).
"""

from __future__ import annotations

import http.client
import math
import socket
import ssl
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from processor import __version__
from processor.errors import Retryable, Shut, Unreachable, Unreadable
from processor.model import JSON
from processor.ports import Answer
from processor.sockets import Exchange, Pools

DEFAULT_TIMEOUT = 30.0
MAX_BODY = 16 * 1024**2
MAX_RETRY_AFTER = 3600.0  # nobody is made to wait longer than the longest back-off

_CHUNK = 16 * 1024  # small, so that one chunk of a decompression bomb is bearable where urllib3 does not bound it


class HttpClient:
    """A client that keeps its connections; one instance serves many threads.

    `timeout` is what an exchange may take where the call does not say. `max_body` counts what comes out of the
    decompression. `allow_private=False` refuses every address that is not public. `repeatable` are the methods that
    are sent a second time when a kept connection turns out to be closed. `ca_bundle` is a file of certificates to
    trust instead of certifi's.
    """

    def __init__(
        self,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        max_body: int = MAX_BODY,
        allow_private: bool = True,
        repeatable: Collection[str] = ("GET", "HEAD"),
        ca_bundle: str | None = None,
    ) -> None:
        self._timeout = timeout
        self._max_body = max_body
        self._allow_private = allow_private
        self._repeatable = frozenset(repeatable)
        self._pools = Pools(ca_bundle or requests.utils.DEFAULT_CA_BUNDLE_PATH)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: JSON | None = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Send one request and read its answer whole, whatever its status.

        Raises Unreachable when there was no whole answer in time, Unreadable when it is too large or not HTTP, Shut
        when the address is one we may not use.
        """
        check_address(url)
        seconds = self._timeout if timeout is None else timeout
        exchange = Exchange(seconds, allow_private=self._allow_private)
        try:
            own = {"User-Agent": f"jobwire/{__version__}", "Accept-Encoding": "gzip"}
            prepared = _prepared(method, url, {**own, **(headers or {})}, data=form or body, json=json)
            with exchange, closing(self._send(prepared, exchange)) as response:
                answer_headers = {name.lower(): response.headers[name] for name in response.headers}
                return Answer(response.status, answer_headers, self._read(response, url))
        except (OSError, ValueError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
            # `from None`: their messages have the query in them
            if exchange.is_over:
                raise Unreachable(f"{shown(url)}: no whole answer in {seconds:g} s") from None
            raise translate(error, url) from None

    def close(self) -> None:
        """Let go of the connections. The next request opens new ones."""
        self._pools.close()

    def _send(self, prepared: requests.PreparedRequest, exchange: Exchange) -> urllib3.BaseHTTPResponse:
        try:
            return self._pools.send(prepared, exchange)
        except (urllib3.exceptions.ProtocolError, urllib3.exceptions.SSLError):
            # A server may close a kept connection at the very moment we write to it: that says nothing about it.
            if exchange.connected or prepared.method not in self._repeatable:
                raise
            return self._pools.send(prepared, exchange)

    def _read(self, response: urllib3.BaseHTTPResponse, url: str) -> bytes:
        body = bytearray()
        for chunk in response.stream(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._max_body:
                raise Unreadable(f"{shown(url)}: the answer is larger than {self._max_body} bytes")
        return bytes(body)


def _prepared(method: str, url: str, headers: Mapping[str, str], *, data: Any, json: JSON) -> requests.PreparedRequest:
    """As `Request.prepare` does it, without looking for cookies, credentials in the address and hooks."""
    prepared = requests.PreparedRequest()
    prepared.prepare_method(method)
    prepared.prepare_url(url, None)
    prepared.prepare_headers(headers)
    prepared.prepare_body(data, None, json)
    return prepared


# --- addresses -------------------------------------------------------------------------------------------------------


def shown(url: str) -> str:
    """An address as it may stand in a message: without userinfo, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def origin(url: str) -> str:
    """An address whose path may be a secret, too, as those of many webhooks are: only where it leads."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    rest = "/…" if parts.path.strip("/") else parts.path
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"


def check_address(url: str) -> None:
    """Raise Shut for an address that we never use: not http(s), or with a user name or password in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Shut("the address cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Shut(f"{shown(url)}: an address must begin with https:// or http://")
    if "@" in parts.netloc:
        raise Shut(f"{shown(url)}: an address must not hold a user name or password; send a header instead")


# --- their errors and times, ours -------------------------------------------------------------------------------------

# The first row that fits anything in the chain of causes. What fits none is Unreachable.
_OURS: tuple[tuple[tuple[type[BaseException], ...], type[Retryable], str], ...] = (
    ((socket.gaierror,), Unreachable, "the name cannot be resolved"),
    ((ssl.SSLCertVerificationError,), Unreachable, "the certificate is not trusted"),
    ((ssl.SSLError,), Unreachable, "TLS failed"),
    ((ConnectionRefusedError,), Unreachable, "the connection was refused"),
    ((ConnectionError, http.client.IncompleteRead), Unreachable, "the connection was cut"),
    ((TimeoutError, requests.Timeout), Unreachable, "no answer in time"),
    ((requests.exceptions.InvalidHeader, urllib3.exceptions.InvalidHeader), Unreadable, "a header is malformed"),
    (
        (
            urllib3.exceptions.DecodeError,
            requests.exceptions.ContentDecodingError,
            requests.exceptions.InvalidJSONError,
        ),
        Unreadable,
        "the content is malformed",
    ),
    ((http.client.HTTPException,), Unreadable, "the answer is not HTTP"),
)


def translate(error: BaseException, url: str) -> Retryable:
    """What requests, urllib3, http.client, ssl or socket raised, as one of our errors."""
    chain = tuple(_chain(error))
    for theirs, ours, reason in _OURS:
        for cause in chain:
            if isinstance(cause, theirs):
                return ours(f"{shown(url)}: {reason}{_detail(cause)}")
    return Unreachable(f"{shown(url)}: it cannot be reached")


def _detail(cause: BaseException) -> str:
    """OpenSSL's own words, which are from closed lists: "self-signed certificate", "WRONG_VERSION_NUMBER"."""
    words = getattr(cause, "verify_message", None) or getattr(cause, "reason", None)
    return f" ({words})" if isinstance(cause, ssl.SSLError) and words else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """The seconds that a `Retry-After` asks for, from 0 to an hour; None without one, or with one nobody can read.

    `headers` are those of an Answer. Both forms of RFC 9110, section 10.2.3 are understood: seconds and a date.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        moment = http_date(text)
        if moment is None:
            return None
        seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if math.isfinite(seconds) else None


def http_date(text: str) -> datetime | None:
    """The moment that an HTTP date names, in UTC; None when it names none."""
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):  # the stdlib's parser raises all of these on garbage
        return None
