"""Who is told in a world: a receiver of webhooks, or people by mail. Both say which events came, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chaos.endpoint import Arrival, Endpoint
from sinks.mail_server import MailServer

from processor.model import Event
from processor.ports import Occasion
from processor.telling import tell_together

SINK = "told"  # its name in the configuration


class Receiver(Endpoint):
    """`taken` is called with what was taken, before it is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: Callable[[], None] = lambda: None

    def keys(self) -> str:
        return self.configuration(SINK)

    def upset(self, status: int) -> None:
        """Whoever tells is answered so, until it is mended."""
        self.mood = str(status)

    def mend(self) -> None:
        self.mood = ""

    def came(self, expected: Sequence[Event]) -> list[Arrival]:
        return self.arrivals

    def _take(self, event: Any) -> None:
        super()._take(event)
        self.taken()


class People:
    """A mailbox; `manner` are the keys of how they want to be told."""

    def __init__(self, manner: str) -> None:
        self.manner = manner
        self._server = MailServer()

    def keys(self) -> str:
        who = 'from = "jobwire@example.com"\nto = ["ops@example.com"]\n'
        server = f"smtp://127.0.0.1:{self._server.port}"
        return f'[sinks.{SINK}]\ntype = "email"\nsmtp_url = "{server}"\n{who}{self.manner}'

    def mend(self) -> None: ...

    def mails(self, expected: Sequence[Event]) -> list[Sequence[Event]]:
        """The events of each mail, by its Message-ID: one event, or some that follow each other."""
        of: dict[str, Sequence[Event]] = {}
        for first in range(len(expected)):
            for last in range(first + 1, len(expected) + 1):
                told = expected[first:last]
                documents = [event.cloudevent() for event in told]
                of[told[0].id if len(told) == 1 else tell_together(documents, Occasion.STORM).key] = told
        return [of[str(mail["Message-ID"])[1:].partition("@")[0]] for mail in self._server.messages()]

    def came(self, expected: Sequence[Event]) -> list[Arrival]:
        return [
            Arrival(event.id, str(event.type), f"{event.source}/{event.job_id}")
            for mail in self.mails(expected)
            for event in mail
        ]

    def close(self) -> None:
        self._server.stop()
