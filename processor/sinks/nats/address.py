"""Where the servers of a NATS sink are, and how to log in to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from marshmallow import ValidationError

from processor.model import Secret
from processor.options import SecretField


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and how to log in to it."""

    url: str
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)  # None where `user` is a token
    tls: bool

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises ValueError for what is none."""
        parts = urlsplit(text.strip())
        if parts.scheme not in ("nats", "tls") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError("no address of a server")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        user, password = parts.username, parts.password
        return cls(
            url=f"{parts.scheme}://{host}:{parts.port or 4222}",
            user=unquote(user) if user else None,
            password=unquote(password) if password is not None else None,
            tls=parts.scheme == "tls",
        )

    def login(self) -> dict[str, str]:
        """As the client wants it."""
        if self.user is None:
            return {}
        return {"token": self.user} if self.password is None else {"user": self.user, "password": self.password}


def addresses(text: str) -> list[Address]:
    """Those that name no login have that of the first. Raises ValueError."""
    first, *others = [Address.parse(part) for part in text.split(",")]
    named = [o if o.user else Address(o.url, first.user, first.password, o.tls) for o in others]
    return [first, *named]


class Addresses(SecretField):
    """Where the servers are, with user name and password or a token."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        secret = super()._deserialize(value, attr, data, **kwargs)
        try:
            addresses(secret.reveal())
        except ValueError:
            raise ValidationError(
                "must be an address, or several with commas: nats://user:password@host:4222, or tls://"
            ) from None
        return secret
