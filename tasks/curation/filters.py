"""The filters by name."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from tasks.core.errors import BadInput
from tasks.curation.classic import classic
from tasks.curation.modern import modern
from tasks.curation.verdicts import Filtered

__all__ = ["FILTERS", "Filter", "Filtered", "find_filter"]


class Filter(Protocol):
    """Cleans a handle's posts, and keeps each or drops it for a named reason."""

    def __call__(self, posts: pa.Table, languages: tuple[str, ...] = ()) -> Filtered:
        """`posts`: the lake's table of one handle; `languages`: codes to keep, empty for all."""
        ...


FILTERS: dict[str, Filter] = {"classic": classic, "modern": modern}


def find_filter(name: str) -> Filter:
    """The filter of this name. Raises BadInput, which lists the known names."""
    if name not in FILTERS:
        raise BadInput(f"unknown filter {name[:40]!r}: use one of {', '.join(sorted(FILTERS))}")
    return FILTERS[name]
