"""The simulated Hover's webhooks, signed as Hover signs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import urlsplit

from processor.model import JSON
from processor.providers.hover.signature import HEADER, content_md5, sign
from processor.simulation import Webhook

_TYPE = "application/json"


@dataclass
class Registration:
    """A webhook of theirs; nothing is sent to it until it is verified. All of it may be changed by who drives it."""

    id: int
    url: str
    secret: str
    code: str
    created_at: str
    verified_at: str | None = None
    last_error: str | None = None

    def shown(self) -> JSON:
        return {
            "id": self.id,
            "owner_type": "Org",
            "owner_id": 463605,
            "url": self.url,
            "created_at": self.created_at,
            "updated_at": self.verified_at or self.created_at,
            "verified_at": self.verified_at,
            "hmac_secret": self.secret,
            "last_error": self.last_error,
            "content_type": "json",
        }

    def webhook(self, body: JSON, *, signed: bool = True) -> Webhook:
        raw, date = json.dumps(body).encode(), formatdate(usegmt=True)
        headers = {"Content-Type": _TYPE, "Date": date}
        if signed:
            headers["Content-MD5"] = content_md5(raw)
            headers[HEADER] = sign(
                self.secret.encode(),
                webhook_id=str(self.id),
                content_type=_TYPE,
                body=raw,
                path=urlsplit(self.url).path,
                date=date,
            )
        return Webhook(self.url, headers, raw)
