"""RQ in its three forms. A job stays in a registry while it is worked on; `Retry` would bring back a dead worker's.

`python with_rq.py SimpleWorker|Worker|WorkerPool` works, as RQ's page on performance has it: what the jobs need is
imported before anything is forked.
"""

import sys

import requests  # noqa: F401  # see above
import work
from redis import Redis
from rq import Queue, Retry, SimpleWorker, Worker
from rq.worker_pool import WorkerPool

QUEUE = "benchmark"


def refresh(job_id: str) -> None:
    work.work(job_id)


def enqueue(job_ids: list[str]) -> None:
    queue, again = Queue(QUEUE, connection=Redis.from_url(work.redis_url())), Retry(max=3)
    queue.enqueue_many(
        [Queue.prepare_data("with_rq.refresh", (job_id,), result_ttl=0, retry=again) for job_id in job_ids]
    )


if __name__ == "__main__":
    connection = Redis.from_url(work.redis_url())
    if sys.argv[1] == "WorkerPool":
        WorkerPool([QUEUE], connection=connection, num_workers=work.PROCESSES).start(logging_level="ERROR")
    else:
        kind = {"Worker": Worker, "SimpleWorker": SimpleWorker}[sys.argv[1]]
        kind([QUEUE], connection=connection).work(logging_level="ERROR")
