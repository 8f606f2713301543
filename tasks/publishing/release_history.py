"""The releases of a bot that are kept: listed, and an earlier one put in force again.

releases/<bot>/pinned.json   the revision that a person has put in force, and of which posts; it
                             holds until there are other posts, or is ended by hand
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tasks.core.errors import BadInput, DamagedState
from tasks.core.names import Bot
from tasks.core.records import Release
from tasks.publishing.release_manifest import warm_start_in
from tasks.publishing.releases import (
    evaluation_of,
    latest_release,
    manifests_of,
    point_latest,
    verify_release,
)
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles

log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class Pin:
    """A release that stays in force.

    posts: the digest of the bot's posts at that time; pinned_at: aware, UTC.
    """

    revision: str
    posts: str
    pinned_at: datetime


@dataclass(frozen=True)
class KeptRelease:
    """A release in the storage.

    created_at: ISO 8601. base: its public name or a description. bytes: of its files.
    started_from: the release whose weights its training began with; None for the base.
    base_used_at: when the bot was last trained from the base, released or held back, ISO 8601.
    in_force: whether `latest` points at it; pinned: whether a person has put it there.
    """

    revision: str
    created_at: str | None
    held_out_loss: float | None
    base_loss: float | None
    base: str | None
    bytes: int
    folder: str
    hub: str | None
    in_force: bool
    pinned: bool
    started_from: str | None
    base_used_at: str | None


_PINS = StateFiles("releases", Pin, remedy="delete it; the newest release is then in force")


def load_pin(storage: Storage, bot: Bot) -> Pin | None:
    """The bot's pin, or None; a damaged one is logged, and counts as none."""
    return _PINS.load_readable(storage, f"{bot}/pinned")


def save_pin(storage: Storage, bot: Bot, pin: Pin) -> None:
    """Write a bot's pin. Raises StorageUnusable."""
    _PINS.save(storage, f"{bot}/pinned", pin)


def kept_releases(storage: Storage, bot: Bot) -> list[KeptRelease]:
    """The whole releases of a bot, the newest first."""
    latest, pin = latest_release(storage, bot), load_pin(storage, bot)
    found = []
    for key, manifest in manifests_of(storage, bot):
        revision = str(manifest.get("revision"))
        release = Release(bot, revision, str(manifest.get("fingerprint")), key)
        in_force = latest is not None and latest.folder == key
        base, start = manifest.get("base"), warm_start_in(manifest)
        found.append(
            KeptRelease(
                revision=revision,
                created_at=manifest.get("created_at"),
                **_losses(storage, release),
                base=base.get("origin") if isinstance(base, dict) else None,
                bytes=sum(storage.files(key).values()),
                folder=storage.location(key),
                hub=latest.hub if latest and in_force else None,
                in_force=in_force,
                pinned=in_force and pin is not None and pin.revision == revision,
                started_from=start.release if start else None,
                base_used_at=start.base_used_at if start else manifest.get("created_at"),
            )
        )
    return sorted(found, key=lambda each: (each.created_at or "", each.revision), reverse=True)


def _losses(storage: Storage, release: Release) -> dict[str, float | None]:
    try:
        evaluation = evaluation_of(storage, release)
    except DamagedState as error:
        log.warning("%s", error)
        evaluation = None
    if evaluation is None:
        return {"held_out_loss": None, "base_loss": None}
    return {"held_out_loss": evaluation.bot_loss, "base_loss": evaluation.base_loss}


def roll_back(
    storage: Storage, bot: Bot, revision: str | None, posts: str, now: datetime
) -> KeptRelease:
    """Put an earlier release in force, until the digest of the bot's posts is not `posts`.

    revision: its name, or a beginning that only it has; None for the one before that in force.
    Raises BadInput where there is none, or it is not whole; StorageUnusable.
    """
    kept = kept_releases(storage, bot)
    chosen = _named(bot, kept, revision) if revision else _before(bot, kept)
    _put_in_force(storage, bot, chosen)
    save_pin(storage, bot, Pin(chosen.revision, posts, now))
    return chosen


def unpin(storage: Storage, bot: Bot) -> KeptRelease:
    """End a pin, and put the newest release in force. Raises BadInput, StorageUnusable."""
    kept = kept_releases(storage, bot)
    if not kept or load_pin(storage, bot) is None:
        raise BadInput(f"@{bot}: no release is pinned")
    _put_in_force(storage, bot, kept[0])
    _PINS.delete(storage, f"{bot}/pinned")
    return kept[0]


def pinned_release(storage: Storage, bot: Bot, posts: Callable[[], str]) -> Release | None:
    """The release that a person has put in force for these posts, or None.

    posts: their digest; few bots have a pin, and of the others it is not asked.
    """
    if (pin := load_pin(storage, bot)) is None:
        return None
    release = latest_release(storage, bot)
    if release is None or pin.revision != release.revision or pin.posts != posts():
        return None
    return release


def _put_in_force(storage: Storage, bot: Bot, chosen: KeptRelease) -> None:
    key, manifest = next(
        (key, manifest)
        for key, manifest in manifests_of(storage, bot)
        if storage.location(key) == chosen.folder
    )
    release = Release(bot, chosen.revision, str(manifest.get("fingerprint")), key)
    if not verify_release(storage, release):
        raise BadInput(f"@{bot}: files of release {chosen.revision} are missing: choose another")
    point_latest(storage, bot, key.rpartition("/")[2])


def _named(bot: Bot, kept: list[KeptRelease], revision: str) -> KeptRelease:
    found = [each for each in kept if each.revision.startswith(revision)]
    if len({each.revision for each in found}) != 1:
        what = "is the beginning of several" if found else "is not kept"
        raise BadInput(f"@{bot}: release {revision} {what}; there are: {_listed(kept)}")
    return found[0]


def _before(bot: Bot, kept: list[KeptRelease]) -> KeptRelease:
    in_force = next((place for place, each in enumerate(kept) if each.in_force), None)
    if in_force is None or in_force + 1 == len(kept):
        raise BadInput(
            f"@{bot}: no release is kept before that in force; there are: {_listed(kept)}"
        )
    return kept[in_force + 1]


def _listed(kept: list[KeptRelease]) -> str:
    return ", ".join(each.revision for each in kept) or "none"
