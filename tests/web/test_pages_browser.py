"""The pages in a real Chromium: the stories they are for, what is live, phones, keyboards, a screen reader's rules."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from browser import PHONE, a_browser, chromium
from playwright.sync_api import Browser, BrowserContext, Page, expect
from running import running, wait_for
from web import showcase
from web.showcase import DELIVERIES, EVENTS, NOW, STORY, TOKEN, Doing, Looking, everywhere

from processor.errors import Unavailable
from processor.simulation import Served, changed, notify, serve

JOB = f"/jobs/hover-main/{STORY.id}"
EVENT = f"/events/{EVENTS[1]['id']}"
LIVE = 12_000  # milliseconds for what is looked at every two seconds, on a machine that has much to do
expect.set_options(timeout=LIVE)
# of what a browser says: answers of 400 and 503, none at all, and a header that only counts where there is TLS
MEANT = "status of|Status Error|ERR_|htmx:|Opener-Policy"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@dataclass
class Site:
    """A jobwire that shows what `looking` finds."""

    looking: Looking
    served: Served

    @property
    def url(self) -> str:
        return f"http://localhost:{self.served.port}"


@contextmanager
def a_site(looking: Looking | None = None, *, token: str | None = None) -> Iterator[Site]:
    looking = looking or Looking()
    served = serve(showcase.app(looking, Doing(looking), token=token))
    try:
        yield Site(looking, served)
    finally:
        served.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with a_site() as site:
        yield site


@dataclass
class Reader:
    """Somebody with a browser; `faults` are errors of scripts, and what the policy of a page forbids."""

    context: BrowserContext
    page: Page
    faults: list[str] = field(default_factory=list)

    def noticed(self, text: str) -> None:
        if not re.search(MEANT, text):
            self.faults.append(text)


@contextmanager
def a_reader(browser: Browser, *, width: int = 1280, **more: Any) -> Iterator[Reader]:
    context = browser.new_context(viewport={"width": width, "height": 800}, **more)
    context.set_default_timeout(LIVE)
    reader = Reader(context, context.new_page())
    reader.page.on("console", lambda said: reader.noticed(said.text) if said.type == "error" else None)
    reader.page.on("pageerror", lambda error: reader.noticed(str(error)))
    reader.page.on("dialog", lambda dialog: (reader.noticed(dialog.message), dialog.dismiss()))
    try:
        yield reader
        assert reader.faults == []
    finally:
        context.close()


@pytest.fixture
def reader(browser: Browser) -> Iterator[Reader]:
    with a_reader(browser, timezone_id="America/Los_Angeles") as reader:
        yield reader


@pytest.fixture
def page(reader: Reader) -> Page:
    return reader.page


# --- stories ---------------------------------------------------------------------------------------------------------


class Crm(BaseHTTPRequestHandler):
    """A receiver that refuses what it is sent, until it is mended; then it takes it, as soon as it may."""

    mended: threading.Event
    may: threading.Event
    taken: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if takes := self.mended.is_set():
            self.may.wait(20)
            self.taken.append(json.loads(body)["type"])
        self.send_response(204 if takes else 422)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *said: Any) -> None: ...


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {"mended": threading.Event(), "may": threading.Event(), "taken": []}.items():
        monkeypatch.setattr(Crm, name, value, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Crm) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
        server.shutdown()
        thread.join()


CONFIG = """
[sinks.crm]
type = "webhook"
url = "{url}"
secret = "whsec_c2V0IGFuZCBzZXQgYW5kIHNldA=="
allow_private = true
events = ["job.failed"]
"""


@pytest.mark.timeout(180)
def test_a_failed_job_is_found_by_its_external_id_and_its_dead_delivery_replayed_and_seen_to_arrive(
    tmp_path: Path, crm: str, page: Page
) -> None:
    """With a real jobwire: who is called at night has an external id, and no more than that."""
    with running(tmp_path, CONFIG.format(url=crm)) as it:
        hover = it.simulated.by_name["hover"]
        failed = {"reconstruction_state": "failed", "models.1.state": "failed"}
        failed["models.1.failure_reason"] = "The rear of the house is missing"
        hover.put_job(changed(hover.sample("hover-1"), failed))
        notify(hover, "15084303")
        wait_for(lambda: any(event["type"] == "job.failed" for event in it.events()))

        page.goto(it.url)
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        page.keyboard.press("/")
        page.keyboard.type("8675309")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/jobs/hover-demo/15084303"))
        expect(page.locator(".standing")).to_contain_text("failed since")
        expect(page.get_by_role("region", name="Why it failed")).to_contain_text("The rear of the house is missing")
        told = page.locator("ul.told > li").filter(has_text="Job failed")
        expect(told).to_contain_text("crm: dead")
        expect(told).to_contain_text("disk: delivered")
        expect(told).to_contain_text("422")

        Crm.mended.set()
        told.get_by_role("button", name="Retry the delivery to crm").click()
        expect(page.locator(".box.good")).to_contain_text("1 is on its way again.")
        expect(told).to_contain_text("crm: pending")
        page.evaluate("window.sameAsBefore = true")
        Crm.may.set()
        expect(told).to_contain_text("crm: delivered")
        expect(page.locator(".timeline")).to_contain_text("crm was told")
        expect(page.locator("#aloud")).to_contain_text("crm was told")
        assert page.evaluate("window.sameAsBefore")
        assert Crm.taken == ["job.failed"]

        told.get_by_role("link", name="Job failed").click()
        expect(page.get_by_role("row").filter(has_text="crm").first).to_contain_text("events and sources match")
        page.get_by_role("link", name="Dead", exact=True).click()
        expect(page.locator("main")).to_contain_text("No delivery is dead.")


def test_signing_in_is_refused_and_accepted_and_ends(browser: Browser) -> None:
    with a_site(token=TOKEN) as site, a_reader(browser) as reader:
        page = reader.page
        page.goto(f"{site.url}{JOB}")
        expect(page).to_have_url(re.compile("/sign-in"))
        expect(page.get_by_label("Admin token")).to_be_focused()
        page.keyboard.type("not the token")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("This is not the admin_token of the configuration.")
        page.get_by_label("Admin token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{site.url}{JOB}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Meadow Drive, main house")
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(re.compile("/sign-in"))
        page.goto(site.url)
        expect(page).to_have_url(re.compile("/sign-in"))


def test_a_link_in_a_message_leads_to_the_job_of_who_is_signed_in(browser: Browser) -> None:
    """The cookie is strict, and a page of messages is another site."""
    with a_site(token=TOKEN) as site, a_site() as other, a_reader(browser) as reader:
        page = reader.page
        page.goto(f"{site.url}/sign-in")
        page.get_by_label("Admin token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        page.route("**/message", lambda route: route.fulfill(content_type="text/html", body=message))
        message = f'<a href="{site.url}{JOB}">Timeline</a>'
        page.goto(f"http://127.0.0.1:{other.served.port}/message")
        page.get_by_text("Timeline").click()
        expect(page).to_have_url(f"{site.url}{JOB}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Meadow Drive, main house")


def test_in_a_network_without_tls_one_can_sign_in_too(browser: Browser) -> None:
    """There a browser says by `Origin` alone who sent a form, and would say null if the page asked for no referrer."""
    mapped = "--host-resolver-rules=MAP jobs.test 127.0.0.1"
    somewhere = browser.browser_type.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu", mapped])
    with a_site(token=TOKEN) as site, a_reader(somewhere) as reader:
        said: list[dict[str, str]] = []
        reader.page.on("request", lambda one: said.append(one.all_headers()) if one.method == "POST" else None)
        reader.page.goto(f"http://jobs.test:{site.served.port}/sign-in")
        reader.page.get_by_label("Admin token").fill(TOKEN)
        reader.page.keyboard.press("Enter")
        expect(reader.page.get_by_role("heading", name="Overview")).to_be_visible()
        assert "sec-fetch-site" not in said[0]
        assert said[0]["origin"] == f"http://jobs.test:{site.served.port}"
    somewhere.close()


def test_all_that_is_dead_is_retried_after_its_number_was_seen(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/dead")
    page.get_by_role("link", name="Retry all…").first.click()
    expect(page.locator(".big")).to_have_text("2 dead deliveries")
    page.get_by_role("button", name="Retry 2").click()
    expect(page.locator(".box.good")).to_contain_text("2 are on their way again.")
    expect(page.locator("main")).to_contain_text("No delivery is dead.")


# --- live ------------------------------------------------------------------------------------------------------------


def test_what_changes_leaves_focus_place_selection_and_what_is_open_alone(site: Site, page: Page) -> None:
    page.goto(f"{site.url}{JOB}")
    page.locator("summary", has_text="Not to warehouse").first.click()
    page.locator("summary", has_text="5 more like it").click()
    focused = page.get_by_role("link", name="received and verified: job-created-v2")
    focused.focus()
    place = page.evaluate("scrollY")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.where .id'))")
    page.evaluate("document.querySelector('#live').firstElementChild.sameAsBefore = true")
    assert place > 100
    story = site.looking.story
    last = replace(story.timeline[0], at=showcase.ago(0), kind="told", text="office was told", sink="office")
    site.looking.story = replace(story, timeline=(*story.timeline, last))
    expect(page.locator(".timeline")).to_contain_text("office was told")
    expect(focused).to_be_focused()
    assert page.evaluate("getSelection().toString()") == STORY.id
    expect(page.locator("details[open]")).to_have_count(2)
    expect(page.get_by_role("button", name="Retry the delivery to crm")).to_be_visible()
    assert page.evaluate("document.querySelector('#live').firstElementChild.sameAsBefore")
    top = page.evaluate("document.activeElement.getBoundingClientRect().top")
    assert 0 <= top <= 800


@pytest.fixture
def soon(page: Page) -> Callable[[], None]:
    """Seconds go by for the page: it looks at what has changed."""
    page.clock.install()

    def pass_by() -> None:
        ends = "requestfinished" if page.evaluate("navigator.onLine") else "requestfailed"
        with page.expect_event(ends, lambda request: request.resource_type == "xhr"):
            page.clock.fast_forward(6000)

    return pass_by


def test_only_what_matters_is_said_aloud(site: Site, page: Page, soon: Callable[[], None]) -> None:
    page.goto(site.url)
    aloud = page.locator("#aloud")
    now = site.looking.overview_
    site.looking.overview_ = replace(now, jobs={**now.jobs, "processing": 24})
    soon()
    expect(page.locator(".figures")).to_contain_text("24 processing")
    expect(aloud).to_have_text("")
    row = replace(now.failed_today[0], id="9", name="Old mill")
    site.looking.overview_ = replace(now, failed_today=(row, *now.failed_today))
    soon()
    expect(aloud).to_have_text("Job failed: Old mill")


def test_nothing_is_asked_while_nobody_looks_and_nothing_is_drawn_when_nothing_changed(
    site: Site, page: Page, soon: Callable[[], None]
) -> None:
    answers: list[int] = []
    page.on("response", lambda one: answers.append(one.status) if one.request.resource_type == "xhr" else None)
    page.goto(f"{site.url}/jobs")
    answers.clear()
    soon()
    soon()
    assert answers == [204, 204]
    hidden = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true})"
    page.evaluate(hidden % "true")
    page.clock.run_for(30_000)
    page.evaluate(hidden % "false")
    with page.expect_response("**/jobs"):  # at once
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_role("button", name="Live").click()
    expect(page.get_by_role("button", name="Paused")).to_have_attribute("aria-pressed", "false")
    page.clock.run_for(30_000)
    assert answers == [204, 204, 204]
    with page.expect_response("**/jobs"):
        page.get_by_role("button", name="Paused").click()


def test_a_page_says_when_it_may_be_old_and_goes_on_as_soon_as_it_can(
    site: Site, page: Page, soon: Callable[[], None]
) -> None:
    page.goto(f"{site.url}/jobs")
    rows = page.get_by_role("row")
    there = rows.count()
    site.looking.fails = Unavailable("away")
    soon()
    expect(page.locator("#notice")).to_contain_text("Redis does not answer now")
    expect(rows).to_have_count(there)
    site.looking.fails = None
    site.looking.jobs_.pop()
    soon()
    expect(rows).to_have_count(there - 1)
    expect(page.locator("#notice")).to_be_empty()
    page.context.set_offline(True)
    soon()
    expect(page.locator("#notice")).to_contain_text("jobwire does not answer")
    page.context.set_offline(False)
    soon()
    expect(page.locator("#notice")).to_be_empty()


def test_a_page_that_could_not_be_shown_comes_by_itself(site: Site, page: Page) -> None:
    site.looking.fails = Unavailable("away")
    page.goto(f"{site.url}/jobs")
    expect(page.get_by_role("alert")).to_contain_text("Redis does not answer now")
    site.looking.fails = None
    expect(page.get_by_role("table")).to_be_visible()


# --- reading ---------------------------------------------------------------------------------------------------------


def test_times_are_those_of_the_reader_with_their_age(site: Site, page: Page) -> None:
    page.clock.set_fixed_time(NOW)
    page.goto(f"{site.url}{JOB}")
    since = page.locator(".standing time")
    expect(since).to_have_text("08:41:28 31m ago")
    expect(since).to_have_attribute("title", "2025-03-17 15:41:28 UTC")
    expect(page.locator(".timeline time").first).to_have_text("2025-03-18 01:00:40 in 15h")
    expect(page.locator("#zone")).to_have_text("Times are in your zone, America/Los_Angeles.")


def test_without_script_every_page_is_whole_and_times_are_in_utc(browser: Browser, site: Site) -> None:
    with a_reader(browser, java_script_enabled=False) as reader:
        page = reader.page
        page.goto(f"{site.url}{JOB}")
        expect(page.locator(".standing time")).to_have_text("2025-03-17 15:41:28 UTC")
        expect(page.locator("#zone")).to_have_text("Times are in UTC.")
        assert page.get_by_role("button", name="Theme").count() == 0
        page.get_by_role("button", name="Retry the delivery to crm").click()
        expect(page.locator(".box.good")).to_contain_text("1 is on its way again.")
        page.goto(f"{site.url}/jobs")
        page.locator("summary", has_text="Filter").click()
        page.get_by_label("State").select_option("failed")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("row")).to_have_count(3)
        expect(page.get_by_label("State")).to_have_value("failed")


def test_light_and_dark_are_chosen_by_the_system_and_by_the_reader(site: Site, page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    page.goto(site.url)
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    page.get_by_role("button", name="Theme: auto").click()
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="Theme: light").click()
    page.emulate_media(color_scheme="light")
    page.goto(f"{site.url}/jobs")
    assert page.evaluate(ground) == dark


def overflowing(page: Page) -> int:
    """By how many pixels the page is wider than the screen."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def _long() -> Looking:
    """Names of strangers that cannot be broken where words end."""
    name = "W" * 10_000
    jobs = [replace(row, name=name, external_id=name, address=name) for row in showcase.JOBS]
    rows = [replace(row, last_error=name, reference=name) for row in DELIVERIES]
    timeline = tuple(replace(moment, text=name, said=name) for moment in STORY.timeline)
    snapshot = {**(STORY.snapshot or {}), "name": name, "external_id": name, "errors": [{"message": name}]}
    story = replace(STORY, timeline=timeline, snapshot=snapshot)
    event = json.loads(json.dumps(EVENTS[1]).replace("Meadow Drive", name))
    return Looking(jobs_=jobs, deliveries_=rows, story=story, events_=[event, *EVENTS[2:]])


