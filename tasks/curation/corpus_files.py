"""Corpora as files in the storage."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.errors import StorageUnusable
from tasks.core.names import Bot
from tasks.core.records import Corpus, FileRef, digest
from tasks.curation.corpus import HELD_OUT, SCHEMA, TRAIN, Curated
from tasks.storage import Storage

FOLDER = "corpora"


@dataclass(frozen=True)
class CorpusTexts:
    """The texts of a corpus, in its order.

    train, held_out: the texts; train_handles: whose each training text is.
    """

    train: list[str]
    held_out: list[str]
    train_handles: list[str]


# Its account, its id and its kept text: an edited post is another.
Post = tuple[str, str, str]


@dataclass(frozen=True)
class CorpusPosts:
    """The posts of a corpus, those that are trained on and those that are held out."""

    train: frozenset[Post]
    held_out: frozenset[Post]


def write_corpus(storage: Storage, curated: Curated, bot: Bot, filter_name: str) -> Corpus:
    """Store a corpus as Parquet under a name made from its content. Raises StorageUnusable.

    The same content gives the same name and the same bytes. The list of all posts beside it is
    that of the bot's latest corpus only.
    """
    fingerprint = digest(curated.table.to_pydict())[:16]
    return Corpus(
        bot=bot,
        file=_write_table(storage, f"{FOLDER}/{bot}/{fingerprint}.parquet", curated.table),
        filter=filter_name,
        counts=curated.counts,
        characters=curated.characters,
        train=curated.train,
        held_out=curated.held_out,
        sources=curated.sources,
        first_post=curated.first_post,
        last_post=curated.last_post,
        languages=curated.languages,
        drawn=curated.drawn,
        all_posts=_write_table(storage, all_posts_key(bot), curated.all_posts),
    )


def all_posts_key(bot: Bot) -> str:
    """Where the list of all posts of a bot's latest corpus is."""
    return f"{FOLDER}/{bot}/all_posts.parquet"


def _write_table(storage: Storage, key: str, table: pa.Table) -> FileRef:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return FileRef(key, storage.write(key, sink.getvalue().to_pybytes()), table.num_rows)


def read_corpus(
    storage: Storage, corpus: Corpus, *, known: Collection[Post] = frozenset()
) -> CorpusTexts:
    """The texts of a stored corpus. Raises StorageUnusable if its file is missing or changed.

    known: training posts to leave out.
    """
    rows = _rows(storage, corpus)
    train = [post for post, split in rows if split == TRAIN and post not in known]
    return CorpusTexts(
        train=[text for _, _, text in train],
        held_out=[text for (_, _, text), split in rows if split == HELD_OUT],
        train_handles=[handle for handle, _, _ in train],
    )


def read_posts(storage: Storage, corpus: Corpus) -> CorpusPosts:
    """The posts of a stored corpus. Raises StorageUnusable as `read_corpus` does."""
    rows = _rows(storage, corpus)
    return CorpusPosts(
        train=frozenset(post for post, split in rows if split == TRAIN),
        held_out=frozenset(post for post, split in rows if split == HELD_OUT),
    )


def _rows(storage: Storage, corpus: Corpus) -> list[tuple[Post, str]]:
    """Each post of a corpus with its split, in the order of the corpus."""
    table = pq.read_table(pa.BufferReader(_read_verified(storage, corpus)))
    columns: list[list[Any]] = [table[name].to_pylist() for name in SCHEMA.names]
    return [((handle, key, text), split) for handle, key, text, split in zip(*columns, strict=True)]


def read_all_posts(storage: Storage, corpus: Corpus) -> pa.Table | None:
    """Every post that a corpus was made from, kept or not: columns `handle, id, source`.

    None where no list of them is left: an older version wrote none, a later corpus has replaced
    it, or posts of it were deleted.
    """
    if corpus.all_posts is None:
        return None
    try:
        data = storage.read(corpus.all_posts.uri)
    except OSError:
        return None
    if hashlib.sha256(data).hexdigest() != corpus.all_posts.sha256:
        return None
    return pq.read_table(pa.BufferReader(data))


def _read_verified(storage: Storage, corpus: Corpus) -> bytes:
    where = f"@{corpus.bot}: the corpus {storage.full(corpus.file.uri)}"
    try:
        data = storage.read(corpus.file.uri)
    except OSError as error:
        raise StorageUnusable(
            f"{where} cannot be read: retrain the bot to make it again"
        ) from error
    if hashlib.sha256(data).hexdigest() != corpus.file.sha256:
        raise StorageUnusable(
            f"{where} is not what was written: delete it and retrain the bot to make it again"
        )
    return data
