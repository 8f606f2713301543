"""The filter `modern`, the default, without the original's mistakes.

It cleans texts as `clean_text` says, and drops retweets (also those made by hand), short posts in
any script, posts longer than X allows, posts in other languages if languages are asked for, and of
equal posts all but the oldest. A post with several of these reasons is counted under the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from tasks.curation.cleaning import clean_text
from tasks.curation.duplicates import is_duplicate
from tasks.curation.languages import is_other_language
from tasks.curation.length import MAX_CHARACTERS, MAX_ESCAPED, is_short
from tasks.curation.quoting import is_quoting
from tasks.curation.verdicts import (
    KEEP,
    RETWEET,
    SHORT,
    TOO_LONG,
    Filtered,
    Verdicts,
    apply_verdicts,
    over_distinct,
    without_retweets,
)

REASONS = (RETWEET, SHORT, TOO_LONG, "duplicate", "other language")
_RETWEET, _SHORT, _TOO_LONG, _DUPLICATE, _OTHER = range(1, 6)


def modern(posts: pa.Table, languages: tuple[str, ...] = ()) -> Filtered:
    """Keep what an account wrote itself, each text once, in the given languages or in all.

    Posts of unknown language are kept.
    """
    own = without_retweets(posts)
    texts, verdicts = over_distinct(own["text"], _judge)
    if languages:
        verdicts[(verdicts == KEEP) & is_other_language(own["lang"], languages)] = _OTHER
    # Last, so that no post is dropped for a copy that is itself dropped.
    kept = np.flatnonzero(verdicts == KEEP)
    verdicts[kept[is_duplicate(texts.take(kept))]] = _DUPLICATE
    return apply_verdicts(posts, own, texts, verdicts, REASONS)


def _judge(texts: Any) -> tuple[Any, Verdicts]:
    judged = [_judge_text(text) for text in texts.to_pylist()]
    verdicts = np.fromiter((verdict for _, verdict in judged), np.int8, count=len(judged))
    return pa.array([cleaned for cleaned, _ in judged], pa.large_string()), verdicts


def _judge_text(text: str) -> tuple[str, int]:
    """The cleaned text and its verdict."""
    if len(text) > MAX_ESCAPED:
        return "", _TOO_LONG
    cleaned = clean_text(text)
    return cleaned, _verdict(cleaned)


def _verdict(cleaned: str) -> int:
    if is_quoting(cleaned):
        return _RETWEET
    if len(cleaned) > MAX_CHARACTERS:
        return _TOO_LONG
    return _SHORT if is_short(cleaned) else KEEP
