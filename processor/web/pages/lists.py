"""The overview, the search, and the lists of jobs, events, deliveries and notifications."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Blueprint, Response, request

from processor.looking import LIMIT, Looking, Page
from processor.looking.shapes import Overview, Standing
from processor.model import JSON, State
from processor.telling import Mood
from processor.telling.one import mood
from processor.telling.steps import next_step
from processor.text import NAME, clean, headline
from processor.text.lines import at, plain
from processor.text.parts import job_of, place
from processor.web.pages import charts
from processor.web.pages.asking import LONGEST, Asked, Asking
from processor.web.pages.documents import without_customer
from processor.web.pages.drawing import Canvas
from processor.web.pages.gate import local, see_other
from processor.web.pages.words import became, took

RUNNING = (State.CREATED, State.WAITING, State.PROCESSING)
F = TypeVar("F")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event in a list. `job` is source and id, None for an alarm."""

    id: str
    type: str
    at: str
    headline: str
    mood: str
    place: str
    job: tuple[str, str] | None


def add(routes: Blueprint, canvas: Canvas, asking: Asking, looking: Looking) -> None:
    @routes.get("/")
    def overview() -> Response:
        return canvas.draw("overview.html", **_overview(looking.overview()))

    @routes.get("/search")
    def search() -> Response:
        sought = request.args.get("q", "").strip()
        if len(sought) > LONGEST:
            return canvas.trouble(400, f"Search for at most {LONGEST} characters.")
        hits = looking.search(sought) if sought else ()
        if len(hits) == 1:
            return see_other(local(hits[0].path))
        return canvas.draw("search.html", sought=clean(sought, LONGEST), hits=hits)

    @routes.get("/jobs")
    def jobs() -> Response:
        return listed(canvas, "jobs.html", asking.jobs(request.args), looking.jobs)

    @routes.get("/events")
    def events() -> Response:
        asked = asking.events(request.args)
        page = page_of(asked, looking.events)
        return draw_list(canvas, "events.html", asked, Page(tuple(map(line_of, page.items)), page.next))

    @routes.get("/deliveries")
    def deliveries() -> Response:
        return listed(canvas, "deliveries.html", asking.deliveries(request.args), looking.deliveries)

    @routes.get("/notifications")
    def notifications() -> Response:
        return listed(canvas, "notifications.html", asking.notifications(request.args), looking.notifications)


def listed(canvas: Canvas, name: str, asked: Asked[F], ask: Callable[..., Page[T]]) -> Response:
    """The page of a list."""
    return draw_list(canvas, name, asked, page_of(asked, ask))


def page_of(asked: Asked[F], ask: Callable[..., Page[T]], cursor: str | None = "cursor", limit: int = LIMIT) -> Page[T]:
    """What fits, from the place that the parameter `cursor` names; nothing when it was asked wrongly."""
    if asked.chosen is None:
        return Page(())
    return ask(asked.chosen, cursor=(request.args.get(cursor) if cursor else None) or None, limit=limit)


def line_of(document: Mapping[str, JSON]) -> EventLine:
    """An event's document as a line of a list."""
    shown = without_customer(document)
    return EventLine(
        id=plain(at(shown, "id")),
        type=clean(plain(at(shown, "type")), NAME),
        at=plain(at(shown, "time")),
        headline=headline(shown),
        mood={Mood.GOOD: "good", Mood.BAD: "bad", Mood.ALARM: "bad"}.get(mood(shown), "quiet"),
        place=place(shown),
        job=job_of(shown),
    )


def draw_list(
    canvas: Canvas, name: str, asked: Asked[F], page: Page[Any], *, found: bool = False, **shown: Any
) -> Response:
    """A list and the form above it, which says what is wrong with what was asked for; `found` when anything fitted."""
    if not (found or page.items or page.next or "cursor" in request.args):
        asked = asked.found_nothing()
    if asked.chosen is None and canvas.is_fragment():
        return canvas.note(" ".join(asked.faults), 400)
    status = 400 if asked.chosen is None else 200
    return canvas.draw(name, status, asked=asked, page=page, said=said_before(), **shown)


def said_before() -> str:
    """What the address says of what was done before it was opened."""
    return became({word: int(n) for word, n in request.args.items() if n.isascii() and n.isdigit() and len(n) < 12})


def _alarm(standing: Standing) -> dict[str, str]:
    """An alarm in the words in which people are told of it."""
    ops = {"state": "raised", "detail": standing.detail}
    event = {"type": standing.type, "source": f"/{standing.place}", "data": {"ops": ops}}
    said, step = headline(event), next_step(event)
    return {"type": standing.type, "place": standing.place, "since": standing.since, "said": said, "step": step}


def _overview(now: Overview) -> dict[str, Any]:
    rates = now.rates
    return {
        "now": now,
        "alarms": [_alarm(one) for one in now.alarms],
        "running": sum(now.jobs.get(state, 0) for state in RUNNING),
        "waiting": sum(sink.waiting for sink in now.sinks),
        "retrying": sum(sink.retrying for sink in now.sinks),
        "dead": sum(sink.dead for sink in now.sinks) + sum(source.dead for source in now.sources),
        "span": took(rates.seconds * len(rates.at) * 1000),
        "step": took(rates.seconds * 1000),
        "heard": charts.bars(rates.accepted, rates.rejected),
        "told": charts.bars(rates.delivered, rates.failed),
        "late": charts.lines(rates.p50_ms, rates.p95_ms),
    }
