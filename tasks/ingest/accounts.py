"""What is stored of an account beside its posts: its profile and its watermarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tasks.core.names import Handle
from tasks.core.records import Profile
from tasks.lake.posts import state
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles


@dataclass(frozen=True)
class _Profile:
    """A profile without its handle, which is the file's name."""

    display_name: str
    avatar_url: str | None = None


@dataclass(frozen=True)
class _Watermark:
    """The newest post fetched from a source; post_id: a decimal number."""

    post_id: Annotated[str, Field(pattern=r"^\d+$")]


_PROFILES = StateFiles("profiles", _Profile, remedy="delete it and import the posts again")
_WATERMARKS = StateFiles(
    "watermarks", _Watermark, remedy="delete it; all posts are then fetched again"
)


def save_profile(storage: Storage, profile: Profile) -> None:
    """Save an account's profile. Raises StorageUnusable."""
    shown = _Profile(profile.display_name, profile.avatar_url)
    _PROFILES.save(storage, profile.handle.name, shown)


def load_profile(storage: Storage, handle: Handle) -> Profile | None:
    """An account's profile, or None where no source has one. Raises DamagedState."""
    shown = _PROFILES.load(storage, handle.name)
    return None if shown is None else Profile(handle, shown.display_name, shown.avatar_url)


def watermark(storage: Storage, handle: Handle, source: str) -> str | None:
    """The id of the newest post fetched from a source, or None. Raises DamagedState."""
    mark = _WATERMARKS.load(storage, f"{handle}/{source}")
    return None if mark is None else mark.post_id


def known_watermark(storage: Storage, handle: Handle, source: str) -> str | None:
    """The watermark of a source, or None where the lake holds no posts from it.

    Then all posts must be fetched again. Raises DamagedState.
    """
    mark = watermark(storage, handle, source)
    return mark if mark is not None and source in state(storage, handle).sources else None


def forget_watermark(storage: Storage, handle: Handle, source: str) -> None:
    """Delete a watermark, where the posts of its source are deleted. Raises StorageUnusable."""
    _WATERMARKS.delete(storage, f"{handle}/{source}")


def move_watermark(storage: Storage, handle: Handle, source: str, post_id: str) -> None:
    """Save the newest post fetched from a source, once its rows are durable.

    A watermark never moves back: of two concurrent runs the further one wins.
    post_id: a decimal number. Raises DamagedState, StorageUnusable.
    """
    before = watermark(storage, handle, source)
    if before is None or int(post_id) > int(before):
        _WATERMARKS.save(storage, f"{handle}/{source}", _Watermark(post_id))
