"""Corpora as files in the storage."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.errors import StorageUnusable
from tasks.core.names import Bot
from tasks.core.records import Corpus, FileRef, digest
from tasks.curation.corpus import HELD_OUT, TRAIN, Curated
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


def read_corpus(storage: Storage, corpus: Corpus) -> CorpusTexts:
    """The texts of a stored corpus. Raises StorageUnusable if its file is missing or changed."""
    data = _read_verified(storage, corpus)
    table = pq.read_table(pa.BufferReader(data))
    columns: list[list[Any]] = [table[name].to_pylist() for name in ("handle", "text", "split")]
    rows = list(zip(*columns, strict=True))
    return CorpusTexts(
        train=[text for _, text, split in rows if split == TRAIN],
        held_out=[text for _, text, split in rows if split == HELD_OUT],
        train_handles=[handle for handle, _, split in rows if split == TRAIN],
    )


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
