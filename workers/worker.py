"""RQ's worker with a pool of threads: RQ hands out tasks, the threads draw lanes, Redis may go away and come back."""

from __future__ import annotations

import logging
import re
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import FrameType
from typing import Any

import redis
import structlog
from rq import Queue, SimpleWorker
from rq.exceptions import InvalidJobOperation, NoSuchJobError, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty
from rq.utils import now

from processor import observe
from processor.connect import connect
from processor.errors import ProcessorError, Unavailable
from processor.ports import TakesOver
from processor.queue import QUEUE, Task, TaskQueue
from processor.store.scripts import ours
from processor.wiring import App
from workers.keeper import SIGN, Keeper
from workers.shift import Shift
from workers.tasks import SHIFT

log = structlog.get_logger(__name__)

THREADS = 32
DRAIN = 20.0  # seconds for what is in hand at SIGTERM; what takes longer is handed back
RECONNECT = 1.0
# RQ's loop waits for a task 15 s less than this, and then for the answer so many seconds more: it notices as soon as
# everybody else here that its Redis has gone without a word.
RQ_TTL = 17
RQ_ANSWER = 3
# What RQ meets when Redis is away, or when a task was in its queue twice and the other one has ended.
NO_BUG = (redis.RedisError, InvalidJobOperation, NoSuchJobError)
_EXECUTION_GONE = re.compile(r"Execution \S+ not found in Redis")  # RQ raises it as a ValueError


class NoDeathPenalty(BaseDeathPenalty):
    """RQ interrupts late jobs by SIGALRM, which knows no threads. Our calls have deadlines, our lanes leases."""

    def setup_death_penalty(self) -> None: ...

    def cancel_death_penalty(self) -> None: ...


class ThreadWorker(SimpleWorker):
    """Runs RQ's jobs in threads. One of these lives from one loss of Redis to the next; the pool outlives it."""

    job_class = Task  # RQ's own would call whatever a job in our queue names
    queue_class = TaskQueue
    death_penalty_class = NoDeathPenalty
    max_connection_wait_time = 2.0

    def __init__(self, crew: Crew, connection: redis.Redis) -> None:
        super().__init__(
            [QUEUE],
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=RQ_TTL,
            maintenance_interval=60,
            log_job_description=False,
        )
        self._crew = crew

    def register_birth(self) -> None:
        """Called by RQ before anything else: only now may others say that this worker lives. RQ would take whoever was
        said to live before for another one of its name, and give up."""
        super().register_birth()  # type: ignore[no-untyped-call]  # RQ has not typed it
        self._crew.rq = self

    @property
    def connection_timeout(self) -> int:
        """Called by RQ: the seconds for any answer of Redis. RQ's own 10 beyond the wait would be most of a lease."""
        return self.dequeue_timeout + RQ_ANSWER

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Called by RQ's loop with the job it took: wait for a free thread rather than take more than we can do."""
        self._crew.wait_for_room()
        try:
            execution = self.prepare_execution(job)
            self._crew.pool.submit(self.perform_job, job, queue, execution).add_done_callback(self._crew.freed)
        except BaseException:
            self._crew.room.release()
            raise

    def heartbeat(self, *arguments: Any, **keys: Any) -> None:
        """Called by RQ's loop at every turn, and in its tasks. Being told to stop is an exception wherever the loop is
        just then, and much there catches whatever it can: here it is heard at the latest."""
        if self._crew.shift.stopping.is_set() and threading.current_thread() is threading.main_thread():
            raise StopRequested
        if "pipeline" in keys or not self.last_heartbeat or (now() - self.last_heartbeat).total_seconds() >= SIGN:
            super().heartbeat(*arguments, **keys)  # else the three round trips of it would be most of a task's

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Called on SIGTERM and SIGINT while RQ's loop runs."""
        self._crew.stop(signum, frame)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Called by RQ with what a task raised, or what kept RQ from recording its end."""
        if _is_no_bug(exc_info[1]):
            log.warning("RQ could not record a task; the lanes do not mind", reason=type(exc_info[1]).__name__)
        else:
            if isinstance(exc_info[1], Exception):
                observe.report(exc_info[1])
            super().handle_exception(job, *exc_info)

    def _pubsub_exception_handler(self, exc: Exception, *_: Any) -> None:
        """Called by the thread that listens for RQ's commands; it goes on until it is stopped."""
        log.debug("RQ's commands cannot be heard", reason=type(exc).__name__)
        time.sleep(RECONNECT)

    def teardown(self) -> None:
        """Called by RQ's loop at its end, mostly because Redis is away: then nobody waits for it to take leave, and
        RQ forgets a worker that gives no sign of life."""
        self._crew.rq = None
        self.connection = self._crew.hasty
        try:
            self.register_death()  # type: ignore[no-untyped-call]  # RQ has not typed it
        finally:
            if self.pubsub_thread:
                self.pubsub_thread.stop()  # type: ignore[unreachable]  # RQ types it as never set
            self.unsubscribe()  # type: ignore[no-untyped-call]  # nor this


def _is_no_bug(error: BaseException | None) -> bool:
    gone = isinstance(error, ValueError) and _EXECUTION_GONE.fullmatch(str(error))
    return isinstance(error, NO_BUG) or bool(gone)


