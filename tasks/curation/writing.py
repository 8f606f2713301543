"""Corpora in the storage: named by their content, and checked before they are used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.curation.corpus import TRAIN, Curated
from tasks.errors import StorageUnusable
from tasks.records import Bot, Corpus, FileRef
from tasks.storage import Storage


@dataclass(frozen=True)
class CorpusTexts:
    """What an engine is given: texts, and whose each training text is."""

    train: list[str]
    held_out: list[str]
    train_handles: list[str]


def write_corpus(storage: Storage, curated: Curated, bot: Bot, filter_name: str) -> Corpus:
    """Store a corpus as Parquet, the same content always as the same file."""
    data = _parquet(curated.table)
    sha256 = hashlib.sha256(data).hexdigest()
    uri = f"corpora/{bot}/{sha256[:16]}.parquet"
    storage.write(uri, data)
    return Corpus(
        bot=bot,
        file=FileRef(uri, sha256, curated.table.num_rows),
        filter=filter_name,
        counts=curated.counts,
        characters=curated.characters,
        train=curated.train,
        held_out=curated.held_out,
        sources=curated.sources,
        first_post=curated.first_post,
        last_post=curated.last_post,
    )


def read_corpus(storage: Storage, corpus: Corpus) -> CorpusTexts:
    """The texts of a stored corpus. Raises StorageUnusable where its file has changed or gone."""
    if not storage.exists(corpus.file.uri):
        raise StorageUnusable(f"@{corpus.bot}: {corpus.file.uri} has gone; retrain makes it anew")
    data = storage.read(corpus.file.uri)
    if hashlib.sha256(data).hexdigest() != corpus.file.sha256:
        raise StorageUnusable(
            f"@{corpus.bot}: {corpus.file.uri} is not what was written; delete it and retrain"
        )
    rows = pq.read_table(pa.BufferReader(data)).to_pylist()
    train = [row for row in rows if row["split"] == TRAIN]
    return CorpusTexts(
        train=[row["text"] for row in train],
        held_out=[row["text"] for row in rows if row["split"] != TRAIN],
        train_handles=[row["handle"] for row in train],
    )


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    # One chunk, so that how a table was put together does not show in the bytes.
    pq.write_table(table.combine_chunks(), sink, compression="zstd")
    return sink.getvalue().to_pybytes()
