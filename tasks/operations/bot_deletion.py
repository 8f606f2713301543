"""A bot taken away, and not its accounts' posts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tasks.core.errors import BadInput
from tasks.core.names import Bot
from tasks.registry.entries import Entry
from tasks.storage import Storage

# Folders of the storage in which a bot has a folder or a file of its name. Releases go last: after
# a crash they still say that there is something to delete.
FOLDERS = (
    "consents",
    "sweep-reports",
    "attempts",
    "due",
    "states",
    "resume",
    "checkpoints",
    "corpora",
    "losses",
    "outcomes",
    "releases",
)


@dataclass(frozen=True)
class Deletion:
    """What was deleted of a bot, or would be: keys of the storage.

    bytes: of all files, of which releases and checkpoints may share some.
    kept: what is left on purpose.
    """

    bot: str
    deleted: bool
    keys: list[str]
    files: int
    bytes: int
    kept: list[str]


def refuse_listed(bot: Bot, entries: tuple[Entry, ...], registry: str) -> None:
    """Raises BadInput for a bot of the registry: the next night would make it again."""
    if any(entry.bot == bot for entry in entries):
        raise BadInput(f"@{bot} is listed in {registry}: take it out there first")


def plan_deletion(storage: Storage, bot: Bot) -> Deletion:
    """What deleting a bot would delete. Raises StorageUnusable."""
    keys = [key for key in _keys(bot) if storage.exists(key)]
    sizes = [size for key in keys for size in storage.files(key).values()]
    kept = [f"the posts of @{handle}" for handle in bot.handles]
    kept += ["its repository on the Hub"] if storage.exists(f"releases/{bot}/hub.json") else []
    kept += ["its runs in Weights & Biases"] if storage.exists(f"wandb/{bot}") else []
    return Deletion(bot.name, False, keys, len(sizes), sum(sizes), kept)


def delete_bot(storage: Storage, bot: Bot) -> Deletion:
    """Delete a bot; what was made of its posts goes, the posts stay. Raises StorageUnusable."""
    plan = plan_deletion(storage, bot)
    for key in plan.keys:
        storage.delete(key)
    return replace(plan, deleted=True)


def _keys(bot: Bot) -> list[str]:
    return [key for folder in FOLDERS for key in (f"{folder}/{bot}", f"{folder}/{bot}.json")]
