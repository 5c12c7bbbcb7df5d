"""`jobwire watch`: follow a job until it ends, without any webhook."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from functools import partial

import click

from processor.cli import common, completing
from processor.cli.one_source import OneSource, one_source, said, unlogged
from processor.cli.watched import Lines, Moving, shown
from processor.connect import connect
from processor.errors import NotYet, ProcessorError, Refused, Retryable, Usage
from processor.model import JSON, EventType, Notification, State
from processor.pipeline.facts import Facts
from processor.pipeline.reconcile import Teller
from processor.ports import Finds
from processor.store.one_job import OneJob, Sight
from processor.subscribing import Paying
from processor.text import NAME, VALUE, clean, headline, moment

LOOK = 0.5  # seconds between looks at what is known
NO_WORKER = 10.0  # seconds without a worker that are borne
ANEW = 5.0  # seconds after which a job that nobody looks at any more is asked for again
STOPPED = 130  # the exit status after Ctrl-C, as everywhere
ENDS = (EventType.JOB_SUCCEEDED, EventType.JOB_FAILED, EventType.JOB_CANCELLED)


@click.command()
@common
@click.argument("source", shell_complete=completing.sources)
@click.argument("job_id")
@click.option("--api", metavar="NAME", help="Which of the provider's job APIs knows it; else they are asked in turn.")
def watch(config: str | None, data_dir: str, source: str, job_id: str, api: str | None) -> None:
    """Follow a job until it ends, without any webhook.

    Prints each event as it comes, and where the job stands in between. A worker must be running. Exit status 0 however
    the job ended, 1 when the provider knows no such job. Ctrl-C (status 130) stops watching here: the job is followed
    to its end all the same, and its events go to the sinks.
    """
    one = one_source(config, data_dir, source)
    if not job_id.strip() or job_id.startswith("~"):  # ours begin so: jobwire:r:SOURCE|~confirm
        raise ProcessorError(f"{source}: the provider knows no job {clean(job_id, NAME) or '(empty)'}")
    with unlogged():
        try:
            asked = _api(one, job_id, api)
            with shown() as seen:
                _Watching(one, job_id, asked, seen).follow()
        except KeyboardInterrupt:
            _aside("stopped watching here; the job is followed to its end all the same")
            raise click.exceptions.Exit(STOPPED) from None


def _api(one: OneSource, job_id: str, named: str | None) -> str:
    """The job API to ask. Raises Usage for a name that is none, ProcessorError when none knows the job."""
    provider = one.provider
    if not isinstance(provider, Finds):
        if named is not None:
            raise Usage(f"{one.name} has one job API only: leave out --api")
        return ""
    if named is not None:
        try:
            provider.translate({}, api=named)  # pure: refuses an API that it does not know, and names those it does
        except Refused as e:
            raise Usage(f"--api: {e.message}") from None
        except Retryable:  # of course: there is nothing in it
            pass
        return named
    known = Facts.load(one.app.journal.facts(one.name, [job_id])[0])
    if known.api:
        return known.api
    find = partial(provider.find, job_id, http=Paying(one.app, one.name))
    try:
        return one.patiently(find, _aside)
    except NotYet as e:
        raise _unknown(one, job_id, said(e)) from None


def _aside(text: str) -> None:
    """What is no news of the job goes to the other stream."""
    click.echo(clean(text, VALUE), err=True)


def _unknown(one: OneSource, job_id: str, why: str) -> ProcessorError:
    return ProcessorError(clean(f"{one.name}: the provider knows no job {job_id}: {why}", VALUE))


class _Watching:
    """One job that is followed by looking at what the workers found."""

    def __init__(self, one: OneSource, job_id: str, api: str, shown: Lines | Moving) -> None:
        self._one, self._job_id, self._api, self._shown = one, job_id, api, shown
        self._job = OneJob(connect(one.app.redis_url, patient=True, text=False), one.name, job_id)
        self._notification = ""
        self._error = ""
        self._standing = ""
        self._end_told = False

    def follow(self) -> None:
        """Returns when the job has ended. Raises ProcessorError when there is no such job, or nobody looks at it."""
        self._ask()
        self._shown.aside(clean(f"watching job {self._job_id} of {self._one.name}; Ctrl-C stops watching here", VALUE))
        worked = asked = time.monotonic()
        while not self._over(sight := self._job.look(self._notification)):
            now = time.monotonic()
            if self._one.app.journal.workers():
                worked = now
            elif now - worked >= NO_WORKER:
                raise ProcessorError("no worker was seen: start `jobwire worker` or `jobwire up`, and watch again")
            if sight.state != "pending" and not sight.goes_on and now - asked >= ANEW:
                self._ask()  # a look that failed for good ended it: this one says why
                asked = now
            time.sleep(LOOK)

    def _ask(self) -> None:
        """The same door as a webhook's."""
        hint = Notification(self._one.name, self._job_id, self._api, Teller.WATCH, f"watch {secrets.token_hex(12)}")
        self._notification = self._one.app.inbox.put(hint).id

    def _over(self, sight: Sight) -> bool:
        """Tell what is new; whether that was the end."""
        if sight.dead:
            reason, detail = sight.dead
            if reason == NotYet.__name__:
                raise _unknown(self._one, self._job_id, detail)
            raise ProcessorError(clean(f"{self._one.name}: job {self._job_id}: {detail}", VALUE))
        for event in sight.events:
            self._shown.tell(f"{moment(event['time'])}  {headline(event)}")
            self._end_told = event["type"] in ENDS
        if sight.error != self._error:
            self._error = sight.error
            if sight.error:
                self._shown.aside(clean(f"again later: {sight.error}", VALUE))
        if sight.state == "pending" or sight.snapshot is None:
            return False
        ended = State(sight.snapshot["state"]).ended
        if not (ended and self._end_told):
            self._tell_standing(sight.snapshot, told=bool(sight.events))
        return ended

    def _tell_standing(self, job: Mapping[str, JSON], *, told: bool) -> None:
        """Where it stands, if that is new; a mere change of its state is told by its event."""
        state, progress, provider_state = job["state"], job.get("progress"), job.get("provider_state")
        standing = state if progress is None else f"{state}, {progress:g} %"
        if standing == self._standing:
            return
        first, self._standing = not self._standing, standing
        name = clean(str(job.get("name") or ""), NAME)
        whose = f"{name} ({self._job_id})" if name else self._job_id
        theirs = f" ({provider_state})" if provider_state and str(provider_state).lower() != state else ""
        line = clean(f"{whose}: {standing}{theirs}", VALUE)
        if State(state).ended:
            at = job.get("finished_at") or job.get("updated_at")
            self._shown.tell(f"{moment(at)}  {line}" if at else line)
        else:
            self._shown.stand(line, progress, new=first or progress is not None or not told)
