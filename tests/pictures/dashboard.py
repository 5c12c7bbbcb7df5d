"""Makes the dashboard's pictures in docs/pictures anew: `python tests/pictures/dashboard.py`. Then look at them.

Needs a Chromium, and the font of a phone for the pictures to be like one: apt-get install chromium
fonts-roboto-unhinted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]  # the first as pytest's `pythonpath` has it

from browser import PHONE, a_browser, chromium  # noqa: E402  # found through the line above, as the next ones
from playwright.sync_api import Browser  # noqa: E402
from web import showcase  # noqa: E402

from processor.simulation import serve  # noqa: E402

FOLDER = TESTS.parent / "docs/pictures"
MOST = 250_000  # bytes of a file: they are loaded with the page
WIDTH = 1120
FONT = "body, input, button { font-family: Roboto, sans-serif !important }"


@dataclass(frozen=True)
class Picture:
    """A page, and how much of it is shown: all of it, or so many pixels from the top."""

    name: str
    path: str
    height: int | None = None
    width: int = WIDTH
    scale: float = 1.25
    dark: bool = False


JOB = f"/jobs/{showcase.STORY.source}/{showcase.STORY.id}"
PICTURES = [
    *(Picture(f"overview-{'dark' if dark else 'light'}", "/", dark=dark) for dark in (False, True)),
    *(Picture(f"job-{'dark' if dark else 'light'}", JOB, 1220, scale=1, dark=dark) for dark in (False, True)),
    *(Picture(f"dead-{'dark' if dark else 'light'}", "/dead", 560, dark=dark) for dark in (False, True)),
    Picture("job-phone", JOB, 1140, PHONE, 1.5),
]


def take(browser: Browser, url: str, picture: Picture, file: Path) -> None:
    """The page at the moment at which the showcase plays, to a reader in Los Angeles."""
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height or 800},
        device_scale_factor=picture.scale,
        color_scheme="dark" if picture.dark else "light",
        timezone_id="America/Los_Angeles",
        bypass_csp=True,
    )
    page = context.new_page()
    page.clock.set_fixed_time(showcase.NOW)
    page.goto(url + picture.path)
    page.add_style_tag(content=FONT)
    page.screenshot(path=file, full_page=picture.height is None)
    context.close()


def main() -> None:
    if chromium() is None:
        sys.exit("there is no Chromium here: apt-get install chromium")
    served = serve(showcase.app())
    with a_browser() as browser:
        for picture in PICTURES:
            file = FOLDER / f"dashboard-{picture.name}.png"
            take(browser, f"http://localhost:{served.port}", picture, file)
            assert file.stat().st_size < MOST, file
            print(f"{file.relative_to(TESTS.parent)}  {file.stat().st_size:,} bytes")  # noqa: T201  # a command
    served.close()


if __name__ == "__main__":
    main()
