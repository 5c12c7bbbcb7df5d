"""The one place that spells Redis keys, and quotes what goes into them.

| key (after `jobwire:`) | type   | what                                                        | lives              |
|------------------------|--------|-------------------------------------------------------------|--------------------|
| `seen:HASH`            | string | notification key -> notification id                         | retention.dedup    |
| `n:ID`                 | hash   | a notification: lane, at, event, api, claim, state          | retention.events   |
| `q:LANE`               | list   | what waits in a lane: notification ids or event ids         | while it waits     |
| `lane:LANE`            | hash   | fence, in, out, att, t0, err, lost, begun                   | 1 day after idle   |
| `due:R` `run:R` `poll:R` | zset | lanes with work -> time; in hand -> lease end; look again   | while it waits     |
| `gate:R`               | hash   | pause until, and a GCRA time for each rate window           | 1 day after use    |
| `hands:R`              | zset   | RQ tasks queued or running for R -> lease end               | seconds            |
| `facts:JOB`            | string | what the diff reads (JSON)                                  | 1 year             |
| `doc:JOB`              | string | the last snapshot (JSON, deflated)                          | retention.events   |
| `ev:ID`                | string | an event (JSON)                                             | retention.events   |
| `dl:ID`                | hash   | R -> how the event's delivery there stands (JSON)           | retention.events   |
| `journal`              | stream | every event: id, type, source, job                          | retention.events   |
| `dead`                 | hash   | `LANE item` -> why (JSON)                                   | retention.events   |
| `deadz`                | zset   | the same members by time                                    | retention.events   |
| `tok:SOURCE`           | string | tokens (JSON)                                               | until replaced     |
| `lock:NAME`            | string | a short lock                                                | seconds            |
| `reg:SOURCE`           | string | a registration that we started and whose code we await      | 1 hour             |
| `cnt`                  | hash   | counters                                                    | for ever, bounded  |
| `workers`              | zset   | worker process -> last seen                                 | 1 minute           |

R is `r:SOURCE` (refreshing) or `d:SINK` (delivering); LANE is `R|job` with the job quoted; JOB is `source/job` quoted.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

PREFIX = "jobwire:"


def refreshing(source: str) -> str:
    """The R of a source."""
    return f"r:{source}"


def delivering(sink: str) -> str:
    """The R of a sink."""
    return f"d:{sink}"


def job_key(source: str, job_id: str) -> str:
    """A job anywhere: no character in it can end the key or begin another."""
    return f"{source}/{quote(job_id, safe='')}"


def refresh_lane(source: str, job_id: str) -> str:
    return f"{refreshing(source)}|{quote(job_id, safe='')}"


def delivery_lane(sink: str, source: str, job_id: str) -> str:
    return f"{delivering(sink)}|{job_key(source, job_id)}"


def job_of(lane: str) -> str:
    """The job id of a refresh lane, unquoted."""
    return unquote(lane.partition("|")[2])


def key(kind: str, name: str = "") -> str:
    return f"{PREFIX}{kind}:{name}" if name else f"{PREFIX}{kind}"
