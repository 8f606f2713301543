"""Takes the local runs of an account away: of each bot that it is part of, and of sweeps."""

from __future__ import annotations

from pathlib import Path

from tasks.core.name_matching import is_of, names_in
from tasks.core.names import Handle

SWEEPS = "sweeps"


def runs_of(folder: Path, handle: Handle) -> list[Path]:
    """The folders below a tracking folder that hold runs of the account, sorted.

    A bot has one of its name; a sweep one of its own, and names its bots in tables.
    """
    if not folder.is_dir():
        return []
    bots = [each for each in folder.iterdir() if each.is_dir() and is_of(handle, each.name)]
    sweeps = (folder / SWEEPS).glob("*/")
    return sorted([*bots, *(each for each in sweeps if _tells_of(handle, each))])


def _tells_of(handle: Handle, sweep: Path) -> bool:
    files = [path for path in sweep.rglob("*") if path.is_file()]
    return any(
        is_of(handle, name)
        for path in files
        # A recording is not text, but what it says is.
        for name in set(names_in(path.read_bytes().decode("latin-1")))
    )
