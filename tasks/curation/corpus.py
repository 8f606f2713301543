"""From a bot's posts to its corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import NotEnoughPosts
from tasks.core.names import Bot, Handle
from tasks.core.records import Counts
from tasks.curation.filters import Filtered, find_filter
from tasks.curation.languages import main_languages
from tasks.curation.splitting import MIN_HELD_OUT, MIN_KEPT, hold_out, is_drawn

TRAIN, HELD_OUT = "train", "held_out"
SEPARATOR = "<|endoftext|>"  # what the original put between posts, and counted
SCHEMA = pa.schema(
    [
        ("handle", pa.string()),
        ("id", pa.string()),
        ("text", pa.large_string()),
        ("split", pa.string()),
    ]
)
ALL_POSTS_COLUMNS = ["handle", "id", "source"]


@dataclass(frozen=True)
class Curated:
    """A corpus that is not stored yet.

    table: columns `handle, id, text, split` (`train` or `held_out`); handle by handle, each in the
        order of the lake.
    counts: by handle.
    characters: of the kept texts of all handles, joined by the original's separator.
    train, held_out: posts; together they are all that were kept.
    sources: the sources that the kept posts came from, sorted.
    first_post, last_post: dates (ISO 8601) of the oldest and the newest kept post, where known.
    languages: of the kept posts, from `main_languages`.
    all_posts: columns `handle, id, source` of every post, kept or not.
    drawn: the handles whose held-out posts were drawn, since their posts have no dates.
    warning: one line if there is little text, else None.
    """

    table: pa.Table
    counts: Mapping[str, Counts]
    characters: int
    train: int
    held_out: int
    sources: tuple[str, ...]
    first_post: str | None
    last_post: str | None
    languages: tuple[str, ...]
    all_posts: pa.Table
    drawn: tuple[str, ...]
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
    """Filter the posts of each of the bot's handles, and split what is kept.

    posts: the lake's table of each handle. floor, warn_below: in characters of kept text.
    `splitting.hold_out` says which posts are held out.
    Raises NotEnoughPosts below the floor or if no split is possible, BadInput for an unknown
    filter.
    """
    chosen = find_filter(filter_name)
    by_handle = {handle.name: chosen(posts[handle], languages) for handle in bot.handles}
    characters = _characters(by_handle.values())
    _check_floor(bot, by_handle.values(), characters, floor)
    tables = [each.kept for each in by_handle.values()]
    split = hold_out(tables)
    held_out = sum(int(flags.sum()) for flags in split)
    _check_unique(bot, tables, held_out)
    kept = pa.concat_tables(tables)
    return Curated(
        table=_corpus_table(by_handle, np.concatenate(split)),
        counts={name: each.counts for name, each in by_handle.items()},
        characters=characters,
        train=kept.num_rows - held_out,
        held_out=held_out,
        sources=tuple(sorted(map(str, kept["source"].unique().to_pylist()))),
        first_post=_date(pc.min(kept["created_at"])),
        last_post=_date(pc.max(kept["created_at"])),
        languages=main_languages(kept["lang"].to_pylist()),
        all_posts=pa.concat_tables(
            [posts[handle].select(ALL_POSTS_COLUMNS) for handle in bot.handles]
        ),
        drawn=tuple(name for name, each in by_handle.items() if is_drawn(each.kept)),
        warning=_warning(bot, characters, warn_below),
    )


def _characters(filtered: Iterable[Filtered]) -> int:
    lengths = [pc.sum(pc.utf8_length(each.kept["text"])).as_py() or 0 for each in filtered]
    posts = sum(each.counts.kept for each in filtered)
    return int(sum(lengths)) + len(SEPARATOR) * max(posts - 1, 0)


def _check_floor(bot: Bot, filtered: Iterable[Filtered], characters: int, floor: int) -> None:
    downloaded = sum(each.counts.downloaded for each in filtered)
    kept = sum(each.counts.kept for each in filtered)
    seen = f"@{bot}: {kept} of {downloaded} posts were kept, with {characters} characters"
    if characters < floor:
        raise NotEnoughPosts(
            f"{seen}, and training needs {floor}: import more posts, or lower "
            "HUGGINGTWEETS_MIN_CHARACTERS"
        )
    if kept < MIN_KEPT:
        raise NotEnoughPosts(
            f"{seen}, and at least {MIN_KEPT} posts are needed to hold {MIN_HELD_OUT} of them out: "
            "import more posts"
        )


def _check_unique(bot: Bot, tables: list[pa.Table], held_out: int) -> None:
    if held_out < MIN_HELD_OUT:
        kept = sum(table.num_rows for table in tables)
        raise NotEnoughPosts(
            f"@{bot}: of {kept} kept posts only {held_out} have a text that no other has, and "
            f"{MIN_HELD_OUT} are needed to be held out: import more posts, or use the filter modern"
        )


def _warning(bot: Bot, characters: int, warn_below: int) -> str | None:
    if characters >= warn_below:
        return None
    return (
        f"@{bot}: only {characters:,} characters of text were kept; with under {warn_below:,} a "
        "bot writes poorly: import more posts if there are any"
    )


def _corpus_table(by_handle: Mapping[str, Filtered], held_out: Any) -> pa.Table:
    kept = pa.concat_tables([each.kept for each in by_handle.values()])
    sizes = [each.kept.num_rows for each in by_handle.values()]
    columns = {
        "handle": pa.array(np.repeat(list(by_handle), sizes)),
        "id": kept["id"],
        "text": kept["text"],
        "split": pa.array(np.where(held_out, HELD_OUT, TRAIN)),
    }
    return pa.table(columns).cast(SCHEMA)


def _date(instant: Any) -> str | None:
    value: datetime | None = instant.as_py()
    return None if value is None else value.date().isoformat()
