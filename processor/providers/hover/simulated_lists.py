"""The simulated Hover's jobs: when they were touched, and how they are listed."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from processor.model import JSON

_SORTS = ("created_at", "updated_at", "completed_at")


def listed(jobs: Iterable[JSON], asked: Mapping[str, str], *, most: int) -> JSON | None:
    """A page of the list of jobs; None for a parameter that cannot be meant. `most` is how many rows a page may have.

    What the parameters do is as integrators report it: archived jobs only or none, sorting, times in epoch seconds.
    """
    try:
        page, per = max(int(asked.get("page", 1)), 1), min(max(int(asked.get("per", 25)), 1), most)
        since = datetime.fromtimestamp(int(asked.get("updated_since", 0)), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    sort_by, state = asked.get("sort_by", "created_at"), asked.get("reconstruction_state")
    if sort_by not in _SORTS:
        return None
    archived = asked.get("archived") == "true"
    wanted = [
        job
        for job in jobs
        if bool(job.get("archived_at")) is archived
        and _moment(job.get("updated_at")) >= since
        and (state is None or job.get("reconstruction_state") == state)
    ]
    wanted.sort(
        key=lambda job: (_moment(job.get(sort_by)), str(job["id"])),
        reverse=asked.get("sort_order", "DESC").upper() != "ASC",
    )
    rows, goes_on = wanted[(page - 1) * per : page * per], len(wanted) > page * per
    return {"results": rows, "pagination": {"current_page": page, "next_page": page + 1 if goes_on else None}}


def touched(document: JSON, before: JSON) -> JSON:
    """A copy that says that it was updated now, and so does each of its models that is not as it was before."""
    models = {str(model["id"]): model for model in before.get("models") or []}
    copied, moment = copy.deepcopy(document), now()
    copied["updated_at"] = moment
    for model in copied.get("models") or []:
        if model != models.get(str(model["id"])):
            model["updated_at"] = moment
    return copied


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str | None) -> datetime:
    """One without a zone is in UTC; none at all is before everything."""
    moment = datetime.fromisoformat(text) if text else datetime.fromtimestamp(0, UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
