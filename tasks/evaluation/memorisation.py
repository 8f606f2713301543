"""Whether what a bot writes repeats the posts that it was trained on.

A text repeats them if it stands in one of them, blanks and capitals aside, or if four fifths of its
8-grams stand in them: eight words in a row are hardly ever the same by chance. In scripts without
blanks each character counts as a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import regex

LENGTH = 8
SHARE = 0.8

Gram = tuple[str, ...]

_WORD = regex.compile(
    r"[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}"
    r"\p{Script=Khmer}\p{Script=Myanmar}]|[\p{L}\p{M}\p{N}_]+"
)


@dataclass(frozen=True)
class Repeats:
    """What was found in one text.

    verbatim: it stands in a training post; nearly: enough of its 8-grams do.
    """

    verbatim: bool
    nearly: bool

    def __bool__(self) -> bool:
        return self.verbatim or self.nearly


def find_repeats(texts: Sequence[str], training_texts: Sequence[str]) -> list[Repeats]:
    """What each of the texts repeats of the training texts."""
    # No text holds a newline once its blanks are equal, so none is found across two posts.
    known = "\n".join(map(_normal, training_texts))
    grams = [set(_grams(text)) for text in texts]
    # Only those that could be found again are kept of the training texts, which are many.
    found = _among(set().union(*grams), training_texts)
    return [
        Repeats(
            verbatim=_normal(text) in known,
            nearly=bool(own) and len(own & found) >= SHARE * len(own),
        )
        for text, own in zip(texts, grams, strict=True)
    ]


def _among(wanted: set[Gram], texts: Iterable[str]) -> set[Gram]:
    found: set[Gram] = set()
    for text in texts:
        found |= wanted.intersection(_grams(text))
    return found


def _grams(text: str) -> Iterator[Gram]:
    words = _WORD.findall(text.casefold())
    return zip(*(words[start:] for start in range(LENGTH)), strict=False)


def _normal(text: str) -> str:
    return " ".join(text.split()).casefold()
