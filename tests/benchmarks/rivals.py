"""What we are measured beside: two Flask applications on our server, and a plain function for RQ's SimpleWorker.

`python rivals.py bare|lpush PORT` serves one of the applications with the settings of processor/web/server.py.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from datetime import UTC, datetime
from functools import cache

import flask
import requests

from processor.connect import connect
from processor.pipeline.diff import diff
from processor.pipeline.facts import Facts
from processor.providers.hover.translate import translate
from processor.text import json_line
from processor.web.server import serve

SECRET = b"a secret of the benchmark"
REDIS_URL = "BENCHMARK_REDIS_URL"
FAR_URL = "BENCHMARK_FAR_URL"
QUEUE = "benchmark"


def signature(body: bytes) -> str:
    return "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def bare() -> flask.Flask:
    """202, and nothing else."""
    app = flask.Flask("bare")

    @app.post("/")
    def receive() -> tuple[str, int]:
        return "", 202

    return app


def lpush() -> flask.Flask:
    """The least that may call itself a receiver: check the HMAC, push the body, 202."""
    app = flask.Flask("lpush")
    client = connect(os.environ[REDIS_URL], patient=False)

    @app.post("/")
    def receive() -> tuple[str, int]:
        body = flask.request.get_data()
        if not hmac.compare_digest(signature(body), flask.request.headers.get("X-Signature", "")):
            return "", 401
        client.lpush("benchmark:pushed", body)
        return "", 202

    return app


@cache
def _session() -> requests.Session:
    return requests.Session()


def work(job_id: str) -> None:
    """A whole refresh and its delivery, as a plain function for an RQ worker would have it."""
    url, session = os.environ[FAR_URL], _session()
    answer = session.get(f"{url}/api/v3/jobs/{job_id}", headers={"Authorization": "Bearer access"}, timeout=30)
    answer.raise_for_status()
    job = translate(answer.json(), source="hover")
    _, events = diff(Facts(), job, fetched_at=datetime.now(UTC))
    for event in events:
        headers = {"Content-Type": "application/cloudevents+json"}
        session.post(f"{url}/sink", json_line(event.cloudevent()), headers=headers, timeout=30).raise_for_status()


if __name__ == "__main__":
    serve("127.0.0.1", int(sys.argv[2]), target=f"rivals:{sys.argv[1]}")
