"""Periodic duties, each done by one process at a time. Nothing that the promises need lives only here."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from processor import observe
from processor.errors import Unavailable
from processor.wiring import App

log = structlog.get_logger(__name__)

LOOK = 1.0  # seconds between looks at what is due


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to be done every so many seconds by whoever takes its lock first. Doing it twice is harmless."""

    name: str
    every: float
    do: Callable[[App], None]


def retention(app: App) -> None:
    """Forget journal entries and dead items older than `retention.events`; the rest expires by itself."""
    gone = app.journal.trim(older_than=app.settings.retention.events)
    if gone:
        log.info("retention", journal_entries=gone)


DUTIES = (Duty("retention", 600.0, retention),)


def turn(app: App, duties: tuple[Duty, ...] = DUTIES) -> None:
    """Do what is due and nobody else is doing. A duty that fails is tried again after its period."""
    for duty in duties:
        if not app.journal.take_duty(duty.name, duty.every):
            continue
        try:
            duty.do(app)
        except Unavailable:
            raise
        except Exception as e:
            log.exception("a duty failed", duty=duty.name)
            observe.report(e)


def run(app: App) -> None:
    """Do the duties until SIGTERM or SIGINT."""
    stopping = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopping.set())
    while not stopping.wait(LOOK):
        try:
            turn(app)
        except Unavailable as e:
            log.warning("Redis is away; trying on", reason=e.message)
    log.info("stopped")
