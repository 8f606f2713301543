"""Numbers of bytes and of things, for people."""

from __future__ import annotations


def human_size(size: float) -> str:
    """A number of bytes as people read it: `93 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5 or unit == "GB":
            break
        size /= 1000
    digits = 0 if unit == "bytes" or size >= 9.95 else 1
    return f"{size:,.{digits}f} {unit}"


def counted(number: int, noun: str) -> str:
    """A number with its noun, whose plural ends in s: `1 bot`, `2,000 bots`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
