"""What can be had done again: one delivery, one notification, one event, or all that is dead and fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import structlog
from flask import Blueprint, Response, abort, request

from processor.looking import MOST, DeliveryFilter, Doing, Looking, NotificationFilter
from processor.web.pages.asking import Asked, Asking
from processor.web.pages.drawing import Canvas
from processor.web.pages.gate import local, see_other
from processor.web.pages.lists import draw_list, page_of
from processor.web.pages.words import BECAME, event_path

log = structlog.get_logger(__name__)

_KINDS = ("deliveries", "notifications")


def add(routes: Blueprint, canvas: Canvas, asking: Asking, looking: Looking, doing: Doing) -> None:
    @routes.post("/deliveries/<delivery_id>/retry")
    def retry_delivery(delivery_id: str) -> Response:
        became = doing.retry_delivery(delivery_id)
        if became is None:
            abort(404, "There is no such delivery.")
        return _back("retry", delivery_id, Counter([became]))

    @routes.post("/notifications/<notification_id>/retry")
    def retry_notification(notification_id: str) -> Response:
        became = doing.retry_notification(notification_id)
        if became is None:
            abort(404, "There is no such notification.")
        return _back("retry", notification_id, Counter([became]))

    @routes.post("/events/<event_id>/replay")
    def replay(event_id: str) -> Response:
        became = doing.replay_event(event_id)
        if became is None:
            abort(404, "There is no such event.")
        return _back("replay", event_id, Counter(became.values()), event_path(event_id))

    @routes.get("/dead")
    def dead() -> Response:
        asked = asking.dead(request.args)
        of_notifications = _of_notifications(asked)
        notifications = page_of(of_notifications, looking.notifications, "older")
        return draw_list(
            canvas,
            "dead.html",
            asked,
            page_of(asked, looking.deliveries),
            found=bool(notifications.items),
            notifications=notifications,
            with_notifications=of_notifications.chosen is not None,
        )

    @routes.get("/dead/retry")
    def ask_first() -> Response:
        asked, kind = asking.dead(request.args), _kind(request.args)
        count, more = _count(looking, doing, asked, kind)
        status = 200 if asked.chosen is not None else 400
        return canvas.draw("retry.html", status, asked=asked, kind=kind, count=count, more=more)

    @routes.post("/dead/retry")
    def retry_dead() -> Response:
        asked, kind = asking.dead(request.form), _kind(request.form)
        if asked.chosen is None:
            return canvas.draw("retry.html", 400, asked=asked, kind=kind, count=0, more=False)
        if kind == "deliveries":
            became = Counter({"again": doing.retry_dead(asked.chosen)})
        else:
            found = page_of(_of_notifications(asked), looking.notifications, None, MOST).items
            became = Counter(one for row in found if (one := doing.retry_notification(row.id)))
        log.info("retried", dead=kind, **asked.given, **became)
        return see_other(f"/dead?{urlencode({**asked.given, **became})}")


def _kind(given: Mapping[str, str]) -> str:
    kind = given.get("kind", _KINDS[0])
    return kind if kind in _KINDS else _KINDS[0]


def _of_notifications(asked: Asked[DeliveryFilter]) -> Asked[NotificationFilter]:
    """The same for notifications, which have neither a sink nor a type: with these asked for none fits."""
    chosen = asked.chosen
    if chosen is None or chosen.sink or chosen.type:
        return Asked(asked.fields, None)
    fit = NotificationFilter(state="dead", source=chosen.source, job=chosen.job, since=chosen.since, until=chosen.until)
    return Asked(asked.fields, fit)


def _count(looking: Looking, doing: Doing, asked: Asked[DeliveryFilter], kind: str) -> tuple[int, bool]:
    """How many would be tried again, and whether there are more of them, for another time."""
    if asked.chosen is None:
        return 0, False
    if kind == "deliveries":
        return doing.count_dead(asked.chosen), False
    page = page_of(_of_notifications(asked), looking.notifications, None, MOST)
    return len(page.items), page.next is not None


def _back(what: str, of: str, became: Counter[str], otherwise: str = "/dead") -> Response:
    """To the page that was asked from, which says what became of it."""
    log.info("done again", what=what, id=of[:200], **became)
    way_back = urlsplit(local(request.form.get("back", otherwise)))
    kept = [pair for pair in way_back.query.split("&") if pair and pair.partition("=")[0] not in BECAME]
    said = urlencode({word: count for word, count in became.items() if word in BECAME})
    return see_other(f"{way_back.path}?{'&'.join([*kept, said])}")
