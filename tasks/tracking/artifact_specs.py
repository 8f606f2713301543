"""What runs use and make: artifacts, as facts and files, before W&B sees them."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

import pyarrow as pa
from pyarrow import csv

from tasks.core.records import Base, Corpus

OWN = "x_archive"  # the one source that only the account's owner has
_LONGEST = 128  # characters that W&B takes in an artifact's name
_FACTS = "facts.json"


@dataclass(frozen=True)
class Tables:
    """The posts that a bot is made of; both have at least the columns `handle, id, text`.

    raw: as stored, with the column `source`; kept: the corpus, with the column `split`.
    """

    raw: pa.Table
    kept: pa.Table


@dataclass(frozen=True)
class Thing:
    """An artifact. Its digest, by which W&B knows it again, is that of its files.

    facts: plain values, which become its metadata and a file of their own.
    contents: further files by name; reference: where it can be had, or None.
    """

    name: str
    kind: str
    facts: Mapping[str, Any]
    contents: Mapping[str, bytes] = field(default_factory=dict)
    reference: str | None = None

    def files(self) -> dict[str, bytes]:
        """All its files by name; the same thing gives the same bytes."""
        facts = json.dumps(self.facts, indent=2, sort_keys=True, ensure_ascii=False)
        return {_FACTS: facts.encode("utf-8", "backslashreplace"), **self.contents}

    def named(self) -> dict[str, Any]:
        """What a run's config tells of it: offline a run can only name what it used."""
        return {"name": self.name, "type": self.kind, **self.facts}


def raw_dataset(bot: str, corpus: Corpus, posts: pa.Table, *, with_texts: bool) -> Thing:
    """All stored posts, by their ids, and by their texts where these may be told."""
    sources = sorted(map(str, posts["source"].unique().to_pylist()))
    texts = ["text"] if with_texts and sources == [OWN] else []
    listed = _csv(posts, ["handle", "id", *texts])
    downloaded = {handle: counts.downloaded for handle, counts in corpus.counts.items()}
    facts = {"sha256": _sha256(listed), "downloaded": downloaded, "sources": sources}
    return Thing(artifact_name(f"tweets-{bot}"), "raw-dataset", facts, {"posts.csv": listed})


def train_dataset(bot: str, corpus: Corpus, kept: pa.Table, *, with_texts: bool) -> Thing:
    """The corpus, by the ids of its posts, and by their texts where these may be told."""
    texts = ["text"] if with_texts and corpus.sources == (OWN,) else []
    facts = {
        "sha256": corpus.file.sha256,
        "filter": corpus.filter,
        "characters": corpus.characters,
        "train": corpus.train,
        "held_out": corpus.held_out,
    }
    listed = _csv(kept, ["handle", "id", "split", *texts])
    return Thing(artifact_name(f"dataset-{bot}"), "train-dataset", facts, {"posts.csv": listed})


def pretrained_model(base: Base) -> Thing:
    """The base, by its revision. Of a folder only the last name is told."""
    facts = {"origin": base.origin, "revision": base.revision, "license": base.license}
    is_folder = base.id.startswith(("/", ".", "~"))
    name = PurePath(base.id).name if is_folder else base.id.removeprefix("openai-community/")
    return Thing(artifact_name(name), "pretrained-model", facts)


def artifact_name(text: str) -> str:
    """A name that W&B takes: other characters become `-`, and a digest ends a long one."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "unnamed"
    return (
        name if len(name) <= _LONGEST else f"{name[: _LONGEST - 17]}-{_sha256(text.encode())[:16]}"
    )


def figures_of(record: Any) -> dict[str, float | str]:
    """The numbers, truths and choices of a record and of the records in it, by dotted name.

    Texts and tuples are left out, since they can hold posts.
    """
    told: dict[str, float | str] = {}
    computed = [name for name, each in vars(type(record)).items() if isinstance(each, property)]
    for name in [*(each.name for each in fields(record)), *computed]:
        value = getattr(record, name)
        if isinstance(value, Enum):
            told[name] = str(value.value)
        elif isinstance(value, bool | int | float):
            told[name] = value
        elif is_dataclass(value):
            told |= {f"{name}.{key}": each for key, each in figures_of(value).items()}
    return told


def _csv(table: pa.Table, columns: list[str]) -> bytes:
    sink = io.BytesIO()
    csv.write_csv(table.select(columns), sink)
    return sink.getvalue()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
