"""Bentley's words and what comes of them: every row of the tables of states and kinds, through translate and diff."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from providers.bentley_source import JOB, make

from processor.model import Event, EventType, Job, ModelState, State
from processor.pipeline.diff import diff
from processor.pipeline.facts import Facts
from processor.providers.bentley.families import FAMILIES, Family
from processor.providers.bentley.states import is_known, job_state

NOW = datetime(2025, 3, 18, 0, 3, tzinfo=UTC)
ENDED_AT = "2025-03-18T00:01:00.0000000+00:00"

V1 = (
    ("unsubmitted", State.CREATED),
    ("pending", State.WAITING),
    ("active", State.PROCESSING),
    ("success", State.SUCCEEDED),
    ("over", State.SUCCEEDED),
    ("failed", State.FAILED),
    ("cancelled", State.CANCELLED),
)
V2 = (
    ("Queued", State.WAITING),
    ("Active", State.PROCESSING),
    ("TerminatingOnCancel", State.PROCESSING),
    ("TerminatingOnFailure", State.PROCESSING),
    ("Success", State.SUCCEEDED),
    ("Failed", State.FAILED),
    ("Cancelled", State.CANCELLED),
)
PARAMETERS = {"gigaPixels": 2.1, "megaPoints": 1.5, "meshQuality": "Extra"}
# Their own lists of kinds, and those of them that make a model.
KINDS: dict[str, tuple[str, str]] = {
    "contextcapture": ("Full Reconstruction", "Calibration"),
    "reality-modeling": (
        "Reconstruction Production GaussianSplats",
        "FillImageProperties ImportPointCloud Calibration Tiling Constraints TouchUpExport TouchUpImport "
        "WaterConstraints ClearanceCalculation",
    ),
    "realitydataanalysis": (
        "",
        "objects2D segmentation2D segmentationOrthophoto segmentation3D changeDetection extractGround "
        "Objects3D Lines3D",
    ),
    "reality-analysis": (
        "",
        "Objects2D Segmentation2D Segmentation3D SegmentationOrthophoto ChangeDetection EvalO2D EvalO3D EvalS2D "
        "EvalS3D EvalSOrtho TrainingS3D",
    ),
    "realityconversion": ("", "Conversion ImportFeatures"),
    "reality-conversion": ("", "PointCloudConversion"),
}
ROWS = [
    pytest.param(family, word, ours, id=f"{family.api}-{word}")
    for family in FAMILIES
    for word, ours in (V1 if family.version == 1 else V2)
]


def a_kind(family: Family, *, model: bool = True) -> str:
    making, others = KINDS[family.api]
    return ((making if model else "") or others).split()[0]


def shown(family: Family, state: str | None, *, kind: str | None = None, **keys: Any) -> Job:
    """The job as its API shows it in this state, with as little in it as there may be, in our words."""
    ended = {"endedDateTime": ENDED_AT} if state and job_state(state).ended else {}
    job: dict[str, Any] = {"id": JOB, "type": kind or a_kind(family), "state": state}
    if family.version == 1:
        job |= {"createdDateTime": "2025-03-18T00:00:00Z", "executionInformation": ended or None}
    else:
        job |= {"executionInfo": {"createdDateTime": "2025-03-18T00:00:00Z", **ended}}
    return make().translate({"job": {**job, **keys}}, api=family.api)


def told(*jobs: Job) -> list[list[EventType]]:
    """The types of the events that come of each look."""
    return [[event.type for event in events] for events in looks(*jobs)]


def looks(*jobs: Job) -> list[tuple[Event, ...]]:
    facts, found = Facts(), []
    for i, job in enumerate(jobs):
        facts, events = diff(facts, job, fetched_at=NOW + timedelta(minutes=i))
        found.append(events)
    return found


def ends(family: Family, ours: State) -> list[EventType]:
    """What a job that ended so is told with: its model first, where its kind makes one."""
    model = {State.SUCCEEDED: EventType.MODEL_SUCCEEDED, State.FAILED: EventType.MODEL_FAILED}.get(ours)
    makes_one = bool(KINDS[family.api][0])
    job = {
        State.SUCCEEDED: EventType.JOB_SUCCEEDED,
        State.FAILED: EventType.JOB_FAILED,
        State.CANCELLED: EventType.JOB_CANCELLED,
    }[ours]
    return [model, job] if model and makes_one else [job]


class TestWords:
    def test_an_unknown_word_is_a_job_that_goes_on_and_known_to_be_unknown(self) -> None:
        assert job_state("teleporting") is job_state(None) is State.PROCESSING
        for version in (1, 2):
            assert not is_known("teleporting", version=version)
            assert not is_known("unknown", version=version)
            assert is_known(None, version=version)

    def test_a_word_of_the_other_generation_is_read_and_known_to_be_strange(self) -> None:
        assert job_state("Unsubmitted") is State.CREATED
        assert not is_known("Unsubmitted", version=2)
        assert not is_known("over", version=2)
        assert not is_known("Queued", version=1)

    @pytest.mark.parametrize(("family", "word", "ours"), ROWS)
    def test_a_word_has_its_row_in_any_spelling(self, family: Family, word: str, ours: State) -> None:
        for spelt in (word, word.upper(), word.lower(), word.capitalize(), f" {word}-", "_".join(word)):
            assert job_state(spelt) is ours
            assert is_known(spelt, version=family.version)


class TestStates:
    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.api)
    @pytest.mark.parametrize("word", ["teleporting", None])
    def test_an_unknown_state_is_kept_as_it_came_and_goes_on(self, family: Family, word: str | None) -> None:
        job = shown(family, word)
        assert (job.state, job.provider_state) == (State.PROCESSING, word)
        active = "active" if family.version == 1 else "Active"
        assert told(job, shown(family, active)) == [[EventType.JOB_CREATED], []]

    @pytest.mark.parametrize(("family", "word", "ours"), ROWS)
    def test_each_is_ours_at_first_sight(self, family: Family, word: str, ours: State) -> None:
        job = shown(family, word)
        assert (job.state, job.provider_state) == (ours, word)
        assert told(job, job) == [ends(family, ours) if ours.ended else [EventType.JOB_CREATED], []]

    @pytest.mark.parametrize(("family", "word", "ours"), ROWS)
    def test_each_is_ours_when_a_running_job_moves_there(self, family: Family, word: str, ours: State) -> None:
        active = "active" if family.version == 1 else "Active"
        first, then, again = looks(shown(family, active), shown(family, word), shown(family, word))
        assert [event.type for event in first] == [EventType.JOB_CREATED]
        moved = [] if ours is State.PROCESSING else [EventType.JOB_STATE_CHANGED]
        assert [event.type for event in then] == (ends(family, ours) if ours.ended else moved)
        assert again == ()
        for event in then:
            assert event.data["previous_state"] == "processing"
            assert event.data["job"]["provider_state"] == word
            assert not ours.ended or event.time == datetime(2025, 3, 18, 0, 1, tzinfo=UTC)

    @pytest.mark.parametrize(("family", "word", "ours"), ROWS)
    def test_the_model_of_a_job_ends_with_it_unless_it_was_cancelled(
        self, family: Family, word: str, ours: State
    ) -> None:
        states = {State.SUCCEEDED: ModelState.SUCCEEDED, State.FAILED: ModelState.FAILED}
        models = shown(family, word).models
        assert [model.state for model in models] == (
            [states.get(ours, ModelState.PROCESSING)] if KINDS[family.api][0] else []
        )

    @pytest.mark.parametrize("family", [f for f in FAMILIES if f.version == 2], ids=lambda family: family.api)
    def test_a_job_that_is_being_ended_is_waited_for(self, family: Family) -> None:
        for on_its_way, word, ours in (
            ("TerminatingOnFailure", "Failed", State.FAILED),
            ("TerminatingOnCancel", "Cancelled", State.CANCELLED),
        ):
            looked = [shown(family, state) for state in ("Active", on_its_way, on_its_way, word)]
            assert told(*looked) == [[EventType.JOB_CREATED], [], [], ends(family, ours)]

    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.api)
    def test_the_same_end_has_the_same_ids_however_it_was_come_upon(self, family: Family) -> None:
        active, failed = ("active", "failed") if family.version == 1 else ("Active", "Failed")
        watched = looks(shown(family, active), shown(family, failed))[1]
        at_once = looks(shown(family, failed))[0]
        assert [event.id for event in watched] == [event.id for event in at_once]


class TestKinds:
    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.api)
    @pytest.mark.parametrize("kind", [None, "", "Teleport"])
    def test_a_kind_that_nobody_knows_makes_no_model(self, family: Family, kind: str | None) -> None:
        job = make().translate({"job": {"id": JOB, "type": kind, "state": "success"}}, api=family.api)
        assert (job.models, job.kind) == ((), kind or None)

    @pytest.mark.parametrize(
        ("family", "kind"),
        [pytest.param(f, kind, id=f"{f.api}-{kind}") for f in FAMILIES for kind in KINDS[f.api][1].split()],
    )
    def test_those_that_make_no_model_give_job_events_only(self, family: Family, kind: str) -> None:
        for word, ours in V1 if family.version == 1 else V2:
            types = told(shown(family, word, kind=kind))[0]
            assert len(types) == 1
            assert types[0].startswith("job.")
            assert not ours.ended or types[0] == ends(family, ours)[-1]

    @pytest.mark.parametrize(
        ("family", "kind"),
        [pytest.param(f, kind, id=f"{f.api}-{kind}") for f in FAMILIES for kind in KINDS[f.api][0].split()],
    )
    def test_those_that_make_one_give_its_events_too(self, family: Family, kind: str) -> None:
        for spelt in (kind, kind.lower()):
            for word, ours in V1 if family.version == 1 else V2:
                if ours.ended:
                    assert told(shown(family, word, kind=spelt)) == [ends(family, ours)]
        assert shown(family, "active", kind=kind).models[0].id == JOB


class TestCosts:
    """Announced by nobody: a look at an unsubmitted job finds them."""

    CONTEXT, ANALYSIS, CONVERSION = FAMILIES[0], FAMILIES[2], FAMILIES[4]

    def looks(self, family: Family, *costs: dict[str, Any]) -> list[tuple[Event, ...]]:
        return looks(*(shown(family, "unsubmitted", **cost) for cost in costs))

    @pytest.mark.parametrize("cost", [{}, {"estimatedCost": None}, {"estimatedCost": 0}])
    def test_no_amount_and_a_bare_zero_are_no_estimate(self, cost: dict[str, Any]) -> None:
        assert [[e.type for e in events] for events in self.looks(self.CONTEXT, cost)] == [[EventType.JOB_CREATED]]

    @pytest.mark.parametrize("cost", [{}, {"estimatedCost": None, "gigaPixels": 2}, {"estimatedCost": 0}, None])
    @pytest.mark.parametrize("family", [ANALYSIS, CONVERSION], ids=lambda family: family.api)
    def test_nor_are_they_where_parameters_and_result_come_together(self, family: Family, cost: Any) -> None:
        assert [[e.type for e in events] for events in self.looks(family, {"costEstimation": cost})] == [
            [EventType.JOB_CREATED]
        ]

    def test_parameters_alone_are_none(self) -> None:
        _, after = self.looks(self.CONTEXT, {}, {"costEstimationParameters": PARAMETERS})
        assert after == ()

    def test_a_zero_with_its_parameters_is_one(self) -> None:
        [(_, event)] = self.looks(self.CONTEXT, {"estimatedCost": 0, "costEstimationParameters": PARAMETERS})
        assert event.data["cost_estimate"]["amount"] == 0
        [(_, event)] = self.looks(self.ANALYSIS, {"costEstimation": {"estimatedCost": 0, "gigaPixels": 2}})
        assert event.data["cost_estimate"]["amount"] == 0

    @pytest.mark.parametrize(
        ("family", "cost"),
        [
            (CONTEXT, lambda amount: {"estimatedCost": amount}),
            (ANALYSIS, lambda amount: {"costEstimation": {"estimatedCost": amount, "gigaPixels": 2}}),
            (CONVERSION, lambda amount: {"costEstimation": {"estimatedCost": amount, "megaPoints": 1}}),
        ],
        ids=lambda value: getattr(value, "api", "cost"),
    )
    def test_each_new_amount_is_told_while_the_job_is_unsubmitted(self, family: Family, cost: Any) -> None:
        first, same, second, back = self.looks(family, cost(3.5), cost(3.5), cost(4), cost(3.5))
        assert [event.type for event in first] == [EventType.JOB_CREATED, EventType.COST_ESTIMATE_AVAILABLE]
        assert same == ()
        estimates = [first[1], *second, *back]
        assert [event.type for event in estimates] == [EventType.COST_ESTIMATE_AVAILABLE] * 3
        assert [event.data["cost_estimate"]["amount"] for event in estimates] == [3.5, 4, 3.5]
        assert [event.subject for event in estimates] == [f"jobs/{JOB}"] * 3
        assert len({event.id for event in estimates}) == 3

    @pytest.mark.parametrize("family", [f for f in FAMILIES if f.version == 2], ids=lambda family: family.api)
    def test_the_second_generation_has_none(self, family: Family) -> None:
        run = {"createdDateTime": "2025-03-18T00:00:00Z", "processingUnits": 7}
        job = shown(family, "Success", executionInfo=run, estimatedCost=3.5, costEstimation={"estimatedCost": 3.5})
        assert job.cost_estimate is None
