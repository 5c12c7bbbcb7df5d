"""What no webhook told of is found: lost webhooks, cancellations, estimates; and what was there before stays quiet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from running import Running, running, wait_for

from processor.cli.simulated import Simulated
from processor.simulation import changed, notify

OLD, LOST = "15084303", "900"
MESH = "cc3d35cc-416a-4262-9714-b359da70b419"
ALARMS = '[sinks.alarms]\ntype = "file"\npath = "{folder}/alarms.jsonl"\nevents = ["ops.repaired"]\n'


def told(it: Running) -> set[tuple[str, str]]:
    return {(e["type"], e["subject"]) for e in it.events()}


def alarms(it: Running) -> list[Any]:
    return [e for e in it.journal.events() if e["type"] == "ops.repaired"]


def test_what_no_webhook_told_of_is_found_and_told_and_what_was_there_before_is_not(tmp_path: Path) -> None:
    def before(simulated: Simulated) -> None:
        hover, bentley = simulated.by_name["hover"], simulated.by_name["bentley"]
        hover.put_job(hover.sample("hover-1"))  # ended long ago
        running_job = {"id": int(LOST), "reconstruction_state": "working", "models.0.state": "processing"}
        hover.put_job(changed(hover.sample("hover-1"), {**running_job, "models.1.state": "processing"}), touch=True)
        unsubmitted = {"job.state": "unsubmitted", "job.estimatedCost": None}
        bentley.put_job(changed(bentley.sample("bentley-1"), unsubmitted))

    with running(tmp_path, ALARMS.format(folder=tmp_path), reconcile="2s", before=before) as it:
        hover, bentley = it.simulated.by_name["hover"], it.simulated.by_name["bentley"]
        wait_for(lambda: it.journal.snapshot("hover-demo", LOST) and it.journal.snapshot("itwin-demo", MESH), 60)
        assert it.events() == [], "the first pass takes stock in silence"

        done = {"reconstruction_state": "completed", "models.0.state": "failed", "models.1.state": "complete"}
        hover.put_job(changed(hover.job(LOST), done), touch=True)  # and its webhook is lost
        bentley.put_job(changed(bentley.job(MESH), {"job.estimatedCost": 3.5}))  # nobody announces that
        wait_for(lambda: len(told(it)) == 4, 60)
        bentley.put_job(changed(bentley.job(MESH), {"job.state": "cancelled"}))  # nor that
        wait_for(lambda: ("job.cancelled", f"jobs/{MESH}") in told(it), 60)
        wait_for(lambda: any(LOST in e["data"]["ops"]["detail"] for e in alarms(it)), 60)

        assert not any(OLD in subject for _, subject in told(it))
        notify(hover, OLD)
        wait_for(lambda: ("job.succeeded", f"jobs/{OLD}") in told(it), 60)
    models = [(e["type"], e["subject"]) for e in it.events() if LOST in e["subject"]]
    assert models[-1] == ("job.succeeded", f"jobs/{LOST}")
    assert {kind for kind, _ in models} == {"model.failed", "model.succeeded", "job.succeeded"}
    assert len(it.events()) == len({e["id"] for e in it.events()})
