"""The languages that a bot writes, for the card's metadata."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

LEAST = 10  # a language counts from one post of ten on
# ISO 639-1, with a region at most. What X has for posts without words has three letters (`und`,
# `zxx`, `qme`), and a table may hold anything.
_CODE = re.compile(r"([a-z]{2})(?:[-_][a-z0-9]{2,8})*")
# X still writes what ISO 639 called Hebrew and Indonesian until 1989.
_OLD = {"iw": "he", "in": "id", "ji": "yi"}


def main_languages(codes: Iterable[str | None]) -> tuple[str, ...]:
    """The languages of one post of ten or more, the most frequent first.

    codes: of each post, as its source has it. Posts in no known language do not count.
    """
    found = Counter(filter(None, map(_language, codes)))
    return tuple(code for code, posts in found.most_common() if posts * LEAST >= found.total())


def _language(code: str | None) -> str | None:
    known = _CODE.fullmatch(code.casefold()) if code and code.isascii() else None
    return _OLD.get(known[1], known[1]) if known else None
