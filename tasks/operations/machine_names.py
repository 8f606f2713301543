"""Names for machines, of what has a name in words."""

from __future__ import annotations


def machine_name(words: str) -> str:
    """A name for machines: `held back` is `held_back`."""
    return words.replace(" ", "_")
