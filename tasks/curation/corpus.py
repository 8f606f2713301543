"""A bot's corpus: kept texts of all its handles, split in training and held-out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tasks.curation.filtered import Filtered
from tasks.curation.filters import find_filter
from tasks.curation.splitting import MIN_HELD_OUT, held_out_number, newest, shares
from tasks.errors import NotEnoughPosts
from tasks.records import Bot, Counts, Handle

TRAIN, HELD_OUT = "train", "held_out"
SEPARATOR = "<|endoftext|>"  # the original's, whose length its floor counts as well


@dataclass(frozen=True)
class Curated:
    """A corpus that is not stored yet.

    table: `handle, id, text, split`, handles in order, each oldest first.
    counts: by handle. characters: of all kept texts joined by the original's separator.
    warning: one line where there is little text, else None.
    """

    table: pa.Table
    counts: Mapping[str, Counts]
    characters: int
    train: int
    held_out: int
    sources: tuple[str, ...]
    first_post: str | None
    last_post: str | None
    warning: str | None


def build_corpus(
    bot: Bot,
    posts: Mapping[Handle, pa.Table],
    *,
    filter_name: str,
    languages: tuple[str, ...] = (),
    floor: int,
    warn_below: int,
) -> Curated:
    """Filter each handle's posts (oldest first) and hold out the newest tenth of each.

    floor, warn_below: characters of kept text. Raises NotEnoughPosts, BadInput.
    """
    chosen = find_filter(filter_name)
    filtered = {handle: chosen(posts[handle], languages) for handle in bot.handles}
    counts = {handle.name: result.counts for handle, result in filtered.items()}
    kept = pa.concat_tables([_named(handle, result) for handle, result in filtered.items()])
    characters = _characters(kept["text"])
    _check_floor(bot, kept.num_rows, characters, floor)
    held_out = _held_out(filtered)
    split = [HELD_OUT if row in held_out else TRAIN for row in range(kept.num_rows)]
    first, last = _period(kept["created_at"])
    return Curated(
        table=kept.select(["handle", "id", "text"]).append_column("split", pa.array(split)),
        counts=counts,
        characters=characters,
        train=kept.num_rows - len(held_out),
        held_out=len(held_out),
        sources=tuple(sorted(set(kept["source"].to_pylist()))),
        first_post=first,
        last_post=last,
        warning=_warning(bot, characters, warn_below),
    )


def summary(curated: Curated) -> dict[str, int]:
    """The totals over all handles, for people and programs; reasons with `_` for blanks."""
    dropped: Counter[str] = Counter()
    for counts in curated.counts.values():
        dropped.update(counts.dropped)
    names = {"retweet": "retweets"}
    return {
        "downloaded": sum(counts.downloaded for counts in curated.counts.values()),
        **{names.get(reason, reason.replace(" ", "_")): n for reason, n in dropped.items()},
        "kept": sum(counts.kept for counts in curated.counts.values()),
        "characters": curated.characters,
    }


def _named(handle: Handle, result: Filtered) -> pa.Table:
    names = pa.array([handle.name] * result.kept.num_rows, pa.string())
    return result.kept.add_column(0, "handle", names)


def _characters(texts: pa.ChunkedArray) -> int:
    """Of the texts joined by the separator, as the original counted them."""
    joints = max(len(texts) - 1, 0) * len(SEPARATOR)
    return int(pc.sum(pc.utf8_length(texts)).as_py() or 0) + joints


def _check_floor(bot: Bot, kept: int, characters: int, floor: int) -> None:
    advice = "import more posts, or lower HUGGINGTWEETS_MIN_CHARACTERS"
    if characters < floor:
        raise NotEnoughPosts(
            f"@{bot}: {kept} posts with {characters} characters are left after the filter, "
            f"{floor} characters are needed: {advice}"
        )
    if kept < 2 * MIN_HELD_OUT:
        raise NotEnoughPosts(
            f"@{bot}: {kept} posts are left after the filter, {2 * MIN_HELD_OUT} are needed to "
            "train on some and measure on others: import more posts"
        )


def _held_out(filtered: Mapping[Handle, Filtered]) -> set[int]:
    """Rows of the joined table, the newest of each handle in proportion to what it has kept."""
    texts = [result.kept["text"].to_pylist() for result in filtered.values()]
    number = Counter(text for handle in texts for text in handle)
    repeated = {text for text, times in number.items() if times > 1}
    kept = [len(handle) for handle in texts]
    wanted = shares(kept, held_out_number(sum(kept)))
    rows: set[int] = set()
    start = 0
    for handle, share in zip(texts, wanted, strict=True):
        rows |= {start + position for position in newest(handle, share, repeated)}
        start += len(handle)
    return rows


def _period(created: pa.ChunkedArray) -> tuple[str | None, str | None]:
    ends = pc.min_max(created).as_py()
    return tuple(end.date().isoformat() if end else None for end in (ends["min"], ends["max"]))


def _warning(bot: Bot, characters: int, warn_below: int) -> str | None:
    if characters >= warn_below:
        return None
    return (
        f"@{bot}: only {characters} characters of text are kept; bots get better with more "
        f"than {warn_below}"
    )
