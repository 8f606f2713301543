"""The local runs of a bot: those that were tracked offline, and what an online one leaves."""

from __future__ import annotations

from pathlib import PurePosixPath

from tasks.names import Bot
from tasks.storage import Storage

FOLDER = "wandb"


def runs_of(storage: Storage, bot: Bot) -> list[str]:
    """The keys of the folders of runs that are named after the bot, sorted."""
    names = [_as_written(f"@{bot}-{job}") for job in ("preprocess", "train")]
    return sorted(
        {
            str(PurePosixPath(key).parent)
            for key in storage.files(FOLDER)
            if key.endswith(".wandb") and any(name in storage.read(key) for name in names)
        }
    )


def _as_written(name: str) -> bytes:
    """A name as a run's file holds it, near its beginning: in protobuf, after its length."""
    length = len(name)
    prefix = [length] if length < 0x80 else [length & 0x7F | 0x80, length >> 7]
    return bytes(prefix) + name.encode()
