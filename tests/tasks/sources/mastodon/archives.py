"""Archives as Mastodon writes them, made up."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
ACTOR = "https://mastodon.example/users/alice"
FOLLOWERS = f"{ACTOR}/followers"
PUBLICLY: dict[str, list[str]] = {"to": [PUBLIC], "cc": [FOLLOWERS]}
QUIETLY: dict[str, list[str]] = {"to": [FOLLOWERS], "cc": [PUBLIC]}
TO_FOLLOWERS: dict[str, list[str]] = {"to": [FOLLOWERS], "cc": []}
TO_BOB: dict[str, list[str]] = {"to": ["https://other.example/users/bob"], "cc": []}


def create(
    number: int, content: str | None, audience: dict[str, list[str]] = PUBLICLY, **more: Any
) -> dict[str, Any]:
    """A post of @alice."""
    address = f"{ACTOR}/statuses/{number}"
    post = {
        "id": address,
        "type": "Note",
        "summary": None,
        "inReplyTo": None,
        "published": "2023-05-06T07:08:09Z",
        "url": f"https://mastodon.example/@alice/{number}",
        "attributedTo": ACTOR,
        "sensitive": False,
        "content": content,
        "contentMap": {"en": content},
        **audience,
        **more,
    }
    return {
        "id": f"{address}/activity",
        "type": "Create",
        "actor": ACTOR,
        "published": "2023-05-06T07:08:09Z",
        **audience,
        "object": post,
    }


def announce(number: int, of: str, audience: dict[str, list[str]] = PUBLICLY) -> dict[str, Any]:
    """A boost by @alice."""
    address = f"{ACTOR}/statuses/{number}/activity"
    at = "2023-05-07T00:00:00Z"
    return {
        "id": address,
        "type": "Announce",
        "actor": ACTOR,
        "published": at,
        **audience,
        "object": of,
    }


def outbox(activities: Sequence[Any]) -> bytes:
    """An `outbox.json`."""
    collection = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": "outbox.json",
        "type": "OrderedCollection",
        "totalItems": len(activities),
        "orderedItems": list(activities),
    }
    return json.dumps(collection).encode()


def files_of(activities: Sequence[Any], **actor: Any) -> dict[str, bytes]:
    """The files of a whole archive."""
    about = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": ACTOR,
        "type": "Person",
        "preferredUsername": "alice",
        "name": "Alice Example",
        "icon": {"type": "Image", "mediaType": "image/png", "url": "avatar.png"},
        **actor,
    }
    return {
        "actor.json": json.dumps(about).encode(),
        "likes.json": b"{}",
        "outbox.json": outbox(activities),
        "media_attachments/files/1/original.png": b"\x89PNG",
    }


def tar_of(folder: Path, files: dict[str, bytes]) -> Path:
    """As servers pack it."""
    path = folder / "archive-20230508-0123456789abcdef.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def zip_of(folder: Path, files: dict[str, bytes]) -> Path:
    """As servers pack it since 4.3."""
    path = folder / "archive-20260508.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unpacked(folder: Path, files: dict[str, bytes]) -> Path:
    """As people unpack it, a folder deeper than they think."""
    path = folder / "archive"
    for name, content in files.items():
        file = path / "inner" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return path


def alone(folder: Path, files: dict[str, bytes]) -> Path:
    """The outbox alone."""
    path = folder / "outbox.json"
    path.write_bytes(files["outbox.json"])
    return path
