"""A provider and sink with a bug, whose message quotes what it was given: run by the processes of test_sentry.py."""

from __future__ import annotations

from typing import Any, ClassVar


class Buggy:
    """`error` is raised instead, where there is one."""

    source = "main"
    error: Exception | None = None
    job: ClassVar = {"address": "4312 Meadow " + "Drive", "customer": "Ms " + "Doe", "id": "150843" + "03"}

    def verify(self, request: Any) -> None: ...

    def parse(self, request: Any) -> Any:
        return self.fetch("1")

    def fetch(self, job_id: str, **_: Any) -> Any:
        body = str(self.job)
        raise self.error or ValueError(f"cannot read {body!r}")

    def deliver(self, event: Any) -> None:
        self.fetch(event["id"])

    def close(self) -> None: ...
