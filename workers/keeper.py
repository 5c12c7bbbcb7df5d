"""The worker's clockwork: renews the leases of what is in hand, and ticks: whatever is due gets a task."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from processor import observe
from processor.errors import Unavailable
from processor.queue import new_hand
from workers.shift import Shift

log = structlog.get_logger(__name__)

TICK = 1.0  # seconds: what RQ loses or delays costs so long
RENEW = 5.0  # a third of a lease


class Keeper(threading.Thread):
    """Runs until `stop`. `beat` is called at every renewal, for whoever else wants to show life."""

    def __init__(self, shift: Shift, beat: Callable[[], None] = lambda: None) -> None:
        super().__init__(name="keeper", daemon=True)
        self._shift = shift
        self._beat = beat
        self._over = threading.Event()
        self.worker = f"{socket.gethostname()}:{os.getpid()}"

    def run(self) -> None:
        renewed = -RENEW
        away = False
        while not self._over.is_set():
            try:
                if time.monotonic() - renewed >= RENEW:
                    self._renew()
                    renewed = time.monotonic()
                if not self._shift.stopping.is_set():
                    self._tick()
                away = False
            except Unavailable as e:
                if not away:  # told once for each outage
                    log.warning("Redis is away; trying on", reason=e.message)
                away = True
            except Exception as e:
                log.exception("unexpected")
                observe.report(e)
            self._over.wait(TICK)

    def stop(self) -> None:
        """End the clockwork; the worker is no longer counted as alive. Nobody waits long for a Redis that is away."""
        self._over.set()
        self.join(TICK)
        try:
            replace(self._shift.app, patient=False).journal.gone(self.worker)
        except Unavailable:
            log.debug("Redis is away; the sign of life expires by itself")

    def _tick(self) -> None:
        app = self._shift.app
        resources = [*app.sources.values(), *app.targets.values()]
        app.send(app.lanes.tick(resources, hand=new_hand()))

    def _renew(self) -> None:
        app = self._shift.app
        claims, hands = self._shift.in_hand()
        if claims or hands:
            lost = app.lanes.keep(claims, hands)
            for lane in lost & {claim.lane for claim in self._shift.in_hand()[0]}:  # the rest was let go meanwhile
                log.warning("a lane is no longer ours", lane=lane)
        app.journal.seen(self.worker)
        self._beat()
