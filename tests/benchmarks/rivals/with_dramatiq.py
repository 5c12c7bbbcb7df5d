"""Dramatiq: `dramatiq with_dramatiq`. Its own defaults: acknowledged late, retried with back-off."""

import dramatiq
import work
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=work.redis_url()))


@dramatiq.actor
def refresh(job_id: str) -> None:
    work.work(job_id)


@dramatiq.actor
def nothing(job_id: str) -> None:
    """Claimed and acknowledged, and that is all."""


def enqueue(job_ids: list[str]) -> None:
    for job_id in job_ids:
        refresh.send(job_id)


def enqueue_nothing(job_ids: list[str]) -> None:
    for job_id in job_ids:
        nothing.send(job_id)
