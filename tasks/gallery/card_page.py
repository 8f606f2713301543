"""A model card as HTML for a bot's page: none of its own markup, and links to web pages only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_LINK = re.compile(r"https?://\S+")
# Shown by the page itself; as what is no link they would be shown as text.
_PICTURES = ("predictions.png", "losses.png")


def card_html(card: str) -> str:
    """The text of a `README.md`, a heading's level deeper; without its pictures and its HTML."""
    parser = _parser()
    tokens = parser.parse(_FRONT_MATTER.sub("", card))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + 1, 6)}"
        token.attrs.pop("style", None)  # of a cell; the page's policy allows none
    return str(parser.renderer.render(tokens, parser.options, {}))


@cache
def _parser() -> MarkdownIt:
    # HTML is recognised, so that it is left out and not shown as text.
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.validateLink = _is_allowed  # type: ignore[method-assign]  # as its manual says
    rules: dict[str, Any] = parser.renderer.rules  # type: ignore[attr-defined]  # of its HTML
    for kind in ("html_block", "html_inline", "image"):
        rules[kind] = _nothing
    rules["table_open"] = _table
    rules["table_close"] = lambda *_: "</table></div>\n"
    return parser


def _is_allowed(url: str) -> bool:
    return url in _PICTURES or _LINK.fullmatch(url) is not None


def _table(tokens: Sequence[Token], place: int, *_: object) -> str:
    """Its beginning, in a frame that scrolls and, as screen readers need it, has its own name."""
    number = sum(token.type == "table_open" for token in tokens[: place + 1])
    return (
        f'<div class="scroll" role="region" aria-label="Table {number} of the card" tabindex="0">'
        "<table>\n"
    )


def _nothing(*_: object) -> str:
    return ""
