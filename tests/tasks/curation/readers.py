"""What `tests.bounded` runs: each filter, as a function of a file of texts."""

from __future__ import annotations

import json
from pathlib import Path

from tasks.core.records import Counts
from tasks.curation.filters import find_filter
from tests.tasks.curation.lake_tables import lake_table


def filter_modern(path: Path) -> Counts:
    """The counts of a JSON list of texts."""
    return _counts(path, "modern")


def filter_both(path: Path) -> list[Counts]:
    """What both filters count."""
    return [filter_classic(path), filter_modern(path)]


def filter_classic(path: Path) -> Counts:
    """The counts of a JSON list of texts."""
    return _counts(path, "classic")


def _counts(path: Path, name: str) -> Counts:
    texts = json.loads(path.read_text(encoding="utf-8"))
    return find_filter(name)(lake_table(texts)).counts
