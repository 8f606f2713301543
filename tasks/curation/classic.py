"""The filter `classic`: the counts of the original huggingtweets, to the digit, bugs included.

For each post that is not a retweet: decode `&amp; &lt; &gt;`, in this order; remove links, with the
space or line break before or the space after them; fold white space. A post is short if it has
fewer than three words that contain none of `http`, `@`, `#`. Nothing else is dropped but posts
longer than X has ever allowed, which the original never met.

It works on whole columns. White space as Python's `str` defines it is spelled out for Arrow's
regular expressions, whose classes know only ASCII.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import BadInput
from tasks.curation.length import MAX_CHARACTERS
from tasks.curation.verdicts import (
    RETWEET,
    SHORT,
    TOO_LONG,
    Filtered,
    Verdicts,
    apply_verdicts,
    over_distinct,
    without_retweets,
)

REASONS = (RETWEET, SHORT, TOO_LONG)
_, _SHORT, _TOO_LONG = range(1, 4)

_WHITE_SPACE = (
    r"\t-\r\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}"
    r"\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"  # with the space: where str.isspace() is true
)
_UNFOLDED = rf"[{_WHITE_SPACE}]|  |^ | $"
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_NOT_A_WORD = r"[^ ]*(?:[@#]|[hH][tT][tT][pP])[^ ]*"  # no other letter's lower case is h, t or p
_WORD, _ANY_WORDS = "[^ @#]+", "(?:[^ ]+ )*"
_THREE_WORDS = rf"(?:^| ){_WORD} {_ANY_WORDS}{_WORD} {_ANY_WORDS}{_WORD}(?: |$)"


def classic(posts: pa.Table, languages: tuple[str, ...] = ()) -> Filtered:
    """Drop retweets and short posts as the original did. Raises BadInput if languages are given."""
    if languages:
        raise BadInput(
            f"the filter classic cannot keep only {', '.join(languages)}: use the filter modern, "
            "or ask for no language"
        )
    own = without_retweets(posts)
    texts, verdicts = over_distinct(own["text"], _judge)
    return apply_verdicts(posts, own, texts, verdicts, REASONS)


def _judge(texts: Any) -> tuple[Any, Verdicts]:
    cleaned = clean(texts)
    short = is_short(cleaned).to_numpy(zero_copy_only=False)
    long = pc.utf8_length(cleaned).to_numpy(zero_copy_only=False) > MAX_CHARACTERS
    return cleaned, np.select([short, long], [_SHORT, _TOO_LONG]).astype(np.int8)


def clean(texts: Any) -> Any:
    """Texts without links, entities decoded once, words separated by one space."""
    texts = _change_where(texts, "&(?:amp|lt|gt);", _decode)
    texts = _change_where(texts, "https?:", _without_links)
    return _change_where(texts, _UNFOLDED, _fold)


def is_short(cleaned: Any) -> Any:
    """Whether a text from `clean` has fewer than three words that count."""
    short = pc.invert(pc.match_substring_regex(cleaned, _THREE_WORDS))
    http = pc.match_substring(cleaned, "http", ignore_case=True)
    words = _without(_NOT_A_WORD)(cleaned.filter(http))
    few = pc.less(pc.count_substring_regex(words, "[^ ]+"), pa.scalar(3))
    return pc.replace_with_mask(short, http, few)


def _change_where(texts: Any, pattern: str, change: Callable[[Any], Any]) -> Any:
    """Change only the texts that match the pattern: matching is cheaper than copying."""
    found = pc.match_substring_regex(texts, pattern)
    if not found.true_count:
        return texts
    return pc.replace_with_mask(texts, found, change(texts.filter(found)))


def _without_links(texts: Any) -> Any:
    for start in ("http:", "https:"):
        link = rf"{start}[^ {_WHITE_SPACE}]+"
        for form in (f" {link}", f"{link} ", f"\n{link} ", f"\n{link}", link):
            texts = _change_where(texts, form, _without(form))
    return texts


def _without(pattern: str) -> Callable[[Any], Any]:
    return lambda texts: pc.replace_substring_regex(texts, pattern, "")


def _decode(texts: Any) -> Any:
    for entity, character in _ENTITIES.items():
        texts = pc.replace_substring(texts, entity, character)
    return texts


def _fold(texts: Any) -> Any:
    return pc.utf8_trim(pc.replace_substring_regex(texts, f"[ {_WHITE_SPACE}]+", " "), " ")
