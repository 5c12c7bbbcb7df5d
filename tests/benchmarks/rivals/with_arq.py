"""arq: `arq with_arq.WorkerSettings`. Pessimistic, as it says: a job leaves the queue when it is done."""

import asyncio
from typing import Any

import aiohttp
import uvloop
import work
from arq import create_pool
from arq.connections import RedisSettings

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
SETTINGS = RedisSettings.from_dsn(work.redis_url())


async def refresh(ctx: dict[str, Any], job_id: str) -> None:
    await work.work_async(ctx["client"], job_id)


async def startup(ctx: dict[str, Any]) -> None:
    ctx["client"] = aiohttp.ClientSession()


async def shutdown(ctx: dict[str, Any]) -> None:
    await ctx["client"].close()


class WorkerSettings:
    functions = (refresh,)
    on_startup = startup
    on_shutdown = shutdown
    redis_settings = SETTINGS
    max_jobs = work.HANDS
    poll_delay = 0.01  # its default of 0.5 s would bound it
    keep_result = 0


async def enqueue(job_ids: list[str]) -> None:
    pool = await create_pool(SETTINGS)
    for job_id in job_ids:
        await pool.enqueue_job("refresh", job_id)
    await pool.aclose()
