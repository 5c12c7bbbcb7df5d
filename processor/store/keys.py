"""The one place that spells Redis keys, and quotes what goes into them; docs/architecture.md has the table of them.

R is `r:SOURCE` (refreshing) or `d:SINK` (delivering), a lane is `R|job`, a job is `source/id`; ids are quoted.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

PREFIX = "jobwire:"
_EVERYTHING = "*"  # no job is called so: its * would be quoted


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


def everything_lane(sink: str) -> str:
    """The lane of what a sink is told together, whatever job it is about."""
    return f"{delivering(sink)}|{_EVERYTHING}"


def memory_key(sink: str, name: str) -> str:
    """What a sink remembers under a name."""
    return key("mem", f"{sink}/{quote(name, safe='')}")


def source_of(lane: str) -> str:
    """The source of a lane of either kind; empty for a lane of everything."""
    resource, _, job = lane.partition("|")
    return resource.removeprefix("r:") if resource.startswith("r:") else job.rpartition("/")[0]


def job_of(lane: str) -> str:
    """The job id of a lane of either kind, unquoted; empty for a lane of everything."""
    job = lane.partition("|")[2].rpartition("/")[2]
    return "" if job == _EVERYTHING else unquote(job)


def key(kind: str, name: str = "") -> str:
    return f"{PREFIX}{kind}:{name}" if name else f"{PREFIX}{kind}"