@pytest.mark.parametrize("looking", [Looking(), _long()], ids=["usual", "long"])
def test_no_page_is_wider_than_the_screen_and_no_page_breaks_its_own_policy(browser: Browser, looking: Looking) -> None:
    wide = {}
    with a_site(looking) as site, a_reader(browser) as reader:
        for path in everywhere():
            reader.page.goto(site.url + path)
            reader.page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
            for width in (1024, PHONE, 320):
                reader.page.set_viewport_size({"width": width, "height": 800})
                if (by := overflowing(reader.page)) > 0:
                    wide[path, width] = by
    assert wide == {}


def test_on_a_phone_a_table_is_a_list_of_cards_that_say_what_is_what(browser: Browser, site: Site) -> None:
    with a_reader(browser, width=PHONE) as reader:
        reader.page.goto(f"{site.url}/jobs")
        row = reader.page.get_by_role("row").nth(1)
        expect(row).to_be_visible()
        expect(row.get_by_role("cell").first).to_be_visible()
        label = "getComputedStyle(document.querySelector('td[data-label=Source]'), '::before').content"
        assert reader.page.evaluate(label) == '"Source"'
        assert reader.page.locator("td.named").first.bounding_box()["width"] > PHONE / 2  # type: ignore[index]


# --- keyboard, screen reader -----------------------------------------------------------------------------------------


