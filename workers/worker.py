"""RQ's worker with a pool of threads: RQ hands out tasks, the threads draw lanes, Redis may go away and come back."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType

import redis
import structlog
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty

from processor.connect import connect
from processor.errors import Unavailable
from processor.queue import QUEUE
from processor.store.scripts import ours
from processor.wiring import App
from workers.keeper import Keeper
from workers.shift import Shift
from workers.tasks import SHIFT

log = structlog.get_logger(__name__)

THREADS = 16
DRAIN = 20.0  # seconds for what is in hand at SIGTERM; what takes longer is handed back
RECONNECT = 1.0


class NoDeathPenalty(BaseDeathPenalty):
    """RQ interrupts late jobs by SIGALRM, which knows no threads. Our calls have deadlines, our lanes leases."""

    def setup_death_penalty(self) -> None: ...

    def cancel_death_penalty(self) -> None: ...


class ThreadWorker(SimpleWorker):
    """Runs RQ's jobs in threads. One of these lives from one loss of Redis to the next; the pool outlives it."""

    death_penalty_class = NoDeathPenalty
    max_connection_wait_time = 2.0

    def __init__(self, crew: Crew, connection: redis.Redis) -> None:
        super().__init__(
            [QUEUE],
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=60,
            maintenance_interval=60,
            log_job_description=False,
        )
        self._crew = crew

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Called by RQ's loop with the job it took: wait for a free thread rather than take more than we can do."""
        self._crew.room.acquire()
        try:
            execution = self.prepare_execution(job)
            self._crew.pool.submit(self.perform_job, job, queue, execution).add_done_callback(self._crew.freed)
        except BaseException:
            self._crew.room.release()
            raise

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Called on SIGTERM and SIGINT, in the main thread, wherever RQ's loop is: mostly in its blocking read."""
        self._crew.shift.stopping.set()
        raise StopRequested


class Crew:
    """The threads of this process, and what they share."""

    def __init__(self, shift: Shift, threads: int) -> None:
        self.shift = shift
        self.room = threading.Semaphore(threads)
        self.pool = ThreadPoolExecutor(threads, "lane", initializer=self._begin)
        self.rq: ThreadWorker | None = None

    def _begin(self) -> None:
        """Called in each new thread: its tasks belong to this shift."""
        SHIFT.set(self.shift)

    def freed(self, done: Future[bool]) -> None:
        """Called when a task has ended and its thread is free again."""
        self.room.release()
        if not done.cancelled() and (error := done.exception()):
            log.warning("RQ could not record a task; the lanes do not mind", reason=type(error).__name__)

    def beat(self) -> None:
        """RQ's own sign of life, for `rq info`: its loop gives none while all threads are busy."""
        if self.rq:
            with ours():
                self.rq.heartbeat()


def run(app: App, *, threads: int = THREADS) -> None:
    """Work until SIGTERM or SIGINT; then finish what is in hand, hand back what takes too long, and return."""
    crew = Crew(Shift(app), threads)
    stopping = crew.shift.stopping
    _resume(app)
    keeper = Keeper(crew.shift, crew.beat)
    keeper.start()
    while not stopping.is_set():
        for signum in (signal.SIGTERM, signal.SIGINT):  # RQ's loop sets its own over these while it runs
            signal.signal(signum, lambda *_: stopping.set())
        try:
            crew.rq = ThreadWorker(crew, connect(app.redis_url, patient=True, text=False))
            crew.rq.work(logging_level="WARNING")
        except (redis.RedisError, OSError) as e:
            log.warning("Redis is away; connecting again", reason=type(e).__name__)
        stopping.wait(RECONNECT)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, signal.SIG_IGN)  # one is enough: draining has a bound of its own
    _drain(crew)
    keeper.stop()
    app.close()


def _resume(app: App) -> None:
    """A restart may have brought the new grant that a source waits for; if not, its first fetch pauses it again."""
    for resource in app.sources.values():
        try:
            app.lanes.resume(resource)
        except Unavailable:
            return  # its pause ends by itself


def _drain(crew: Crew) -> None:
    crew.pool.shutdown(wait=False, cancel_futures=True)
    deadline = time.monotonic() + DRAIN
    while (claims := crew.shift.in_hand()[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for claim in claims:
        try:
            crew.shift.app.lanes.hand_back(claim)
        except Unavailable:
            return  # its lease ends by itself
    log.info("stopped", handed_back=len(claims))
