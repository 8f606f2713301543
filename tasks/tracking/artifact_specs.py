"""The artifacts that runs use and make: their names, metadata and files, without wandb."""

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
_LONGEST = 128  # characters, W&B's limit for an artifact's name
_FACTS = "facts.json"


@dataclass(frozen=True)
class Tables:
    """The posts that a bot is made of, with at least the columns `handle, id, text`.

    raw: as stored, also with `source`; kept: the corpus, also with `split`.
    """

    raw: pa.Table
    kept: pa.Table


@dataclass(frozen=True)
class ArtifactSpec:
    """An artifact to log. W&B recognises it by the digest of its files.

    facts: plain values, logged as its metadata and as the file `facts.json`.
    contents: further files by name; reference: the URL of the model, or None.
    """

    name: str
    kind: str
    facts: Mapping[str, Any]
    contents: Mapping[str, bytes] = field(default_factory=dict)
    reference: str | None = None

    def files(self) -> dict[str, bytes]:
        """All its files by name; equal specs give equal bytes."""
        facts = json.dumps(self.facts, indent=2, sort_keys=True, ensure_ascii=False)
        return {_FACTS: facts.encode("utf-8", "backslashreplace"), **self.contents}

    def config_entry(self) -> dict[str, Any]:
        """Its entry in a run's config, since an offline run cannot link the artifacts it used."""
        return {"name": self.name, "type": self.kind, **self.facts}


def raw_dataset(bot: str, corpus: Corpus, posts: pa.Table, *, with_texts: bool) -> ArtifactSpec:
    """All stored posts by id, and with their texts where these may be logged."""
    sources = sorted(map(str, posts["source"].unique().to_pylist()))
    texts = ["text"] if with_texts and sources == [OWN] else []
    listed = _csv(posts, ["handle", "id", *texts])
    downloaded = {handle: counts.downloaded for handle, counts in corpus.counts.items()}
    facts = {"sha256": _sha256(listed), "downloaded": downloaded, "sources": sources}
    return ArtifactSpec(artifact_name(f"tweets-{bot}"), "raw-dataset", facts, {"posts.csv": listed})


def train_dataset(bot: str, corpus: Corpus, kept: pa.Table, *, with_texts: bool) -> ArtifactSpec:
    """The corpus by post id, and with the texts where these may be logged."""
    texts = ["text"] if with_texts and corpus.sources == (OWN,) else []
    facts = {
        "sha256": corpus.file.sha256,
        "filter": corpus.filter,
        "characters": corpus.characters,
        "train": corpus.train,
        "held_out": corpus.held_out,
    }
    listed = _csv(kept, ["handle", "id", "split", *texts])
    return ArtifactSpec(
        artifact_name(f"dataset-{bot}"), "train-dataset", facts, {"posts.csv": listed}
    )


def pretrained_model(base: Base) -> ArtifactSpec:
    """The base at its revision. Of a folder only the last part of the path is logged."""
    facts = {"origin": base.origin, "revision": base.revision, "license": base.license}
    is_folder = base.id.startswith(("/", ".", "~"))
    name = PurePath(base.id).name if is_folder else base.id.removeprefix("openai-community/")
    return ArtifactSpec(artifact_name(name), "pretrained-model", facts)


def artifact_name(text: str) -> str:
    """A valid artifact name: other characters become `-`; a long name is cut and gets a digest."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "unnamed"
    return (
        name if len(name) <= _LONGEST else f"{name[: _LONGEST - 17]}-{_sha256(text.encode())[:16]}"
    )


def figures_of(record: Any) -> dict[str, float | str]:
    """The numbers, booleans and enum values of a record and its nested records, by dotted name.

    Texts and tuples are left out, since they can hold posts.
    """
    figures: dict[str, float | str] = {}
    computed = [name for name, each in vars(type(record)).items() if isinstance(each, property)]
    for name in [*(each.name for each in fields(record)), *computed]:
        value = getattr(record, name)
        if isinstance(value, Enum):
            figures[name] = str(value.value)
        elif isinstance(value, bool | int | float):
            figures[name] = value
        elif is_dataclass(value):
            figures |= {f"{name}.{key}": each for key, each in figures_of(value).items()}
    return figures


def _csv(table: pa.Table, columns: list[str]) -> bytes:
    sink = io.BytesIO()
    csv.write_csv(table.select(columns), sink)
    return sink.getvalue()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