def test_everything_can_be_done_by_keyboard(site: Site, page: Page) -> None:
    keys = page.keyboard
    page.goto(f"{site.url}/jobs")
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for key, name in (("j", "Rosewood Court 18"), ("j", "Harbour bridge, pier 4"), ("k", "Rosewood Court 18")):
        keys.press(key)
        expect(page.get_by_role("link", name=name)).to_be_focused()
    keys.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keys.type("jk/8675309")
    expect(page.get_by_role("searchbox")).to_have_value("jk/8675309")
    keys.press("Escape")
    keys.press("/")
    keys.type("8675309")
    keys.press("Enter")
    expect(page).to_have_url(f"{site.url}{JOB}")
    button = page.get_by_role("button", name="Retry the delivery to crm")
    for _ in range(40):
        keys.press("Tab")
        if button.evaluate("one => one === document.activeElement"):
            break
    assert button.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    keys.press("Enter")
    expect(page.locator(".box.good")).to_contain_text("1 is on its way again.")


def test_keys_can_be_switched_off_for_whoever_speaks_to_the_browser(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/jobs")
    page.get_by_role("button", name="Keys: / j k").click()
    page.goto(f"{site.url}/jobs")
    expect(page.get_by_role("button", name="Keys: off")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).not_to_be_focused()


def faults_of(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds that is at least moderate, with the elements."""
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": TAGS}
    found = page.evaluate("(options) => axe.run(options)", {"resultTypes": ["violations"], "runOnly": only})
    return [
        f"{one['id']} ({one['impact']}): {[node['target'] for node in one['nodes']][:3]}"
        for one in found["violations"]
        if one["impact"] != "minor"
    ]


# one address for each page, with what it has only sometimes
EACH = [path for path in everywhere() if path not in ("/search", "/search?q=nobody", "/jobs", "/dead/retry", "/dead")]


@pytest.mark.timeout(240)
def test_axe_finds_no_fault_on_any_page_in_light_or_dark_or_on_a_phone(browser: Browser, site: Site) -> None:
    """Nothing serious or critical, and nothing moderate either."""
    found = {}
    with a_site(token=TOKEN) as other, a_reader(browser, color_scheme="light") as reader:
        page = reader.page
        for address in [*(site.url + path for path in EACH), f"{other.url}/sign-in"]:
            page.set_viewport_size({"width": 1280, "height": 800})
            page.emulate_media(color_scheme="light")
            page.goto(address)
            page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
            page.evaluate(AXE_SCRIPT)
            found[address] = faults_of(page)
            page.emulate_media(color_scheme="dark")
            found[f"{address} in the dark"] = faults_of(page, ["color-contrast"])
            page.set_viewport_size({"width": PHONE, "height": 800})
            found[f"{address} on a phone"] = faults_of(page, ["target-size", "scrollable-region-focusable"])
    assert {address: faults for address, faults in found.items() if faults} == {}
