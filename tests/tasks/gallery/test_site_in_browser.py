"""The site in a real Chromium: bots that write, without a request to anybody else.

One site and one browser for all tests of the module. The models are random, so that what they write
is nonsense; GPT-2's architecture and Llama's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tasks.core.settings import settings
from tasks.operations.site_building import build_site
from tasks.operations.site_places import place_of
from tasks.storage import open_storage
from tests.servers.browser import running_chromium
from tests.servers.static_site import serving
from tests.tiny_release import export_tiny, release_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PAGES = ("index.html", "bots/alice/index.html", "bots/bob/index.html")
WRITTEN = re.compile(r"5 posts, \d+ tokens in")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site with two public bots."""
    folder = tmp_path_factory.mktemp("site")
    storage = open_storage(str(folder / "storage"))
    for name, architecture, languages in (
        ("alice", "llama", ("en", "fr")),
        ("bob", "gpt2", ("en",)),
    ):
        (folder / name).mkdir()
        # Without bytes that are no text, on which wllama would end.
        model = export_tiny(folder / name, architecture, ascii_only=True)
        release_model(storage, model, name, visibility="public", languages=languages)
    settings.cache_clear()
    build_site(storage, place_of(str(folder / "out")))
    return folder / "out"


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    """The URL of the site."""
    with serving(folder) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as found:
        yield found


@dataclass
class Watched:
    """A page, and what happened on it that must not: requests elsewhere, errors."""

    page: Page
    site: str
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("console", lambda message: self._said(message.type, message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("requestfailed", lambda request: self._failed(request.url, request.failure))

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.site}/{path}")
        return self.page

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.site}/", f"blob:{self.site}/")):
            self.troubles.append(f"asked for {url}")

    def _failed(self, url: str, why: str | None) -> None:
        if why != "net::ERR_ABORTED":  # wllama looks at the headers of a file first
            self.troubles.append(f"failed {url}: {why}")

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.troubles.append(text)


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    options: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
    made = browser.new_context(**{**options, **getattr(request, "param", {})})
    made.grant_permissions(["clipboard-read", "clipboard-write"])
    yield made
    made.close()


@pytest.fixture
def watched(context: BrowserContext, site: str) -> Iterator[Watched]:
    made = Watched(context.new_page(), site)
    yield made
    assert made.troubles == []


def written(page: Page) -> list[str]:
    """Let the bot write, and return its posts."""
    page.click("#go")
    page.get_by_text(WRITTEN).wait_for(timeout=120_000)
    return page.locator("#posts .text").all_text_contents()


@pytest.mark.parametrize("bot", ["alice", "bob"])
def test_a_bot_writes_in_the_browser_and_mentions_nobody(watched: Watched, bot: str) -> None:
    page = watched.open(f"bots/{bot}/index.html")
    page.fill("#start", "I like")
    posts = written(page)
    assert len(posts) == 5
    assert all(text.startswith("I like") for text in posts)
    assert len(set(posts)) == 5
    assert "@" not in "".join(posts)


def test_a_shared_post_is_written_again_by_its_link_and_says_that_an_ai_wrote_it(
    watched: Watched, context: BrowserContext
) -> None:
    page = watched.open("bots/bob/index.html")
    page.fill("#start", "My dream is")
    page.fill("#temperature", "0.7")
    posts = written(page)
    page.locator("#posts button", has_text="Copy").nth(1).click()
    page.get_by_text("Copied.").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(posts[1])
    assert "Written by an AI" in copied
    assert "@" not in copied
    page.locator("#posts button", has_text="Share link").nth(1).click()
    page.get_by_text("Link copied.").wait_for()
    text, _, link = page.evaluate("navigator.clipboard.readText()").rpartition("\n")
    assert "Written by an AI" in text
    other = Watched(context.new_page(), watched.site)
    other.page.goto(link)
    assert other.page.input_value("#start") == "My dream is"
    assert written(other.page)[0] == posts[1]
    assert other.troubles == []


def test_writing_can_be_stopped(watched: Watched) -> None:
    page = watched.open("bots/alice/index.html")
    page.click("#go")
    page.locator("#posts .post").first.wait_for()
    page.click("#go")
    page.get_by_text("Stopped after").wait_for(timeout=30_000)
    assert page.inner_text("#go") == "Write 5 posts"
    assert page.locator("#posts .now").count() == 0


def test_bots_are_searched_chosen_by_language_and_sorted(watched: Watched) -> None:
    page = watched.open("index.html")

    def shown() -> list[str]:
        # Not their inner texts, which are empty until a busy browser has drawn them.
        return [name.strip() for name in page.locator(".bot:visible h2").all_text_contents()]

    page.fill("#query", "@BÓB")
    assert shown() == ["@bob"]
    assert page.inner_text("#found") == "1 of 2"
    page.fill("#query", "")
    page.select_option("#language", "fr")
    assert shown() == ["@alice"]
    page.select_option("#language", "")
    page.select_option("#order", "name")
    assert shown() == ["@alice", "@bob"]
    page.keyboard.press("Tab")
    page.locator(".bot h2 a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/bots/alice/index.html")


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True)
def test_all_but_writing_and_search_is_there_without_javascript(watched: Watched) -> None:
    page = watched.open("index.html")
    assert page.locator(".bot").count() == 2
    assert not page.locator("#find").is_visible()
    page.click(".bot h2 a")
    assert "I think that a thing" in page.inner_text("main")
    assert "needs JavaScript" in page.inner_text("main")
    assert not page.locator("#write").is_visible()


@pytest.mark.parametrize("context", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
@pytest.mark.parametrize("path", PAGES)
def test_a_phone_shows_a_page_without_scrolling_sideways(watched: Watched, path: str) -> None:
    page = watched.open(path)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = page.evaluate(
        """[...document.querySelectorAll('button, select, input:not([type=range])')]
           .filter(e => e.offsetParent && e.getBoundingClientRect().height < 24)
           .map(e => e.outerHTML)"""
    )
    assert small == []


@pytest.mark.parametrize(
    "context", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True
)
@pytest.mark.parametrize("path", PAGES[:2])
def test_axe_finds_nothing(watched: Watched, path: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = watched.open(path)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 10


def test_a_page_from_the_disk_says_why_it_cannot_write(
    context: BrowserContext, site: str, folder: Path
) -> None:
    page = context.new_page()
    page.goto((folder / "bots" / "alice" / "index.html").as_uri())
    assert "python3 -m http.server" in page.inner_text("main")
    assert not page.locator("#write").is_visible()
