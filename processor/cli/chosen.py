"""What of a list a person names, checked: names that are none, types that there are not, times."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from processor.errors import Usage
from processor.model import EventType, timestamp
from processor.moments import moment
from processor.settings import Settings
from processor.settings.faults import nearest
from processor.wiring import now


@dataclass(frozen=True, slots=True)
class Times:
    """Epoch seconds, from `since` to before `until`."""

    since: float | None = None
    until: float | None = None

    @property
    def given(self) -> bool:
        return self.since is not None or self.until is not None


def times(since: str | None, until: str | None) -> Times:
    """What --since and --until mean. Raises Usage."""
    here = now()
    begins = moment("--since", since, here) if since is not None else None
    ends = moment("--until", until, here, ends=True) if until is not None else None
    if begins and ends and begins >= ends:
        raise Usage(f"--since ({timestamp(begins)}) must lie before --until ({timestamp(ends)})")
    return Times(begins.timestamp() if begins else None, ends.timestamp() if ends else None)


def job(named: str | None, source: str | None, settings: Settings) -> tuple[str | None, str | None]:
    """(source, job id) of `--job SOURCE/ID` or `--job ID`, and of `--source`. Raises Usage when they differ."""
    if named is None:
        return source, None
    if not named.strip("/ "):
        raise Usage(f"--job: {named!r} is neither SOURCE/ID nor an id")
    before, slash, job_id = named.partition("/")
    if not slash or (before not in settings.sources and source is not None):  # an id may have a slash itself
        return source, named
    if source is not None and before != source:
        raise Usage(f"--job {named} is not of --source {source}")
    return before, job_id


def glob(named: str | None) -> str | None:
    """A --type that matches something. Raises Usage."""
    if named is not None and not any(fnmatchcase(kind, named) for kind in EventType):
        raise Usage(f"--type: {named!r} matches no event type{nearest(named, EventType)}")
    return named


def must_be_known(settings: Settings, *, source: str | None = None, sink: str | None = None) -> None:
    """For when nothing was found: a name of a source or a sink that is not configured is the reason. Raises Usage."""
    if source is not None and source not in settings.sources:
        raise Usage(f"{source!r} is no source{nearest(source, settings.sources)}")
    if sink is not None and sink not in settings.sinks:
        raise Usage(f"{sink!r} is no sink{nearest(sink, settings.sinks)}")
