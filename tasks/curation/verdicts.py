"""What a filter gives back: the kept posts, and what became of the others."""

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
RETWEET, SHORT = "retweet", "short"
ALWAYS_SHOWN = (RETWEET, SHORT)
KEPT_COLUMNS = ["id", "created_at", "text", "lang", "source"]


@dataclass(frozen=True)
class Filtered:
    """A handle's posts after a filter.

    kept: columns `id, created_at, text, lang, source`, the text cleaned, in the order of the lake.
    counts: of all posts. Only the reasons `retweet` and `short` are listed with zero posts too.
    """

    kept: pa.Table
    counts: Counts


def without_retweets(posts: pa.Table) -> pa.Table:
    """The posts that their source does not call retweets."""
    return posts.filter(pc.not_equal(posts["kind"], pa.scalar(Kind.RETWEET.value)))


def filtered(
    posts: pa.Table, own: pa.Table, texts: Any, verdicts: Verdicts, reasons: tuple[str, ...]
) -> Filtered:
    """Count the verdicts and take the kept posts.

    own: `posts` without retweets; texts: theirs, cleaned.
    verdicts: one for each post of `own`: `KEEP`, or the place of its reason, counted from 1.
    """
    numbers = np.bincount(verdicts, minlength=len(reasons) + 1)
    dropped = {reason: int(number) for reason, number in zip(reasons, numbers[1:], strict=True)}
    dropped[RETWEET] += posts.num_rows - own.num_rows
    shown = {r: number for r, number in dropped.items() if number or r in ALWAYS_SHOWN}
    cleaned = own.set_column(own.schema.get_field_index("text"), "text", texts)
    kept = cleaned.select(KEPT_COLUMNS).filter(pa.array(verdicts == KEEP))
    return Filtered(kept, Counts(posts.num_rows, int(numbers[KEEP]), shown))


def over_distinct(texts: Any, judge: Callable[[Any], tuple[Any, Verdicts]]) -> tuple[Any, Verdicts]:
    """`judge` applied to each different text once: bots and old archives repeat themselves."""
    # All texts of an account together may pass the 2 GB that a `string` array can hold.
    encoded = texts.cast(pa.large_string()).combine_chunks().dictionary_encode()
    cleaned, verdicts = judge(encoded.dictionary)
    return cleaned.take(encoded.indices), verdicts[encoded.indices.to_numpy()]
