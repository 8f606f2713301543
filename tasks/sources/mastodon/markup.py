"""The HTML of Mastodon's posts as the text that their readers see."""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"(<[^<>]*>)")
_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)")
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_LINE = re.compile(r" ?\n ?")
_LINES = re.compile(r"\n{3,}")
_BREAKS = {
    "br": "\n",
    "p": "\n\n",
    **dict.fromkeys(("blockquote", "div", "h1", "h2", "h3", "h4", "h5", "h6"), "\n"),
    **dict.fromkeys(("hr", "li", "ol", "pre", "tr", "ul"), "\n"),
}


def text_of_markup(markup: str) -> str:
    """The text of a post's HTML: a line for each `<br>`, an empty one between two paragraphs.

    A link is written out: Mastodon hides parts of it, but all of them are there. The servers
    remove whatever is not plain markup; here the work is linear in the size of anything.
    """
    pieces = [_piece(each) for each in _TAG.split(markup)]
    text = re.sub(" {2,}", " ", "".join(pieces))
    return _LINES.sub("\n\n", _LINE.sub("\n", text)).strip()


def _piece(piece: str) -> str:
    if _TAG.fullmatch(piece):
        name = _NAME.match(piece)
        return _BREAKS.get(name[1].lower(), "") if name else ""
    return html.unescape(_BLANKS.sub(" ", piece))
