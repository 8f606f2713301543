"""Which kept posts are held out: the newest ones, and none that stands in training too."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.curation.repetition import stands_once

SHARE = 10  # one post of ten
FEWEST, MOST = 20, 400
FEWEST_KEPT = 2 * FEWEST
_BEFORE_ALL = np.iinfo(np.int64).min

Flags = npt.NDArray[np.bool_]


def held_out_size(kept: int) -> int:
    """How many of the kept posts are to be held out."""
    return min(max(kept // SHARE, FEWEST), MOST)


def hold_out(posts: list[pa.Table]) -> list[Flags]:
    """For each handle's kept posts whether each is held out.

    Over all handles the number is `held_out_size`, fewer only where posts that may be held out are
    too few. It is shared out in proportion to the handles' posts, at least one each. Of a handle
    the newest are taken, by date, then by place in the table; posts without a date count as the
    oldest. A post whose text another has too, capitals apart, always goes to training, so that
    nothing that is held out stands there.
    """
    texts = pa.concat_arrays([_texts(table) for table in posts])
    ends = np.cumsum([table.num_rows for table in posts])
    eligible = np.split(stands_once(texts), ends[:-1])
    places = _shared_out(
        held_out_size(len(texts)),
        [table.num_rows for table in posts],
        [int(flags.sum()) for flags in eligible],
    )
    return [
        _newest(table, flags, number)
        for table, flags, number in zip(posts, eligible, places, strict=True)
    ]


def _texts(posts: pa.Table) -> Any:
    return posts["text"].cast(pa.large_string()).combine_chunks()


def _newest(posts: pa.Table, eligible: Flags, number: int) -> Flags:
    instants: Any = posts["created_at"].cast(pa.int64())
    oldest_first = np.argsort(instants.fill_null(_BEFORE_ALL).to_numpy(), kind="stable")
    newest_first = oldest_first[eligible[oldest_first]][::-1]
    flags = np.zeros(posts.num_rows, dtype=np.bool_)
    flags[newest_first[:number]] = True
    return flags


def _shared_out(number: int, weights: list[int], limits: list[int]) -> list[int]:
    """Sainte-Laguë: each place goes where the most posts wait for one; first places go first."""
    places = [0] * len(weights)
    for _ in range(min(number, sum(limits))):
        open_ones = [i for i, limit in enumerate(limits) if places[i] < limit]
        chosen = max(open_ones, key=lambda i: (places[i] == 0, weights[i] / (2 * places[i] + 1)))
        places[chosen] += 1
    return places
