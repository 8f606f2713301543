"""Avatars for the picture: fetched with care, drawn anew at their size, and kept with their age.

avatars/<handle>/avatar.png    drawn by us from what the service gave
avatars/<handle>/avatar.json   from where and when it came; written last
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tasks.core.errors import BadInput, NetworkTrouble
from tasks.core.names import Handle
from tasks.core.records import Profile
from tasks.publishing.fetching import Bounds, fetch
from tasks.publishing.image_files import TYPES, size_of
from tasks.publishing.rendering import render
from tasks.storage import Storage

log = logging.getLogger("huggingtweets")

Hosts = Literal["public", "any", "off"]

SIDE = 240  # pixels, twice what the picture shows
MAX_AGE = timedelta(days=7)  # people change their avatars now and then
# X's have 400 × 400 pixels and some 30 KB, Bluesky's up to 1,000 × 1,000 and 1 MB.
MAX_BYTES = 2_000_000
MAX_PIXELS = 4_000_000
MAX_SECONDS = 10.0
_CSS = f"""
.avatar {{ width: {SIDE}px; height: {SIDE}px; display: flex; background: white; }}
.avatar img {{ width: {SIDE}px; height: {SIDE}px; object-fit: cover; }}
"""


@dataclass(frozen=True)
class _Kept:
    """An avatar in the storage, and from where and when it came."""

    png: bytes
    url: str
    fetched_at: datetime


def avatar_of(storage: Storage, profile: Profile, *, hosts: Hosts, now: datetime) -> bytes | None:
    """The account's avatar as a PNG of 240 × 240, or None where it has none that can be shown.

    hosts: from which it is fetched. What was fetched less than a week ago is not fetched again; of
    what cannot be fetched now, the older one is still good. Raises StorageUnusable.
    """
    url = profile.avatar_url
    if url is None or hosts == "off":
        return None
    kept = _kept(storage, profile.handle)
    if kept and kept.url == url and timedelta(0) <= now - kept.fetched_at < MAX_AGE:
        return kept.png
    bounds = Bounds(MAX_BYTES, MAX_SECONDS, TYPES, private=hosts == "any")
    try:
        png = redrawn(fetch(url, bounds))
    except (BadInput, NetworkTrouble) as error:
        log.info("@%s: the avatar cannot be had: %s", profile.handle, error)
        return kept.png if kept else None
    _keep(storage, profile.handle, _Kept(png, url, now))
    return png


def redrawn(data: bytes) -> bytes:
    """A stranger's picture as a PNG of ours, 240 × 240. Raises BadInput."""
    width, height = size_of(data)
    if not 0 < width * height <= MAX_PIXELS:
        raise BadInput(f"the picture has {width} × {height} pixels, over {MAX_PIXELS:,}")
    page = '<div class="avatar"><img src="avatar"></div>'
    return render(page, _CSS, (SIDE, SIDE), images={"avatar": data})


def _keep(storage: Storage, handle: Handle, avatar: _Kept) -> None:
    sha256 = storage.write(f"{_folder(handle)}/avatar.png", avatar.png)
    note = {"url": avatar.url, "fetched_at": avatar.fetched_at.isoformat(), "sha256": sha256}
    storage.write_json(f"{_folder(handle)}/avatar.json", note)


def _kept(storage: Storage, handle: Handle) -> _Kept | None:
    try:
        note: Any = storage.read_json(f"{_folder(handle)}/avatar.json")
        png = storage.read(f"{_folder(handle)}/avatar.png") if note else b""
        if note and hashlib.sha256(png).hexdigest() == note["sha256"]:
            fetched_at = datetime.fromisoformat(note["fetched_at"]).astimezone(UTC)
            return _Kept(png, str(note["url"]), fetched_at)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None  # damaged or half gone: it is fetched again
    return None


def _folder(handle: Handle) -> str:
    return f"avatars/{handle}"
