"""Huey: `huey_consumer with_huey.huey`. A job leaves the queue before it is done: what a dead worker had is lost."""

import work
from huey import RedisHuey

huey = RedisHuey("benchmark", url=work.redis_url(), results=False)


@huey.task(retries=3, retry_delay=5)
def refresh(job_id: str) -> None:
    work.work(job_id)


def enqueue(job_ids: list[str]) -> None:
    for job_id in job_ids:
        refresh(job_id)
