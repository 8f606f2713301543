"""Posts that a filter kept, and posts that it dropped, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import BadInput
from tasks.core.records import Kind
from tasks.curation.verdicts import KEEP, RETWEET, Filtered, without_retweets


@dataclass(frozen=True)
class Example:
    """A post and what became of it.

    dropped: the reason, or None for a kept one. text: cleaned, if it was kept; else as scraped.
    """

    handle: str
    id: str
    dropped: str | None
    text: str


def kept_examples(handle: str, filtered: Filtered, number: int) -> list[Example]:
    """The newest kept posts, the newest first."""
    return [
        Example(handle, each["id"], None, each["text"]) for each in _newest(filtered.kept, number)
    ]


def dropped_examples(
    handle: str, posts: pa.Table, filtered: Filtered, number: int, reason: str | None = None
) -> list[Example]:
    """The newest dropped posts of each reason, or of one, in the order of the reasons.

    posts: what was filtered. Raises BadInput for an unknown reason.
    """
    if reason is not None and reason not in filtered.reasons:
        raise BadInput(f"--dropped {reason}: the reasons are {', '.join(filtered.reasons)}")
    own = without_retweets(posts)
    found = []
    for place, each in enumerate(filtered.reasons, start=KEEP + 1):
        if reason not in (None, each):
            continue
        rows = own.filter(pa.array(filtered.verdicts == place))
        if each == RETWEET:
            by_source = posts.filter(pc.equal(posts["kind"], pa.scalar(Kind.RETWEET.value)))
            rows = pa.concat_tables([rows, by_source])
        found += [Example(handle, row["id"], each, row["text"]) for row in _newest(rows, number)]
    return found


def _newest(rows: pa.Table, number: int) -> list[dict[str, str]]:
    """Of posts from the oldest to the newest, the last ones, the newest first."""
    chosen = rows.select(["id", "text"]).slice(max(rows.num_rows - number, 0))
    return list(reversed(chosen.to_pylist()))