def _no_bug(record: logging.LogRecord) -> bool:
    """What is no bug is told in a line, without RQ's traceback."""
    if record.exc_info and _is_no_bug(record.exc_info[1]):
        record.exc_info = None
    return True


class Crew:
    """The threads of this process, and what they share."""

    def __init__(self, shift: Shift, threads: int) -> None:
        self.shift = shift
        self.hasty = connect(shift.app.redis_url, patient=False, text=False)  # for the last words
        self.room = threading.Semaphore(threads)
        self.pool = ThreadPoolExecutor(threads, "lane", initializer=self._begin)
        self.rq: ThreadWorker | None = None
        self._listening = self._waits = False
        shift.spare = self.spare

    def listen(self) -> None:
        """Take tasks until we are asked to stop, or Redis goes away."""
        try:
            self._loop()
        except StopRequested:
            log.debug("asked to stop outside RQ's own loop")

    def _loop(self) -> None:
        self._listening = True
        try:
            if not self.shift.stopping.is_set():
                rq = ThreadWorker(self, connect(self.shift.app.redis_url, patient=True, text=False, resident=True))
                rq.work(logging_level="WARNING")
        except (redis.RedisError, OSError) as e:
            log.warning("Redis is away; connecting again", reason=type(e).__name__)
        finally:
            self._listening = False

    def stop(self, signum: int, frame: FrameType | None) -> None:
        """Called on SIGTERM and SIGINT, in the main thread, wherever that is: mostly in RQ's blocking read, which must
        not go on. Once is enough: draining has a bound of its own."""
        if self.shift.stopping.is_set():
            return
        self.shift.stopping.set()
        if self._listening:
            self._listening = False
            raise StopRequested

    def wait_for_room(self) -> None:
        """Called with a task of RQ's: wait for a thread, which is nobody else's then."""
        self._waits = not self.room.acquire(blocking=False)
        if self._waits:
            self.shift.wanted.set()
            self.room.acquire()
            self.shift.wanted.clear()
            self._waits = False

    def spare(self, resource: str, hand: str) -> bool:
        """Set a thread to work that has nothing to do: RQ would take milliseconds. False when there is none."""
        if self._waits or self.shift.stopping.is_set() or not self.room.acquire(blocking=False):
            return False
        try:
            self.pool.submit(self.shift.take, resource, hand).add_done_callback(self.freed)
        except RuntimeError:  # it was shut down just now
            self.room.release()
            return False
        return True

    def _begin(self) -> None:
        """Called in each new thread: its tasks belong to this shift."""
        SHIFT.set(self.shift)

    def freed(self, done: Future[Any]) -> None:
        """Called when a task has ended and its thread is free again."""
        self.room.release()
        if not done.cancelled() and (error := done.exception()):
            log.warning("RQ could not record a task; the lanes do not mind", reason=type(error).__name__)

    def beat(self) -> None:
        """RQ's own sign of life, for `rq info`: its loop gives none while all threads are busy."""
        if rq := self.rq:
            with ours():
                rq.heartbeat()


def run(app: App, *, threads: int = THREADS) -> None:
    """Work until SIGTERM or SIGINT; then finish what is in hand, hand back what takes too long, and return."""
    crew = Crew(Shift(app), threads)
    stopping = crew.shift.stopping
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, crew.stop)
    logging.getLogger("rq.worker").addFilter(_no_bug)
    threading.Thread(target=_resume, args=(app,), name="resume", daemon=True).start()  # it may ask providers
    keeper = Keeper(crew.shift, crew.beat)
    keeper.start()
    while not stopping.is_set():
        crew.listen()
        stopping.wait(RECONNECT)
    _drain(crew)
    keeper.stop()
    app.close()


def _resume(app: App) -> None:
    """A restart may have brought the new grant that a source waits for; if not, its first fetch pauses it again."""
    for name, resource in app.sources.items():
        provider = app.providers[name]
        try:
            if isinstance(provider, TakesOver):
                provider.take_over()
        except ProcessorError as e:
            log.warning("what is configured anew cannot be used now", source=name, reason=e.reason, detail=e.message)
        try:
            app.lanes.resume(resource)
        except Unavailable:
            return  # its pause ends by itself


def _drain(crew: Crew) -> None:
    """Wait for the threads, since one that has no lane yet may be getting one; give back what is not done in time."""
    crew.pool.shutdown(wait=False, cancel_futures=True)
    deadline = time.monotonic() + DRAIN
    while any(crew.shift.in_hand()) and time.monotonic() < deadline:
        time.sleep(0.05)
    claims, hands = crew.shift.in_hand()
    app = replace(crew.shift.app, patient=False)
    resources = {resource.name: resource for resource in (*app.sources.values(), *app.targets.values())}
    try:
        for claim in claims:
            app.lanes.hand_back(claim)
        for name, hand in hands:  # else nobody is sent in its place before its lease ends
            app.lanes.leave(resources[name], hand, final=True)
    except Unavailable:
        log.warning("Redis is away; what was in hand goes on when its lease ends", lanes=len(claims))
        return
    log.info("stopped", handed_back=len(claims))
