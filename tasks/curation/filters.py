"""The filters by name."""

from __future__ import annotations

from tasks.curation.classic import classic
from tasks.curation.filtered import Filter
from tasks.curation.modern import modern
from tasks.errors import BadInput

FILTERS: dict[str, Filter] = {"modern": modern, "classic": classic}


def find_filter(name: str) -> Filter:
    """The filter of this name. Raises BadInput, which lists the names."""
    if name not in FILTERS:
        raise BadInput(f"filter {name!r} is unknown: use {' or '.join(FILTERS)}")
    return FILTERS[name]
