"""Links, taken out without the text around them."""

from __future__ import annotations

import regex

# A character that is none, and that `remove_invisible` has taken out of every text before.
_HERE = "\uffff"
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
_PLACES = regex.compile(rf"{_HERE}(?:\s*{_HERE})+")
_WRAPPED = regex.compile(
    rf"\(\s*{_HERE}\s*\)|\[\s*{_HERE}\s*\]|（\s*{_HERE}\s*）|【\s*{_HERE}\s*】"
    rf"|<\s*{_HERE}\s*>|“\s*{_HERE}\s*”|\"\s*{_HERE}\s*\"|「\s*{_HERE}\s*」"
)
_BEFORE_PUNCTUATION = regex.compile(rf"\s*{_HERE}\s*(?=[)\]）】.,;:!?…”、。！？]|\"(?:\s|$))")
_AFTER_OPENING = regex.compile(rf"(?<=[(\[（【“])\s*{_HERE}\s*")


def remove_links(text: str) -> str:
    """The text without links, and without the brackets or quotes that held nothing else.

    `http://`, `https://`, `www.` and X's picture links go, in any case of letters. Brackets that
    the author left empty stay: `call()` is not a link's remnant.
    """
    marked = _LINK.sub(_HERE, text)
    if marked == text:
        return text
    marked = _WRAPPED.sub(_HERE, _PLACES.sub(_HERE, marked))
    marked = _AFTER_OPENING.sub("", _BEFORE_PUNCTUATION.sub("", marked))
    return marked.replace(_HERE, " ")
