"""A real Chromium for the tests of what people see, and for the pictures: the system's own, driven by Playwright.

`with a_browser() as browser, a_page(browser, HTML) as page: …`; tests take the browser from a fixture of their module.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

PHONE = 390  # CSS pixels: what most phones are wide
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",  # so that pictures come out alike on other machines with the same fonts
)


def chromium() -> str | None:
    """The path of the system's Chromium; None without one."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def a_browser() -> Iterator[Browser]:
    """A browser without a window. Without a Chromium the test is skipped, and in CI it fails."""
    path = chromium()
    if path is None:
        reason = "there is no Chromium here: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Shown:
    """A page in the browser; `requests` and `dialogs` are what it asked for, none of which it got."""

    page: Page
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def show(self, html: str) -> None:
        """Another page in its place."""
        self.page.set_content(html, wait_until="load")

    def picture(self, file: Path) -> None:
        """The whole page as a PNG, no higher than it is."""
        self.page.set_viewport_size({"width": self.page.viewport_size["width"], "height": 100})
        self.page.screenshot(path=file, full_page=True)


@contextmanager
def a_page(browser: Browser, html: str, *, width: int = PHONE, dark: bool = False) -> Iterator[Shown]:
    """Show HTML as a phone would, that has no network."""
    context = browser.new_context(
        viewport={"width": width, "height": 844},
        device_scale_factor=2,
        color_scheme="dark" if dark else "light",
        is_mobile=True,
        offline=True,
    )
    shown = Shown(context.new_page())

    def refuse(route: Route) -> None:
        shown.requests.append(route.request.url)
        route.abort()

    context.route("**/*", refuse)
    shown.page.on("dialog", lambda dialog: (shown.dialogs.append(dialog.message), dialog.dismiss()))
    try:
        shown.show(html)
        yield shown
    finally:
        context.close()
