"""Which posts are in a language that was asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# X still writes three languages with the codes that they had before 1989.
_OLD_CODES = {"in": "id", "iw": "he", "ji": "yi"}
# What X gives posts in which it saw no language: only links, tags, mentions, emoji and the like.
_UNKNOWN = frozenset(
    {"", "und", "zxx", "mul", "art", "qam", "qct", "qht", "qme", "qst", "mis", "qxx"}
)


def is_other_language(languages: Any, asked: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """For each post whether its language is known and is none of those asked for.

    Regions do not count: `pt` asks for `pt-BR` too, and the other way round.
    """
    wanted = {_primary(language) for language in asked}
    codes = languages.fill_null("").combine_chunks().dictionary_encode()
    other = [_primary(code) not in wanted | _UNKNOWN for code in codes.dictionary.to_pylist()]
    return np.asarray(np.array(other, dtype=np.bool_)[codes.indices.to_numpy()])


def _primary(code: str) -> str:
    language = code.strip().lower().replace("_", "-").split("-")[0]
    return _OLD_CODES.get(language, language)
