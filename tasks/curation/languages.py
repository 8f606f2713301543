"""The languages of posts: which are among those asked for, and which an account writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.core.language_codes import language_code

# X's codes for posts without a language: only links, tags, mentions, emoji and the like.
_UNKNOWN = frozenset(
    {"", "und", "zxx", "mul", "art", "qam", "qct", "qht", "qme", "qst", "mis", "qxx"}
)
# A language counts from one post of ten on.
_LEAST = 10


def main_languages(codes: Iterable[str | None]) -> tuple[str, ...]:
    """The languages (ISO 639-1) of one post of ten or more, the most frequent first.

    codes: of each post, as its source has it. Posts in no known language do not count.
    """
    found = Counter(filter(None, map(_language, codes)))
    return tuple(code for code, posts in found.most_common() if posts * _LEAST >= found.total())


def _language(code: str | None) -> str | None:
    return language_code(code) if code else None


def is_other_language(languages: Any, asked: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """For each post whether its language is known and is not among those asked for.

    Regions do not count: `pt` includes `pt-BR`, and the other way round.
    """
    wanted = {_primary(language) for language in asked}
    codes = languages.fill_null("").combine_chunks().dictionary_encode()
    other = [_primary(code) not in wanted | _UNKNOWN for code in codes.dictionary.to_pylist()]
    return np.asarray(np.array(other, dtype=np.bool_)[codes.indices.to_numpy()])


def _primary(code: str) -> str:
    """The language without its region; a code that is none is left as it is."""
    return language_code(code) or code.strip().lower().replace("_", "-").split("-")[0]
