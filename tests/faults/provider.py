"""The provider of one world: simulated, with one job, of which is known what must be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import flask

from processor.model import Event, Job
from processor.pipeline.facts import Facts
from processor.pipeline.refresh import Hinted, decide
from processor.providers.bentley.families import FAMILIES
from processor.providers.bentley.simulator import BentleySimulator
from processor.providers.bentley.translate import translate as bentley_job
from processor.providers.hover.simulator import HoverSimulator
from processor.providers.hover.translate import translate as hover_job
from processor.simulation import Fault, Webhook, changed

SOURCE = "main"
_CLIENT, _SECRET, _SEED = "client", "secret", "seed"


@dataclass
class Provider:
    """Its job has ended, with three events: `expected`. It tells `receiver`; `fetching` is called when it is asked for
    the job, before it answers."""

    bentley: bool
    receiver: str
    expected: list[Event] = field(default_factory=list)
    fetching: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.simulator: Any = (
            BentleySimulator(client_id=_CLIENT, client_secret=_SECRET, rates=())
            if self.bentley
            else HoverSimulator(client_id=_CLIENT, client_secret=_SECRET, refresh_token=_SEED, rates=())
        )
        self.simulator.connect(f"{self.receiver}/webhooks/{SOURCE}", _SECRET)
        self.simulator.app.before_request(self._asked)
        self.job = self.simulator.put_job(self.simulator.sample("bentley-1" if self.bentley else "hover-1"))
        self._facts = Facts()
        self._expect()

    def configuration(self, url: str) -> str:
        """The source, for a provider at `url`."""
        kind, token = ("bentley", f'token_url = "{url}/connect/token"') if self.bentley else ("hover", "")
        seed = "" if self.bentley else f'refresh_token = "{_SEED}"'
        return (
            f'[sources.{SOURCE}]\nprovider = "{kind}"\nwebhook_secrets = ["{_SECRET}"]\nclient_id = "{_CLIENT}"\n'
            f'client_secret = "{_SECRET}"\napi_url = "{url}"\nrate_limits = []\nreconcile = 0\n{token}{seed}\n'
        )

    @property
    def api(self) -> str:
        return FAMILIES[0].api if self.bentley else "v3"

    def webhook(self) -> Webhook:
        """What tells of the job as it stands."""
        [webhook] = self.simulator.webhooks(self.job)
        return webhook

    def reopen(self) -> None:
        """The job is, and must be told of."""
        self.simulator.put_job(changed(self.simulator.job(self.job), {"reconstruction_state": "working"}), touch=True)
        self._expect()

    def upset(self, status: int) -> None:
        """Whoever asks for the job is answered so, until it is mended."""
        self.simulator.stage.fault(Fault(on="job", status=status, times=99))

    def mend(self) -> None:
        self.simulator.stage.mend()

    def exchanges(self) -> int:
        """How many tokens were granted."""
        counts = self.simulator.stage.counts
        return int(counts["token"] - counts["400"])

    def _expect(self) -> None:
        """What the document shows now must be told, under the ids that our decisions make of it."""
        found = decide(self._facts, self._translated(), api="", hints=[Hinted("", "")], now=datetime.now(UTC))
        self._facts = found.facts
        self.expected += found.events

    def _translated(self) -> Job:
        document = self.simulator.job(self.job)
        if self.bentley:
            return bentley_job({"job": document["job"]}, source=SOURCE, family=FAMILIES[0])
        return hover_job(document, source=SOURCE)

    def _asked(self) -> None:
        if flask.request.endpoint == "job":
            self.fetching()
