"""The result of a filter: the kept posts, and the counts of those that were dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.records import Counts, Kind

Verdicts = npt.NDArray[np.int8]
KEEP = 0
RETWEET, SHORT, TOO_LONG = "retweet", "short", "too long"
ALWAYS_SHOWN = (RETWEET, SHORT)
KEPT_COLUMNS = ["id", "created_at", "text", "lang", "source"]


@dataclass(frozen=True)
class Filtered:
    """A handle's posts after a filter.

    kept: columns `id, created_at, text, lang, source`, the text cleaned, in the order of the lake.
    counts: of all posts. Reasons without a post are left out, except `retweet` and `short`.
    verdicts: one for each post that is no retweet by its source: `KEEP`, or the number of its
        reason among `reasons`, counted from 1.
    """

    kept: pa.Table
    counts: Counts
    verdicts: Verdicts
    reasons: tuple[str, ...]


def without_retweets(posts: pa.Table) -> pa.Table:
    """The posts that are not retweets by their source."""
    return posts.filter(pc.not_equal(posts["kind"], pa.scalar(Kind.RETWEET.value)))


def apply_verdicts(
    posts: pa.Table, own: pa.Table, texts: Any, verdicts: Verdicts, reasons: tuple[str, ...]
) -> Filtered:
    """Count the verdicts and take the kept posts.

    own: `posts` without retweets; texts: theirs, cleaned.
    verdicts: one for each post of `own`: `KEEP`, or the number of its reason, counted from 1.
    """
    numbers = np.bincount(verdicts, minlength=len(reasons) + 1)
    dropped = {reason: int(number) for reason, number in zip(reasons, numbers[1:], strict=True)}
    dropped[RETWEET] += posts.num_rows - own.num_rows
    shown = {r: number for r, number in dropped.items() if number or r in ALWAYS_SHOWN}
    cleaned = own.set_column(own.schema.get_field_index("text"), "text", texts)
    kept = cleaned.select(KEPT_COLUMNS).filter(pa.array(verdicts == KEEP))
    counts = Counts(posts.num_rows, int(numbers[KEEP]), shown)
    return Filtered(kept, counts, verdicts, reasons)


def over_distinct(texts: Any, judge: Callable[[Any], tuple[Any, Verdicts]]) -> tuple[Any, Verdicts]:
    """The result of `judge`, called with each distinct text once: many accounts repeat texts."""
    # An account's texts may exceed the 2 GB that a `string` array can hold.
    encoded = texts.cast(pa.large_string()).combine_chunks().dictionary_encode()
    cleaned, verdicts = judge(encoded.dictionary)
    return cleaned.take(encoded.indices), verdicts[encoded.indices.to_numpy()]
