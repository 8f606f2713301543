"""What is known of an account beside its posts: its profile and its watermarks."""

from __future__ import annotations

from typing import Any

from tasks.core.errors import StorageUnusable
from tasks.core.names import Handle
from tasks.core.records import Profile
from tasks.lake.posts import state
from tasks.storage import Storage

_PROFILES = "profiles"
_WATERMARKS = "watermarks"


def save_profile(storage: Storage, profile: Profile) -> None:
    """Replace an account's profile. Raises StorageUnusable."""
    shown = {"display_name": profile.display_name, "avatar_url": profile.avatar_url}
    storage.write_json(f"{_PROFILES}/{profile.handle}.json", shown)


def load_profile(storage: Storage, handle: Handle) -> Profile | None:
    """An account's profile, or None where no source has given one. Raises StorageUnusable."""
    shown = _load(storage, f"{_PROFILES}/{handle}.json", "display_name")
    return None if shown is None else Profile(handle, shown["display_name"], shown["avatar_url"])


def watermark(storage: Storage, handle: Handle, source: str) -> str | None:
    """The id of the newest post that a source has given, or None. Raises StorageUnusable."""
    mark = _load(storage, f"{_WATERMARKS}/{handle}/{source}.json", "post_id")
    return None if mark is None else str(mark["post_id"])


def known_watermark(storage: Storage, handle: Handle, source: str) -> str | None:
    """The watermark of a source, if the lake still holds posts of it; else all is to be read.

    Raises StorageUnusable.
    """
    mark = watermark(storage, handle, source)
    return mark if mark is not None and source in state(storage, handle).sources else None


def move_watermark(storage: Storage, handle: Handle, source: str, post_id: str) -> None:
    """Note the newest post that a source has given, once its rows are durable.

    A watermark never moves back: of two runs at a time the further one wins.
    `post_id` is a decimal number. Raises StorageUnusable.
    """
    before = watermark(storage, handle, source)
    if before is None or int(post_id) > int(before):
        storage.write_json(f"{_WATERMARKS}/{handle}/{source}.json", {"post_id": post_id})


def _load(storage: Storage, key: str, needed: str) -> dict[str, Any] | None:
    try:
        value = storage.read_json(key)
    except ValueError as error:
        raise StorageUnusable(f"{storage.full(key)}: damaged ({error}): delete it") from error
    if value is not None and (not isinstance(value, dict) or needed not in value):
        raise StorageUnusable(f"{storage.full(key)}: damaged (no {needed}): delete it")
    return value
