"""Writes mails to people: as text and as HTML, one thread for each job, over the mail server of their choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.headerregistry import Address
from typing import Any, ClassVar

from marshmallow import fields, validate

from processor.model import JSON
from processor.options import PeopleOptions
from processor.ports import Clock, Occasion, Tools
from processor.sinks.email.message import Mailbox, compose
from processor.sinks.email.server import Server, ServerField
from processor.sinks.email.transport import TIMEOUT, Transport
from processor.telling import Telling, tell, tell_together


class Options(PeopleOptions):
    class Meta(PeopleOptions.Meta):
        include: ClassVar = {"from": Mailbox(required=True)}  # no attribute can have that name

    smtp_url = ServerField(required=True)
    to = fields.List(Mailbox(), required=True, validate=validate.Length(min=1))


class Email:
    """Mailboxes as a sink; the reference of a delivery is what the mail server said when it took the mail.

    A repeat is the same mail by its Message-ID: many mail servers and programs show it once.
    """

    Options = Options

    def __init__(
        self,
        name: str,
        server: Server,
        *,
        sender: Address,
        recipients: Sequence[Address],
        clock: Clock,
        public_url: str | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.name = name
        self._host = server.host
        self._transport = Transport(server, timeout=timeout)
        self._sender = sender
        self._recipients = list({who.addr_spec: who for who in recipients}.values())  # nobody twice
        self._clock = clock
        self._public_url = public_url

    @classmethod
    def from_config(cls, name: str, options: Mapping[str, Any], tools: Tools) -> Email:
        return cls(
            name,
            options["smtp_url"],
            sender=options["from"],
            recipients=options["to"],
            clock=tools.clock,
            public_url=tools.public_url,
        )

    def deliver(self, event: Mapping[str, JSON]) -> str | None:
        return self._send(tell(event, public_url=self._public_url))

    def deliver_together(self, events: Sequence[Mapping[str, JSON]], occasion: Occasion) -> str | None:
        return self._send(tell_together(events, occasion, public_url=self._public_url))

    def try_out(self) -> str:
        """Go as far as one can without sending a mail: to the last recipient."""
        self._transport.try_out(self._sender.addr_spec, self._addresses)
        count = len(self._recipients)
        return f"{count} recipient{'s' if count > 1 else ''} accepted by {self._host}"

    def close(self) -> None:
        """Nothing to let go of: each mail has its own connection."""

    @property
    def _addresses(self) -> list[str]:
        return [who.addr_spec for who in self._recipients]

    def _send(self, telling: Telling) -> str | None:
        mail = compose(telling, sink=self.name, sender=self._sender, recipients=self._recipients, now=self._clock())
        return self._transport.send(self._sender.addr_spec, self._addresses, mail) or None
