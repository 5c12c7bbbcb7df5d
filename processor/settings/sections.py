"""The sections of the file that belong to no plugin, as marshmallow schemas."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from processor.connect import is_address
from processor.model import Secret
from processor.options import Duration, RateField, Size, Url

DAY = 86400.0
REDIS_URL_FAULT = (
    "must be redis://HOST:PORT/DB, rediss://…, unix:///PATH or redis+sentinel://HOST:PORT,HOST:PORT/SERVICE"
)
_IN_A_HEADER = re.compile(r"[!-~]+")
_SENTRY_DSN = re.compile(r"https?://[^@\s]+@[^/\s]+/(\S*/)?\d+")
_POSITIVE = validate.Range(min=0, min_inclusive=False, error="must be more than 0")


def is_redis_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        if url.scheme in ("redis", "rediss"):
            named = bool(url.hostname) and url.port != 0  # .port raises for what is no port
        else:
            named = bool(url.path.strip("/") if url.scheme == "unix" else url.netloc and url.scheme == "redis+sentinel")
    except ValueError:
        return False
    return named and is_address(text)


class _MaybeSecret(fields.Field[Any]):
    """A text that must not be seen; empty is the same as not given, since that is what `${NAME:-}` leaves."""

    def __init__(self, valid: Callable[[str], object] | None = None, fault: str = "") -> None:
        super().__init__(load_default=None)
        self._valid, self._fault = valid, fault

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Secret | None:
        if not isinstance(value, str):
            raise ValidationError("must be a text")
        text = value.strip()
        if text and self._valid and not self._valid(text):
            raise ValidationError(self._fault)
        return Secret(text) if text else None


class _OrOff(fields.Field[Any]):
    """A field whose 0 means off, which is None."""

    def __init__(self, inner: fields.Field[Any]) -> None:
        super().__init__(load_default=None)
        self._inner = inner

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return None if str(value).strip() == "0" else self._inner.deserialize(value) or None


class Section(Schema):
    class Meta:
        unknown = RAISE


class _Server(Section):
    host = fields.String(load_default="127.0.0.1", validate=validate.Length(min=1, error="must not be empty"))
    port = fields.Integer(load_default=None, validate=validate.Range(1, 65535, error="must be 1 to 65535"))
    public_url = Url(load_default=None)
    max_body = Size(load_default=1024**2, validate=_POSITIVE)
    admin_token = _MaybeSecret(_IN_A_HEADER.fullmatch, "must be visible ASCII without spaces: it travels in a header")


class _Redis(Section):
    url = _MaybeSecret(is_redis_url, REDIS_URL_FAULT)
    wait_replicas = fields.Integer(load_default=0, validate=validate.Range(min=0, error="must be 0 or more"))


class _Telemetry(Section):
    sentry_dsn = _MaybeSecret(_SENTRY_DSN.fullmatch, "must be a Sentry DSN: https://KEY@HOST/PROJECT")
    log_format = fields.String(
        load_default=None, validate=validate.OneOf(["text", "json"], error='must be "text" or "json"')
    )


class _Retention(Section):
    events = Duration(load_default=30 * DAY, validate=_POSITIVE)
    dedup = Duration(load_default=7 * DAY, validate=_POSITIVE)


class _Alarms(Section):
    source_silent = _OrOff(Duration())
    rejections = _OrOff(RateField())
    job_stuck = _OrOff(Duration())
    sink_failing = _OrOff(Duration())


SECTIONS: Mapping[str, type[Schema]] = {
    "server": _Server,
    "redis": _Redis,
    "telemetry": _Telemetry,
    "retention": _Retention,
    "alarms": _Alarms,
}
