"""`python -m workers worker|scheduler`: one process of the restless half, configured by its environment."""

from __future__ import annotations

import os
import sys

from processor import leash, observe
from processor.errors import ProcessorError
from processor.wiring import from_environment
from workers import scheduler, worker

ROLES = {"worker": worker.run, "scheduler": scheduler.run}


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 after a stop by signal, 2 when it cannot begin."""
    role = ROLES.get(arguments[0]) if len(arguments) == 1 else None
    if role is None:
        print("usage: python -m workers worker|scheduler", file=sys.stderr)  # noqa: T201  # a command's own usage line
        return 2
    try:
        app = from_environment(os.environ)
        telemetry = app.settings.telemetry
        observe.set_up(telemetry.log_format, telemetry.sentry_dsn, hidden=app.settings, process=arguments[0])
        leash.hold()
        role(app)
    except ProcessorError as e:
        print(e.message, file=sys.stderr)  # noqa: T201  # for the person who started it
        return 2
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)  # a thread that hangs in a far end must not keep a stopped worker alive
