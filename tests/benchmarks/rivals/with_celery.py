"""Celery: `celery -A with_celery worker`, with threads or processes. `acks_late`, since a lost job must come back."""

import work
from celery import Celery

app = Celery("with_celery", broker=f"redis+socket://{work.redis_url().removeprefix('unix://').partition('?')[0]}")
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=4,  # its default; Celery's guide to optimizing asks for 1 only where tasks are long
)


@app.task(max_retries=3, autoretry_for=(OSError,), retry_backoff=True)
def refresh(job_id: str) -> None:
    work.work(job_id)


def enqueue(job_ids: list[str]) -> None:
    with app.producer_pool.acquire() as producer:
        for job_id in job_ids:
            refresh.apply_async((job_id,), producer=producer)
