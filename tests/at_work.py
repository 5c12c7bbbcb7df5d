"""A worker in a thread of the test, a source that does as it is told, and commands run beside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from processor.cli import main
from processor.errors import Refused, Retryable
from processor.model import Handshake, Ignored, Job, Notification, Request
from processor.options import SecretField, SourceOptions
from processor.ports import Http, Listed, Subscription, Tools
from processor.wiring import App, read_settings
from workers.shift import Shift


class Options(SourceOptions):
    secret_from_registration = True
    client_secret = SecretField(load_default=None)


class Plain:
    """A provider, and the plugin that makes it, in one: jobs are what `jobs` holds, or an error that is raised."""

    Options = Options

    def __init__(self) -> None:
        self.source = "main"
        self.jobs: dict[str, Job | Exception] = {}
        self.fetched: list[tuple[str, str]] = []

    def from_config(self, name: str, options: Mapping[str, Any], tools: Tools) -> Plain:
        self.tools = tools
        return self

    def verify(self, request: Request) -> None:
        raise NotImplementedError

    def parse(self, request: Request) -> Notification | Ignored:
        raise NotImplementedError

    def fetch(self, job_id: str, *, api: str, http: Http) -> Any:
        self.fetched.append((job_id, api))
        found = self.jobs[job_id]
        if isinstance(found, Exception):
            raise found
        return found

    def translate(self, original: Any, *, api: str) -> Job:
        if not isinstance(original, Job):
            raise Retryable("there is nothing in it")
        return original


class Several(Plain):
    """One with two job APIs; `known` says which has a job, `failing` is raised first."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: list[Exception] = []
        self.found = 0

    def find(self, job_id: str, *, http: Http) -> str:
        self.found += 1
        if self.failing:
            raise self.failing.pop(0)
        return "second"

    def translate(self, original: Any, *, api: str) -> Job:
        if api not in ("first", "second"):
            raise Refused("there is no such job API: there are first, second")
        return super().translate(original, api=api)


class Listing(Plain):
    """One whose lists are `pages`: name -> pages, each a tuple of jobs or an error to be raised once."""

    def __init__(self, **pages: list[Any]) -> None:
        super().__init__()
        self.pages = pages
        self.asked: list[tuple[str, Any, Any]] = []

    def lists(self) -> Sequence[str]:
        return tuple(self.pages)

    def page(self, name: str, *, since: Any, at: Any, http: Http) -> Listed:
        self.asked.append((name, since, at))
        number = at or 0
        page = self.pages[name][number]
        if isinstance(page, Exception):
            self.pages[name].pop(number)
            raise page
        following = number + 1 if number + 1 < len(self.pages[name]) else None
        return page if isinstance(page, Listed) else Listed(tuple(page), "v1", following, f"reached-{number}")


@dataclass
class Hooks:
    """The webhooks that a provider has; `failing` is raised by the call of that name."""

    there: list[Subscription] = field(default_factory=list)
    failing: dict[str, Exception] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)


class Subscribing(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.hooks = Hooks()
        self.made: Callable[[str], Subscription] = lambda url: Subscription("made", url, "active")
        self.mending: Callable[[Subscription], bool] = lambda webhook: False

    def subscriptions(self, *, http: Http) -> Sequence[Subscription]:
        self._called("subscriptions", http)
        return tuple(self.hooks.there)

    def subscribe(self, url: str, *, http: Http) -> Subscription:
        self._called("subscribe", http)
        made = self.made(url)
        self.hooks.there.append(made)
        return made

    def unsubscribe(self, subscription_id: str, *, http: Http) -> None:
        self._called("unsubscribe", http)
        self.hooks.there = [webhook for webhook in self.hooks.there if webhook.id != subscription_id]

    def mend(self, subscription: Subscription, *, http: Http) -> bool:
        self._called(f"mend {subscription.id}", http)
        return self.mending(subscription)

    def _called(self, name: str, http: Http) -> None:
        self.hooks.calls.append(name)
        if name in self.hooks.failing:
            raise self.hooks.failing[name]


class Greeting(Subscribing):
    """One whose webhooks wait for a verification code."""

    def handshake(self, request: Request) -> Handshake | None:
        raise NotImplementedError

    def confirm(self, code: str, *, http: Http) -> None:
        raise NotImplementedError


@contextmanager
def working(app: App, source: str) -> Iterator[None]:
    """A worker that is seen, and that draws the lanes of `source` until the block ends."""
    shift, over = Shift(app), threading.Event()

    def work() -> None:
        while not over.is_set():
            app.journal.seen("worker of the test")
            shift.refresh(source, "test")
            time.sleep(0.05)

    thread = threading.Thread(target=work, name="worker of the test")
    with capture_logs():
        thread.start()
        try:
            yield
        finally:
            over.set()
            shift.stopping.set()
            thread.join()


@dataclass
class Desk:
    """Where a person runs commands: a folder with a jobwire.toml, and the Redis that it names."""

    folder: Path
    redis_url: str

    def write(self, text: str) -> App:
        """Write the configuration, and make an application of it for the test's own use."""
        file = self.folder / "jobwire.toml"
        file.write_text(f'[redis]\nurl = "{self.redis_url}"\n{text}')
        return App(read_settings(str(file), {}), self.redis_url)

    def run(self, *arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=typed)
