"""One job as it stands and goes on: its events since a moment, its snapshot, what becomes of a notification."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import redis

from processor.model import JSON
from processor.store import keys
from processor.store.scripts import ours

PAGE = 500  # journal entries of one look


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look showed, all of one moment: `events` that are new since the look before; the `snapshot`, None when
    there is none; the `state` of the notification ("" = not known any more), and why it is dead, as a word and a
    sentence; the lane's last `error`; and whether somebody will look at the job again (`goes_on`)."""

    events: tuple[Mapping[str, JSON], ...]
    snapshot: Mapping[str, JSON] | None
    state: str
    dead: tuple[str, str] | None
    error: str
    goes_on: bool


class OneJob:
    """`client` must not decode answers. Events are those that come after this was made.

    Raises Unavailable when Redis cannot do it now.
    """

    def __init__(self, client: redis.Redis, source: str, job_id: str) -> None:
        self._client: Any = client
        self._source, self._job_id = source, job_id
        with ours():
            newest = cast("Any", client).xrevrange(keys.key("journal"), count=1)
        self._last: bytes = newest[0][0] if newest else b"0-0"

    def look(self, notification_id: str) -> Sight:
        lane, resource = keys.refresh_lane(self._source, self._job_id), keys.refreshing(self._source)
        with ours(), self._client.pipeline(transaction=True) as pipe:
            pipe.xrange(keys.key("journal"), min=b"(" + self._last, count=PAGE)
            pipe.get(keys.key("doc", keys.job_key(self._source, self._job_id)))
            pipe.hget(keys.key("n", notification_id), "state")
            pipe.hget(keys.key("dead"), f"{lane} {notification_id}")
            pipe.hget(keys.key("lane", lane), "err")
            for kind in ("due", "run", "poll"):
                pipe.zscore(keys.key(kind, resource), lane)
            rows, document, state, dead, error, *places = pipe.execute()
        return Sight(
            events=self._events(rows),
            snapshot=json.loads(zlib.decompress(document)) if document else None,
            state=(state or b"").decode(),
            dead=_why(dead),
            error=(error or b"").decode(),
            goes_on=any(place is not None for place in places),
        )

    def _events(self, rows: list[Any]) -> tuple[Mapping[str, JSON], ...]:
        whose, ids = (self._source.encode(), self._job_id.encode()), []
        while rows:
            self._last = rows[-1][0]
            ids += [row[b"id"].decode() for _, row in rows if (row[b"source"], row[b"job"]) == whose]
            with ours():
                rows = self._client.xrange(keys.key("journal"), min=b"(" + self._last, count=PAGE)
        if not ids:
            return ()
        with ours():
            bodies = self._client.mget([keys.key("ev", event_id) for event_id in ids])
        return tuple(json.loads(body) for body in bodies if body)


def _why(text: bytes | None) -> tuple[str, str] | None:
    if not text:
        return None
    why = json.loads(text)
    return why["reason"], why["detail"]
