"""`jobwire replay --refetch`: jobs asked for anew, what differs shown, and what is new announced."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby

import click

from processor import refetching
from processor.cli.many import counting, many, putting_back
from processor.cli.one_source import OneSource, said
from processor.errors import NotYet, Permanent, ProcessorError, Retryable, Unreadable, Usage
from processor.model import JSON
from processor.refetching import ABSENT, Absent, Fresh
from processor.replaying import Replay, Selection
from processor.settings.faults import nearest
from processor.store import keys
from processor.subscribing import Paying
from processor.text import VALUE, clean
from processor.wiring import App

HOLD = 60.0  # seconds that the scheduler leaves the source's lists to us: what we ask is paid for as they are
TELL = 2.0  # seconds of a wait that is not worth a word
DOZE = 1.0  # a wait for the budget is looked at anew so often
WIDEST = 120  # characters of a value
LINES = 100  # differences that are shown of one job


def refetch(app: App, chosen: Selection, *, dry_run: bool, as_json: bool, yes: bool) -> None:
    """Show what differs, and after asking have it looked at. Raises Exit(1) when a job could not be asked for."""
    jobs, new, failed = _jobs(app, chosen), list[Fresh](), False
    for source, of_source in groupby(jobs, key=lambda job: job[0]):
        for job_id, found in _looks(app, source, [job_id for _, job_id in of_source]):
            if isinstance(found, Fresh):
                click.echo(json.dumps(_document(found)) if as_json else _shown(found))
                new += [found] if found.new else []
            else:
                failed = True
                _tell_failure(source, job_id, found, as_json=as_json)
    if not jobs:
        _aside("no job was selected")
    elif not new:
        _aside("nothing is new")
    elif not dry_run:
        _announce(app, new, yes=yes)
    if failed:
        raise click.exceptions.Exit(1)


def _jobs(app: App, chosen: Selection) -> list[tuple[str, str]]:
    """The job that was named, or those of the selected events; sources together. Raises Usage, ProcessorError."""
    if chosen.job and chosen.job[0] not in app.sources:
        raise Usage(f"--job: {chosen.job[0]!r} is no source{nearest(chosen.job[0], app.sources)}")
    if chosen == Selection(job=chosen.job) and chosen.job:
        return [chosen.job]
    found: dict[tuple[str, str], None] = {}
    selected, seen = Replay(app, chosen), 0
    with counting() as shown:
        for page in selected.pages():
            found.update(((one.entry.source, one.entry.job_id), None) for event in page for one in event[:1])
            shown(seen := seen + len(page))
        for items in selected.notifications():
            found.update(((keys.source_of(item.lane), keys.job_of(item.lane)), None) for item in items)
    # an alarm is about no job; what begins with ~ is ours: a verification code, an estimate
    return sorted((job for job in found if job[1] and not job[1].startswith("~")), key=lambda job: job[0])


def _looks(app: App, source: str, ids: Sequence[str]) -> Iterator[tuple[str, Fresh | ProcessorError]]:
    """How each job stands now, or why that cannot be said. Ends early when the source as a whole cannot be asked.

    What is asked is paid for with the part of the rate limits that is for what nobody told us to ask.
    """
    if source not in app.sources:
        _aside(f"{many(len(ids), 'job')} left out: {source!r} is no source of this configuration")
        return
    one = OneSource(app, source)
    try:
        for n, job_id in enumerate(ids, 1):
            _wait(one)
            look = partial(refetching.look, app, source, job_id, http=Paying(app, source, paid=1))
            try:
                yield job_id, one.patiently(look, _aside)
            except (NotYet, Unreadable, Permanent) as e:
                yield job_id, e
            except Retryable as e:  # the next one would fare no better
                yield job_id, e
                if n < len(ids):
                    _aside(f"{source}: {many(len(ids) - n, 'job')} not asked for")
                return
    finally:
        app.journal.leave_duty(f"reconcile:{source}")


def _wait(one: OneSource) -> None:
    """Until the budget allows a call. The scheduler leaves the source's lists to us meanwhile."""
    waited = 0.0
    while True:
        one.app.journal.put_off_duty(f"reconcile:{one.name}", HOLD)
        if not (wait := one.app.lanes.spend(one.resource)):
            return
        if waited <= TELL < (waited := waited + wait):
            _aside(f"waiting for the rate limit of {one.name}, or for the end of a pause")
        time.sleep(min(wait, DOZE))


def _announce(app: App, new: list[Fresh], *, yes: bool) -> None:
    events = sum(len(fresh.events) for fresh in new)
    announced = f", and {many(events, 'event')} announced" if events else ""
    if not yes:
        click.confirm(f"Have {many(len(new), 'job')} looked at again{announced}?", abort=True, err=True)
    with putting_back(len(new)) as shown:
        for n, fresh in enumerate(new, 1):
            refetching.hint(app, fresh)
            shown(n)
    click.echo(many(len(new), "job is looked at again", "jobs are looked at again"))
    if not app.journal.workers():
        _aside("no worker was seen: they are looked at as soon as one runs (`jobwire worker`)")


# --- words -----------------------------------------------------------------------------------------------------------


def _shown(fresh: Fresh) -> str:
    about = f"{fresh.source}/{fresh.job_id}"
    if fresh.note:
        return clean(f"{about}: {fresh.note}", VALUE)
    count = many(len(fresh.differences), "difference") if fresh.known else "no snapshot is kept to compare with"
    lines = [f"{about}: {count if fresh.differences or not fresh.known else 'as stored'}"]
    lines += [f"  {d.path}: {_value(d.old)} → {_value(d.new)}" for d in fresh.differences[:LINES]]
    lines += [f"  … and {len(fresh.differences) - LINES:,} more"] if len(fresh.differences) > LINES else []
    lines += [f"  would announce {event.type}, {event.id}" for event in fresh.events]
    return "\n".join("  " * line.startswith("  ") + clean(line, 2 * VALUE) for line in lines)


def _value(value: JSON | Absent) -> str:
    return ABSENT.value if value is ABSENT else clean(json.dumps(value, ensure_ascii=False), WIDEST)


def _document(fresh: Fresh) -> dict[str, JSON]:
    def plain(path: str, **values: JSON | Absent) -> dict[str, JSON]:
        return {"path": path, **{name: value for name, value in values.items() if value is not ABSENT}}

    return {
        "source": fresh.source,
        "job_id": fresh.job_id,
        "known": fresh.known,
        "differences": [plain(d.path, old=d.old, new=d.new) for d in fresh.differences],
        "events": [{"id": event.id, "type": str(event.type)} for event in fresh.events],
        "note": fresh.note or None,
    }


def _tell_failure(source: str, job_id: str, error: ProcessorError, *, as_json: bool) -> None:
    _aside(f"{source}/{job_id}: cannot be asked for: {said(error)}")
    if as_json:
        click.echo(json.dumps({"source": source, "job_id": job_id, "error": said(error)}))


def _aside(text: str) -> None:
    """What is no finding goes to the other stream."""
    click.echo(clean(text, VALUE), err=True)
