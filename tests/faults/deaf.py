"""A worker that is told to stop at the worst moment: where whatever is raised is swallowed. `python deaf.py` is one."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from rq import Queue


def main() -> int:
    from workers.__main__ import main as run

    dequeue, told = Queue.dequeue_any, []

    def deaf(*arguments: Any, **keys: Any) -> Any:
        if not told:
            told.append(True)
            with suppress(Exception):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)  # the signal is heard in here
        return dequeue(*arguments, **keys)

    Queue.dequeue_any = deaf  # type: ignore[assignment]
    return run(["worker"])


if __name__ == "__main__":
    sys.exit(main())
