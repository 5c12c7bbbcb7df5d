"""Three Flask applications: one that only answers, one that pushes to a list, one as a tutorial would have it.

`python flasks.py bare|pushing|plain PORT` serves one of them with the settings of processor/web/server.py.
"""

from __future__ import annotations

import hashlib
import hmac
import sys

import flask
import work
from marshmallow import EXCLUDE, Schema, ValidationError, fields
from redis import Redis
from rq import Queue

from processor.connect import connect
from processor.web.server import serve

SECRET = b"a secret of the benchmark"


def genuine() -> bytes | None:
    """The body, if its HMAC is right."""
    body = flask.request.get_data()
    expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    return body if hmac.compare_digest(expected, flask.request.headers.get("X-Signature", "")) else None


def bare() -> flask.Flask:
    """202, and nothing else."""
    app = flask.Flask("bare")

    @app.post("/")
    def receive() -> tuple[str, int]:
        return "", 202

    return app


def pushing() -> flask.Flask:
    """The least that may call itself a receiver: check the HMAC, push the body, 202."""
    app = flask.Flask("pushing")
    client = connect(work.redis_url(), patient=False)

    @app.post("/")
    def receive() -> tuple[str, int]:
        body = genuine()
        if body is None:
            return "", 401
        client.lpush("benchmark:pushed", body)
        return "", 202

    return app


class Notice(Schema):
    class Meta:
        unknown = EXCLUDE

    event = fields.String(required=True)
    job_id = fields.Integer(required=True)
    state = fields.String(required=True)
    webhook_id = fields.Integer(required=True)


def plain() -> flask.Flask:
    """The straightforward way: a schema, `enqueue`, 202. It neither knows duplicates nor logs."""
    app = flask.Flask("plain")
    schema, queue = Notice(), Queue("plain", connection=Redis.from_url(work.redis_url()))

    @app.post("/")
    def receive() -> tuple[dict[str, str], int]:
        body = genuine()
        if body is None:
            return {"error": "signature"}, 401
        try:
            notice = schema.loads(body)
        except ValidationError as e:
            return {"error": str(e)}, 400
        job = queue.enqueue("with_rq.refresh", str(notice["job_id"]))
        return {"id": job.id}, 202

    return app


if __name__ == "__main__":
    serve("127.0.0.1", int(sys.argv[2]), target=f"flasks:{sys.argv[1]}")
