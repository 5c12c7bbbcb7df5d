"""The work that everybody does: fetch a job, translate it, compare it, post what changed. Also where things are."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from processor.pipeline.diff import diff
from processor.pipeline.facts import Facts
from processor.providers.hover.translate import translate
from processor.text import json_line

REDIS_URL = "BENCHMARK_REDIS_URL"
FAR_URL = "BENCHMARK_FAR_URL"
FETCHING = {"Authorization": "Bearer access"}
POSTING = {"Content-Type": "application/cloudevents+json"}
HANDS = 32  # jobs that a worker may have in hand at once, as many as ours has threads
PROCESSES = 16  # … where each takes a process: more of them are slower on few cores

_sessions = threading.local()


def redis_url() -> str:
    return os.environ[REDIS_URL]


def job_url(job_id: str) -> str:
    return f"{os.environ[FAR_URL]}/api/v3/jobs/{job_id}"


def sink_url() -> str:
    return f"{os.environ[FAR_URL]}/sink"


def documents(fetched: Any) -> Iterator[str]:
    """The events that follow from a fetched job, as they are posted."""
    _, events = diff(Facts(), translate(fetched, source="hover"), fetched_at=datetime.now(UTC))
    for event in events:
        yield json_line(event.cloudevent())


def work(job_id: str) -> None:
    """With a `requests.Session` for each thread."""
    import requests  # those that wait with asyncio need none

    if not hasattr(_sessions, "session"):
        _sessions.session = requests.Session()
    session: requests.Session = _sessions.session
    answer = session.get(job_url(job_id), headers=FETCHING, timeout=30)
    answer.raise_for_status()
    for document in documents(answer.json()):
        session.post(sink_url(), document, headers=POSTING, timeout=30).raise_for_status()


async def work_async(client: Any, job_id: str) -> None:
    """With aiohttp: `client` is one `ClientSession` of the whole process, as its documentation asks for."""
    async with client.get(job_url(job_id), headers=FETCHING) as answer:
        answer.raise_for_status()
        fetched = await answer.json()
    for document in documents(fetched):
        async with client.post(sink_url(), data=document, headers=POSTING) as answer:
            answer.raise_for_status()
            await answer.read()
