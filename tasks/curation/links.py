"""Links, removed without the text around them."""

from __future__ import annotations

import regex

# Marks where a link was: a noncharacter, which `remove_invisible` has removed from every text.
_MARK = "\uffff"
# As X reads links: letters of Latin and Cyrillic can belong to one, Japanese stuck to it cannot.
_LETTER = r"[\p{Latin}\p{Cyrillic}0-9%&=~_/#+@$*-]"
_INNER = rf"(?:{_LETTER}|[.,;:!?'](?={_LETTER})|\((?:{_LETTER}|[.,;:!?'])*\))"
_NEXT = r"(?!https?://)"
_LINK = regex.compile(
    rf"https?://t\.co/(?:{_NEXT}[A-Za-z0-9])+"
    rf"|https?://(?:{_NEXT}{_INNER})+"
    r"|https?://…?"  # all that truncation left
    rf"|(?<![\w.@/-])www\.(?:{_NEXT}{_INNER})+"
    rf"|(?<![\w.@/-])pic\.(?:twitter|x)\.com/(?:{_NEXT}[A-Za-z0-9])+",
    regex.IGNORECASE,
)
_ADJACENT = regex.compile(rf"{_MARK}(?:\s*{_MARK})+")
_WRAPPED = regex.compile(
    rf"\(\s*{_MARK}\s*\)|\[\s*{_MARK}\s*\]|（\s*{_MARK}\s*）|【\s*{_MARK}\s*】"
    rf"|<\s*{_MARK}\s*>|“\s*{_MARK}\s*”|\"\s*{_MARK}\s*\"|「\s*{_MARK}\s*」"
)
_BEFORE_PUNCTUATION = regex.compile(rf"\s*{_MARK}\s*(?=[)\]）】.,;:!?…”、。！？]|\"(?:\s|$))")
_AFTER_OPENING = regex.compile(rf"(?<=[(\[（【“])\s*{_MARK}\s*")


def remove_links(text: str) -> str:
    """The text without links, and without brackets or quotes that held only links.

    `http://`, `https://`, `www.` and X's picture links are removed, whatever their case. Brackets
    that the author left empty stay: `call()` is not a remnant of a link.
    """
    marked = _LINK.sub(_MARK, text)
    if marked == text:
        return text
    marked = _WRAPPED.sub(_MARK, _ADJACENT.sub(_MARK, marked))
    marked = _AFTER_OPENING.sub("", _BEFORE_PUNCTUATION.sub("", marked))
    return marked.replace(_MARK, " ")
