"""RQ's side: our tasks resolve, and RQ's own worker runs them too."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from processor.cli.simulated import HOVER, Simulated
from processor.model import Notification
from processor.queue import QUEUE, TASKS
from processor.wiring import REDIS_FROM_PARENT, App, read_settings


@pytest.mark.parametrize("dotted", TASKS.values())
def test_a_tasks_name_leads_to_a_function_of_two_arguments(dotted: str) -> None:
    module, _, name = dotted.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    assert function.__code__.co_argcount == 2


def test_rqs_own_worker_runs_our_tasks(redis_url: str, tmp_path: Path) -> None:
    simulated = Simulated("http://127.0.0.1:1", limited=False)
    hover = simulated.by_name["hover"]
    job = hover.put_job(hover.sample("hover-2"))
    served = simulated.serve("127.0.0.1", 0)
    config, out = tmp_path / "jobwire.toml", tmp_path / "events.jsonl"
    config.write_text(f'{simulated.configuration(served.url)}\n[sinks.disk]\ntype = "file"\npath = "{out}"\n')
    app = App(read_settings(str(config), {}), redis_url)
    app.inbox.put(Notification(HOVER, job, "v3", "job-state-changed-v2", "key", "job"))
    command = [sys.executable, "-m", "rq.cli", "worker", QUEUE, "--burst", "--url", redis_url]
    environ = {**os.environ, "JOBWIRE_CONFIG": str(config), REDIS_FROM_PARENT: redis_url}
    try:
        subprocess.run(
            [*command, "--serializer", "rq.serializers.JSONSerializer", "--job-class", "processor.queue.Task"],
            env=environ,
            check=True,
            capture_output=True,
            timeout=60,
        )
    finally:
        served.close()
    told = [json.loads(line)["type"] for line in out.read_text().splitlines()]
    assert told == ["model.succeeded", "model.succeeded", "job.succeeded"]
