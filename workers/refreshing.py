"""One refresh lane in hand: look at the job, write down what was found, and set hands to telling it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Literal

import structlog

from processor import tracing
from processor.errors import NotYet, Permanent, Unavailable, Unreadable
from processor.model import JSON, estimate_of
from processor.pipeline import refresh as pipeline
from processor.pipeline.card import card
from processor.pipeline.facts import Facts
from processor.pipeline.reconcile import Teller
from processor.pipeline.route import route
from processor.ports import Answer, Estimates, Greets, Http
from processor.queue import new_hand
from processor.store import keys
from processor.store.work import Claim, Found, Look, Next
from processor.wiring import CONFIRM, App
from workers.alarming import row
from workers.ending import ms, poisonous, settle

log = structlog.get_logger(__name__)


Send = Callable[[Sequence[tuple[str, str]]], None]


def refresh(app: App, source: str, claim: Claim, *, then: Next | None = None, send: Send | None = None) -> None:
    """Do what the lane's notifications ask for, and end the claim; `then` may come along with its end. `send` sets the
    hands to work that are to tell what was found; without it RQ does. Raises Unavailable; the lease ends it then."""
    began, job_id = time.monotonic(), keys.job_of(claim.lane)
    about: dict[str, JSON] = {
        "source": source,
        "job": job_id,
        "notifications": [item.id for item in claim.items],
        "attempt": claim.attempts + 1,
        "trace": tracing.trace_of(claim.trace),
    }
    if poisonous(app, claim, about):
        return
    try:
        if claim.items and claim.items[-1].detail["event"] == CONFIRM:
            _confirm(app, source, claim)
            log.info("confirmed", **about, outcome="ok", ms=ms(began))
            return
        found = _look(app, source, job_id, claim)
    except Unavailable:
        raise
    except Exception as e:  # noqa: BLE001  # whatever it was, it is settled: again later, or dead and visible
        if isinstance(e, Unreadable) and e.strange:
            app.drift.note(source, e.strange)
        settle(app, claim, e, policy=app.settings.sources[source].retry, about=about, began=began)
        return
    if found.strange:
        app.drift.note(source, found.strange)
    _commit(app, claim, found, about, began, then, send or app.send)


def _look(app: App, source: str, job_id: str, claim: Claim) -> pipeline.Refreshed:
    http, provider = _Counting(app.http), app.providers[source]
    facts, clock = Facts.load(claim.facts), app.tools.clock
    estimate = estimate_of(job_id)
    try:
        if estimate and isinstance(provider, Estimates):
            return pipeline.look_at_estimate(provider, http, estimate_id=estimate, facts=facts, clock=clock)
        return pipeline.refresh(
            provider,
            http,
            job_id=job_id,
            facts=facts,
            hints=_hints(claim),
            clock=clock,
            every=app.settings.sources[source].reconcile or None,
        )
    finally:
        app.lanes.charge(claim.resource, http.calls - 1)


def _commit(
    app: App,
    claim: Claim,
    found: pipeline.Refreshed,
    about: dict[str, JSON],
    began: float,
    then: Next | None,
    send: Send,
) -> None:
    verdicts = [(event, verdict) for event in found.events for verdict in route(event.cloudevent(), app.rules)]
    for event, verdict in verdicts:
        if verdict.doubtful:
            log.warning("delivered in doubt", event_id=event.id, sink=verdict.sink, reason=verdict.reason)
    written = Found(
        source=about["source"],
        job_id=about["job"],
        facts=found.facts.dump(),
        document=None if found.body is None else json.dumps(found.body),
        ended=bool(found.job and found.job.state.ended),
        events=found.events,
        rows=[row(app, verdict.sink, event) for event, verdict in verdicts if verdict.wanted],
        poll=found.poll,
        told=_told(claim, found),
        card=card(found.job) if found.job else "",
        look=_look_of(found, began),
    )
    hand = new_hand()
    hired = app.lanes.commit(claim, written, sinks=app.targets, hand=hand, then=then)
    if hired is None:
        log.warning("refreshed too late: another has the job", **about, outcome="stale", ms=ms(began))
        return
    send([(app.targets[sink].name, hand) for sink in hired])
    state = found.job.state if found.job else None
    events = [event.id for event in found.events]
    log.info("refreshed", **about, outcome="ok", state=state, events=events, note=found.note, ms=ms(began))


def _look_of(found: pipeline.Refreshed, began: float) -> Look:
    state, word = (found.job.state, found.job.provider_state) if found.job else ("", "")
    return Look(str(state), word or "", ms(began), found.note)


def _hints(claim: Claim) -> list[pipeline.Hinted]:
    """A notification's event is the provider's word, or ours for who else made us look."""
    tellers = {str(teller): teller for teller in Teller}
    return [
        pipeline.Hinted(
            str(item.detail["api"]),
            str(item.detail["claim"]),
            tellers.get(str(item.detail["event"]), Teller.WEBHOOK),
        )
        for item in claim.items
    ]


def _told(claim: Claim, found: pipeline.Refreshed) -> Literal["", "told", "repaired"]:
    if any(hint.by is Teller.WEBHOOK for hint in _hints(claim)):
        return "told"
    return "repaired" if found.repaired else ""


def _confirm(app: App, source: str, claim: Claim) -> None:
    """Send back the codes that came, the latest first: anybody can send one, so a wrong one must not hide the right
    one. Raises what the last of them came to when none is taken."""
    provider = app.providers[source]
    codes = dict.fromkeys(str(item.detail["api"]) for item in reversed(claim.items))
    if isinstance(provider, Greets) and app.registrations.awaits_code(source):  # else one was sent back already
        for number, code in enumerate(codes, 1):
            try:
                provider.confirm(code, http=app.http)
                break
            except (NotYet, Permanent):
                if number == len(codes):
                    raise
    app.registrations.end(source)
    app.lanes.done(claim)


class _Counting:
    """Http that counts, so that every call is paid for."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.calls = 0

    def request(self, method: str, url: str, **arguments: JSON) -> Answer:
        self.calls += 1
        return self._http.request(method, url, **arguments)
