"""What others see of a running process: its log lines, its Sentry reports, whether it is ready."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import structlog

from processor import __version__
from processor.errors import ProcessorError
from processor.model import Secret

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

STARS = "***"
QUIET = ("granian", "_granian", "rq", "werkzeug")  # their INFO is our DEBUG
SHORTEST = 12  # characters of a secret that is looked for anywhere: a shorter one may well be a word
SILENT = (  # what they raise is told as an error of ours
    "urllib3",  # its warnings quote whole addresses, queries included
    "pika",  # eight errors, tracebacks among them, for each connection that fails
)

_SECRET_KEY = re.compile(
    r"secret|token|passw|authori[sz]ation|signature|cookie|api_?key|dsn|credential|body", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"""(?P<before>://)[^/\s@]*(?=@)                             # user and password in an address
    | (?P<scheme>\b(?:Bearer|Basic)\s+)[^\s'",]+                   # an Authorization header
    | (?P<name>\b(?:sha(?:1|256)=|whsec_|xox[a-z]-|eyJ))[^\s'",]+  # a signature, a signing secret, Slack's token, a JWT
    | (?P<query>[?&][^=&\s]*(?:token|secret|key|code|signature|passw[^=&\s]*)=)[^&\s'"]+""",
    re.IGNORECASE | re.VERBOSE,
)
_MARKS = ("://", "bearer", "basic", "sha1=", "sha256=", "whsec_", "xox", "eyj", "?", "&")  # each of those has one
_NUMBERS = frozenset({int, float, bool, type(None)})
# What moves a terminal's cursor, turns the line round or begins another, and halves of characters.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSEEN_IN_LINES = re.compile(f"(?!\n){_UNSEEN.pattern}")

_QUOTED = re.compile(
    r"""(?<!\w)b?(?P<quote>['"])(?:(?P<word>[A-Za-z_]\w{0,39})(?P=quote)|(?:\\.|(?!(?P=quote)).)*(?:(?P=quote)|\Z))
    | [{\[].*""",  # a document, or the beginning of one
    re.DOTALL | re.VERBOSE,
)
_LONGEST = 300  # characters of what a bug says

_PART = re.compile(r"[^\s/:@?&=,;]+=*")

_hidden: tuple[str, ...] = ()


def set_up(
    log_format: str | None,
    sentry_dsn: Secret | None,
    *,
    hidden: object = None,
    process: str = "",
    transport: Any = None,
) -> None:
    """Send every log line of this process to stderr, ours and the libraries', and unexpected errors to Sentry.

    `log_format` is "text", "json", or None: text on a terminal, JSON elsewhere. `hidden` is whatever holds secrets (the
    Settings, say): they are taken out of lines and reports wherever they are quoted, by a bug's own message too.
    `process` (web, worker, scheduler) is a tag of every report; `transport` takes the place of Sentry's own in tests.
    """
    global _hidden
    _hidden = tuple(sorted(set(_secrets_in(hidden)), key=len, reverse=True))
    _logs(as_text=log_format == "text" or (log_format is None and sys.stderr.isatty()))
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    if sentry_dsn:
        _sentry(sentry_dsn, process, transport)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """Python's own words for what ends a process or a thread would go to stderr as they are."""
    if issubclass(kind, Exception):
        structlog.get_logger(__name__).critical("uncaught", exc_info=(kind, error, trace))
    elif error:
        sys.__excepthook__(kind, error, trace)


def _secrets_in(value: object) -> Iterator[str]:
    """Every secret in there that is long enough to be looked for."""
    if isinstance(value, Secret):
        yield from (text for text in _parts(value.reveal()) if len(text) >= SHORTEST)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _secrets_in(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _secrets_in(inner)


def _parts(secret: str) -> Iterator[str]:
    """The whole, and what may be quoted alone: the key in a header's value, an address' password, path or query."""
    yield secret
    try:
        where = urlsplit(secret).hostname or ""
    except ValueError:
        where = ""
    for text in (secret, unquote(secret), secret.removeprefix("whsec_")):
        yield from (part for part in _PART.findall(text) if part.lower() != where)


def _logs(*, as_text: bool) -> None:
    chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.format_exc_info,  # before scrubbing, since a message may quote an address
        scrub_line,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    encode = json.JSONEncoder(default=repr).encode  # one for all lines
    render: Any = structlog.processors.JSONRenderer(lambda line, **_: encode(line))
    if as_text:
        chain.append(_visible)  # JSON spells these out anyway
        render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[*chain, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),  # one write a line: processes share it
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=chain, processors=[_plain, render]))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _visible(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Strangers' text neither commands the terminal that shows it nor forges a line."""
    for key, value in line.items():
        if isinstance(value, str):
            unseen = _UNSEEN_IN_LINES if key == "exception" else _UNSEEN
            seen = unseen.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
            line[key] = seen.replace("\n", "\n  ")  # nothing within a traceback begins as a line does
    return line


def _plain(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What structlog added for itself to a line of the standard library's logging is taken off again."""
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(logger, method, line)


def _sentry(dsn: Secret, process: str, transport: Any) -> None:
    import sentry_sdk  # slow to import, and most installations have no Sentry
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.integrations.rq import RqIntegration

    sentry_sdk.init(
        dsn=dsn.reveal(),
        release=f"jobwire@{__version__}",  # the environment is SENTRY_ENVIRONMENT's, as Sentry documents it
        transport=transport,
        # A library's ERROR is mostly an outage, and told as one; what RQ's would add are the arguments of a task.
        disabled_integrations=[LoggingIntegration, RqIntegration],
        auto_session_tracking=False,  # a release would count every request there too
        send_default_pii=False,
        include_local_variables=False,  # bodies, signatures and secrets live in local variables
        max_request_body_size="never",
        before_send=scrub_report,
        before_breadcrumb=_trace,
    )
    if process:
        sentry_sdk.get_global_scope().set_tag("process", process)


def _trace(crumb: Any, hint: Any) -> Any:
    """Sentry's `before_breadcrumb`: what we call stays with us: a path may be a secret, a key the name of a job."""
    ours = ("httplib", "subprocess", "redis")
    return None if crumb.get("type") in ("http", "redis") or crumb.get("category") in ours else crumb


def report(error: Exception, **about: str) -> None:
    """Tell Sentry of an error that was caught because work must go on, with tags. Nothing happens without a DSN."""
    if "sentry_sdk" in sys.modules:  # imported by `set_up` only
        sys.modules["sentry_sdk"].capture_exception(error, tags=about)


def about(**tags: str) -> None:
    """Tag whatever is reported while this request lasts. Nothing happens without a DSN."""
    if "sentry_sdk" in sys.modules:
        sys.modules["sentry_sdk"].set_tags(tags)


def scrub_line(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: no secret leaves in a log line, whoever wrote it."""
    if not _is_harmless(line):
        for key, value in line.items():
            line[key] = scrubbed(value, key)
    return line


def _is_harmless(line: Mapping[str, Any]) -> bool:
    """Whether `scrubbed` would leave every value as it is, known without asking it: nearly all lines are so.

    Where there is any doubt it is asked: values other than texts and numbers, letters whose case is not ASCII's.
    """
    texts: list[str] = []
    for key, value in line.items():
        if type(value) is str:
            texts.append(value)
        elif type(value) is list and all(type(one) is str for one in value):
            texts += value
        elif type(value) not in _NUMBERS:
            return False
        if _sounds_secret(key):
            return False
    text = "\n".join(texts)
    if not text.isascii():
        return False
    folded = text.lower()
    return not any(mark in folded for mark in _MARKS) and not any(secret in text for secret in _hidden)


@lru_cache
def _sounds_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def scrub_report(report: Event, hint: Hint) -> Event | None:
    """Sentry's `before_send`: expected errors are no news, and a report carries neither headers nor query."""
    exception = hint.get("exc_info", (None, None, None))[1]
    if isinstance(exception, ProcessorError):
        return None
    request = report.get("request")
    if request:
        report["request"] = {key: request[key] for key in ("method", "url") if key in request}
    for raised in (report.get("exception") or {}).get("values") or ():
        raised["value"] = _unquoted(str(raised.get("value") or ""))
    clean: Event = scrubbed(report)
    return clean


def _unquoted(message: str) -> str:
    """What a bug says, without what it quotes, which may be anybody's address: but for words such as a program has."""
    return _QUOTED.sub(lambda found: found[0] if found["word"] else STARS, message)[:_LONGEST]


def scrubbed(value: Any, key: str = "") -> Any:
    """The value without what looks like a secret by its key, its type or its text."""
    if isinstance(value, Secret) or (value and key and _SECRET_KEY.search(key)):
        return STARS
    if isinstance(value, str):
        for secret in _hidden:
            if secret in value:
                value = value.replace(secret, STARS)
        return _SECRET_TEXT.sub(_starred, value)
    if isinstance(value, Mapping):
        return {name: scrubbed(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrubbed(inner) for inner in value]
    return value


def _starred(found: re.Match[str]) -> str:
    return f"{found[found.lastgroup or 0]}{STARS}"


# --- readiness -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that must be well. With `counts` False it is told and does not change the whole."""

    ok: bool
    detail: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Readiness:
    parts: Mapping[str, Part]

    @property
    def ok(self) -> bool:
        return all(part.ok for part in self.parts.values() if part.counts)
