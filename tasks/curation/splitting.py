"""Which kept posts are held out: the newest, and none whose text is in training too.

Of an account whose posts have no dates nobody knows the newest: then a seed draws them.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.curation.duplicates import is_unique

ONE_IN = 10  # posts
MIN_HELD_OUT, MAX_HELD_OUT = 20, 400
MIN_KEPT = 2 * MIN_HELD_OUT
DRAW_SEED = 0
_OLDEST = np.iinfo(np.int64).min

Flags = npt.NDArray[np.bool_]


def held_out_size(kept: int) -> int:
    """How many of the kept posts are to be held out."""
    return min(max(kept // ONE_IN, MIN_HELD_OUT), MAX_HELD_OUT)


def hold_out(posts: list[pa.Table]) -> list[Flags]:
    """For each handle's kept posts whether each is held out.

    Over all handles the number is `held_out_size`, or less if too few posts may be held out. It is
    apportioned to the handles by their posts, at least one each. Of a handle the newest are taken,
    by date, then by row; posts without a date count as the oldest. Where most have none, they are
    drawn (see `is_drawn`). A text that occurs more than once, capitals apart, always goes to
    training, so that training holds no held-out text.
    """
    texts = pa.concat_arrays([_texts(table) for table in posts])
    ends = np.cumsum([table.num_rows for table in posts])
    eligible = np.split(is_unique(texts), ends[:-1])
    seats = _apportion(
        held_out_size(len(texts)),
        [table.num_rows for table in posts],
        [int(flags.sum()) for flags in eligible],
    )
    return [
        (_drawn if is_drawn(table) else _newest)(table, flags, number)
        for table, flags, number in zip(posts, eligible, seats, strict=True)
    ]


def is_drawn(posts: pa.Table) -> bool:
    """Whether the held-out posts of a handle are drawn: most posts have no date."""
    return 2 * posts["created_at"].null_count > posts.num_rows


def _texts(posts: pa.Table) -> Any:
    return posts["text"].cast(pa.large_string()).combine_chunks()


def _newest(posts: pa.Table, eligible: Flags, number: int) -> Flags:
    instants: Any = posts["created_at"].cast(pa.int64())
    oldest_first = np.argsort(instants.fill_null(_OLDEST).to_numpy(), kind="stable")
    newest_first = oldest_first[eligible[oldest_first]][::-1]
    flags = np.zeros(posts.num_rows, dtype=np.bool_)
    flags[newest_first[:number]] = True
    return flags


def _drawn(posts: pa.Table, eligible: Flags, number: int) -> Flags:
    """By a rank that the seed and a post's id give, so that a new post moves at most one other."""
    ids = list(map(str, posts["id"].to_pylist()))
    places = np.flatnonzero(eligible).tolist()
    chosen = sorted(places, key=lambda place: _rank(ids[place]))[:number]
    flags = np.zeros(posts.num_rows, dtype=np.bool_)
    flags[chosen] = True
    return flags


def _rank(post_id: str) -> bytes:
    text = f"{DRAW_SEED} {post_id}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()


def _apportion(number: int, weights: list[int], limits: list[int]) -> list[int]:
    """Sainte-Laguë's method; every handle gets its first seat before any gets a second."""
    seats = [0] * len(weights)
    for _ in range(min(number, sum(limits))):
        open_ones = [i for i, limit in enumerate(limits) if seats[i] < limit]
        chosen = max(open_ones, key=lambda i: (seats[i] == 0, weights[i] / (2 * seats[i] + 1)))
        seats[chosen] += 1
    return seats
