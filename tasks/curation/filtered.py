"""What a filter answers, and how its answers are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from tasks.records import Counts

RETWEET, SHORT, DUPLICATE, OTHER_LANGUAGE = "retweet", "short", "duplicate", "other language"


@dataclass(frozen=True)
class Kept:
    """A post that stays, with its cleaned text."""

    text: str


@dataclass(frozen=True)
class Dropped:
    """A post that goes, with the name of the reason."""

    reason: str


Verdict = Kept | Dropped


@dataclass(frozen=True)
class Filtered:
    """A handle's posts after a filter.

    kept: the lake's columns `id, created_at, text, source`, the text cleaned.
    counts: what was downloaded, kept, and dropped for each reason.
    """

    kept: pa.Table
    counts: Counts


class Filter(Protocol):
    """Takes a handle's posts as the lake reads them, oldest first, and the languages to keep."""

    def __call__(self, posts: pa.Table, languages: tuple[str, ...]) -> Filtered: ...


def apply(
    posts: pa.Table, judge: Callable[[dict[str, str | None]], Verdict], reasons: Iterable[str]
) -> Filtered:
    """Ask `judge` about each post (`text`, `kind`, `lang`); count `reasons` even where unused."""
    dropped = dict.fromkeys(reasons, 0)
    rows: list[int] = []
    texts: list[str] = []
    judged = posts.select(["text", "kind", "lang"])
    number = 0
    for batch in judged.to_batches(max_chunksize=10_000):
        for post in batch.to_pylist():
            verdict = judge(post)
            if isinstance(verdict, Kept):
                rows.append(number)
                texts.append(verdict.text)
            else:
                dropped[verdict.reason] += 1
            number += 1
    kept = posts.select(["id", "created_at", "source"]).take(pa.array(rows, pa.int64()))
    kept = kept.add_column(2, "text", pa.array(texts, pa.string()))
    return Filtered(kept, Counts(number, len(rows), dropped))
