"""Bentley's lists of jobs, page by page: one for each job API and iTwin.

https://developer.bentley.com/apis/contextcapture/operations/jobs-get-all and the same page of the other five. A list
without an iTwin is of the caller's own jobs only, of which a service application has none. Lists can be narrowed by
when a job was created, not by when it changed: jobs that go on are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from processor.errors import Forbidden, NotYet, Unreadable
from processor.model import JSON, Job, timestamp
from processor.ports import Http, Listed
from processor.providers.bentley.api import Api
from processor.providers.bentley.families import Family
from processor.providers.bentley.links import is_token, next_token
from processor.providers.bentley.notices import is_job_id
from processor.providers.bentley.payload import PAGE
from processor.providers.bentley.translate import translate
from processor.reading import read

ROWS = 1000  # the most that a page may have
OVERLAP = timedelta(minutes=10)  # what was created so shortly before the newest job may not have been listed yet
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_NOTES = 20  # a page of rows that are all strange makes no thousand lines


@dataclass(frozen=True, slots=True)
class JobList:
    """One list: the jobs of an iTwin in one job API."""

    family: Family
    itwin_id: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.family.api}/{self.itwin_id}"

    def page(self, api: Api, *, since: JSON, at: JSON, http: Http) -> Listed:
        """See ports.Lists. `at` holds the continuation token, and the newest creation that former pages showed: whether
        lists are sorted is not documented."""
        begins, token, newest = _moment(since), _text(at, "token"), _moment(_text(at, "newest"))
        token = token if is_token(token) else None
        what = f"Bentley, {self.family.api} jobs of iTwin {self.itwin_id}"
        try:
            answer = api.ask("GET", self._path(begins, token), what, self.family.accept, http)
        except NotYet as e:
            raise Forbidden(f"{e.message}: check itwin_ids, and the service application's role in that iTwin") from None
        document = answer.json()
        jobs, unread = self._rows(read(PAGE, document)["jobs"])
        newest = max((m for m in (newest, *(job.created_at for job in jobs)) if m), default=None)
        following, note = next_token(document, after=token)
        if note:  # what was not listed now shall be listed by the next pass
            return Listed(jobs, self.family.api, unread=(*unread, note))
        if following:
            place = {"token": following, "newest": newest and timestamp(newest)}
            return Listed(jobs, self.family.api, next=place, unread=unread)
        return Listed(jobs, self.family.api, reached=_reached(newest, begins, api.clock()), unread=unread)

    def _path(self, begins: datetime | None, token: str | None) -> str:
        wanted = f"iTwinId eq {self.itwin_id}"
        if begins:
            wanted += f" and createdDateTime ge {timestamp(begins)}"
        after = f"&continuationToken={token}" if token else ""
        return f"/{self.family.api}/jobs?$filter={quote(wanted, safe='')}&$top={ROWS}{after}"

    def _rows(self, rows: list[JSON]) -> tuple[tuple[Job, ...], tuple[str, ...]]:
        """The jobs that can be read, and a line for each row that cannot."""
        jobs, unread = [], []
        for number, row in enumerate(rows, 1):
            try:
                jobs.append(self._job(row))
            except Unreadable as e:
                unread.append(f"row {number}{_named(row)}: {e.message}")
        if more := unread[_MOST_NOTES:]:
            unread[_MOST_NOTES:] = [f"{len(more)} more rows cannot be read"]
        return tuple(jobs), tuple(unread)

    def _job(self, row: JSON) -> Job:
        job = translate({"job": row}, source=self.source, family=self.family)
        if not is_job_id(job.id):
            raise Unreadable("the document cannot be read: job.id: must be letters, digits and hyphens")
        return job


def _named(row: JSON) -> str:
    job_id = row.get("id") if isinstance(row, Mapping) else None
    return f", job {job_id}" if is_job_id(job_id) else ""


def _text(at: JSON, key: str) -> JSON:
    return at.get(key) if isinstance(at, Mapping) else None


def _moment(text: JSON) -> datetime | None:
    """A time that we wrote down ourselves; None for anything else, which then means: from the beginning."""
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo else None


def _reached(newest: datetime | None, begins: datetime | None, now: datetime) -> str | None:
    """What the next pass begins with: a while before the newest job, and never before what this one began with.

    A creation that lies ahead of our clock would hide everything until then, so it counts as now.
    """
    if newest is None:
        return None
    reached = max(min(newest, now), _LONG_AGO + OVERLAP) - OVERLAP
    return timestamp(max(reached.replace(microsecond=0), begins or _LONG_AGO))
