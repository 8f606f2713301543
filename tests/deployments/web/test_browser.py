"""The pages in a real browser: wide and narrow, with and without scripts, and what they send."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tasks.storage import Storage
from tests.deployments.web.serving import Page, make_here, release_bot, serving
from tests.sample_posts import write_table
from tests.servers.browser import running_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

ECHO = "tests.servers.echo_writer"
WIDTHS = {"wide": 1280, "phone": 390}


@dataclass
class Visit:
    """A tab, and whatever went wrong in it: requests to others, errors of the console."""

    tab: Tab
    trouble: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@contextmanager
def visiting(browser: Browser, page: Page, **options: Any) -> Iterator[Visit]:
    context = browser.new_context(base_url=page.url, **options)
    visit = Visit(context.new_page())

    def requested(request: Any) -> None:
        if not request.url.startswith(page.url):
            visit.trouble.append(f"asked for {request.url}")

    visit.tab.on("request", requested)
    visit.tab.on("console", lambda said: visit.trouble.append(f"{said.type}: {said.text}"))
    visit.tab.on("pageerror", lambda error: visit.trouble.append(str(error)))
    visit.tab.on("dialog", lambda dialog: visit.trouble.append(f"dialog {dialog.message}"))
    yield visit
    context.close()
    assert visit.trouble == []


@pytest.fixture
def page(storage: Storage) -> Iterator[Page]:
    release_bot(storage, "<script>alert('name')</script>")
    with serving(writer=ECHO) as page:
        yield page


def check(tab: Tab) -> None:
    """Nothing is wider than the screen, and axe-core finds nothing."""
    from axe_playwright_python.sync_playwright import Axe

    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", WIDTHS)
def test_bots_are_looked_at_and_write(browser: Browser, page: Page, width: str) -> None:
    scheme = "dark" if width == "phone" else "light"
    screen = {"width": WIDTHS[width], "height": 800}
    with visiting(browser, page, viewport=screen, color_scheme=scheme) as visit:
        tab = visit.tab
        tab.goto("/")
        check(tab)
        tab.get_by_label("Search").fill("nobody")
        assert not tab.get_by_role("link", name="@alice").is_visible()
        tab.get_by_label("Search").fill("alice")
        tab.get_by_role("link", name="@alice").click()
        markup = "<img src=x onerror=alert(1)>"
        tab.get_by_label("How the posts begin").fill(markup)
        tab.get_by_label("Posts", exact=True).fill("3")
        tab.get_by_label("Seed").fill("7")
        tab.get_by_role("button", name="Write").click()
        tab.get_by_text("3 posts in").wait_for()
        posts = tab.locator("#posts li").all_inner_texts()
        assert posts == [f"{markup} {number} 7" for number in range(3)]
        assert tab.locator("#posts .now").count() == 0
        check(tab)
        tab.goto("/make")
        tab.get_by_role("button", name="Add an account").click()
        check(tab)
        tab.get_by_role("button", name="Look at the posts").click()
        assert tab.get_by_text("Choose a file.").count() == 2


def test_a_visitor_who_closes_the_page_leaves_the_queue(browser: Browser, page: Page) -> None:
    from tests.servers.prefect_site import until

    with visiting(browser, page) as visit:
        visit.tab.goto("/bots/alice")
        visit.tab.get_by_label("How the posts begin").fill("slow")
        visit.tab.get_by_label("Posts", exact=True).fill("20")
        visit.tab.get_by_role("button", name="Write").click()
        visit.tab.locator("#posts li").first.wait_for()
        assert page.app.state.writer.waiting == 1
    until(lambda: page.app.state.writer.waiting == 0, 10, "the end of the writing")


def test_without_scripts_bots_can_be_looked_at(browser: Browser, page: Page) -> None:
    with visiting(browser, page, java_script_enabled=False) as visit:
        visit.tab.goto("/")
        visit.tab.get_by_role("link", name="@alice").click()
        assert visit.tab.locator(".post", has_text="My dream is a thing").is_visible()
        # Playwright finds no text in a `noscript`.
        assert visit.tab.locator("noscript p").is_visible()
        visit.tab.goto("/make")
        assert visit.tab.locator("noscript p").is_visible()


@pytest.mark.slow
def test_an_archive_is_dropped_and_becomes_a_bot_that_writes(
    browser: Browser, tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_here(monkeypatch, tmp_path, tiny_base)
    table = write_table(tmp_path / "posts.csv", posts=200)
    phone = {"width": 390, "height": 800}
    with serving() as page, visiting(browser, page, viewport=phone) as visit:
        tab = visit.tab
        tab.set_default_timeout(240_000)
        tab.goto("/")
        tab.get_by_role("link", name="Make the first one").click()
        tab.get_by_label("Handle").fill("@alice")
        tab.get_by_label(re.compile("Archive of X")).set_input_files(table)
        tab.get_by_role("button", name="Look at the posts").click()
        tab.get_by_text("What was understood", exact=True).wait_for()
        assert tab.get_by_text("180 of 200 posts").is_visible()
        check(tab)
        tab.get_by_label("These are my posts").check()
        tab.get_by_label("Your name").fill("Alice A.")
        tab.get_by_role("button", name="Make the bot").click()
        tab.get_by_role("link", name="To the bot").wait_for()
        assert tab.locator("#chart").is_visible()
        check(tab)
        tab.get_by_role("link", name="To the bot").click()
        tab.get_by_role("button", name="Write").click()
        tab.get_by_text("5 posts in").wait_for()
        assert tab.locator("#posts li").count() == 5
        before = tab.locator("#picture").get_attribute("src")
        tab.get_by_role("button", name="Use these posts as preview picture").click()
        tab.get_by_text("on the preview picture now").wait_for()
        assert tab.locator("#picture").get_attribute("src") != before
