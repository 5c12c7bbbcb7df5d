"""Tells people in any of the places that Apprise knows (https://appriseit.com/services/): chats, phones, pagers."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import logging
import re
import threading
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import apprise
from marshmallow import ValidationError, fields, validate

from processor.errors import Busy, RateLimited, Retryable, Shut, Unavailable, Unreachable
from processor.model import JSON, Secret
from processor.options import PeopleOptions, SecretField
from processor.ports import Memory, Occasion, Tools
from processor.telling import Mood, Telling, tell, tell_together
from processor.text import moment

# Apprise says yes or no; a status is in the line that its plugins log ("…error=401."). Anything else is Busy: a no
# tells nothing about the document, so nothing is Refused.
_MEANINGS: Mapping[int, type[Retryable]] = {401: Shut, 403: Shut, 404: Shut, 429: RateLimited}
_STATUS = re.compile(r"\berror=(\d{3})\b")
_NOBODY = "connection error"  # what its plugins log when they were not answered

_TYPES: Mapping[Mood, apprise.NotifyType] = {
    Mood.GOOD: apprise.NotifyType.SUCCESS,
    Mood.BAD: apprise.NotifyType.FAILURE,
    Mood.NEWS: apprise.NotifyType.INFO,
    Mood.ALARM: apprise.NotifyType.WARNING,
}
_SOCKET = 4.0  # seconds at most for connecting, and for each answer; a URL's cto and rto may say less
_PATIENCE = 9.0  # seconds for a message at all places together; some plugins have several exchanges
_AT_ONCE = 32  # calls under way at one place: twice what a sink may have in hand, so half of them may hang
_DAY = 86400.0

# In many chats also a plain text calls people or hides an address: @everyone, <!channel>, [text](address). A thin space
# takes that from a stranger's text and leaves it readable. An e-mail address stays as it is.
_CALLS = re.compile(r"@(?=everyone|here|channel|all|room)|(?<![\w.+-])@(?=\S)|<(?=\S)|\](?=\()", re.IGNORECASE)
THIN = "\N{THIN SPACE}"
_IN_URL = str.maketrans({"@": "%40", "<": "%3C", ">": "%3E"})


class ServiceUrl(SecretField):
    """One of Apprise's addresses. Nearly all of them hold a key, so a fault shows no more than the service's schema."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        secret = Secret(super()._deserialize(value, attr, data, **kwargs).reveal().strip())
        if _service(secret.reveal()) is None:
            raise ValidationError(_fault(secret.reveal()))
        return secret


def _distinct(urls: Sequence[Secret]) -> None:
    if len(set(urls)) < len(urls):
        raise ValidationError("must not name the same place twice")


class Options(PeopleOptions):
    urls = fields.List(
        ServiceUrl(), required=True, validate=[validate.Length(min=1, error="must name at least one"), _distinct]
    )


@dataclass(frozen=True)
class _Place:
    """One of the addresses; `label` is how messages name it."""

    url: str = field(repr=False)
    label: str
    room: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_AT_ONCE))

    def mark(self, key: str) -> str:
        """What stands for "this place has had the message `key`"."""
        return hashlib.sha256(f"{key}\0{self.url}".encode()).hexdigest()[:16]


