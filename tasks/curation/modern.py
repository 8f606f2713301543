"""The filter `modern`, the default: it mends what the original's got wrong.

It cleans texts as `clean_text` says, and drops retweets (those that people made by hand too), short
posts in any script, posts in another language where languages were asked for, and of posts that say
the same all but the oldest. A post that has several of these reasons is counted under the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from tasks.curation.cleaning import clean_text
from tasks.curation.languages import is_other_language
from tasks.curation.quoting import is_quoting
from tasks.curation.repetition import is_repetition
from tasks.curation.shortness import is_short
from tasks.curation.verdicts import (
    KEEP,
    RETWEET,
    SHORT,
    Filtered,
    Verdicts,
    filtered,
    over_distinct,
    without_retweets,
)

REASONS = (RETWEET, SHORT, "duplicate", "other language")
_RETWEET, _SHORT, _DUPLICATE, _OTHER = range(1, 5)


def modern(posts: pa.Table, languages: tuple[str, ...] = ()) -> Filtered:
    """Keep what an account wrote itself, once each, in the languages asked for or in all.

    Posts whose language the source does not tell are kept.
    """
    own = without_retweets(posts)
    texts, verdicts = over_distinct(own["text"], _judge)
    if languages:
        verdicts[(verdicts == KEEP) & is_other_language(own["lang"], languages)] = _OTHER
    # Last, so that no post falls to a copy that was itself dropped.
    left = np.flatnonzero(verdicts == KEEP)
    verdicts[left[is_repetition(texts.take(left))]] = _DUPLICATE
    return filtered(posts, own, texts, verdicts, REASONS)


def _judge(texts: Any) -> tuple[Any, Verdicts]:
    cleaned = [clean_text(text) for text in texts.to_pylist()]
    verdicts = np.fromiter(map(_verdict, cleaned), dtype=np.int8, count=len(cleaned))
    return pa.array(cleaned, pa.large_string()), verdicts


def _verdict(cleaned: str) -> int:
    if is_quoting(cleaned):
        return _RETWEET
    return _SHORT if is_short(cleaned) else KEEP
