"""The mail itself: addresses, headers, and the parts of a message laid out as text and as HTML.

No text by strangers is in a header but in the Subject, which is encoded here: `email.policy` decodes what looks like an
encoded word and writes it down decoded: in Python 3.11.7 a job named `=?utf-8?q?=0D=0ABcc:_…?=` would add a header.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from marshmallow import ValidationError, fields

from processor.telling import Telling
from processor.text import clean

_SUBJECT = 150  # characters; the whole headline is in the mail
_DOMAIN, _LABEL = 40, 24  # characters of domain and sink in our ids: `email` garbles what is too long for one line
_ATOM = r'[^\s@<>()\[\]\\,;:".]+'
_ADDRESS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_ATOM}(?:\.{_ATOM})*)")
_NAMED = re.compile(r'("?)(?P<name>[^"<>]*)\1\s*<(?P<address>[^<>]*)>')


class Mailbox(fields.Field[Address]):
    """One address, with or without a name: "ops@example.com", "Ops <ops@example.com>"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Address:
        named = _NAMED.fullmatch(value.strip()) if isinstance(value, str) else None
        name, address = (named["name"].strip(), named["address"]) if named else ("", value)
        match = _ADDRESS.fullmatch(address.strip()) if isinstance(address, str) else None
        if not match or not f"{name}{address}".isprintable() or "=?" in name or not _is_domain(match[2]):
            raise ValidationError('must be one address, such as "ops@example.com" or "Ops <ops@example.com>"')
        return Address(name, match[1], match[2])


def compose(telling: Telling, *, sink: str, sender: Address, recipients: Sequence[Address], now: datetime) -> bytes:
    """The mail as it is sent. What makes it the same mail as another is the Message-ID."""
    domain = _short(sender.domain)
    ascii_only = all(who.addr_spec.isascii() for who in (sender, *recipients))
    mail = EmailMessage(policy=SMTP if ascii_only else SMTPUTF8)
    mail["From"] = sender
    mail["To"] = recipients
    mail["Date"] = now
    mail["Message-ID"] = f"<{_key(telling.key)}@{domain}>"
    if telling.thread is not None:  # the mail that began the thread never was: all of a job's hang on it alike
        mail["In-Reply-To"] = mail["References"] = f"<thread-{_digest(telling.thread)}@{domain}>"
    mail["List-Id"] = f"<{_label(sink)}.jobwire.{domain}>"  # RFC 2919: what people make their filters by
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes, please
    mail["X-Auto-Response-Suppress"] = "All"  # Exchange's word for it: [MS-OXCMAIL], section 2.2.3.2.14
    words = _parts(telling, sink)
    # quoted-printable: no line is too long, and no server on the way needs 8BITMIME
    mail.set_content(_templates().get_template("told.txt").render(words), cte="quoted-printable")
    html = _templates().get_template("told.html").render(words)
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return b"Subject: " + _subject(telling.headline) + b"\r\n" + mail.as_bytes()


def _parts(telling: Telling, sink: str) -> dict[str, object]:
    """What the templates lay out."""
    what, colon, which = telling.headline.partition(": ")  # "Model failed", "Garage (Main House, 15084303): …"
    reasons = [value for label, value in telling.facts if label == "Reason"]
    return {
        "telling": telling,
        "what": what + colon.rstrip(),
        "which": f" {which}" if which else "",
        "reason": "; ".join(reasons),
        "facts": [fact for fact in telling.facts if fact[0] != "Reason"],
        "sink": clean(sink, _SUBJECT),
    }


@functools.cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


# --- headers ---------------------------------------------------------------------------------------------------------


def _subject(headline: str) -> bytes:
    """One line in ASCII, folded; encoded where it is not ASCII already or could be taken for encoded."""
    text = clean(headline, _SUBJECT)
    charset = "us-ascii" if text.isascii() and "=?" not in text else "utf-8"
    return Header(text, charset, header_name="Subject").encode(linesep="\r\n").encode()


def _is_domain(text: str) -> bool:
    try:
        return bool(text.encode("idna"))
    except UnicodeError:
        return False


def _short(domain: str) -> str:
    """A domain for ids: in ASCII, and of a very long one the end."""
    labels = domain.encode("idna").decode().lower().split(".")
    while len(labels) > 1 and len(".".join(labels)) > _DOMAIN:
        del labels[0]
    return ".".join(labels)[-_DOMAIN:].lstrip("-")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", key) else _digest(key)


def _label(sink: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", sink)[:_LABEL].strip("-") or "sink"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:24]
