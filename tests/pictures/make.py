"""Makes the pictures in docs/pictures anew: `python tests/pictures/make.py`. Then look at them.

Needs a Chromium, and the fonts of a phone for the pictures to be like one: apt-get install chromium
fonts-roboto-unhinted fonts-noto-color-emoji.
"""

from __future__ import annotations

import email
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from email.headerregistry import Address
from email.policy import default
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]  # the first as pytest's `pythonpath` has it

from browser import a_browser, a_page, chromium  # noqa: E402  # found through the line above, as the next ones
from golden import JOBS  # noqa: E402
from pictures import block_kit  # noqa: E402

from processor.sinks.email.message import compose  # noqa: E402
from processor.sinks.slack.blocks import message  # noqa: E402
from processor.telling import Telling, tell  # noqa: E402

FOLDER = TESTS.parent / "docs/pictures"
PHONE_MOST = 200_000  # bytes of a file: they are loaded with the page


def told(kind: str) -> Telling:
    """The message about an event of the job in Hover's documentation: one of its two models failed."""
    return tell(JOBS["hover"]()[kind], public_url="https://jobs.example.com")


def mail(dark: bool) -> str:
    """The HTML of a mail; its own style sheet knows the dark."""
    raw = compose(
        told("model.failed"),
        sink="ops-mail",
        sender=Address("jobwire", "jobs", "example.com"),
        recipients=[Address("", "ops", "example.com")],
        now=datetime(2025, 3, 17, 0, 3, tzinfo=UTC),
    )
    html = email.message_from_bytes(raw, policy=default).get_body(("html",))
    assert html is not None
    return str(html.get_content())


def slack(dark: bool) -> str:
    """A bot's channel: the living message as it stands in the end, and the reply about the model that failed."""
    ended, failed = told("job.succeeded"), told("model.failed")
    living = {**message(ended), "edited": True, "replies": 5, "time": "12:02 AM"}
    reply = {**message(failed), "in_thread": ended.headline, "time": "12:03 AM"}
    return block_kit.page([living, reply], dark)


PICTURES: dict[str, Callable[[bool], str]] = {"email": mail, "slack": slack}


def main() -> None:
    if chromium() is None:
        sys.exit("there is no Chromium here: apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    with a_browser() as browser:
        for name, html in PICTURES.items():
            for dark in (False, True):
                file = FOLDER / f"{name}-{'dark' if dark else 'light'}.png"
                with a_page(browser, html(dark), dark=dark) as shown:
                    shown.picture(file)
                assert not shown.requests
                assert file.stat().st_size < PHONE_MOST, file
                print(f"{file.relative_to(TESTS.parent)}  {file.stat().st_size:,} bytes")  # noqa: T201  # a command


if __name__ == "__main__":
    main()
