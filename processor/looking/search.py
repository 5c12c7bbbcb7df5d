"""Whatever a person has in hand: a job's id, external id, name or address; the id of an event or a delivery."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from urllib.parse import quote

from processor.looking.filters import JobFilter
from processor.looking.lists import jobs, sources_known
from processor.looking.rows import delivery_rows, notification_rows
from processor.looking.shapes import Hit, JobRow
from processor.text import HEADLINE, VALUE, clean, headline
from processor.wiring import App

MOST = 50


def search(app: App, text: str) -> list[Hit]:
    """See Looking.search."""
    text = text.strip()[:HEADLINE]
    if not text:
        return []
    found: dict[str, Hit] = {}
    for hit in islice(_hits(app, text), MOST * 2):
        found.setdefault(hit.path, hit)
    return list(found.values())[:MOST]


def _hits(app: App, text: str) -> Iterator[Hit]:
    yield from _by_our_id(app, text)
    yield from _by_job_id(app, text)
    for row in jobs(app, JobFilter(text=text), MOST, None).items:
        yield _job(row)


def _by_our_id(app: App, text: str) -> Iterator[Hit]:
    event_id, _, sink = text.partition(":")
    for document in app.journal.documents([event_id]) if event_id.startswith("evt_") else ():
        if document and sink:
            for row in delivery_rows(app, [(event_id, sink)], [document]):
                yield Hit(kind="delivery", title=text, detail=row.state, path=f"/events/{quote(event_id)}", id=row.id)
        if document:
            path = f"/events/{quote(event_id, safe='')}"
            yield Hit(kind="event", title=headline(document), detail=event_id, path=path, id=event_id)
    for notification in notification_rows(app, [text]) if text.startswith("ntf_") else ():
        said = f"{notification.source}, {notification.state}"
        path = job_path(notification.source, notification.job_id)
        yield Hit(kind="notification", title=text, detail=clean(said, VALUE), path=path, id=text)


def _by_job_id(app: App, text: str) -> Iterator[Hit]:
    source, slash, job_id = text.partition("/")
    pairs = [(name, text) for name in sources_known(app)] + ([(source, job_id)] if slash and job_id else [])
    for (name, job), known in zip(pairs, app.index.known(pairs), strict=True):
        if known:
            listed = app.index.since(name, job)
            detail = f"{name}, {listed[0]}" if listed else name
            title = clean(job, VALUE)
            yield Hit(kind="job", title=title, detail=detail, path=job_path(name, job), source=name, id=job)


def _job(row: JobRow) -> Hit:
    named = ", ".join(part for part in (row.external_id, row.address) if part)
    return Hit(
        kind="job",
        title=clean(f"{row.name} ({row.id})" if row.name else row.id, VALUE),
        detail=clean("; ".join(part for part in (f"{row.source}, {row.state}", named) if part), VALUE),
        path=job_path(row.source, row.id),
        source=row.source,
        id=row.id,
    )


def job_path(source: str, job_id: str) -> str:
    """The address of a job's page, without the host."""
    return f"/jobs/{quote(source, safe='')}/{quote(job_id, safe='')}"
