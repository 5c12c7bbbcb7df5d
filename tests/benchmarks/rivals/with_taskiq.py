"""taskiq: `taskiq worker with_taskiq:broker`, on the broker of its own that acknowledges: a Redis stream."""

from typing import Annotated

import aiohttp
import work
from taskiq import Context, TaskiqDepends, TaskiqEvents, TaskiqState
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(url=work.redis_url())


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def startup(state: TaskiqState) -> None:
    state.client = aiohttp.ClientSession()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def shutdown(state: TaskiqState) -> None:
    await state.client.close()


@broker.task
async def refresh(job_id: str, context: Annotated[Context, TaskiqDepends()]) -> None:
    await work.work_async(context.state.client, job_id)


async def enqueue(job_ids: list[str]) -> None:
    await broker.startup()
    for job_id in job_ids:
        await refresh.kiq(job_id)
    await broker.shutdown()
