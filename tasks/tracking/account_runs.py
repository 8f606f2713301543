"""Finds the local W&B runs of an account: those of its bots, and sweeps that name them."""

from __future__ import annotations

from pathlib import Path

from tasks.core.name_matching import is_of, names_in
from tasks.core.names import Handle

SWEEPS = "sweeps"


def runs_of(folder: Path, handle: Handle) -> list[Path]:
    """The folders below a tracking folder that hold runs of the account, sorted.

    A bot has a folder of its name. A sweep has a folder of its own and names bots in its tables.
    """
    if not folder.is_dir():
        return []
    bots = [each for each in folder.iterdir() if each.is_dir() and is_of(handle, each.name)]
    sweeps = (folder / SWEEPS).glob("*/")
    return sorted([*bots, *(each for each in sweeps if _mentions(handle, each))])


def _mentions(handle: Handle, sweep: Path) -> bool:
    files = [path for path in sweep.rglob("*") if path.is_file()]
    return any(
        is_of(handle, name)
        for path in files
        # wandb's record is binary; the strings in it are not encoded further.
        for name in set(names_in(path.read_bytes().decode("latin-1")))
    )
