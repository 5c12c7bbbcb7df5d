"""`jobwire jobs WHAT`: the one job that is meant, however it was named, and its whole story."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from processor.cli.layouts import HITS, TIMELINE, about
from processor.cli.showing import GAP, NARROWEST, Shower, plain_line
from processor.errors import ProcessorError
from processor.looking import JobFilter, Looking
from processor.looking.shapes import Hit, JobStory
from processor.model import JSON
from processor.replaying import entry_of
from processor.telling.addresses import web_address
from processor.text import NAME, VALUE, clean, json_line, moment
from processor.text.lines import at, plain

_Job = tuple[str, str]


def tell(looking: Looking, text: str, *, limit: int, as_json: bool) -> None:
    """Tell the story of the job that `text` means; when several fit, which. Raises ProcessorError when none does."""
    source, _, job_id = text.partition("/")
    story = looking.job(source, job_id) if source and job_id else None
    if story is None:
        hits = looking.search(text)
        found = _meant(looking, text, hits)
        if len(found) > 1:
            _several([hit for hit in hits if (hit.source, hit.id) in found], as_json=as_json)
            return
        story = looking.job(*found[0]) if found else None
    if story is None:
        raise ProcessorError(f"nothing that is kept fits {clean(text, NAME)!r}")
    if as_json:
        click.echo(json_line(asdict(story)))
    else:
        _show(story, limit)


# --- which job -------------------------------------------------------------------------------------------------------


def _meant(looking: Looking, text: str, hits: Sequence[Hit]) -> list[_Job]:
    """The jobs with this very id; else with this very external id or name; else all that fit; else what an event, a
    delivery or a notification is about."""
    jobs = list(dict.fromkeys((hit.source, hit.id) for hit in hits if hit.kind == "job" and hit.source and hit.id))
    if exact := [job for job in jobs if job[1] == text]:
        return exact
    if len(jobs) > 1:
        called = looking.jobs(JobFilter(text=text)).items
        exact = [(j.source, j.id) for j in called if text.casefold() in _names(j.external_id, j.name)]
    return exact or jobs or list(dict.fromkeys(job for hit in hits if (job := _about(looking, hit))))


def _names(*names: str | None) -> list[str]:
    return [name.casefold() for name in names if name]


def _about(looking: Looking, hit: Hit) -> _Job | None:
    """The job that something is about; None for an alarm of ours."""
    if hit.kind == "notification":
        noted = looking.notification(hit.id or "")
        return (noted[0].source, noted[0].job_id) if noted else None
    event = looking.event((hit.id or "").partition(":")[0])
    entry = entry_of(event) if event else None
    return (entry.source, entry.job_id) if entry and entry.job_id else None


def _several(hits: Sequence[Hit], *, as_json: bool) -> None:
    Shower(HITS, as_json).show(hits)
    click.echo("several jobs fit: jobwire jobs SOURCE/ID tells the story of one", err=True)


# --- its story -------------------------------------------------------------------------------------------------------


def _show(story: JobStory, limit: int) -> None:
    console = Console(highlight=False)
    standing = list(_standing(story))
    if console.is_terminal:
        _print(console, standing)
    else:
        for label_and_value in standing:
            click.echo(plain_line(label_and_value))
    Shower(TIMELINE, as_json=False, console=console).show(story.timeline[-limit:])
    if len(story.timeline) > limit:
        click.echo(f"the newest {limit:,} of {len(story.timeline):,} are shown: --limit shows more", err=True)


def _print(console: Console, standing: Sequence[tuple[str, str]]) -> None:
    """Labels, and values beside them; what has no space in it, an id or an address, is not broken."""
    wide = max(len(label) for label, _ in standing) + GAP
    for label, value in standing:
        text = Text(value, no_wrap=" " not in value, overflow="ignore")
        first, *rest = text.wrap(console, max(NARROWEST, console.width - wide))
        for part in (Text(f"{label:<{wide}}").append_text(first), *(Text(" " * wide).append_text(one) for one in rest)):
            part.rstrip()
            console.print(part, soft_wrap=True)
    console.print()


def _standing(story: JobStory) -> Iterator[tuple[str, str]]:
    """How the job stands now, as labels and values."""
    job: Mapping[str, JSON] = story.snapshot or {}
    yield "Job", clean(about(story.source, story.id), VALUE)
    for label, name in (("Name", "name"), ("External id", "external_id")):
        if job.get(name):
            yield label, clean(plain(job[name]), VALUE)
    yield "State", clean(_state(story, job), VALUE)
    if page := web_address(job.get("url")):
        yield "Page", page
    if story.next_look:
        yield "Next look", moment(story.next_look)


def _state(story: JobStory, job: Mapping[str, JSON]) -> str:
    if not job:
        return "not known: no document of it is kept"
    theirs = plain(at(job, "provider_state"))
    state = plain(job.get("state")) + (f" ({theirs})" if theirs and theirs.lower() != job.get("state") else "")
    progress = at(job, "progress")
    state += f", {progress:g} %" if isinstance(progress, (int, float)) and job.get("state") == "processing" else ""
    return f"{state} since {moment(story.since)}" if story.since else state
