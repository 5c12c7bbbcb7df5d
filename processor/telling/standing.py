"""How each job and each alarm stands after several events: what a message about many must say of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from processor.model import JSON, EventType, State
from processor.telling.message import Mood
from processor.telling.one import is_raised
from processor.text.lines import HEADLINE, NAME, at, clean, plain
from processor.text.parts import amount, is_alarm, job_name, job_of, kind_of, model_name, reason
from processor.text.rollup import failed_models, in_passing, models_of, rollup

Document = Mapping[str, JSON]

_STATES: Mapping[str, State] = {  # what a job's last event says where the document does not (any more)
    EventType.JOB_CREATED: State.CREATED,
    EventType.JOB_SUCCEEDED: State.SUCCEEDED,
    EventType.JOB_FAILED: State.FAILED,
    EventType.JOB_CANCELLED: State.CANCELLED,
    EventType.JOB_REOPENED: State.PROCESSING,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """One job after `events`, oldest first. Events come in the order in which they were found, so the last one's
    document is the newest."""

    job: tuple[str, str] | None  # source and id
    events: tuple[Document, ...]

    @property
    def newest(self) -> Document:
        with_job = [event for event in self.events if isinstance(at(event, "data", "job"), Mapping)]
        return (with_job or self.events)[-1]

    @property
    def name(self) -> str:
        return job_name(self.newest)

    @property
    def state(self) -> str:
        """As its newest document has it, else as its last event has it; empty where neither says."""
        told = [_STATES[kind] for event in self.events if (kind := kind_of(event)) in _STATES]
        return clean(plain(at(self.newest, "data", "job", "state")), NAME) or (told[-1] if told else "")

    @property
    def failed_models(self) -> int:
        """How many of its models stand as failed. One that is the job itself counts as the job."""
        if models_of(self.newest):
            own = self.job and self.job[1]
            return sum(at(model, "id") != own for model in failed_models(self.newest))
        last = {model_name(event): kind_of(event) for event in self.events if kind_of(event).startswith("model.")}
        return sum(bool(name) and kind == EventType.MODEL_FAILED for name, kind in last.items())

    @property
    def reason(self) -> str:
        """The first there is for what stands as failed; empty where nobody gives one."""
        failed = self.last(EventType.JOB_FAILED) or self.last(EventType.MODEL_FAILED)
        found = [reason(failed)] if failed else []
        found += [plain(at(model, "failure_reason")) for model in failed_models(self.newest)]
        return next(filter(None, found), "")

    @property
    def mood(self) -> Mood:
        """Bad if anything of it stands as failed, good if it ended well."""
        if self.state == State.FAILED or self.failed_models or failed_models(self.newest):
            return Mood.BAD
        return Mood.GOOD if self.state == State.SUCCEEDED else Mood.NEWS

    def line(self, *, with_source: bool = False) -> str:
        """ "Main House (15084303): succeeded; 3 of 4 models ready, 1 failed: Garage, lack of exterior shots"."""
        name = self.name
        if with_source and self.job:
            source = clean(self.job[0], NAME)
            name = f"{name[:-1]}, {source})" if name.endswith(")") else f"{name} ({source})"
        said = "; ".join(part for part in (self.state, self._how()) if part)
        return clean(f"{name}: {said or events_said(len(self.events))}", HEADLINE)

    def last(self, kind: EventType) -> Document | None:
        """The last of its events of a type."""
        return next((event for event in reversed(self.events) if kind_of(event) == kind), None)

    def _how(self) -> str:
        models, several = rollup(self.newest), len(models_of(self.newest)) > 1
        if self.state == State.FAILED and not (several and failed_models(self.newest)):
            return in_passing(self.reason, plain(at(self.newest, "data", "provider")))
        if not models and self.failed_models:
            models = f"{self.failed_models} {'model' if self.failed_models == 1 else 'models'} failed"
        return models or self._estimate()

    def _estimate(self) -> str:
        event = self.last(EventType.COST_ESTIMATE_AVAILABLE)
        kind = event and plain(at(event, "data", "cost_estimate", "kind"))
        return f"{kind} cost estimate {amount(event)}".strip() if event else ""


def standings(events: Iterable[Document]) -> list[Standing]:
    """Every job, in the order in which they first come. What names no job is one of its own."""
    found: dict[object, list[Document]] = {}
    for number, event in enumerate(events):
        if not is_alarm(event):
            found.setdefault(job_of(event) or number, []).append(event)
    return [Standing(job_of(of[0]), tuple(of)) for of in found.values()]


def alarms(events: Iterable[Document]) -> list[Document]:
    """The last event of every alarm, in the order in which they first come."""
    found: dict[tuple[str, str], Document] = {}
    for event in events:
        if is_alarm(event):
            found[kind_of(event), plain(at(event, "source"))] = event
    return list(found.values())


def mood_of(jobs: Sequence[Standing], of_ourselves: Sequence[Document]) -> Mood:
    """That of a message about all of them: the worst; good only if every job ended well."""
    moods = {job.mood for job in jobs}
    if any(map(is_raised, of_ourselves)):
        return Mood.ALARM
    return next((mood for mood in (Mood.BAD, Mood.NEWS) if mood in moods), Mood.GOOD)


def events_said(count: int, *, more: bool = False) -> str:
    """ "1 event", "1,280 more events"."""
    return f"{count:,} {'more ' if more else ''}{'event' if count == 1 else 'events'}"
