"""The worker's clockwork: renews the leases of what is in hand, and ticks: whatever is due gets a task.

A lease is for what nobody can know, such as a machine that is cut off. A process of this machine that was killed is
found out at the next tick, and what it had in hand need not wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from processor import observe, process
from processor.errors import Unavailable
from processor.queue import new_hand
from workers.shift import Shift

log = structlog.get_logger(__name__)

TICK = 1.0  # seconds: what RQ loses or delays costs so long
SIGN = 5.0  # between signs of life


class Keeper(threading.Thread):
    """Runs until `stop`. `beat` is called with every sign of life, for whoever else wants to show one."""

    def __init__(self, shift: Shift, beat: Callable[[], None] = lambda: None) -> None:
        super().__init__(name="keeper", daemon=True)
        self._shift = shift
        self._beat = beat
        self._over = threading.Event()
        self.worker = process.name()

    def run(self) -> None:
        signed = -SIGN
        away = False
        while not self._over.is_set():
            try:
                self._renew()
                if time.monotonic() - signed >= SIGN:
                    self._shift.app.journal.seen(self.worker)
                    self._beat()
                    signed = time.monotonic()
                self._bury()
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

    def _bury(self) -> None:
        """Take over from the workers of this machine that are gone without a word."""
        app = self._shift.app
        for worker in process.gone(app.journal.seen_lately()):
            lanes = app.lanes.abandon(worker, [*app.sources.values(), *app.targets.values()])
            log.warning("a worker is gone; what it had in hand goes on", worker=worker, lanes=lanes)
