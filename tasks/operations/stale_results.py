"""What Prefect keeps on this machine for ever: results of runs, and messages that it lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

# Other projects may keep results in Prefect's folder too: theirs are left alone.
_OURS = re.compile(rb'"__(class|exc_type)__\\*": \\*"tasks\.')
_SUMMARY = {"night", "counts", "bots"}
_LOST_MESSAGES = "dlq"  # those that Prefect's server could not handle, and does not read again


def stale_files(home: Path, results: Path | None, before: datetime) -> Iterator[Path]:
    """The files in Prefect's home that nobody needs, last written before a time.

    results: Prefect's folder of results; None where they are kept elsewhere. A result that is
    asked for again is computed again.
    """
    for folder in filter(None, (results, home / _LOST_MESSAGES)):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            is_old = path.is_file() and path.stat().st_mtime < before.timestamp()
            if is_old and (folder != results or _is_ours(path.read_bytes())):
                yield path


def _is_ours(content: bytes) -> bool:
    """Whether a result is one of our flows or tasks."""
    return bool(_OURS.search(content)) or _is_summary(content)


def _is_summary(content: bytes) -> bool:
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() >= _SUMMARY
