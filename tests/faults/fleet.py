"""Receivers and workers in processes of their own, a simulated Hover that tells them, a far end that takes notes."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from running import HOVER, MAKING, free_port, wait_for

from processor.cli.simulated import Simulated
from processor.connect import connect
from processor.simulation import Webhook
from processor.store import keys
from processor.store.journal import Journal
from processor.store.tokens import RedisTokens
from processor.wiring import REDIS_FROM_PARENT

HERE = "127.0.0.1"
PATIENCE = 5.0  # seconds: Bentley's
BACK = 30.0  # seconds for everything to be well again, on a busy machine


@dataclass(frozen=True)
class Answer:
    """What one request got: `status` is None when there was no answer. Times are those of time.monotonic."""

    job: str
    asked: float
    seconds: float
    status: int | None
    retry_after: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class Arrival:
    """One event that a far end took."""

    at: float
    id: str
    job: str


class FarEnd:
    """Somebody's endpoint: `status` is its answer, `seconds` pass before it, and what got a 204 is in `taken`."""

    def __init__(self) -> None:
        self.status, self.seconds = 204, 0.0
        self.taken: list[Arrival] = []
        self.asked: list[Arrival] = []  # whatever the answer was
        far = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                arrival = Arrival(time.monotonic(), event["id"], event["data"]["job"]["id"])
                far.asked.append(arrival)
                time.sleep(far.seconds)
                if far.status == 204:
                    far.taken.append(arrival)
                self.send_response(far.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *said: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Whoever was killed is nothing to talk about."""

        self._server = Server((HERE, 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def configuration(self, name: str, more: str = "") -> str:
        url = f"http://{HERE}:{self._server.server_port}/"
        return f'[sinks.{name}]\ntype = "webhook"\nurl = "{url}"\ntimeout = "90s"\nallow_private = true\n{more}\n'

    def jobs(self) -> set[str]:
        return {arrival.job for arrival in list(self.taken)}

    def repeats(self) -> int:
        taken = [arrival.id for arrival in list(self.taken)]
        return len(taken) - len(set(taken))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Fleet:
    """What runs. `far` is the far end of the sink of that name; `source` and `sink` are further keys of both."""

    folder: Path
    redis_url: str
    more: str = ""
    source: str = ""
    sink: str = ""
    far: FarEnd = field(default_factory=FarEnd)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        with MAKING:
            self._simulated = Simulated("", limited=False)  # where it posts to is said each time
        self.hover: Any = self._simulated.by_name["hover"]
        self._served = self._simulated.serve(HERE, 0)
        self._numbers = iter(range(1, 1_000_000))
        self._webhooks: dict[str, Webhook] = {}
        self._file = self.folder / "jobwire.toml"
        sources = self._simulated.configuration(self._served.url, reconcile="0")
        self._file.write_text(f"{sources}\n{self.far.configuration('far', self.sink)}\n{self.more}")
        self.configure(self.source)
        self._environ = {k: v for k, v in os.environ.items() if not k.startswith(("JOBWIRE", "REDIS"))}
        self._environ |= {"JOBWIRE_CONFIG": str(self._file), REDIS_FROM_PARENT: self.redis_url}

    # --- processes

    def configure(self, source: str = "", more: str = "") -> None:
        """Further keys of the source, in the place of those of the same name, and whatever more: for who starts now."""
        text = self._file.read_text()
        for line in source.splitlines():
            text = re.sub(rf"^{line.partition(' ')[0]} = .*\n", "", text, flags=re.MULTILINE)
            text = text.replace(f"[sources.{HOVER}]\n", f"[sources.{HOVER}]\n{line}\n")
        self._file.write_text(f"{text}\n{more}")

    def web(self, port: int | None = None, *, processes: int = 1) -> tuple[subprocess.Popen[bytes], str]:
        """A receiver that answers, and its address."""
        port = port or free_port()
        arguments = ["web", "--host", HERE, "--port", str(port), "--processes", str(processes)]
        process, url = self.run("-m", "processor.cli", *arguments), f"http://{HERE}:{port}"
        wait_for(lambda: _alive(url), BACK, "the receiver does not answer")
        return process, url

    def worker(self) -> subprocess.Popen[bytes]:
        """One that is seen."""
        process = self.run("-m", "workers", "worker")
        mark = f":{process.pid}@"  # others may be found to be gone meanwhile
        wait_for(lambda: any(mark in name for name in self.journal.seen_lately()), BACK, "the worker is not seen")
        return process

    def seed(self) -> str:
        """Which configured grant the stored token descends from."""
        with connect(self.redis_url, patient=True) as client:
            stored = RedisTokens(client).get(HOVER)
        assert stored
        return stored.seed

    def workers(self) -> int:
        return self.journal.workers()

    def run(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments], env=self._environ, stdout=log, stderr=log, cwd=self.folder
            )
        self.processes.append(process)
        return process

    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def journal(self) -> Journal:
        return Journal(connect(self.redis_url, patient=True, text=False))

    # --- what happens

    def job(self) -> str:
        """A finished job without models: one event."""
        return str(self.hover.put_job({**self.hover.sample("hover-1"), "id": next(self._numbers), "models": []}))

    def webhook(self, job: str) -> Webhook:
        """What tells of the job; always the same, as a provider sends it once more."""
        if job not in self._webhooks:
            self._webhooks[job] = self.hover.webhooks(job)[0]
        return self._webhooks[job]

    def tell(self, url: str, job: str | None = None) -> Answer:
        """One notification, sent once."""
        job = job or self.job()
        webhook = self.webhook(job)
        began, status, after, ntf = time.monotonic(), None, None, None
        try:
            answer = requests.post(f"{url}{webhook.url}", webhook.body, headers=dict(webhook.headers), timeout=PATIENCE)
        except requests.RequestException:
            pass
        else:
            status, after = answer.status_code, answer.headers.get("Retry-After")
            ntf = answer.json()["id"] if answer.ok else None
        told = Answer(job, began, time.monotonic() - began, status, after, ntf)
        self.answers.append(told)
        return told

    @contextmanager
    def load(self, *doors: str, a_second: float) -> Iterator[None]:
        """New jobs are told of at this rate until the block ends, at each of the doors in turn. Where there are
        several, whoever finds one shut goes to the next, as a load balancer does."""
        over, turns = threading.Event(), itertools.count()

        def tell() -> None:
            job, first = self.job(), next(turns)
            for n in range(len(doors)):
                if self.tell(doors[(first + n) % len(doors)], job).status is not None:
                    return

        with ThreadPoolExecutor(32) as pool:

            def send() -> None:
                began, sent = time.monotonic(), 0
                while not over.wait(max(0.0, began + sent / a_second - time.monotonic())):
                    pool.submit(tell)
                    sent += 1

            sending = threading.Thread(target=send)
            sending.start()
            try:
                yield
            finally:
                over.set()
                sending.join()

    # --- what became of it

    def accepted(self) -> set[str]:
        return {a.job for a in list(self.answers) if a.status == 202}

    def lost(self) -> set[str]:
        """The jobs that were answered 202 and whose event has not come (yet)."""
        return self.accepted() - self.far.jobs()

    def all_come(self, seconds: float = BACK) -> None:
        """Waits until every event of an accepted job has come, and every notification is done with."""
        wait_for(lambda: not self.lost(), seconds, "what was answered 202 is lost")
        wait_for(lambda: self.unexplained() == {}, seconds, "not done, and not dead either")
        assert list(self.journal.dead()) == []

    def unexplained(self) -> dict[str, str]:
        ids = sorted(a.id for a in list(self.answers) if a.status == 202 and a.id)
        with connect(self.redis_url, patient=True) as client:
            pipe = client.pipeline(transaction=False)
            for ntf in ids:
                pipe.hget(keys.key("n", ntf), "state")
            states = pipe.execute()
        return {ntf: str(state) for ntf, state in zip(ids, states, strict=True) if state not in ("done", "dead")}

    def statuses(self, since: float = 0.0, until: float = float("inf")) -> Counter[int | None]:
        return Counter(a.status for a in list(self.answers) if since <= a.asked < until)

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._served.close()
        self.far.close()


def _alive(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=2).ok
    except requests.RequestException:
        return False


@contextmanager
def fleet(folder: Path, redis_url: str, more: str = "", **keys: str) -> Iterator[Fleet]:
    """One without processes yet; gone afterwards."""
    it = Fleet(folder, redis_url, more, **keys)
    try:
        yield it
    finally:
        it.close()
