"""The mail server that `smtp_url` names, and how a connection to it is encrypted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from marshmallow import ValidationError

from processor.model import Secret
from processor.options import SecretField

_FORM = "must be smtp://user:password@host:port or smtps://…; of user and password, % / ? # @ : are written as %25 …"
_STARTTLS = {"true": True, "false": False}


class Tls(Enum):
    """When a connection is encrypted."""

    FROM_THE_START = auto()  # smtps://
    STARTTLS = auto()  # ?starttls=true: not a word before it
    BEFORE_PASSWORD = auto()  # smtp://: a password goes to another machine only behind STARTTLS
    NEVER = auto()  # ?starttls=false


_PORTS = {Tls.FROM_THE_START: 465, Tls.STARTTLS: 587}  # RFC 8314, section 3.3; RFC 6409


@dataclass(frozen=True, slots=True)
class Server:
    """Where mails are handed in. As a text it is its address, without the user."""

    host: str
    port: int
    tls: Tls = Tls.BEFORE_PASSWORD
    user: str = ""
    password: Secret | None = None

    @classmethod
    def parse(cls, url: str) -> Server:
        """What an address says. Raises ValueError, which repeats nothing of it."""
        parts, port = _split(url)
        tls = _tls(parts)
        user, password = _part(parts.username), _part(parts.password)
        if bool(user) != bool(password):
            raise ValueError("must have both a user and a password, or neither")
        secret = Secret(password) if password else None
        return cls(_host(parts), port or _PORTS.get(tls, 25), tls, user, secret)

    def __str__(self) -> str:
        scheme = "smtps" if self.tls is Tls.FROM_THE_START else "smtp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    @property
    def is_this_machine(self) -> bool:
        """Whether what is sent there can be read by nobody on the way."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class ServerField(SecretField):
    """The address of a mail server, which may hold a password."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        secret = super()._deserialize(value, attr, data, **kwargs)
        try:
            return Server.parse(secret.reveal().strip())
        except ValueError as e:
            raise ValidationError(str(e)) from None


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_FORM) from None
    usable = parts.scheme in ("smtp", "smtps") and parts.path in ("", "/") and not parts.fragment and port != 0
    if not usable or not url.isprintable():
        raise ValueError(_FORM)
    return parts, port


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    try:
        host.encode("idna")  # as it will be when the name is looked up
    except UnicodeError:
        host = ""
    if not host or not host.isprintable() or " " in host:
        raise ValueError("must name the host of a mail server")
    return host


def _tls(parts: SplitResult) -> Tls:
    query = parse_qsl(parts.query, keep_blank_values=True)
    unknown = sorted({name for name, _ in query} - {"starttls"})
    if unknown:
        raise ValueError("knows `?starttls=true` or `?starttls=false`, and nothing else behind the ?")
    found = [_STARTTLS.get(value) for _, value in query]
    if None in found or len(found) > 1:
        raise ValueError("must say `starttls=true` or `starttls=false`")
    if parts.scheme == "smtps":
        if found:
            raise ValueError("must be either smtps:// or have `starttls`: smtps is encrypted from the start")
        return Tls.FROM_THE_START
    if not found:
        return Tls.BEFORE_PASSWORD
    return Tls.STARTTLS if found[0] else Tls.NEVER


def _part(quoted: str | None) -> str:
    """A user or a password as it is meant."""
    try:
        part = unquote(quoted or "", errors="strict")
    except UnicodeDecodeError:
        raise ValueError(_FORM) from None
    if not part.isprintable():
        raise ValueError("must have no control characters in user and password")
    return part
