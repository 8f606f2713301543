"""How much a text says, in scripts with and without blanks between words."""

from __future__ import annotations

import regex

MIN_WORDS = 3
# In scripts without blanks a word is about two characters (Japanese, Chinese) or more.
CHARACTERS_A_WORD = 2
_UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"
)
_ADDRESS = regex.compile(r"[@#＠＃]\w+")
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}'’\-]*")


def count_words(text: str) -> int:
    """Words that are no mention and no hashtag; emoji and punctuation are none.

    Two characters of a script without blanks count as one word.
    """
    rest = _ADDRESS.sub(" ", text)
    unspaced = len(_UNSPACED.findall(rest))
    return -(-unspaced // CHARACTERS_A_WORD) + len(_WORD.findall(_UNSPACED.sub(" ", rest)))


def is_short(text: str) -> bool:
    """Whether a text says too little to learn from."""
    return count_words(text) < MIN_WORDS