class Apprise:
    """Several places as one sink: a delivery is over when all have been told; a retry tells those that were not."""

    Options = Options

    def __init__(
        self,
        name: str,
        urls: Sequence[Secret],
        *,
        memory: Memory,
        public_url: str | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        self.name = name
        self._places = [_Place(url.reveal(), f"{_schema(url.reveal())} (urls[{i}])") for i, url in enumerate(urls)]
        self._memory = memory
        self._public_url = public_url
        self._patience = patience

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Apprise:
        return cls(name, options["urls"], memory=tools.memory, public_url=tools.public_url)

    def deliver(self, event: Mapping[str, JSON]) -> None:
        self._tell(tell(event, public_url=self._public_url))

    def deliver_together(self, events: Sequence[Mapping[str, JSON]], occasion: Occasion) -> None:
        self._tell(tell_together(events, occasion, public_url=self._public_url))

    def try_out(self) -> str:
        """What is configured: Apprise can ask nobody without sending."""
        services = [_service(place.url) for place in self._places]
        names = ", ".join(str(service.service_name) for service in services if service)
        count = f"{len(services)} service{'s' if len(services) > 1 else ''}"
        return f"{count} ({names}); cannot be asked without sending: use `jobwire send-test {self.name}`"

    def close(self) -> None:
        """Nothing is kept open between messages."""

    def _tell(self, telling: Telling) -> None:
        had = self._had(telling.key)
        waiting = [place for place in self._places if place.mark(telling.key) not in had]
        calls = {place.label: _begin(place, telling) for place in waiting}
        wait(calls.values(), timeout=self._patience)
        failures = {label: failure for label, call in calls.items() if (failure := self._failure(call))}
        told = {place.mark(telling.key) for place in waiting if place.label not in failures}
        if failures:
            if told:
                self._remember(telling.key, had | told)
            raise _together(failures)
        if had:  # all have it now, and who asks for a replay wants to see it again
            self._remember(telling.key, set())

    def _failure(self, call: Future[apprise.AppriseResult]) -> Retryable | None:
        if not call.done():
            return Unreachable(f"no answer in {self._patience:g} s")
        error = call.exception()
        if error:
            return error if isinstance(error, Retryable) else Busy(f"did not take it ({type(error).__name__})")
        return _said_no(call.result())

    def _had(self, key: str) -> set[str]:
        """The marks of those that have had the message while others had not. A single place needs no memory."""
        return set((self._memory.recall(self.name, key) or "").split()) if len(self._places) > 1 else set()

    def _remember(self, key: str, marks: set[str]) -> None:
        with contextlib.suppress(Unavailable):  # then somebody is told twice, which is better than never
            self._memory.remember(self.name, key, " ".join(sorted(marks)), seconds=_DAY)


# --- words -----------------------------------------------------------------------------------------------------------


def _body(telling: Telling) -> str:
    """All but the headline, as plain text."""
    lines = [f"{label}: {value}" for label, value in telling.facts]
    if not telling.lines and "Since" not in dict(telling.facts) and (when := moment(telling.when)).endswith("UTC"):
        lines.append(f"Time: {when}")
    lines += [f"- {line}" for line in telling.lines]
    lines += [f"… and {telling.more} more"] if telling.more else []
    lines += [telling.next_step] if telling.next_step else []
    links = [f"{link.label}: {link.url.translate(_IN_URL)}" for link in telling.links]
    return "\n".join([*map(_harmless, lines), *links])


def _harmless(text: str) -> str:
    return _CALLS.sub(rf"\g<0>{THIN}", text)


# --- one call --------------------------------------------------------------------------------------------------------


def _begin(place: _Place, telling: Telling) -> Future[apprise.AppriseResult]:
    """Tell one place in a thread of its own, since no time-out of Apprise's ends a call that drips."""
    call: Future[apprise.AppriseResult] = Future()
    if not place.room.acquire(blocking=False):
        call.set_exception(Busy(f"{_AT_ONCE} messages are already under way, and it does not answer"))
        return call

    def run() -> None:
        try:
            call.set_result(_notify(place.url, telling))
        except BaseException as error:  # noqa: BLE001  # told to whoever waits
            call.set_exception(error)
        finally:
            place.room.release()

    threading.Thread(target=run, name="apprise", daemon=True).start()
    return call


def _notify(url: str, telling: Telling) -> apprise.AppriseResult:
    """With a new instance each time, since they are not made for threads to share."""
    service = _service(url)
    if service is None:
        raise Shut("Apprise no longer knows this service")
    title = _harmless(telling.headline)
    body = _body(telling) or title  # Apprise sends no message without a body
    return apprise.Apprise(services=service, asset=_asset()).notify(
        title=title, body=body, notify_type=_TYPES[telling.mood], body_format=apprise.NotifyFormat.TEXT
    )


def _said_no(result: apprise.AppriseResult) -> Retryable | None:
    """The failure, if it is one. What the plugin logged is read and never quoted: it may hold the address."""
    if result:
        return None
    said = " ".join(entry.message for entry in result.logs())
    status = _STATUS.search(said)
    if status:
        return _MEANINGS.get(int(status[1]), Busy)(f"it answered {status[1]}")
    return Unreachable("no connection") if _NOBODY in said.lower() else Busy("it did not take the message")


def _together(failures: Mapping[str, Retryable]) -> Retryable:
    kinds = {type(failure) for failure in failures.values()}
    kind = kinds.pop() if len(kinds) == 1 else Busy
    return kind("; ".join(f"{label}: {failure.message}" for label, failure in failures.items()))


# --- Apprise ---------------------------------------------------------------------------------------------------------


@cache
def _asset() -> apprise.AppriseAsset:
    """How Apprise behaves: in our thread, within our time, keeping nothing on disk. It follows no redirect: `requests`
    would make a GET of the POST, and the page that answers look like a success."""
    # It logs addresses and answers, to its own logger: nobody else hears it. The lines are still given to us.
    logger = logging.getLogger(apprise.LOGGER_NAME)
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    with warnings.catch_warnings():  # some of its plugins import modules that Python is about to drop
        warnings.simplefilter("ignore", DeprecationWarning)
        apprise.NotificationManager().load_modules()  # type: ignore[no-untyped-call]  # Apprise is typed in part
    return apprise.AppriseAsset(
        async_mode=False,
        service_timeout=0,
        http_redirects=False,
        secure_logging=True,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )


def _service(url: str) -> apprise.NotifyBase | None:
    """The service behind an address, None when there is none. Time and repetition are ours: whatever the address says,
    it is told once, and without Apprise's pauses between the targets or parts of a message (`rate` is for that)."""
    service = apprise.Apprise.instantiate(url, asset=_asset())
    if service is None:
        return None
    service.retry, service.optional, service.request_rate_per_sec = 0, False, 0.0
    service.socket_connect_timeout = min(service.socket_connect_timeout, _SOCKET)
    service.socket_read_timeout = min(service.socket_read_timeout, _SOCKET)
    if "overflow=" not in url.lower():  # Apprise would send what the service refuses for its length
        service.overflow_mode = apprise.OverflowMode.TRUNCATE
    return service


def _schema(url: str) -> str:
    service = _service(url)
    return str(service.schema) if service else "apprise"


def _fault(url: str) -> str:
    """Why an address cannot be used."""
    known = apprise.NotificationManager()  # type: ignore[no-untyped-call]  # Apprise is typed in part
    schema, separator, _ = url.lower().partition("://")
    if not separator:
        return "must be an address such as discord://ID/TOKEN; see https://appriseit.com/services/"
    if schema not in known:
        schemas = known.schemas()  # type: ignore[no-untyped-call]
        near = difflib.get_close_matches(schema, list(schemas), n=1)
        meant = f"; did you mean {near[0]}://?" if near else "; see https://appriseit.com/services/"
        return f"Apprise knows no service by this address{meant}"
    plugin = known[schema]
    if not plugin.enabled:
        needed = plugin.requirements.get("packages_required") or "something that is not installed"
        return f"{schema}:// needs {needed if isinstance(needed, str) else ', '.join(needed)}"
    return f"is no complete address of {schema}://; see {plugin.setup_url}"
