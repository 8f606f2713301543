"""The pages as HTML, from templates that the local page (`deployments/web`) uses too.

Whatever comes from an account is escaped by Jinja; texts were made plain when they were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from tasks.core.sizes import human_size
from tasks.gallery.curves import curves_of
from tasks.gallery.entries import Details, Entry
from tasks.publishing.picture import is_right_to_left

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).with_name("templates")
STATIC = Path(__file__).with_name("static")
FEED_LENGTH = 50
_NEVER = "1970-01-01T00:00:00+00:00"  # a feed must say when it changed


@dataclass(frozen=True)
class SiteLook:
    """What all pages of a site have in common.

    url: where others find it, without a slash at its end; or None.
    project_url, contact: of the settings.
    model_origins: other origins that a bot's weights come from; none for a site that has them.
    """

    url: str | None = None
    project_url: str | None = None
    contact: str | None = None
    model_origins: tuple[str, ...] = ()

    @property
    def policy(self) -> str:
        """The Content-Security-Policy: this site's own files, and where the weights come from."""
        return "; ".join(
            (
                "default-src 'none'",
                "script-src 'self' 'wasm-unsafe-eval'",
                "style-src 'self'",
                "img-src 'self'",
                "worker-src blob:",
                " ".join(("connect-src 'self' blob:", *self.model_origins)),
                "base-uri 'none'",
                "form-action 'none'",
            )
        )


@dataclass(frozen=True)
class Writing:
    """From what a browser writes on a bot's page.

    url: of the GGUF, from the page; bytes: its size. banned: the ids of tokens with at signs.
    temperature, top_p, tokens: as the bot was judged.
    """

    url: str
    bytes: int
    banned: tuple[int, ...]
    temperature: float = 1.0
    top_p: float = 0.95
    tokens: int = 160


def environment() -> jinja2.Environment:
    """Jinja with the templates of this room and their filters."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "number": lambda value: f"{value:,}",
        "loss": lambda value: "–" if value is None else f"{value:.2f}",
        "size": human_size,
        "day": _day,
        "direction": lambda text: "rtl" if is_right_to_left(text) else "ltr",
        "reason": lambda reason: str(reason).replace("_", " "),
    }
    made.globals |= {"curves_of": curves_of, "languages_of": _languages_of}
    return made


@cache
def _environment() -> jinja2.Environment:
    return environment()


def index_page(entries: Sequence[Entry], look: SiteLook) -> str:
    """The page with all bots, the newest release first."""
    return _environment().get_template("index.html.j2").render(
        entries=newest_first(entries), look=look, root="",
    )  # fmt: skip


def bot_page(entry: Entry, details: Details, look: SiteLook, writing: Writing | None) -> str:
    """The page of one bot."""
    return _environment().get_template("bot.html.j2").render(
        entry=entry, details=details, look=look, writing=writing, root="../../",
    )  # fmt: skip


def feed(entries: Sequence[Entry], look: SiteLook) -> str:
    """The newest releases as an Atom feed."""
    newest = newest_first(entries)[:FEED_LENGTH]
    ids = [uuid5(NAMESPACE_URL, f"{entry.bot}/{entry.revision}") for entry in newest]
    return _environment().get_template("feed.xml.j2").render(
        entries=list(zip(newest, ids, strict=True)),
        updated=newest[0].created_at.isoformat() if newest else _NEVER,
        site_id=uuid5(NAMESPACE_URL, look.url or "huggingtweets"),
        look=look,
        base=f"{look.url}/" if look.url else "",
    )  # fmt: skip


def newest_first(entries: Sequence[Entry]) -> list[Entry]:
    """By the time of the release in force, then by name."""
    by_name = sorted(entries, key=lambda entry: entry.bot.name)
    return sorted(by_name, key=lambda entry: entry.created_at, reverse=True)


def _languages_of(entries: Sequence[Entry]) -> list[str]:
    return sorted({language for entry in entries for language in entry.languages})


def _day(instant: datetime | str | None) -> str:
    if instant is None:
        return "–"
    return instant[:10] if isinstance(instant, str) else f"{instant:%Y-%m-%d}"
