"""Avatars for the picture: fetched safely, redrawn at 240 × 240, and cached in the storage.

avatars/<handle>/avatar.png    redrawn from what the service sent
avatars/<handle>/avatar.json   its URL and when it was fetched; written last
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
from tasks.publishing.png_rendering import render_png
from tasks.publishing.safe_fetch import Bounds, fetch
from tasks.publishing.untrusted_images import TYPES, pixels_only, size_of
from tasks.storage import Storage

log = logging.getLogger("huggingtweets")

Hosts = Literal["public", "any", "off"]

SIDE = 240  # pixels, twice what the picture shows
MAX_AGE = timedelta(days=7)  # people change their avatars occasionally
# X's have 400 × 400 pixels and some 30 KB, Bluesky's up to 1,000 × 1,000 and 1 MB.
MAX_BYTES = 2_000_000
MAX_PIXELS = 4_000_000
MAX_SECONDS = 10.0
_CSS = f"""
.avatar {{ width: {SIDE}px; height: {SIDE}px; display: flex; background: white; }}
.avatar img {{ width: {SIDE}px; height: {SIDE}px; object-fit: cover; }}
"""


@dataclass(frozen=True)
class _CachedAvatar:
    """A cached avatar, with its URL and the time it was fetched."""

    png: bytes
    url: str
    fetched_at: datetime


def avatar_of(storage: Storage, profile: Profile, *, hosts: Hosts, now: datetime) -> bytes | None:
    """The account's avatar as a PNG of 240 × 240, or None where there is none to show.

    hosts: which hosts it may be fetched from. An avatar younger than a week is not fetched again;
    an older one is used where fetching fails. Raises StorageUnusable.
    """
    url = profile.avatar_url
    if url is None or hosts == "off":
        return None
    cached = _read_cache(storage, profile.handle)
    if cached and cached.url == url and timedelta(0) <= now - cached.fetched_at < MAX_AGE:
        return cached.png
    bounds = Bounds(MAX_BYTES, MAX_SECONDS, TYPES, private=hosts == "any")
    try:
        png = redrawn(fetch(url, bounds))
    except (BadInput, NetworkTrouble) as error:
        log.info("@%s: no avatar: %s", profile.handle, error)
        return cached.png if cached else None
    _write_cache(storage, profile.handle, _CachedAvatar(png, url, now))
    return png


def redrawn(data: bytes) -> bytes:
    """An untrusted picture, redrawn as a PNG of 240 × 240. Raises BadInput."""
    width, height = size_of(data)
    if not 0 < width * height <= MAX_PIXELS:
        raise BadInput(f"the picture has {width} × {height} pixels, over {MAX_PIXELS:,}")
    page = '<div class="avatar"><img src="avatar"></div>'
    return render_png(page, _CSS, (SIDE, SIDE), images={"avatar": pixels_only(data)})


def _write_cache(storage: Storage, handle: Handle, avatar: _CachedAvatar) -> None:
    sha256 = storage.write(f"{_folder(handle)}/avatar.png", avatar.png)
    note = {"url": avatar.url, "fetched_at": avatar.fetched_at.isoformat(), "sha256": sha256}
    storage.write_json(f"{_folder(handle)}/avatar.json", note)


def _read_cache(storage: Storage, handle: Handle) -> _CachedAvatar | None:
    try:
        note: Any = storage.read_json(f"{_folder(handle)}/avatar.json")
        png = storage.read(f"{_folder(handle)}/avatar.png") if note else b""
        if note and hashlib.sha256(png).hexdigest() == note["sha256"]:
            fetched_at = datetime.fromisoformat(note["fetched_at"]).astimezone(UTC)
            return _CachedAvatar(png, str(note["url"]), fetched_at)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None  # damaged or incomplete: fetch it again
    return None


def _folder(handle: Handle) -> str:
    return f"avatars/{handle}"
